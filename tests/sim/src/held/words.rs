//! The gate of these sessions: it judges by words.

use std::sync::Arc;

use model::approval::Quorum;
use model::{Facts, Fault, OperationKind, Refusal, Rule, StatementFacts, Verdict};
use proto::postgres::relay::{JudgedStatement, Lookup, Relay};

use crate::session::judged_with;

/// The word that has a statement held.
pub const HELD: &str = "held";

/// The word that has one held under the policies `p2` only.
pub const LATER: &str = "later";

/// The word that has one refused.
pub const REFUSED: &str = "never";

pub(super) fn is_held(relay: &Relay, sql: &str, policy: &str) -> bool {
    let runs = |part: &str| match part
        .trim()
        .strip_prefix("execute ")
        .map(|name| relay.prepared(name))
    {
        Some(Lookup::Found(text)) => String::from_utf8_lossy(&text).contains(HELD),
        _ => false,
    };
    sql.contains(HELD) || policy == "p2" && sql.contains(LATER) || sql.split(';').any(runs)
}

/// Judges by words, as often as it is asked; `None` while the server must answer first.
pub(super) fn judge(relay: &Relay, sql: &str, policy: &str) -> Option<Arc<JudgedStatement>> {
    let mut runs = Vec::new();
    for part in sql.split(';') {
        match part
            .trim()
            .strip_prefix("execute ")
            .map(|name| relay.prepared(name))
        {
            Some(Lookup::Wait) => return None,
            Some(Lookup::Found(text)) => runs.push(text),
            Some(Lookup::Missing) | None => {}
        }
    }
    let verdict = if sql.contains(REFUSED) {
        Verdict::Refuse(Refusal::new(Rule::PolicyDenied, Fault::Client, "not here"))
    } else if is_held(relay, sql, policy) {
        Verdict::Hold {
            policies: Vec::new(),
            quorum: Quorum::default(),
            reason_required: false,
        }
    } else {
        Verdict::Run { policies: Vec::new() }
    };
    let controls = |part: &&str| {
        let verb = part.split_whitespace().next();
        matches!(verb, Some("begin" | "commit" | "rollback"))
    };
    let statements = sql.split(';').filter(controls);
    let facts = Facts {
        statements: statements
            .map(|_| StatementFacts::bare(OperationKind::Transaction))
            .collect(),
        ..Facts::default()
    };
    Some(judged_with(sql, verdict, facts, runs))
}
