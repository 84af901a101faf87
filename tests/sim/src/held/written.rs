//! What is written down of operations, and what must be true of it.

use model::ApprovalId;

use super::Held;
use super::words::{REFUSED, is_held};
use crate::approvals::Book;

/// What was written down of an operation.
#[derive(Clone, Debug)]
pub(super) struct Intent {
    pub(super) sql: String,
    pub(super) approval: Option<ApprovalId>,
    pub(super) durable: bool,
    /// Whether the server has run it.
    pub(super) ran: bool,
}

impl Held {
    /// Writes the intents of the batch, once, where the journal takes them.
    pub(super) fn write_intents(&mut self) {
        for (intent, sql) in self.relay.intents().zip(&self.texts) {
            let again = self.named.insert(intent.operation, sql.clone()).is_some();
            if !again && self.journal_works {
                let written = Intent {
                    sql: sql.clone(),
                    approval: intent.approval,
                    durable: false,
                    ran: false,
                };
                self.intents.insert(intent.operation, written);
            }
        }
    }

    /// Every statement the server has run was written down before, and let through by people if
    /// it is one of those they are asked about.
    pub(super) fn check_executed(&mut self, book: &Book) {
        while let Some(sql) = self.server.executed.get(self.checked) {
            self.checked += 1;
            let mut intents = self.intents.iter_mut();
            let found = intents.find(|(_, intent)| intent.sql == *sql && intent.durable && !intent.ran);
            let (operation, intent) = found.unwrap_or_else(|| panic!("{sql:?} ran without a durable intent"));
            intent.ran = true;
            let (operation, approval) = (*operation, intent.approval);
            assert!(!sql.contains(REFUSED), "{sql:?} was refused");
            let Some(approval) = approval else {
                assert!(
                    !is_held(&self.relay, sql, "p1"),
                    "{sql:?} ran without an approval"
                );
                continue;
            };
            let (asked, by) = book
                .used(approval)
                .unwrap_or_else(|| panic!("{sql:?} ran by an approval that is not used up"));
            assert_eq!(asked, sql, "what was approved");
            // More rows of one execution are operations of their own.
            let same = |by| self.intents.get(&by).is_some_and(|intent| intent.sql == *sql);
            assert!(
                by == operation || same(by),
                "{sql:?} ran by an approval of something else"
            );
        }
    }

    pub(super) fn check_outcomes(&self) {
        for (operation, intent) in &self.intents {
            let mut results = self.outcomes.iter().filter(|(id, _)| id == operation);
            let result = results.next().map(|(_, result)| *result);
            assert!(results.next().is_none(), "{:?} ended more than once", intent.sql);
            let result = result.unwrap_or_else(|| panic!("{:?} has no end", intent.sql));
            let never = matches!(result, "refused" | "skipped");
            assert!(!(never && intent.ran), "{:?} is {result}, and ran", intent.sql);
        }
    }
}
