//! What the journal holds: one JSON object per entry, hashed as the bytes stand.
//!
//! The two entries per operation are on the hot path. What they share between executions of
//! one statement is rendered once ([`Judgement`]); the rest is written without a detour.

mod door;

use std::io::Write as _;

use serde::Serialize;

pub use door::{DoorIntent, DoorOutcome};

use crate::approval::{Standing, Subject};
use crate::assessment::Assessment;
use crate::facts::Facts;
use crate::fault::Fault;
use crate::grant::{Grant, Terms};
use crate::id::{ApprovalId, GrantId, LockId, OperationId, SessionId};
use crate::lock::{Lock, LockTarget};
use crate::name::{ResourceName, Tag};
use crate::principal::Principal;
use crate::verdict::{Refusal, Verdict};

/// The longest statement text an entry carries, in bytes; longer ones are cut and marked.
/// With everything else an entry stays far below the log's limit of 65,535 bytes.
pub const STATEMENT_BYTES_MAX: usize = 8_192;

/// The version of the entry format, the `v` of every entry.
pub const VERSION: u8 = 1;

/// Something that happened, apart from operations.
#[derive(Debug, Serialize)]
#[serde(tag = "kind")]
pub enum Event<'a> {
    /// The gateway started; what it runs with.
    #[serde(rename = "gateway.start")]
    GatewayStart {
        /// The program's version.
        version: &'a str,
        /// SHA-256 of the policy set.
        policy: &'a str,
        /// Name and SHA-256 of each plugin.
        plugins: Vec<(&'a str, &'a str)>,
    },
    /// The gateway stopped in order.
    #[serde(rename = "gateway.stop")]
    GatewayStop,
    /// A client was let in.
    #[serde(rename = "session.start")]
    SessionStart {
        /// The new session.
        session: SessionId,
        /// Who it is.
        principal: &'a Principal,
        /// What it is connected to.
        resource: &'a ResourceName,
        /// `postgres`, `http` or `ssh`.
        protocol: &'a str,
        /// The client's address.
        client: &'a str,
        /// When the token ends, in seconds of Unix time.
        expires: u64,
    },
    /// A session ended.
    #[serde(rename = "session.end")]
    SessionEnd {
        /// The session.
        session: SessionId,
        /// Why, in a few fixed words.
        reason: &'a str,
        /// How many operations it ran or tried.
        operations: u64,
    },
    /// A client was turned away before it had a session.
    #[serde(rename = "login.refused")]
    LoginRefused {
        /// The client's address.
        client: &'a str,
        /// The resource it asked for, if it exists.
        resource: Option<&'a ResourceName>,
        /// Why, precisely; the client is told less.
        reason: &'a str,
    },
    /// More clients of one network were turned away, within a minute, than are written down
    /// one by one.
    #[serde(rename = "login.refused-many")]
    LoginsRefused {
        /// The network: an address, or the first half of an IPv6 address.
        client: &'a str,
        /// How many more.
        count: u64,
    },
    /// People were asked whether something may happen.
    #[serde(rename = "approval.asked")]
    ApprovalAsked {
        /// The question.
        approval: ApprovalId,
        /// Whether it is about one operation or about a grant.
        subject: Subject,
        /// Who asks: `issuer|subject`.
        by: &'a str,
        /// Who acts for them, each `issuer|subject`, the current actor first.
        #[serde(skip_serializing_if = "<[_]>::is_empty")]
        through: &'a [String],
        /// On what.
        resource: &'a ResourceName,
        /// The session whose operation waits.
        #[serde(skip_serializing_if = "Option::is_none")]
        session: Option<SessionId>,
        /// That operation.
        #[serde(skip_serializing_if = "Option::is_none")]
        operation: Option<OperationId>,
        /// The hash of what exactly it is for, in hex.
        content: &'a str,
        /// How many of whom must agree, e.g. `2 of dba`.
        quorum: &'a str,
        /// Until when it can be answered, in microseconds of Unix time.
        decide_by_us: u64,
        /// The grant that is asked for.
        #[serde(skip_serializing_if = "Option::is_none")]
        terms: Option<&'a Terms>,
        /// The requester's own words, see [`short`].
        #[serde(skip_serializing_if = "Option::is_none")]
        reason: Option<&'a str>,
    },
    /// Somebody answered, and it counts.
    #[serde(rename = "approval.vote")]
    ApprovalVote {
        /// The question.
        approval: ApprovalId,
        /// Who: `issuer|subject`.
        by: &'a str,
        /// How it came: `console`, `api`, or the name of an approver plugin.
        channel: &'a str,
        /// Yes or no.
        agrees: bool,
        /// Their words.
        comment: &'a str,
        /// The session whose operation waits for it at this moment.
        #[serde(skip_serializing_if = "Option::is_none")]
        session: Option<SessionId>,
        /// How it stands with this answer.
        standing: Standing,
        /// What an approver plugin brought with it.
        #[serde(skip_serializing_if = "Option::is_none")]
        carried: Option<Carried<'a>>,
    },
    /// An answer came through an approver plugin, and it does not count.
    #[serde(rename = "approval.vote-refused")]
    ApprovalVoteRefused {
        /// The question.
        approval: ApprovalId,
        /// The name of the approver plugin.
        channel: &'a str,
        /// Who it was said to be of, and what was to prove it.
        carried: Carried<'a>,
        /// The principal that the configuration makes of that name, if any: `issuer|subject`.
        #[serde(skip_serializing_if = "Option::is_none")]
        by: Option<&'a str>,
        /// Yes or no.
        agrees: bool,
        /// Why it does not count.
        reason: &'a str,
    },
    /// Nothing will come of an approval any more.
    #[serde(rename = "approval.ended")]
    ApprovalEnded {
        /// The question.
        approval: ApprovalId,
        /// `denied`, `expired` or `withdrawn`.
        standing: Standing,
        /// Why, in a few fixed words.
        reason: &'a str,
        /// Who ended it: `issuer|subject`.
        #[serde(skip_serializing_if = "Option::is_none")]
        by: Option<&'a str>,
    },
    /// An approval let through what it is for.
    #[serde(rename = "approval.used")]
    ApprovalUsed {
        /// The question.
        approval: ApprovalId,
        /// What it let through.
        operation: OperationId,
    },
    /// An operation whose outcome was lost when the gateway died.
    #[serde(rename = "op.outcome-unknown")]
    OutcomeUnknown {
        /// The operation.
        operation: &'a str,
    },
    /// A stretch of a session's recording is stored.
    #[serde(rename = "recording.segment")]
    RecordingSegment {
        /// The session.
        session: SessionId,
        /// Counts from 0 within the session.
        segment: u32,
        /// Where it is stored, below the recordings folder.
        path: &'a str,
        /// SHA-256 of the stored bytes, in hex.
        sha256: &'a str,
        /// Length of the stored bytes.
        bytes: u64,
    },
    /// An exporter gave up on entries for good.
    #[serde(rename = "export.rejected")]
    ExportRejected {
        /// The exporter.
        plugin: &'a str,
        /// The entry's index.
        index: u64,
        /// The exporter's reason.
        reason: &'a str,
    },
    /// People gave a time-boxed permission.
    #[serde(rename = "grant.given")]
    GrantGiven {
        /// All of it, with the approval that gave it.
        grant: &'a Grant,
    },
    /// A grant holds no more.
    #[serde(rename = "grant.ended")]
    GrantEnded {
        /// The grant.
        grant: GrantId,
        /// Whose it was: `issuer|subject`.
        principal: &'a str,
        /// For what.
        resource: &'a ResourceName,
        /// `ran out` or `revoked`.
        why: &'a str,
        /// Who took it back: `issuer|subject`.
        #[serde(skip_serializing_if = "Option::is_none")]
        by: Option<&'a str>,
        /// Their words.
        #[serde(skip_serializing_if = "Option::is_none")]
        reason: Option<&'a str>,
    },
    /// Somebody or something is being shut out.
    #[serde(rename = "lock.set")]
    LockSet {
        /// All of it.
        lock: &'a Lock,
    },
    /// A lock is being lifted.
    #[serde(rename = "lock.lifted")]
    LockLifted {
        /// The lock.
        lock: LockId,
        /// Who or what it shut out.
        target: &'a LockTarget,
        /// Who lifts it: `issuer|subject`.
        by: &'a str,
    },
    /// A live session is being ended by somebody.
    #[serde(rename = "session.revoked")]
    SessionRevoked {
        /// The session.
        session: SessionId,
        /// Who ends it: `issuer|subject`.
        by: &'a str,
        /// Their words.
        reason: &'a str,
    },
    /// An identity provider says that somebody has logged out; what that ends is being ended.
    #[serde(rename = "identity.logout")]
    IdentityLogout {
        /// The configured name of the provider.
        identity: &'a str,
        /// Its issuer.
        issuer: &'a str,
        /// Who.
        #[serde(skip_serializing_if = "Option::is_none")]
        subject: Option<&'a str>,
        /// The provider's own session (`sid`), if only that has ended.
        #[serde(skip_serializing_if = "Option::is_none")]
        provider_session: Option<&'a str>,
        /// The `jti` of the logout token.
        token: &'a str,
    },
    /// A token of live sessions does not hold any more; the sessions are being ended.
    #[serde(rename = "identity.token-ended")]
    IdentityTokenEnded {
        /// The configured name of the provider.
        identity: &'a str,
        /// Whose it is: `issuer|subject`.
        principal: &'a str,
        /// `inactive`, as the provider says, or `unheard`, where it has not answered for long.
        why: &'a str,
    },
    /// A part of the gateway failed; what it refused because of that says so by itself.
    #[serde(rename = "fault")]
    Failed {
        /// Who must act.
        fault: Fault,
        /// What failed, e.g. `plugin redact`.
        what: &'a str,
        /// How, without content.
        reason: &'a str,
    },
}

/// What came with an answer that an approver plugin carried.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Carried<'a> {
    /// Who answered, as the outside system names them.
    pub by: &'a str,
    /// SHA-256 of what proves it, in hex.
    pub evidence_sha256: &'a str,
}

impl Event<'_> {
    /// Appends the entry for this event at `unix_us` (microseconds) to `out`.
    pub fn encode(&self, unix_us: u64, out: &mut Vec<u8>) {
        let body = begin(unix_us, out);
        // Serialising these types into memory has no way to fail: string keys, no IO.
        let _ = serde_json::to_writer(&mut *out, self);
        out[body] = b',';
    }
}

/// Everything of an intent that is the same for each execution of one statement by one
/// principal under one policy: rendered once, copied into each entry.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Judgement {
    json: Vec<u8>,
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
        // Writing to memory cannot fail.
        let _ = write!(
            out,
            r#","kind":"op.intent","operation":"{}","session":"{}""#,
            self.operation, self.session
        );
        if let Some(binds) = self.binds {
            let _ = write!(out, r#","binds":{binds}"#);
        }
        if let Some(commitment) = &self.bind_commitment {
            out.extend_from_slice(br#","bind_commitment":""#);
            push_hex(commitment, out);
            out.push(b'"');
        }
        if let Some(approval) = &self.approval {
            let _ = write!(out, r#","approval":"{approval}""#);
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
        let _ = write!(
            out,
            r#","kind":"op.outcome","operation":"{}","session":"{}","result":"{}","rows":{},"bytes":{},"masked":{},"took_us":{}"#,
            self.operation, self.session, self.result, self.rows, self.bytes, self.masked, self.took_us
        );
        // An upstream may send anything here; only a well-formed code is worth keeping.
        if let Some(code) = self
            .sqlstate
            .filter(|c| c.len() == 5 && c.bytes().all(|b| b.is_ascii_alphanumeric()))
        {
            let _ = write!(out, r#","sqlstate":"{code}""#);
        }
        out.push(b'}');
    }
}

/// How many names a list in an entry holds at the most; keeps any entry below the log's limit.
const LIST_MAX: usize = 64;

/// Writes the opening shared by all entries; returns where the event's own members begin.
fn begin(unix_us: u64, out: &mut Vec<u8>) -> usize {
    let _ = write!(out, r#"{{"v":{VERSION},"t_us":{unix_us}"#);
    out.len()
}

/// The longest free text in an entry, in bytes, apart from statements.
const TEXT_BYTES_MAX: usize = 4 << 10;

/// Cuts somebody's own words so that they fit an entry.
#[must_use]
pub fn short(text: &str) -> &str {
    cut(text, TEXT_BYTES_MAX)
}

/// Continues an entry with the members of a rendered object, and closes it.
fn push_members(object: &[u8], out: &mut Vec<u8>) {
    let body = out.len();
    out.extend_from_slice(object);
    match out.get_mut(body) {
        Some(brace) => *brace = b',',
        None => out.push(b'}'),
    }
}

/// Cuts `text` to at most `max` bytes, on a character boundary.
fn cut(text: &str, max: usize) -> &str {
    &text[..text.floor_char_boundary(max)]
}

fn push_hex(bytes: &[u8], out: &mut Vec<u8>) {
    for byte in bytes {
        let _ = write!(out, "{byte:02x}");
    }
}

#[cfg(test)]
mod tests;
