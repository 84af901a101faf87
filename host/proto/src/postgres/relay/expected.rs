//! What the server owes: one entry per frame forwarded, oldest first.

use std::sync::Arc;

use model::{OperationId, Refusal};

use super::names::{Portal, Statement};
use super::{JudgedStatement, NameChange, OutcomeRecord, Relay};

/// One owed answer.
#[derive(Debug)]
pub(super) enum Expected {
    Parse {
        name: Box<[u8]>,
        statement: Arc<Statement>,
    },
    Bind {
        name: Box<[u8]>,
        portal: Arc<Portal>,
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
}

impl Expected {
    /// Whether frames behind this one run even if those before it fail.
    pub(super) fn is_boundary(&self) -> bool {
        matches!(
            self,
            Self::Sync | Self::Query { .. } | Self::Denied { query: true, .. }
        )
    }

    /// Whether this one may change the catalog.
    pub(super) fn changes_catalog(&self) -> bool {
        match self {
            Self::Execute { run, .. } | Self::Query { run } => run.judged.analysis.changes_catalog,
            _ => false,
        }
    }
}

/// One operation that the server is working on.
#[derive(Debug)]
pub(super) struct Running {
    pub(super) operation: OperationId,
    pub(super) statement: Arc<Statement>,
    pub(super) judged: Arc<JudgedStatement>,
    pub(super) since_us: u64,
    /// How many statements of a simple query have completed.
    pub(super) completed: usize,
    pub(super) rows: u64,
    pub(super) bytes: u64,
    pub(super) masked: u64,
    pub(super) sqlstate: Option<[u8; 5]>,
}

impl Running {
    pub(super) fn new(
        operation: OperationId,
        statement: Arc<Statement>,
        judged: Arc<JudgedStatement>,
        since_us: u64,
    ) -> Self {
        Self {
            operation,
            statement,
            judged,
            since_us,
            completed: 0,
            rows: 0,
            bytes: 0,
            masked: 0,
            sqlstate: None,
        }
    }

    pub(super) fn changes_names(&self) -> bool {
        self.judged
            .analysis
            .names
            .iter()
            .any(|change| *change != NameChange::None)
    }

    fn outcome(&self, result: &'static str, now_us: u64) -> OutcomeRecord {
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

impl Relay {
    /// Accounts for an entry that has come to its end.
    pub(super) fn finish(&mut self, entry: Expected, result: &'static str, now_us: u64) {
        match entry {
            Expected::Execute { run, .. } | Expected::Query { run } => {
                self.catalog_stale |= self.options.masking && run.judged.analysis.changes_catalog;
                self.outcomes.push(run.outcome(result, now_us));
            }
            // A description that was skipped must be asked for again.
            Expected::DescribeStatement {
                statement: Some(statement),
            } if result != "ok" => {
                statement.set_described(false);
            }
            Expected::DescribePortal {
                portal: Some(portal), ..
            } if result != "ok" => {
                portal.set_described(false);
            }
            _ => {}
        }
    }

    /// The running operation that the server's next message is about, if it is about one.
    pub(super) fn running(&mut self) -> Option<&mut Running> {
        match self.expected.front_mut() {
            Some(Expected::Execute { run, .. } | Expected::Query { run }) => Some(run),
            _ => None,
        }
    }
}
