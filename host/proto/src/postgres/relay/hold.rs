//! An operation that a human is asked about: what exactly it is, and when nobody needs to be
//! asked any more.
//!
//! A hold begins before the first frame of its batch is forwarded, so that as a rule no locks
//! are held while people think. It ends by an answer, by time, or because the server would not
//! run the operation anyway.

use std::sync::Arc;

use model::approval::{Content, ContentHash};
use model::{ApprovalId, Fault, OperationId, Principal, Refusal, Rule};
use sha2::{Digest as _, Sha256};

use super::batch::Action;
use super::expected::{changes_surroundings, is_transaction};
use super::masks::Host;
use super::surroundings::Changes;
use super::{JudgedStatement, Lookup, Relay};
use crate::postgres::frame::Body;
#[cfg(feature = "sql")]
use crate::postgres::sql::executed;
use crate::session::{Answer, Waiting};

/// Without the grammar nobody knows what a statement executes. Built for the purity check alone.
#[cfg(not(feature = "sql"))]
fn executed(_: &[u8]) -> Vec<String> {
    Vec::new()
}

/// The operation that waits for a human's answer.
#[derive(Clone, Debug)]
pub struct Held<'a> {
    /// Its id.
    pub operation: OperationId,
    /// Its text.
    pub sql: &'a [u8],
    /// The type of each parameter, an OID of four bytes each, as far as the client has said:
    /// what the text means depends on them.
    pub declared_types: &'a [u8],
    /// The types that the server has told of the parameters, likewise; empty if it was not asked.
    pub types: &'a [u8],
    /// The formats and values that are bound and the formats of the result, as they stand in
    /// the Bind message after its two names; `None` for a simple query.
    pub bound: Option<&'a [u8]>,
    /// The types that were declared for what SQL's EXECUTE in it runs, as `declared_types` has
    /// them: one for each EXECUTE, in order.
    pub declared_runs: Vec<Box<[u8]>>,
    /// What the gate said of it.
    pub judged: &'a Arc<JudgedStatement>,
    /// Whether a transaction is open upstream, with whatever it has locked.
    pub transaction_open: bool,
}

impl Held<'_> {
    /// Returns what exactly an approval of the operation is for, if it runs by `judged`: asked
    /// by `principal` on `resource`, under the policies that hash to `policy`, in a session
    /// with these [surroundings](Relay::surroundings).
    #[must_use]
    pub fn content(
        &self,
        judged: &JudgedStatement,
        principal: &Principal,
        resource: &str,
        policy: &str,
        surroundings: [u8; 32],
    ) -> ContentHash {
        // The texts, then the types of their parameters: as many of these as of those.
        let texts = judged.analysis.runs.iter().map(|text| &**text);
        let runs: Vec<&[u8]> = texts
            .chain(self.declared_runs.iter().map(|types| &**types))
            .collect();
        // What the text means depends on the declared types as much as on the values. Their
        // length stands before them, or the last of them could be read as formats and values.
        let binds = self.bound.map(|bound| {
            let types = self.declared_types;
            [&(types.len() as u64).to_be_bytes()[..], types, bound].concat()
        });
        let content = Content {
            protocol: "postgres",
            operation: self.sql,
            runs: &runs,
            binds: binds.as_deref(),
            principal: &principal.key(),
            delegation: &principal.delegation_keys(),
            resource,
            policy,
            surroundings: &surroundings,
        };
        let mut hash = Sha256::new();
        content.feed(|part| hash.update(part));
        ContentHash(hash.finalize().into())
    }
}

impl Relay {
    /// Returns the operation that a human is to be asked about; `input` is the client's buffer
    /// as [`Relay::on_client`] left it.
    #[must_use]
    pub fn held<'a>(&'a self, input: &'a [u8]) -> Option<Held<'a>> {
        let Waiting::Approval { index, .. } = self.road.waiting() else {
            return None;
        };
        let operation = self.road.held()?;
        let statement = self.batch.statements.get(index)?;
        let bound = match self.batch.binding(index) {
            Some(bytes) => Some(values(input.get(bytes)?)?),
            None => None,
        };
        Some(Held {
            operation: operation.id,
            sql: &statement.sql,
            declared_types: &statement.declared_types,
            types: statement.types(),
            bound,
            declared_runs: self.declared_runs(&statement.sql, operation.judged()?),
            judged: operation.judged()?,
            transaction_open: self.status != b'I' || self.is_unsynced() || !self.expected.is_empty(),
        })
    }

    /// Returns the types that were declared for what each EXECUTE in `sql` runs.
    fn declared_runs(&self, sql: &[u8], judged: &JudgedStatement) -> Vec<Box<[u8]>> {
        if judged.analysis.runs.is_empty() {
            return Vec::new();
        }
        let names = executed(sql).into_iter();
        names
            .map(|name| match self.executed(&name) {
                Lookup::Found(statement) => statement.declared_types.clone(),
                // It has gone since it was judged, so what is judged next is something else.
                Lookup::Missing | Lookup::Wait => Box::default(),
            })
            .collect()
    }

    /// Returns the approval under which the held operation was asked for.
    #[must_use]
    pub fn held_approval(&self) -> Option<ApprovalId> {
        self.road.held()?.approval()
    }

    /// Returns a digest of everything the session has run that could change what its later
    /// statements mean: settings, names, definitions; with what could have undone it: errors,
    /// and the transactions around it. Two sessions that ran the same ones in the same order,
    /// with the same end, have the same digest.
    #[must_use]
    pub fn surroundings(&self) -> [u8; 32] {
        self.surroundings.digest()
    }

    /// Returns the same for people to read, as far as they can: the latest changes, without
    /// secrets.
    #[must_use]
    pub fn changes(&self) -> Changes {
        self.surroundings.shown()
    }

    /// Takes note under which approval the held operation was asked for.
    pub fn asked(&mut self, approval: ApprovalId) {
        self.road.asked(approval);
    }

    /// Lets the held operation run, by the judgement made of it just now.
    pub fn release_hold(&mut self, approval: ApprovalId, judged: Arc<JudgedStatement>, now_us: u64) {
        if let Waiting::Approval { index, .. } = self.road.waiting() {
            // Its further rows are part of the same execution.
            for other in self.batch.executions_with(index) {
                self.road.join(other, approval);
            }
        }
        self.road.answer(Answer::Release { approval, judged }, now_us);
        self.settle_hold(now_us);
    }

    /// Refuses the held operation, and with it those held behind it in the same batch.
    pub fn refuse_hold(&mut self, refusal: Refusal, now_us: u64) {
        self.road.answer(Answer::Refuse(refusal), now_us);
        self.settle_hold(now_us);
    }

    /// Lets time pass.
    pub fn tick(&mut self, now_us: u64) {
        self.road.tick(now_us);
        self.settle_hold(now_us);
    }

    /// Sends the client a notice, unless it is in the middle of a message; returns whether it
    /// was sent.
    pub fn notify(&mut self, message: &str, detail: &str, host: &mut dyn Host) -> bool {
        if self.upstream_pass > 0 || self.upstream_ended {
            return false;
        }
        let start = self.to_client.buffer().len();
        super::refusal::put_notice(self.to_client.buffer(), message, detail);
        host.to_client(&self.to_client.buffer()[start..]);
        true
    }

    /// Ends holds of operations that the server would not run: those it skips after an error,
    /// and those in a transaction that has failed.
    pub(super) fn settle_hold(&mut self, now_us: u64) {
        while let Waiting::Approval { index, .. } = self.road.waiting() {
            let refusal = if self.batch.binding(index).is_none() && self.batch.is_execution(index) {
                bound_before()
            } else if self.is_skipped(index) {
                after_error()
            } else if self.is_in_failed_transaction(index) {
                failed_transaction()
            } else {
                return;
            };
            self.road.answer(Answer::Refuse(refusal), now_us);
        }
    }

    /// Whether the server skips everything up to a Sync that comes after operation `index`.
    fn is_skipped(&self, index: usize) -> bool {
        let syncs = |action: &Action| matches!(action, Action::Sync);
        self.skipping && !self.batch.steps_before(index).iter().any(|s| syncs(&s.action))
    }

    /// Whether the server's transaction has failed and nothing before operation `index`, nor in
    /// it, could end it.
    fn is_in_failed_transaction(&self, index: usize) -> bool {
        let may_end = self.road.operations().iter().take(index + 1);
        self.status == b'E'
            && self.expected.is_empty()
            && !may_end
                .filter_map(|operation| operation.judged())
                .any(|judged| is_transaction(judged))
    }

    /// Whether nobody can be asked about anything yet: settings or definitions have changed, and
    /// what runs still may undo that.
    pub(super) fn must_settle(&self) -> bool {
        self.unsettled && !self.expected.is_empty()
    }

    /// Takes note that a statement runs after which others may mean something else, or which
    /// may undo one that did.
    pub(super) fn note_surroundings(
        &mut self,
        sql: &[u8],
        judged: &JudgedStatement,
        bound: Option<[u8; 32]>,
    ) {
        // Names outlive whatever becomes of the transaction.
        self.unsettled |= judged.analysis.changes_settings || judged.analysis.changes_catalog;
        if changes_surroundings(judged) || self.unsettled && is_transaction(judged) {
            self.surroundings.ran(sql, judged, bound);
        }
    }

    /// Takes note of a setting that the session began with: what statements mean depends on it
    /// as much as on one made later. Whoever began with other ones asks anew.
    pub fn began_with(&mut self, setting: &str, value: &str) {
        self.surroundings.began_with(setting, value);
    }

    /// Takes note of an error: it undoes what changed in its transaction.
    pub(super) fn note_failure(&mut self) {
        if self.unsettled {
            self.surroundings.failed();
        }
    }
}

/// Returns what a whole Bind message says after the names of portal and statement.
fn values(frame: &[u8]) -> Option<&[u8]> {
    let mut body = Body::of(frame);
    body.string().ok()?;
    body.string().ok()?;
    Some(body.remaining())
}

/// How often a client that waits is told so, in microseconds: often enough for time-outs of
/// silent connections, rarely enough not to fill a terminal.
pub const NOTICE_EVERY_US: u64 = 15_000_000;

/// The values were bound when nobody had to be asked; now they are gone.
fn bound_before() -> Refusal {
    Refusal::new(
        Rule::ApprovalUnavailable,
        Fault::Client,
        "the operation needs an approval now, and what was bound before cannot be shown to anyone any more",
    )
    .hint("bind the values again")
}

fn after_error() -> Refusal {
    Refusal::new(
        Rule::ApprovalUnavailable,
        Fault::Client,
        "nobody needs to be asked, because something sent before it failed",
    )
    .hint("send it again by itself")
}

fn failed_transaction() -> Refusal {
    Refusal::new(
        Rule::TransactionFailed,
        Fault::Client,
        "current transaction is aborted, commands ignored until end of transaction block",
    )
    .hint("end the transaction with ROLLBACK, then send it again")
}
