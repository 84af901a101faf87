//! What people are asked about an operation: the case they decide by.

use std::sync::Arc;

use model::Verdict;
use model::approval::{Case, ContentHash, OPERATION_BYTES_MAX, Quorum, Subject};
use proto::postgres::relay::{Changes, Held, JudgedStatement};
use proto::postgres::{present, sql};

use crate::approvals::Question;
use crate::gate::Asker;
use crate::postgres::Upstream;

/// How many commands the title names.
const VERBS_SHOWN: usize = 3;

/// Whether people were asked by other facts than hold now, or fewer of them.
pub(in crate::postgres) fn needs_changed(asked: &JudgedStatement, now: &JudgedStatement) -> bool {
    let more = quorum(now).is_some_and(|now| quorum(asked) != Some(now));
    more || asked.analysis.facts != now.analysis.facts
}

/// Returns how many people a judgement asks for, if it asks for any.
fn quorum(judged: &JudgedStatement) -> Option<&Quorum> {
    match &judged.verdict {
        Verdict::Hold { quorum, .. } => Some(quorum),
        Verdict::Run { .. } | Verdict::Refuse(_) => None,
    }
}

/// Returns the question to put for the held operation.
pub(in crate::postgres) fn question(
    held: &Held<'_>,
    changes: Changes,
    asker: &Asker,
    upstream: &Upstream,
    content: ContentHash,
) -> Question {
    let conduct = &held.judged.analysis;
    let (policies, quorum) = match &held.judged.verdict {
        Verdict::Hold { policies, quorum, .. } => (policies.clone(), quorum.clone()),
        Verdict::Run { .. } | Verdict::Refuse(_) => Default::default(),
    };
    let (operation, long) = shown(held);
    let (binds, more) = match held.bound {
        // The relay has checked the message; what cannot be read is shown as cut.
        Some(bound) => present::bound_values(bound, held.types, held.declared_types)
            .unwrap_or_else(|_| (Vec::new(), true)),
        None => (Vec::new(), false),
    };
    let verbs: Vec<&str> = conduct
        .facts
        .statements
        .iter()
        .map(|s| s.verb.as_str())
        .take(VERBS_SHOWN)
        .collect();
    let case = Case {
        protocol: "postgres".to_owned(),
        title: format!(
            "{} on {} by {}",
            verbs.join(", "),
            upstream.name,
            asker.principal.subject
        ),
        operation,
        cut: long || more || changes.cut || binds.iter().any(|bind| bind.cut),
        binds,
        facts: conduct.facts.clone(),
        assessment: conduct.assessment.clone(),
        tags: conduct.facts.tags(),
        policies,
        transaction_open: held.transaction_open,
        settings: changes.lines,
        estimated_rows: None,
        reason: None,
        grant: None,
    };
    Question {
        subject: Subject::Operation,
        content,
        requester: Arc::clone(&asker.principal),
        resource: upstream.name.clone(),
        session: Some(asker.session),
        operation: Some(held.operation),
        quorum,
        case,
        decide_within: upstream.decide_within,
        use_within: upstream.use_within,
    }
}

/// Returns what people are shown of the statement, and whether there is more. Of what EXECUTE
/// runs, the text is shown too.
fn shown(held: &Held<'_>) -> (String, bool) {
    let conduct = &held.judged.analysis;
    let text = String::from_utf8_lossy(held.sql);
    let mut shown = match &conduct.loggable {
        Some(loggable) => loggable.clone(),
        None => sql::layout(&text),
    };
    for (index, inner) in conduct.runs.iter().enumerate() {
        shown.push_str("\n\n-- runs:\n");
        if let Some(Some(loggable)) = conduct.loggable_runs.get(index) {
            shown.push_str(loggable);
            continue;
        }
        shown.push_str(&sql::layout(&String::from_utf8_lossy(inner)));
    }
    let end = shown.floor_char_boundary(OPERATION_BYTES_MAX);
    let cut = end < shown.len();
    shown.truncate(end);
    (shown, cut)
}
