//! What the server owes: one entry per frame forwarded, oldest first.

use std::collections::VecDeque;
use std::collections::vec_deque::Iter;
use std::sync::Arc;

use model::{OperationId, OperationKind, Refusal, Verdict};

use super::names::{Portal, Statement};
use super::{JudgedStatement, NameChange, OutcomeRecord, Relay};

/// One owed answer.
#[derive(Debug)]
pub(super) enum Expected {
    Parse {
        name: Box<[u8]>,
        statement: Arc<Statement>,
    },
    /// `run`: the portal is an operation by itself, because nothing executes it in its batch.
    Bind {
        name: Box<[u8]>,
        portal: Arc<Portal>,
        run: Option<Box<Running>>,
    },
    Close {
        kind: u8,
        name: Box<[u8]>,
    },
    DescribeStatement {
        statement: Option<Arc<Statement>>,
    },
    /// `ours`: asked by the relay itself; the answer is not for the client.
    DescribePortal {
        portal: Option<Arc<Portal>>,
        ours: bool,
    },
    Execute {
        run: Running,
        portal: Arc<Portal>,
    },
    Query {
        run: Running,
    },
    /// A frame that makes the server fail, in place of one that may not run.
    Denied {
        denial: Denial,
        query: bool,
    },
    /// The end of the client's copy data; the server answers nothing for itself.
    CopyEnd,
    Sync,
}

/// Why a frame was replaced, and so what the client is told.
#[derive(Debug)]
pub(super) enum Denial {
    Refused(Refusal),
    /// The portal does not exist, as far as anyone knows.
    NoPortal(Box<[u8]>),
    /// The prepared statement does not exist, as far as anyone knows.
    NoStatement(Box<[u8]>),
}

impl Expected {
    /// Whether frames behind this one run even if those before it fail.
    pub(super) fn is_boundary(&self) -> bool {
        matches!(
            self,
            Self::Sync | Self::Query { .. } | Self::Denied { query: true, .. }
        )
    }

    /// The operation behind the entry, if it is one.
    pub(super) fn run(&self) -> Option<&Running> {
        match self {
            Self::Execute { run, .. } | Self::Query { run } => Some(run),
            Self::Bind { run, .. } => run.as_deref(),
            _ => None,
        }
    }

    /// Whether nothing may be judged before this one has been answered.
    fn is_barrier(&self) -> bool {
        match self {
            Self::Execute { run, .. } | Self::Query { run } => run.barrier,
            _ => false,
        }
    }

    /// Roughly the bytes that the entry keeps alive while the server may take in many more of
    /// its kind; it executes one at a time and reads no further.
    fn weight(&self) -> usize {
        match self {
            Self::Parse { name, statement } => name.len() + statement.sql.len(),
            Self::Bind { name, portal, .. } => name.len() + 2 * portal.formats.len(),
            Self::Close { name, .. } => name.len(),
            _ => 0,
        }
    }
}

/// The queue of owed answers, with what must be known of it without walking it.
#[derive(Debug, Default)]
pub(super) struct Owed {
    queue: VecDeque<Expected>,
    bytes: usize,
    barriers: usize,
}

impl Owed {
    pub(super) fn front(&self) -> Option<&Expected> {
        self.queue.front()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    pub(super) fn len(&self) -> usize {
        self.queue.len()
    }

    pub(super) fn iter(&self) -> Iter<'_, Expected> {
        self.queue.iter()
    }

    /// Returns roughly how many bytes the entries keep alive.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Whether an entry must be answered before anything else is judged.
    pub(super) fn has_barrier(&self) -> bool {
        self.barriers > 0
    }

    pub(super) fn push(&mut self, entry: Expected) {
        // Where nothing could have begun a COPY, the end of copy data concerns nobody.
        if matches!(entry, Expected::CopyEnd) && self.queue.is_empty() {
            return;
        }
        self.bytes += entry.weight();
        self.barriers += usize::from(entry.is_barrier());
        self.queue.push_back(entry);
    }

    pub(super) fn pop(&mut self) -> Option<Expected> {
        let entry = self.queue.pop_front()?;
        self.forget(&entry);
        Some(entry)
    }

    /// Drops the ends of copy data that the server had no use for: nothing answers them.
    pub(super) fn drop_copy_ends(&mut self) {
        while matches!(self.queue.front(), Some(Expected::CopyEnd)) {
            self.queue.pop_front();
        }
    }

    /// The server has begun to read copy data: what it ignores until the data's end is owed
    /// no more. Returns whether that end has been sent already.
    pub(super) fn begin_copy_in(&mut self) -> bool {
        let end = self
            .queue
            .iter()
            .position(|entry| matches!(entry, Expected::CopyEnd));
        let mut index = 0;
        self.queue.retain(|entry| {
            let before_end = end.is_none_or(|end| index <= end);
            index += 1;
            !(before_end && matches!(entry, Expected::Sync | Expected::CopyEnd))
        });
        end.is_some()
    }

    /// The operation that the server's next message is about, if it is about one.
    pub(super) fn running(&mut self) -> Option<&mut Running> {
        match self.queue.front_mut() {
            Some(Expected::Execute { run, .. } | Expected::Query { run }) => Some(run),
            _ => None,
        }
    }

    /// Like [`Owed::running`], and the operation of a bind too.
    pub(super) fn failing(&mut self) -> Option<&mut Running> {
        match self.queue.front_mut() {
            Some(Expected::Bind { run, .. }) => run.as_deref_mut(),
            Some(Expected::Execute { run, .. } | Expected::Query { run }) => Some(run),
            _ => None,
        }
    }

    fn forget(&mut self, entry: &Expected) {
        self.bytes -= entry.weight();
        self.barriers -= usize::from(entry.is_barrier());
    }
}

/// One operation that the server is working on.
#[derive(Debug)]
pub(super) struct Running {
    pub(super) operation: OperationId,
    pub(super) judged: Arc<JudgedStatement>,
    pub(super) since_us: u64,
    /// Whether nothing may be judged before this one has been answered.
    barrier: bool,
    /// How many statements of a simple query have completed.
    pub(super) completed: usize,
    pub(super) rows: u64,
    pub(super) bytes: u64,
    pub(super) masked: u64,
    /// Whether the server reported an error.
    pub(super) failed: bool,
    pub(super) sqlstate: Option<[u8; 5]>,
}

impl Running {
    pub(super) fn new(operation: OperationId, judged: Arc<JudgedStatement>, since_us: u64) -> Self {
        let barrier = is_barrier(&judged);
        Self {
            operation,
            judged,
            since_us,
            barrier,
            completed: 0,
            rows: 0,
            bytes: 0,
            masked: 0,
            failed: false,
            sqlstate: None,
        }
    }

    /// Returns what completing statement `index` of the operation does to the names.
    pub(super) fn name_change(&self, index: usize) -> Option<&NameChange> {
        self.judged.analysis.names.get(index)
    }

    pub(super) fn changes_names(&self) -> bool {
        changes_names(&self.judged)
    }

    fn changes_catalog(&self) -> bool {
        self.judged.analysis.changes_catalog
    }

    pub(super) fn outcome(&self, result: &'static str, now_us: u64) -> OutcomeRecord {
        OutcomeRecord {
            operation: self.operation,
            result,
            sqlstate: self.sqlstate,
            rows: self.rows,
            bytes: self.bytes,
            masked: self.masked,
            took_us: now_us.saturating_sub(self.since_us),
        }
    }
}

pub(super) fn changes_names(judged: &JudgedStatement) -> bool {
    let names = &judged.analysis.names;
    names.iter().any(|change| *change != NameChange::None)
}

/// Whether running a statement may change what later frames mean: the names they use, or the
/// catalog or the settings by which they are judged, masked and approved.
pub(super) fn is_barrier(judged: &JudgedStatement) -> bool {
    !matches!(judged.verdict, Verdict::Refuse(_)) && changes_surroundings(judged)
}

/// Whether others may mean something else once a statement has run.
pub(super) fn changes_surroundings(judged: &JudgedStatement) -> bool {
    let conduct = &judged.analysis;
    changes_names(judged) || conduct.changes_catalog || conduct.changes_settings
}

/// Whether a statement begins or ends a transaction, or goes back to a point in it.
pub(super) fn is_transaction(judged: &JudgedStatement) -> bool {
    let mut statements = judged.analysis.facts.statements.iter();
    statements.any(|statement| statement.kind == OperationKind::Transaction)
}

impl Relay {
    /// Accounts for an entry that has come to its end.
    pub(super) fn finish(&mut self, entry: Expected, result: &'static str, now_us: u64) {
        let Some(run) = entry.run() else { return };
        if self.options.masking && run.changes_catalog() {
            // Until the transaction ends nobody else sees it, and its locks keep others out.
            self.catalog_changed = true;
        }
        self.outcomes.push(run.outcome(result, now_us));
    }
}
