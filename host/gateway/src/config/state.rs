//! `[state]` and `[policy]`: the files the gateway keeps and the files it decides by.

use std::path::{Path, PathBuf};

use super::report::{Problem, problem};
use super::section::Section;

/// How many policy files at the most; every decision walks through all policies.
const POLICY_FILES_MAX: usize = 256;

/// Where the gateway keeps what it must remember.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct StateConfig {
    /// The SQLite database file.
    pub database: PathBuf,
    /// The folder of the journal.
    pub journal: PathBuf,
    /// The folder of the recordings.
    pub recordings: PathBuf,
}

pub(super) fn read(root: &Section<'_>, folder: &Path) -> StateConfig {
    let mut state = StateConfig {
        database: folder.join("var/tidegate.db"),
        journal: folder.join("var/journal"),
        recordings: folder.join("var/recordings"),
    };
    let Some(section) = root.table("state") else {
        return state;
    };
    if let Some(database) = section.parse("database", |text| database(text, folder)) {
        state.database = database;
    }
    if let Some(journal) = section.parse("journal", |text| local(text, folder)) {
        state.journal = journal;
    }
    if let Some(recordings) = section.parse("recordings", |text| recordings(text, folder)) {
        state.recordings = recordings;
    }
    section.finish();
    state
}

fn database(text: &str, folder: &Path) -> Result<PathBuf, Problem> {
    match text.split_once(':') {
        Some(("sqlite", path)) => local(path, folder),
        Some(("postgres" | "postgresql", _)) => Err(problem(
            "a PostgreSQL state database is not built yet",
            "use \"sqlite:PATH\"",
        )),
        _ => Err(problem("is not a database", "use \"sqlite:PATH\"")),
    }
}

fn recordings(text: &str, folder: &Path) -> Result<PathBuf, Problem> {
    match text.split_once(':') {
        Some(("file", path)) => local(path, folder),
        Some(("s3", _)) => Err(problem("recordings in S3 are not built yet", "use \"file:PATH\"")),
        _ => Err(problem("is not a place for recordings", "use \"file:PATH\"")),
    }
}

fn local(path: &str, folder: &Path) -> Result<PathBuf, Problem> {
    if path.is_empty() || path.contains('\0') || path.starts_with("//") {
        return Err(problem(
            "is not a path",
            "write a path, absolute or from this file's folder",
        ));
    }
    Ok(folder.join(path))
}

pub(super) fn policy_files(root: &Section<'_>, folder: &Path) -> Vec<PathBuf> {
    let Some(section) = root.table("policy") else {
        if !root.has("policy") {
            let remedy = "add [policy] with files = [\"policy/*.cedar\"]";
            root.fault(
                "policy",
                problem("is missing: everything would be refused", remedy),
            );
        }
        return Vec::new();
    };
    let missing = !section.has("files");
    let mut files: Vec<PathBuf> = section
        .list("files", |pattern| expand(pattern, folder))
        .into_iter()
        .flatten()
        .collect();
    files.sort();
    files.dedup();
    if missing {
        let remedy = "name the Cedar files, e.g. files = [\"policy/*.cedar\"]";
        section.fault(
            "files",
            problem("is missing: everything would be refused", remedy),
        );
    }
    if files.len() > POLICY_FILES_MAX {
        let what = format!("names {} files", files.len());
        section.fault(
            "files",
            problem(what, format!("use at most {POLICY_FILES_MAX} policy files")),
        );
    }
    section.finish();
    files
}

/// Finds the files of `pattern`, whose last part may hold `*`.
fn expand(pattern: &str, folder: &Path) -> Result<Vec<PathBuf>, Problem> {
    let path = folder.join(pattern);
    let file_name = path.file_name().map(|name| name.to_string_lossy().into_owned());
    let (Some(name), Some(parent)) = (file_name, path.parent()) else {
        return Err(problem(
            format!("\"{pattern}\" names no file"),
            "name a .cedar file",
        ));
    };
    if parent.to_string_lossy().contains('*') {
        return Err(problem(
            format!("\"{pattern}\" has * in a folder's name"),
            "use * in the file's name only",
        ));
    }
    if !name.contains('*') {
        return if path.is_file() {
            Ok(vec![path])
        } else {
            Err(problem(
                format!("there is no file {}", path.display()),
                "correct the path",
            ))
        };
    }
    let parent = if parent.as_os_str().is_empty() {
        Path::new(".")
    } else {
        parent
    };
    let unreadable = |error: std::io::Error| {
        problem(
            format!("could not list {}: {error}", parent.display()),
            "correct the path, or let the gateway read the folder",
        )
    };
    let mut found = Vec::new();
    for entry in std::fs::read_dir(parent).map_err(unreadable)? {
        let entry = entry.map_err(unreadable)?.path();
        let matched = entry
            .file_name()
            .is_some_and(|file| matches(&name, &file.to_string_lossy()));
        if matched && entry.is_file() {
            found.push(entry);
        }
    }
    if found.is_empty() {
        return Err(problem(
            format!("no file matches {}", path.display()),
            "correct the pattern, or add the file",
        ));
    }
    Ok(found)
}

/// Returns whether `name` fits `pattern`, in which `*` stands for anything; hidden files
/// never do.
fn matches(pattern: &str, name: &str) -> bool {
    let mut parts = pattern.split('*');
    let (first, last) = (parts.next().unwrap_or(""), parts.next_back().unwrap_or(""));
    let Some(rest) = name.strip_prefix(first).and_then(|rest| rest.strip_suffix(last)) else {
        return false;
    };
    let mut rest = rest;
    for part in parts {
        match rest.find(part) {
            Some(at) => rest = &rest[at + part.len()..],
            None => return false,
        }
    }
    !name.starts_with('.')
}

#[cfg(test)]
mod tests {
    use super::matches;

    #[test]
    fn a_star_stands_for_anything_but_a_hidden_file() {
        assert!(matches("*.cedar", "main.cedar"));
        assert!(matches("a*b*.cedar", "aXbY.cedar"));
        assert!(!matches("a*b*.cedar", "aX.cedar"));
        assert!(!matches("*.cedar", ".hidden.cedar"));
        assert!(!matches("ab*bc", "abc"));
    }
}
