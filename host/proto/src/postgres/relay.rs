//! One established PostgreSQL session, between the client and the upstream.
//!
//! Client frames gather into a *batch* up to the next Sync, Flush or simple query. The batch's
//! operations take the road ([`crate::session::Road`]); when they come off it, the original
//! bytes go upstream, with refused frames replaced by one that makes the *server* report an
//! error in exactly that place (`refusal`). So order, skipping and transaction status are
//! always the server's own. A queue of what the server owes (`expected`) ties each of its
//! messages to the frame that caused it.
//!
//! Never forwards a frame it has not checked whole, a statement nobody judged, or a row whose
//! shape it does not know while anything is to be masked.

mod batch;
mod client;
mod conduct;
mod disguise;
mod expected;
mod fatal;
mod hold;
mod masks;
mod names;
mod outbox;
mod refusal;
mod rows;
mod server;
mod surroundings;

use std::sync::Arc;
use std::time::Duration;

use model::event::Intent;
use model::{OperationId, SessionId, Verdict};

use self::batch::Batch;
pub use self::conduct::{Conduct, JudgedStatement, NameChange};
pub use self::disguise::{Disguise, UpstreamNames};
use self::expected::{Owed, is_barrier, is_transaction};
pub use self::fatal::Fatal;
pub use self::hold::{Held, NOTICE_EVERY_US};
pub use self::masks::{Host, RowMask};
use self::masks::{MaskCache, SharedMask};
pub use self::names::Lookup;
use self::names::{Names, Statement};
pub use self::outbox::{Mark, Outbox};
pub use self::refusal::sqlstate;
pub use self::surroundings::Changes;
use self::surroundings::Surroundings;
use crate::session::{Road, Waiting};

/// What a relay is made with.
#[derive(Clone, Debug)]
pub struct RelayOptions {
    /// The session, whose operations are numbered within it.
    pub session: SessionId,
    /// Random bytes for the ids of operations.
    pub seed: [u8; 6],
    /// Random bytes for the name that no client can guess, used to make the server fail.
    pub nonce: [u8; 16],
    /// Random bytes that keep bound values from being guessed from their commitment.
    pub salt: [u8; 32],
    /// Whether any shape could need masking: rows then never pass unseen.
    pub masking: bool,
    /// How long an operation may be held for approval.
    pub hold_for: Duration,
    /// What keeps the upstream's names out of what the server says.
    pub disguise: Disguise,
}

/// How an operation ended.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct OutcomeRecord {
    /// The operation.
    pub operation: OperationId,
    /// `ok`, `error`, `skipped`, `refused` or `lost`.
    pub result: &'static str,
    /// The server's error code.
    pub sqlstate: Option<[u8; 5]>,
    /// Rows sent to the client.
    pub rows: u64,
    /// Bytes of rows sent to the client.
    pub bytes: u64,
    /// Cells masked.
    pub masked: u64,
    /// From forwarding to the last answer, in microseconds.
    pub took_us: u64,
}

/// One session between a client and its upstream. See the module's documentation.
#[derive(Debug)]
pub struct Relay {
    options: RelayOptions,
    road: Road<Conduct>,
    batch: Batch,
    expected: Owed,
    names: Names,
    masks: MaskCache,
    /// The mask of the result that a simple query is sending; `None` before its shape is known.
    query_mask: Option<Option<SharedMask>>,
    /// Transaction status of the last ReadyForQuery: `I`, `T` or `E`.
    status: u8,
    /// The server skips to the next Sync, and none is on its way.
    skipping: bool,
    /// The server reads copy data: it ignores Sync and Flush.
    copying_in: bool,
    copying_out: bool,
    catalog_stale: bool,
    /// The catalog was changed in the transaction at hand, where nobody else sees it yet.
    catalog_changed: bool,
    /// Something that touches tagged data was forwarded since the last ReadyForQuery.
    tagged: bool,
    /// The server keeps answers back until it gets a Flush or a Sync.
    unflushed: bool,
    /// The server works in a transaction that only a Sync or a query ends.
    unsynced: bool,
    /// Counts what the server answers with ReadyForQuery: frames of one stretch are skipped
    /// together if one of them fails.
    stretch: u64,
    /// The next frame, or the batch, waits for an answer of the server.
    blocked: bool,
    /// The client is so far ahead of that answer that it is read no further.
    glutted: bool,
    poisons: u64,
    /// See [`Relay::surroundings`].
    surroundings: Surroundings,
    /// They have changed since the session was last idle, and that can still be undone.
    unsettled: bool,
    /// The operation to be judged is held once what could still undo that has been answered.
    deferred: bool,
    /// What is left of a frame that is streamed without being kept, per direction.
    client_pass: usize,
    client_drop: usize,
    upstream_pass: usize,
    operations: u32,
    outcomes: Vec<OutcomeRecord>,
    leaving: bool,
    /// The upstream has ended the session itself, and the client has been told so.
    upstream_ended: bool,
    /// Bytes for the client.
    pub to_client: Outbox,
    /// Bytes for the upstream.
    pub to_upstream: Outbox,
}

/// How much may wait for a slow peer before its counterpart is read no further. Two reads of
/// the driver's size: enough to keep both sides busy, little enough for thousands of sessions.
pub const OUTBOX_BYTES_MAX: usize = 128 << 10;

/// How many answers the server may owe before the client is read no further. A client that
/// pipelines more than this without reading gains nothing.
const EXPECTED_MAX: usize = 8_192;

/// How many bytes of statements and names may wait for their answers. The server takes many
/// statements without answering, and the relay keeps the text of each until it does.
const EXPECTED_BYTES_MAX: usize = 16 << 20;

impl Relay {
    /// Makes the relay of a session that both sides regard as idle.
    #[must_use]
    pub fn new(options: RelayOptions) -> Self {
        Self {
            road: Road::new(options.hold_for),
            batch: Batch::default(),
            expected: Owed::default(),
            names: Names::default(),
            masks: MaskCache::default(),
            query_mask: None,
            status: b'I',
            skipping: false,
            copying_in: false,
            copying_out: false,
            catalog_stale: false,
            catalog_changed: false,
            tagged: false,
            unflushed: false,
            unsynced: false,
            stretch: 0,
            blocked: false,
            glutted: false,
            poisons: 0,
            surroundings: Surroundings::default(),
            unsettled: false,
            deferred: false,
            client_pass: 0,
            client_drop: 0,
            upstream_pass: 0,
            operations: 0,
            outcomes: Vec::new(),
            leaving: false,
            upstream_ended: false,
            to_client: Outbox::default(),
            to_upstream: Outbox::default(),
            options,
        }
    }

    /// Returns what the batch on the road waits for.
    #[must_use]
    pub fn waiting(&self) -> Waiting {
        self.road.waiting()
    }

    /// Returns the statement that waits for a judgement: its text, and the judgement of its
    /// last execution if there was one and it was a plain query. What an EXECUTE runs may be
    /// another statement each time. `None` too while the upstream must answer first.
    #[must_use]
    pub fn question(&self) -> Option<(&[u8], Option<Arc<JudgedStatement>>)> {
        let Waiting::Judgement { index } = self.road.waiting() else {
            return None;
        };
        if self.deferred && self.must_settle() {
            return None;
        }
        let statement = self.batch.statements.get(index)?;
        let last = statement.judged().filter(|judged| statement.is_query(judged));
        Some((&statement.sql, last))
    }

    /// Returns the text of the prepared statement `name` that SQL's EXECUTE refers to: it is to
    /// be judged anew, whatever was said of it when it was prepared.
    #[must_use]
    pub fn prepared(&self, name: &str) -> Lookup<Arc<[u8]>> {
        match self.executed(name) {
            Lookup::Found(statement) => Lookup::Found(Arc::clone(&statement.sql)),
            Lookup::Missing => Lookup::Missing,
            Lookup::Wait => Lookup::Wait,
        }
    }

    /// Looks up what SQL's EXECUTE of the operation at hand runs.
    fn executed(&self, name: &str) -> Lookup<Arc<Statement>> {
        let steps = match self.road.waiting() {
            Waiting::Judgement { index } | Waiting::Approval { index, .. } => self.batch.steps_before(index),
            _ => &[],
        };
        self.names.statement(name.as_bytes(), steps, &self.expected)
    }

    /// Takes in the judgement that [`Relay::question`] asked for.
    ///
    /// If the operation may change what the frames behind it mean, those leave the batch and
    /// are read anew once it is over.
    pub fn judge(&mut self, judged: Arc<JudgedStatement>, now_us: u64) {
        let Waiting::Judgement { index } = self.road.waiting() else {
            return;
        };
        if matches!(judged.verdict, Verdict::Hold { .. }) && self.must_settle() {
            // What it would be asked about depends on answers that are still to come.
            self.deferred = true;
            return self.flush_upstream();
        }
        self.deferred = false;
        if let Some(statement) = self.batch.statements.get(index).cloned() {
            statement.set_judged(Arc::clone(&judged));
            // What ends a transaction may undo what was set in it.
            let unsettles = self.unsettled && is_transaction(&judged);
            if (is_barrier(&judged) || unsettles)
                && let Some(left) = self.batch.cut_after(index)
            {
                let cut = self.road.truncate(left);
                self.operations = self.operations.wrapping_sub(cut);
                // A frame too large to be kept is not dropped before its turn comes again.
                self.client_drop = 0;
            }
        }
        self.road.judge(judged, now_us);
        self.settle_hold(now_us);
        if let Waiting::Approval { .. } = self.road.waiting() {
            // A human takes long: what the server has done so far goes to the client first.
            self.flush_upstream();
        }
    }

    /// Returns the intents that must be durable before the batch goes on.
    pub fn intents(&self) -> impl Iterator<Item = Intent<'_>> {
        self.road.operations().iter().filter_map(|operation| {
            let judged = operation.judged()?;
            Some(Intent {
                operation: operation.id,
                session: self.options.session,
                judgement: &judged.judgement,
                binds: operation.binds,
                bind_commitment: operation.bind_commitment,
                approval: operation.approval(),
            })
        })
    }

    /// Takes in that the intents are durable, or that they cannot be made so.
    pub fn durable(&mut self, written: bool) {
        self.road.durable(written);
    }

    /// Returns the outcomes since the last call.
    pub fn take_outcomes(&mut self) -> std::vec::Drain<'_, OutcomeRecord> {
        self.outcomes.drain(..)
    }

    /// Whether the client's bytes are wanted: nothing is on the road and there is room.
    #[must_use]
    pub fn wants_client(&self) -> bool {
        self.may_accept() && !self.owes_too_much() && !self.glutted
    }

    fn may_accept(&self) -> bool {
        !self.leaving
            && self.road.waiting() == Waiting::Free
            && self.to_upstream.pending().len() < OUTBOX_BYTES_MAX
    }

    fn owes_too_much(&self) -> bool {
        self.expected.len() >= EXPECTED_MAX || self.expected.bytes() >= EXPECTED_BYTES_MAX
    }

    /// Whether the upstream's bytes are wanted: there is room for them.
    #[must_use]
    pub fn wants_upstream(&self) -> bool {
        self.to_client.pending().len() < OUTBOX_BYTES_MAX
    }

    /// Whether neither side owes the other anything: the moment to end a session kindly.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.expected.is_empty()
            && self.batch.is_empty()
            && self.road.waiting() == Waiting::Free
            && self.status == b'I'
            && !self.is_unsynced()
            && self.upstream_pass == 0
            && self.client_pass == 0
            && self.client_drop == 0
    }

    /// Whether the server is in the middle of something that it owes no answer for.
    fn is_unsynced(&self) -> bool {
        self.unsynced || self.skipping || self.copying_in
    }

    /// Whether the server is working on something that a cancel request should reach.
    #[must_use]
    pub fn is_running(&self) -> bool {
        !self.expected.is_empty()
    }

    /// Whether the upstream has ended the session with an error of its own.
    #[must_use]
    pub fn has_upstream_ended(&self) -> bool {
        self.upstream_ended
    }

    /// Whether the client has said goodbye.
    #[must_use]
    pub fn is_leaving(&self) -> bool {
        self.leaving
    }

    /// Returns how many operations the session has put on the road.
    #[must_use]
    pub fn operation_count(&self) -> u32 {
        self.operations
    }

    /// Whether the catalog must be read anew before the next statement is judged.
    #[must_use]
    pub fn catalog_stale(&self) -> bool {
        self.catalog_stale
    }

    /// Whether the transaction at hand has changed the catalog in ways nobody else sees yet.
    #[must_use]
    pub fn has_changed_catalog(&self) -> bool {
        self.catalog_changed
    }

    /// Takes note that the catalog was read anew for this session's own changes.
    pub fn catalog_refreshed(&mut self) {
        self.catalog_stale = false;
        self.catalog_moved();
    }

    /// Takes note that another catalog is in force: every known shape is looked at afresh.
    pub fn catalog_moved(&mut self) {
        self.masks.clear();
        self.names.forget_shapes();
    }

    /// Takes note of how far the client's outbox is filled.
    #[must_use]
    pub fn mark(&self) -> Mark {
        Mark {
            pending: self.to_client.pending().len(),
            upstream_pass: self.upstream_pass,
            upstream_ended: self.upstream_ended,
        }
    }

    /// Takes back what was put into the client's outbox since `mark`, before any of the outbox
    /// was written: the session is to end with [`Relay::end`] without it. Returns whether what
    /// is left ends with a whole message, so that the client can be told why.
    pub fn withdraw(&mut self, mark: Mark) -> bool {
        self.to_client.truncate(mark.pending);
        self.upstream_pass = mark.upstream_pass;
        self.upstream_ended = mark.upstream_ended;
        self.upstream_pass == 0
    }

    /// Ends the session: the client gets a FATAL error, unless it is in the middle of a frame
    /// or gone; what ran is accounted for as lost.
    pub fn end(&mut self, fatal: &Fatal, now_us: u64) {
        if self.upstream_pass == 0 && !self.upstream_ended {
            fatal.put(self.to_client.buffer());
        }
        self.lose(now_us);
    }

    /// Accounts for everything that is still running as lost, and for what never got so far.
    pub fn lose(&mut self, now_us: u64) {
        while let Some(entry) = self.expected.pop() {
            self.finish(entry, "lost", now_us);
        }
        // Before that, no intent of them was written.
        if let Waiting::Durability | Waiting::Done = self.road.waiting() {
            self.road.durable(false);
            for operation in self.road.leave().unwrap_or_default() {
                self.record(&operation, "skipped");
            }
        }
        self.leaving = true;
    }

    fn next_operation(&mut self, now_us: u64) -> OperationId {
        self.operations = self.operations.wrapping_add(1);
        let mut random = [0; 10];
        random[..6].copy_from_slice(&self.options.seed);
        random[6..].copy_from_slice(&self.operations.to_be_bytes());
        OperationId::new(now_us / 1_000, random)
    }
}

#[cfg(test)]
mod tests;
