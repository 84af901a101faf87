//! What is wrong with a configuration, each fault with its line and its remedy.

use std::cell::RefCell;
use std::fmt;
use std::ops::Range;
use std::path::{Path, PathBuf};

use serde::Serialize;

/// One fault of a configuration file. Never repeats a value that could be a secret.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct ConfigFault {
    /// The file it is in.
    pub file: PathBuf,
    /// The line, counted from 1; 0 where the fault is of the file as a whole.
    pub line: usize,
    /// The key, e.g. `resource[customers].login.password`; empty for the file as a whole.
    pub key: String,
    /// What is wrong.
    pub problem: String,
    /// What to do about it.
    pub remedy: String,
}

impl fmt::Display for ConfigFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.file.display())?;
        if self.line > 0 {
            write!(f, ":{}", self.line)?;
        }
        f.write_str(": ")?;
        if !self.key.is_empty() {
            write!(f, "{}: ", self.key)?;
        }
        write!(f, "{}", self.problem)?;
        if !self.remedy.is_empty() {
            write!(f, "\n  remedy: {}", self.remedy)?;
        }
        Ok(())
    }
}

/// Every fault found in a configuration, in the order of the file.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub struct ConfigFaults(pub Vec<ConfigFault>);

impl fmt::Display for ConfigFaults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, fault) in self.0.iter().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            write!(f, "{fault}")?;
        }
        Ok(())
    }
}

/// What is wrong with one value and what to do about it; its place is added by the reader.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Problem {
    pub(super) what: String,
    pub(super) remedy: String,
}

/// Makes a [`Problem`].
pub(super) fn problem(what: impl Into<String>, remedy: impl Into<String>) -> Problem {
    Problem {
        what: what.into(),
        remedy: remedy.into(),
    }
}

/// Collects faults while a file is read.
#[derive(Debug)]
pub(super) struct Report {
    file: PathBuf,
    /// Where each line begins.
    line_starts: Vec<usize>,
    faults: RefCell<Vec<ConfigFault>>,
    warnings: RefCell<Vec<ConfigFault>>,
}

impl Report {
    pub(super) fn new(file: &Path, text: &str) -> Self {
        let breaks = text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n');
        Self {
            file: file.to_owned(),
            line_starts: std::iter::once(0).chain(breaks.map(|(at, _)| at + 1)).collect(),
            faults: RefCell::default(),
            warnings: RefCell::default(),
        }
    }

    pub(super) fn fault(&self, span: Option<Range<usize>>, key: impl Into<String>, problem: Problem) {
        self.faults.borrow_mut().push(self.place(span, key, problem));
    }

    pub(super) fn warning(&self, span: Option<Range<usize>>, key: impl Into<String>, problem: Problem) {
        self.warnings.borrow_mut().push(self.place(span, key, problem));
    }

    /// Returns the warnings, or every fault if there is one.
    pub(super) fn close(self) -> Result<Vec<ConfigFault>, ConfigFaults> {
        let mut faults = self.faults.into_inner();
        if faults.is_empty() {
            return Ok(self.warnings.into_inner());
        }
        faults.sort_by_key(|fault| fault.line);
        Err(ConfigFaults(faults))
    }

    fn place(&self, span: Option<Range<usize>>, key: impl Into<String>, problem: Problem) -> ConfigFault {
        let line = span.map_or(0, |span| {
            self.line_starts.partition_point(|start| *start <= span.start)
        });
        ConfigFault {
            file: self.file.clone(),
            line,
            key: key.into(),
            problem: problem.what,
            remedy: problem.remedy,
        }
    }
}

/// Returns the candidate that `name` was most likely meant to be, if one is near enough.
pub(crate) fn nearest<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let near_enough = name.chars().count() / 3 + 1;
    candidates
        .into_iter()
        .map(|candidate| (distance(name, candidate), candidate))
        .filter(|(distance, _)| *distance <= near_enough)
        .min()
        .map(|(_, candidate)| candidate)
}

/// Counts the insertions, deletions and replacements between two names (Levenshtein).
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, from) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, to) in b.iter().enumerate() {
            let replaced = diagonal + usize::from(from != *to);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_near_name_is_suggested_and_a_far_one_is_not() {
        let keys = ["upstream", "login", "maskers"];
        assert_eq!(nearest("upsteam", keys), Some("upstream"));
        assert_eq!(nearest("masker", keys), Some("maskers"));
        assert_eq!(nearest("colour", keys), None);
        assert_eq!(distance("kitten", "sitting"), 3);
    }
}
