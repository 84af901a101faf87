//! The two entries of each operation: its intent before, its outcome after.
//!
//! Both are on the hot path. What they share between executions of one statement is rendered
//! once ([`Judgement`]); the rest is written without a detour.

use serde::Serialize;

use super::{begin, cut, push_members};
use crate::assessment::Assessment;
use crate::digits::{push_decimal, push_hex};
use crate::facts::Facts;
use crate::id::{ApprovalId, OperationId, SessionId};
use crate::name::Tag;
use crate::verdict::{Refusal, Verdict};

/// The longest statement text an entry carries, in bytes; longer ones are cut and marked.
/// With everything else an entry stays far below the log's limit of 65,535 bytes.
pub const STATEMENT_BYTES_MAX: usize = 8_192;

/// How many names a list in an entry holds at the most; keeps any entry below the log's limit.
const LIST_MAX: usize = 64;

/// Everything of an intent that is the same for each execution of one statement by one
/// principal under one policy: rendered once, copied into each entry.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Judgement {
    pub(super) json: Vec<u8>,
}

/// What a [`Judgement`] is rendered from.
#[derive(Clone, Copy, Debug)]
pub struct Judged<'a> {
    /// The statement as the journal may show it: secrets already taken out.
    pub statement: &'a str,
    /// SHA-256 of the statement's exact bytes, in hex.
    pub statement_sha256: &'a str,
    /// What the parser found.
    pub facts: &'a Facts,
    /// What the classifiers said.
    pub assessment: &'a Assessment,
    /// What was decided.
    pub verdict: &'a Verdict,
    /// SHA-256 of the policy set, in hex.
    pub policy: &'a str,
}

#[derive(Serialize)]
struct JudgementJson<'a> {
    verb: Vec<&'a str>,
    class: &'a str,
    relations: Vec<String>,
    tags: Vec<Tag>,
    statement: &'a str,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    statement_cut: bool,
    statement_sha256: &'a str,
    risk: u8,
    labels: &'a [String],
    findings: Vec<&'a str>,
    verdict: &'a str,
    policies: &'a [String],
    policy: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    refusal: Option<&'a Refusal>,
}

impl Judgement {
    /// Renders the part of an intent that does not change between executions.
    #[must_use]
    pub fn render(judged: Judged<'_>) -> Self {
        let statement = cut(judged.statement, STATEMENT_BYTES_MAX);
        let relations = judged
            .facts
            .statements
            .iter()
            .flat_map(|s| &s.relations)
            .map(|r| match &r.schema {
                Some(schema) => format!("{schema}.{}", r.name),
                None => r.name.clone(),
            });
        let json = JudgementJson {
            verb: judged
                .facts
                .statements
                .iter()
                .map(|s| s.verb.as_str())
                .take(LIST_MAX)
                .collect(),
            class: judged.facts.kind().label(),
            relations: relations.take(LIST_MAX).collect(),
            tags: judged.facts.tags(),
            statement,
            statement_cut: statement.len() < judged.statement.len(),
            statement_sha256: judged.statement_sha256,
            risk: judged.assessment.score,
            labels: &judged.assessment.labels,
            findings: judged
                .assessment
                .findings
                .iter()
                .map(|f| f.id.as_str())
                .take(LIST_MAX)
                .collect(),
            verdict: judged.verdict.label(),
            policies: match judged.verdict {
                Verdict::Run { policies } | Verdict::Hold { policies, .. } => policies,
                Verdict::Refuse(refusal) => &refusal.policies,
            },
            policy: judged.policy,
            refusal: match judged.verdict {
                Verdict::Refuse(refusal) => Some(refusal),
                Verdict::Run { .. } | Verdict::Hold { .. } => None,
            },
        };
        Self {
            json: serde_json::to_vec(&json).unwrap_or_default(),
        }
    }
}

/// The entry that must be durable before an operation is forwarded.
#[derive(Debug)]
pub struct Intent<'a> {
    /// The operation.
    pub operation: OperationId,
    /// Its session.
    pub session: SessionId,
    /// The statement, its assessment and its verdict.
    pub judgement: &'a Judgement,
    /// How many bind values came with it; `None` for a simple query.
    pub binds: Option<u16>,
    /// SHA-256 over the session's salt and the bind message: ties the values to this entry
    /// without letting anyone guess them from it. The salt is in the recording.
    pub bind_commitment: Option<[u8; 32]>,
    /// The approval it was asked under, or that lets it run.
    pub approval: Option<ApprovalId>,
}

impl Intent<'_> {
    /// Appends the entry at `unix_us` (microseconds) to `out`.
    pub fn encode(&self, unix_us: u64, out: &mut Vec<u8>) {
        begin(unix_us, out);
        out.extend_from_slice(br#","kind":"op.intent","operation":""#);
        push_ids(self.operation, self.session, out);
        if let Some(binds) = self.binds {
            push_number(r#","binds":"#, binds.into(), out);
        }
        if let Some(commitment) = &self.bind_commitment {
            out.extend_from_slice(br#","bind_commitment":""#);
            push_hex(commitment, out);
            out.push(b'"');
        }
        if let Some(approval) = &self.approval {
            out.extend_from_slice(br#","approval":""#);
            out.extend_from_slice(&approval.text());
            out.push(b'"');
        }
        push_members(&self.judgement.json, out);
    }
}

/// The entry that says how a forwarded operation ended.
#[derive(Debug)]
pub struct Outcome<'a> {
    /// The operation.
    pub operation: OperationId,
    /// Its session.
    pub session: SessionId,
    /// `ok`, `error`, `skipped` (the server skipped it after an error) or `lost`.
    pub result: &'static str,
    /// The server's error code.
    pub sqlstate: Option<&'a str>,
    /// The status of an HTTP answer, or with which a command ended.
    pub status: Option<u32>,
    /// Rows sent to the client.
    pub rows: u64,
    /// Bytes of rows sent to the client.
    pub bytes: u64,
    /// Cells that were masked.
    pub masked: u64,
    /// From forwarding to the last answer, in microseconds.
    pub took_us: u64,
}

impl Outcome<'_> {
    /// Appends the entry at `unix_us` (microseconds) to `out`.
    pub fn encode(&self, unix_us: u64, out: &mut Vec<u8>) {
        begin(unix_us, out);
        out.extend_from_slice(br#","kind":"op.outcome","operation":""#);
        push_ids(self.operation, self.session, out);
        out.extend_from_slice(br#","result":""#);
        out.extend_from_slice(self.result.as_bytes());
        push_number(r#"","rows":"#, self.rows, out);
        push_number(r#","bytes":"#, self.bytes, out);
        push_number(r#","masked":"#, self.masked, out);
        push_number(r#","took_us":"#, self.took_us, out);
        // An upstream may send anything here; only a well-formed code is worth keeping.
        if let Some(code) = self
            .sqlstate
            .filter(|c| c.len() == 5 && c.bytes().all(|b| b.is_ascii_alphanumeric()))
        {
            out.extend_from_slice(br#","sqlstate":""#);
            out.extend_from_slice(code.as_bytes());
            out.push(b'"');
        }
        if let Some(status) = self.status {
            push_number(r#","status":"#, status.into(), out);
        }
        out.push(b'}');
    }
}

/// Goes on after the opening quote of the operation's id; ends with the session's.
fn push_ids(operation: OperationId, session: SessionId, out: &mut Vec<u8>) {
    out.extend_from_slice(&operation.text());
    out.extend_from_slice(br#"","session":""#);
    out.extend_from_slice(&session.text());
    out.push(b'"');
}

fn push_number(name: &str, number: u64, out: &mut Vec<u8>) {
    out.extend_from_slice(name.as_bytes());
    push_decimal(number, out);
}
