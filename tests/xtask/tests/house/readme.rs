//! What the README and the changelog promise.

use std::fs;
use std::process::Command;

/// A newcomer reads it in one sitting.
const LINES_MAX: usize = 200;

#[test]
fn the_readme_is_short_and_shows_both_commands_on_its_first_screen() {
    let readme = read("README.md");
    assert!(readme.lines().count() < LINES_MAX);
    let first: Vec<&str> = readme.lines().take(40).collect();
    let screen = first.join("\n");
    assert!(screen.contains("cargo xtask demo"));
    assert!(screen.contains("cargo xtask test"));
}

#[test]
fn every_task_the_readme_names_exists() {
    let readme = read("README.md");
    let mut tasks: Vec<&str> = readme
        .split("cargo xtask ")
        .skip(1)
        .filter_map(|rest| rest.split(|c: char| !c.is_ascii_lowercase() && c != '-').next())
        .filter(|task| !task.is_empty())
        .collect();
    tasks.sort_unstable();
    tasks.dedup();
    assert!(tasks.len() >= 4, "the README names its tasks: {tasks:?}");
    for task in tasks {
        let done = Command::new(env!("CARGO_BIN_EXE_xtask"))
            .args([task, "--help"])
            .output()
            .expect("xtask starts");
        assert!(
            done.status.success(),
            "the README names cargo xtask {task}, which does not exist"
        );
    }
}

#[test]
fn every_file_the_readme_points_to_is_there() {
    let readme = read("README.md");
    for link in readme
        .split("](")
        .skip(1)
        .filter_map(|rest| rest.split(')').next())
    {
        let path = link.split('#').next().unwrap_or_default();
        let is_outside = path.contains("://") || path.is_empty();
        assert!(
            is_outside || file(path).exists(),
            "the README points to {path}, which is not there"
        );
    }
}

#[test]
fn the_changelog_has_the_version_that_is_built() {
    let heading = format!("## [{}]", env!("CARGO_PKG_VERSION"));
    let changelog = read("CHANGELOG.md");
    assert!(
        changelog.contains(&heading) || changelog.contains("## [Unreleased]"),
        "no heading {heading}"
    );
}

fn read(name: &str) -> String {
    fs::read_to_string(file(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

fn file(name: &str) -> std::path::PathBuf {
    std::path::Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../..")
        .join(name)
}
