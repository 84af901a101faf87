//! What judgement found that the relay acts on.

use std::sync::Arc;

use model::{Assessment, Facts};

use crate::session::Judged;

/// What the relay needs to know of a statement beyond its verdict.
#[derive(Clone, Debug, Default)]
pub struct Conduct {
    /// The parser's findings.
    pub facts: Facts,
    /// The classifiers' findings.
    pub assessment: Assessment,
    /// What may be shown instead of the statement, if that holds a secret.
    pub loggable: Option<String>,
    /// The statement reads or writes a relation with tagged columns: the server's messages
    /// about it may quote them and are scrubbed.
    pub touches_tagged: bool,
    /// Objects may be created, changed or dropped: what is known of the catalog is stale.
    pub changes_catalog: bool,
    /// Settings may change: what follows must not be judged before that is over.
    pub changes_settings: bool,
    /// What each statement does to the names of prepared statements and cursors, in order.
    pub names: Vec<NameChange>,
    /// The texts that SQL's EXECUTE in it stands for: an approval is for these too.
    pub runs: Vec<Arc<[u8]>>,
    /// What may be shown instead of each of these, if it holds a secret.
    pub loggable_runs: Vec<Option<String>>,
}

/// What one statement of SQL does to the session's names.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum NameChange {
    /// Nothing.
    None,
    /// `PREPARE name AS query`.
    Prepare {
        /// The name.
        name: String,
        /// The query's exact text.
        query: Arc<[u8]>,
    },
    /// `DEALLOCATE name`.
    Deallocate(String),
    /// `DEALLOCATE ALL`, `DISCARD ALL`.
    DeallocateAll,
    /// `DECLARE name CURSOR FOR query`.
    Declare {
        /// The name.
        name: String,
        /// The query's exact text.
        query: Arc<[u8]>,
    },
    /// `CLOSE name`.
    Close(String),
    /// `CLOSE ALL`.
    CloseAll,
}

/// A judged statement of this protocol.
pub type JudgedStatement = Judged<Conduct>;
