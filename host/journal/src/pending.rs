//! Finds operations that were about to run when the gateway died.
//!
//! Lenient: an entry that is not understood is no operation. Reads the log once from the last
//! orderly close; keeps only what is open.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::Deserialize;

use crate::read::{ReadError, Reader};

/// An intent without an outcome.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct OpenOperation {
    /// The operation's id, as the entry says it.
    pub operation: String,
    /// The intent's index.
    pub index: u64,
}

#[derive(Deserialize)]
struct Fields<'a> {
    #[serde(borrow)]
    kind: Cow<'a, str>,
    #[serde(borrow, default)]
    operation: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    verdict: Option<Cow<'a, str>>,
}

/// Finds the operations that are open at the end of the log, from index `from` on.
pub(crate) fn open_operations(reader: &Reader, from: u64) -> Result<Vec<OpenOperation>, ReadError> {
    let mut open = BTreeMap::new();
    for entry in reader.entries(from) {
        let entry = entry?;
        let Ok(fields) = serde_json::from_slice::<Fields<'_>>(&entry.bytes) else {
            continue;
        };
        let Some(operation) = fields.operation else {
            continue;
        };
        match fields.kind.as_ref() {
            // What was refused was never going to run.
            "op.intent" if fields.verdict.as_deref() != Some("refuse") => {
                open.insert(operation.into_owned(), entry.index);
            }
            "op.outcome" | "op.outcome-unknown" => {
                open.remove(operation.as_ref());
            }
            _ => {}
        }
    }
    let mut open: Vec<_> = open
        .into_iter()
        .map(|(operation, index)| OpenOperation { operation, index })
        .collect();
    open.sort_by_key(|operation| operation.index);
    Ok(open)
}
