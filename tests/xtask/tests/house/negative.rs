//! The list of what went wrong elsewhere names tests that are there.

use std::fs;
use std::path::{Path, PathBuf};

/// The list.
const LIST: &str = "tests/e2e/NEGATIVE.md";

/// What stands where nothing can go wrong; what follows says why.
const EXEMPT: &str = "Does not apply: ";

#[test]
fn every_failure_of_others_has_a_test_that_exists_or_a_reason_why_not() {
    let list = read(&repository().join(LIST));
    let rows: Vec<&str> = list.lines().filter(|line| line.starts_with("| ")).collect();
    let rows = rows.iter().filter(|row| !row.starts_with("| what went wrong"));
    let mut seen = 0;
    for row in rows {
        let shown = row.split(" | ").nth(1).unwrap_or_default();
        let tests: Vec<&str> = shown.split('`').filter(|part| part.contains(".rs::")).collect();
        assert!(
            !tests.is_empty() || shown.starts_with(EXEMPT),
            "{LIST} has neither a test nor a reason: {row}"
        );
        for test in tests {
            assert!(exists(test), "{LIST} names {test}, which is not there");
        }
        seen += 1;
    }
    assert!(seen > 20, "the list was read: {seen} rows");
}

/// Whether `path::name` is a test.
fn exists(test: &str) -> bool {
    let Some((path, name)) = test.split_once("::") else {
        return false;
    };
    let source = fs::read_to_string(file(path)).unwrap_or_default();
    let lines: Vec<&str> = source.lines().map(str::trim).collect();
    let function = format!("fn {name}(");
    let at = lines.iter().position(|line| line.contains(&function));
    let before = at.map_or(&[][..], |at| &lines[..at]);
    let mut attributes = before.iter().rev().take_while(|line| line.starts_with("#["));
    attributes.any(|line| line.contains("test]") || line.contains("test("))
}

/// Returns the file that a path of the list means.
fn file(path: &str) -> PathBuf {
    let repository = repository();
    if let Some(rest) = path.strip_prefix("it/") {
        return repository.join("tests/e2e/tests/it").join(rest);
    }
    let whole = ["host/", "plugins/", "tests/"]
        .iter()
        .any(|root| path.starts_with(root));
    match whole {
        true => repository.join(path),
        false => repository.join("host/gateway/src").join(path),
    }
}

fn repository() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}
