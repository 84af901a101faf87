//! What the session has run that could change what its later statements mean: settings, names,
//! definitions, and what could have undone them. As a digest, which approvals are bound to; and
//! as lines, for people who are asked what one of those later statements may do.

use std::collections::VecDeque;

use sha2::{Digest as _, Sha256};

use super::JudgedStatement;
#[cfg(feature = "sql")]
use crate::postgres::sql::setting_shown;

/// Without the grammar nobody knows which settings are secrets. Built for the purity check alone.
#[cfg(not(feature = "sql"))]
fn setting_shown(name: &str, _: &str) -> String {
    name.to_owned()
}

/// How many changes people are shown, the latest ones: nobody reads more beside a question.
const LINES_MAX: usize = 20;

/// The longest line, in bytes: a setting is short, and a definition is known by its beginning.
const LINE_BYTES_MAX: usize = 400;

/// What stands behind a statement whose values nobody is shown.
const BOUND: &str = " -- with values bound to it";

#[derive(Debug, Default)]
pub(super) struct Surroundings {
    digest: [u8; 32],
    lines: VecDeque<String>,
    /// Whether there were more, or longer ones.
    cut: bool,
}

/// What the session has changed about itself, for people to read.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Changes {
    /// Settings it began with, and the statements that changed or undid anything, in order.
    pub lines: Vec<String>,
    /// Whether there is more.
    pub cut: bool,
}

impl Surroundings {
    pub(super) fn digest(&self) -> [u8; 32] {
        self.digest
    }

    pub(super) fn shown(&self) -> Changes {
        Changes {
            lines: self.lines.iter().cloned().collect(),
            cut: self.cut,
        }
    }

    /// The session began with a setting.
    pub(super) fn began_with(&mut self, setting: &str, value: &str) {
        self.feed(setting.as_bytes(), value.as_bytes());
        self.show(setting_shown(setting, value));
    }

    /// A statement has run. `bound`: what ties the values that were bound to it, if there were
    /// any. Nobody else can tie theirs to the same, so who bound values asks for themselves.
    pub(super) fn ran(&mut self, sql: &[u8], judged: &JudgedStatement, bound: Option<[u8; 32]>) {
        let conduct = &judged.analysis;
        self.feed(b"ran", sql);
        let mut line = shown(sql, conduct.loggable.as_deref());
        if let Some(commitment) = bound {
            self.feed(b"with", &commitment);
            line.push_str(BOUND);
        }
        self.show(line);
        for (index, text) in conduct.runs.iter().enumerate() {
            self.feed(b"through it", text);
            let loggable = conduct.loggable_runs.get(index).and_then(Option::as_deref);
            self.show(format!("-- runs: {}", shown(text, loggable)));
        }
    }

    /// An error has undone what changed in its transaction.
    pub(super) fn failed(&mut self) {
        self.feed(b"failed", b"");
        self.show("-- an error, which undid its transaction".to_owned());
    }

    fn feed(&mut self, what: &[u8], text: &[u8]) {
        self.digest = Sha256::new()
            .chain_update(self.digest)
            .chain_update(what)
            .chain_update((text.len() as u64).to_be_bytes())
            .chain_update(text)
            .finalize()
            .into();
    }

    fn show(&mut self, mut line: String) {
        if line.len() > LINE_BYTES_MAX {
            line.truncate(line.floor_char_boundary(LINE_BYTES_MAX));
            line.push('…');
            self.cut = true;
        }
        if self.lines.len() == LINES_MAX {
            self.lines.pop_front();
            self.cut = true;
        }
        self.lines.push_back(line);
    }
}

/// Returns a statement as people may see it.
fn shown(sql: &[u8], loggable: Option<&str>) -> String {
    loggable.map_or_else(|| String::from_utf8_lossy(sql).into_owned(), str::to_owned)
}
