//! What a statement leaves behind in the session.

use model::StatementFacts;
use pg_query::NodeRef;
use pg_query::protobuf::{CopyStmt, DiscardMode, TransactionStmtKind};

use super::{Discard, Effect, Transaction};

/// DECLARE's option bit for BINARY, from parsenodes.h.
const CURSOR_OPT_BINARY: i32 = 0x0001;

/// Returns the effect of a statement; `inside` are the facts of what PREPARE prepares.
pub(super) fn effect(node: NodeRef<'_>, inside: Option<StatementFacts>) -> Effect {
    match (node, inside) {
        (NodeRef::PrepareStmt(prepare), Some(facts)) => Effect::Prepare {
            name: prepare.name.clone(),
            facts: Box::new(facts),
        },
        (NodeRef::ExecuteStmt(execute), _) => Effect::Execute {
            name: execute.name.clone(),
            resolved: false,
        },
        (NodeRef::CreateTableAsStmt(_) | NodeRef::ExplainStmt(_), _) => match super::kind::inner(node) {
            Some(inner @ NodeRef::ExecuteStmt(_)) => effect(inner, None),
            _ => Effect::None,
        },
        (NodeRef::DeallocateStmt(deallocate), _) if deallocate.name.is_empty() => Effect::DeallocateAll,
        (NodeRef::DeallocateStmt(deallocate), _) => Effect::Deallocate {
            name: deallocate.name.clone(),
        },
        (NodeRef::DeclareCursorStmt(declare), _) => Effect::Declare {
            cursor: declare.portalname.clone(),
            binary: declare.options & CURSOR_OPT_BINARY != 0,
        },
        (NodeRef::FetchStmt(fetch), _) if fetch.ismove => Effect::Move {
            cursor: fetch.portalname.clone(),
        },
        (NodeRef::FetchStmt(fetch), _) => Effect::Fetch {
            cursor: fetch.portalname.clone(),
        },
        (NodeRef::ClosePortalStmt(close), _) if close.portalname.is_empty() => Effect::CloseAll,
        (NodeRef::ClosePortalStmt(close), _) => Effect::Close {
            cursor: close.portalname.clone(),
        },
        (NodeRef::CopyStmt(copy), _) => copied(copy),
        (NodeRef::TransactionStmt(transaction), _) => match transaction.kind() {
            TransactionStmtKind::TransStmtBegin | TransactionStmtKind::TransStmtStart => {
                Effect::Transaction(Transaction::Begin)
            }
            TransactionStmtKind::TransStmtCommit => Effect::Transaction(Transaction::Commit),
            TransactionStmtKind::TransStmtRollback => Effect::Transaction(Transaction::Rollback),
            TransactionStmtKind::TransStmtSavepoint
            | TransactionStmtKind::TransStmtRelease
            | TransactionStmtKind::TransStmtRollbackTo => Effect::Transaction(Transaction::Savepoint),
            TransactionStmtKind::TransStmtPrepare
            | TransactionStmtKind::TransStmtCommitPrepared
            | TransactionStmtKind::TransStmtRollbackPrepared
            | TransactionStmtKind::Undefined => Effect::Transaction(Transaction::TwoPhase),
        },
        (NodeRef::DiscardStmt(discard), _) => Effect::Discard(match discard.target() {
            DiscardMode::DiscardAll | DiscardMode::Undefined => Discard::All,
            DiscardMode::DiscardPlans => Discard::Plans,
            DiscardMode::DiscardSequences => Discard::Sequences,
            DiscardMode::DiscardTemp => Discard::Temp,
        }),
        (NodeRef::ListenStmt(listen), _) => Effect::Listen {
            channel: listen.conditionname.clone(),
        },
        (NodeRef::UnlistenStmt(unlisten), _) => Effect::Unlisten {
            channel: Some(unlisten.conditionname.clone()).filter(|channel| !channel.is_empty()),
        },
        _ => Effect::None,
    }
}

fn copied(copy: &CopyStmt) -> Effect {
    if copy.is_program || !copy.filename.is_empty() {
        Effect::None
    } else if copy.is_from {
        Effect::CopyIn
    } else {
        Effect::CopyOut
    }
}
