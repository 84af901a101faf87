//! What files look like, and what must not be in them.

use std::fs;
use std::path::{Path, PathBuf};

/// A source longer than this is refused.
const LINES_MAX: usize = 800;

/// What would let a pure crate do IO, tell the time or roll dice.
const IMPURE: &[&str] = &[
    "Instant::now",
    "SystemTime::now",
    "UdpSocket",
    "TcpStream",
    "TcpListener",
    "std::env::",
    "std::fs",
    "std::process",
    "std::thread",
    "tokio::",
    "getrandom",
    "println!",
];

/// What the top level holds besides folders of sources and tool dotfiles.
const TOP: &[&str] = &[
    "CHANGELOG.md",
    "Cargo.lock",
    "Cargo.toml",
    "LICENSE",
    "README.md",
    "host",
    "plugins",
    "rust-toolchain.toml",
    "sdk",
    "target",
    "tests",
    "var",
    "wit",
];

#[test]
fn no_source_is_longer_than_a_reader_can_bear() {
    for path in sources() {
        let lines = read(&path).lines().count();
        assert!(
            lines <= LINES_MAX,
            "{} has {lines} lines, more than {LINES_MAX}: split it",
            path.display()
        );
    }
}

#[test]
fn modules_are_named_after_themselves() {
    let found: Vec<_> = sources()
        .into_iter()
        .filter(|path| path.ends_with("mod.rs"))
        .collect();
    assert!(found.is_empty(), "write foo.rs and foo/, not {found:?}");
}

#[test]
fn the_pure_crates_name_nothing_that_does_io() {
    for path in sources().into_iter().filter(|path| is_pure(path)) {
        let text = read(&path);
        let code = text.lines().filter(|line| !line.trim_start().starts_with("//"));
        for line in code {
            let found = IMPURE.iter().find(|impure| line.contains(**impure));
            assert!(
                found.is_none(),
                "{} uses {found:?}: {}",
                path.display(),
                line.trim()
            );
        }
    }
}

#[test]
fn no_path_of_a_machine_is_in_the_tree() {
    let machine = ["/wor\u{6b}/", "/roo\u{74}/", "/far\u{6d}/", "/hom\u{65}/"];
    for path in all_files() {
        let Ok(text) = fs::read_to_string(&path) else {
            continue;
        };
        let found = machine.iter().find(|folder| text.contains(**folder));
        assert!(found.is_none(), "{} names {found:?}", path.display());
    }
}

#[test]
fn no_source_puts_its_work_off() {
    let marks = [
        "TO\u{44}O",
        "FIX\u{4d}E",
        "todo\u{21}(",
        "unimplemented\u{21}(",
        "#[ignor\u{65}",
    ];
    for path in sources() {
        let text = read(&path);
        let found = marks.iter().find(|mark| text.contains(**mark));
        assert!(found.is_none(), "{} holds {found:?}", path.display());
    }
}

#[test]
fn the_top_level_holds_what_the_house_says_and_no_more() {
    for entry in repository().read_dir().expect("the repository") {
        let name = entry.expect("an entry").file_name();
        let name = name.to_string_lossy();
        assert!(
            name.starts_with('.') || TOP.contains(&name.as_ref()),
            "{name} does not belong on the top level"
        );
    }
}

fn repository() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
}

fn is_pure(path: &Path) -> bool {
    let text = path.to_string_lossy();
    let within = ["/host/model/src/", "/host/proto/src/"]
        .iter()
        .find_map(|folder| text.split_once(folder));
    within.is_some_and(|(_, file)| !file.contains("tests"))
}

fn sources() -> Vec<PathBuf> {
    all_files()
        .into_iter()
        .filter(|path| path.extension().is_some_and(|end| end == "rs"))
        .collect()
}

fn all_files() -> Vec<PathBuf> {
    let mut files = Vec::new();
    walk(&repository(), &mut files);
    assert!(files.len() > 50, "the walk found the repository");
    files
}

fn walk(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in folder.read_dir().expect("a folder of the repository").flatten() {
        let path = entry.path();
        let name = entry.file_name();
        let is_generated = ["target", ".git", "var", "node_modules", "__pycache__"]
            .iter()
            .any(|skip| name == *skip);
        match path.is_dir() {
            true if !is_generated => walk(&path, files),
            false => files.push(path),
            true => {}
        }
    }
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}
