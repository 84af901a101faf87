//! Who may depend on whom, on what, and under which licence.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use cargo_metadata::{DependencyKind, Metadata, MetadataCommand, Package};

/// Which crates of ours a crate of ours may depend on to be built. Tests may reach anything.
const ARROWS: &[(&str, &[&str])] = &[
    ("model", &[]),
    ("proto", &["model"]),
    ("plugin", &["model"]),
    ("journal", &["model"]),
    ("gateway", &["plugin", "proto", "journal", "model"]),
    ("tidegate-sdk", &[]),
    ("redact", &["tidegate-sdk"]),
    ("pii-scan", &["tidegate-sdk"]),
    ("sql-risk", &["tidegate-sdk"]),
    ("http-risk", &["tidegate-sdk"]),
    ("shell-risk", &["tidegate-sdk"]),
    ("splunk-hec", &["tidegate-sdk"]),
    ("webhook-approver", &["tidegate-sdk"]),
    ("slack-approver", &["tidegate-sdk"]),
    ("guests", &["tidegate-sdk"]),
    ("sim", &["model", "proto"]),
    ("fuzz", &["model", "proto", "sim"]),
    ("e2e", &[]),
    // A masker natively, beside itself in the sandbox.
    ("bench", &["e2e", "pii-scan", "tidegate-sdk"]),
    ("xtask", &[]),
];

/// The crates of tests: nothing else depends on them.
const TESTS: &[&str] = &["guests", "sim", "fuzz", "e2e", "bench", "xtask"];

/// The crates that do no IO, and what would let them.
const PURE: &[&str] = &["model", "proto"];
const IMPURE: &[&str] = &[
    "async-std",
    "chrono",
    "getrandom",
    "hyper",
    "mio",
    "object_store",
    "rustix",
    "smol",
    "socket2",
    "sqlx",
    "tempfile",
    "time",
    "tokio",
    "tokio-util",
    "tracing",
];

/// Licences that any of a dependency's alternatives may have.
const LICENCES: &[&str] = &[
    "0BSD",
    "Apache-2.0",
    "BSD-1-Clause",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "BSL-1.0",
    "CC0-1.0",
    "CDLA-Permissive-2.0",
    "ISC",
    "MIT",
    "MIT-0",
    "MPL-2.0",
    "OpenSSL",
    "Unicode-3.0",
    "Unlicense",
    "Zlib",
];

/// TLS is rustls with aws-lc-rs, and nothing beside it.
const FORBIDDEN: &[&str] = &["native-tls", "openssl", "openssl-sys"];

static METADATA: LazyLock<Metadata> = LazyLock::new(|| {
    let manifest = concat!(env!("CARGO_MANIFEST_DIR"), "/../../Cargo.toml");
    MetadataCommand::new()
        .manifest_path(manifest)
        .exec()
        .expect("cargo knows its own workspace")
});

#[test]
fn the_arrows_between_our_crates_are_those_of_the_house() {
    let allowed: BTreeMap<_, _> = ARROWS.iter().copied().collect();
    let ours: BTreeSet<_> = METADATA
        .workspace_packages()
        .iter()
        .map(|package| package.name.as_str())
        .collect();
    for package in METADATA.workspace_packages() {
        let name = package.name.as_str();
        let may = allowed
            .get(name)
            .unwrap_or_else(|| panic!("{name} has no line in ARROWS: what does it keep apart?"));
        for dependency in &package.dependencies {
            let to = dependency.name.as_str();
            let is_for_tests = dependency.kind == DependencyKind::Development;
            assert!(
                !ours.contains(to) || is_for_tests || may.contains(&to),
                "{name} may not depend on {to}"
            );
            let leaves_tests = !TESTS.contains(&name) && TESTS.contains(&to) && !is_for_tests;
            assert!(!leaves_tests, "{name} depends on the test crate {to}");
        }
    }
    let named: BTreeSet<_> = allowed.keys().copied().collect();
    assert_eq!(named, ours, "ARROWS and the workspace name the same crates");
}

#[test]
fn proto_plugin_and_journal_never_meet_even_in_tests() {
    let apart = ["proto", "plugin", "journal"];
    for package in METADATA
        .workspace_packages()
        .iter()
        .filter(|package| apart.contains(&package.name.as_str()))
    {
        let meets = |name: &str| apart.contains(&name) && name != package.name.as_str();
        let met: Vec<_> = package
            .dependencies
            .iter()
            .filter(|d| meets(&d.name))
            .map(|d| &d.name)
            .collect();
        assert!(met.is_empty(), "{} depends on {met:?}", package.name);
    }
}

#[test]
fn the_pure_crates_reach_no_runtime_clock_or_socket() {
    for name in PURE {
        let reached = reached_from(name);
        let found: Vec<_> = IMPURE
            .iter()
            .filter(|impure| reached.contains(**impure))
            .collect();
        // postgres-protocol brings randomness for SCRAM nonces; proto hands nonces in.
        let found: Vec<_> = found
            .into_iter()
            .filter(|found| **found != "getrandom" || *name == "model")
            .collect();
        assert!(found.is_empty(), "{name} reaches {found:?}");
    }
}

#[test]
fn every_dependency_has_a_licence_and_a_source_we_accept() {
    for package in METADATA
        .packages
        .iter()
        .filter(|package| !METADATA.workspace_members.contains(&package.id))
    {
        let source = package.source.as_ref().map(|source| source.repr.as_str());
        assert!(
            source.is_some_and(|s| s.starts_with("registry+")),
            "{} does not come from the registry",
            package.name
        );
        let licence = package.license.as_deref();
        assert!(
            licence.is_some_and(is_accepted),
            "{} has the licence {licence:?}",
            package.name
        );
        assert!(
            !FORBIDDEN.contains(&package.name.as_str()),
            "{} is in the tree",
            package.name
        );
    }
}

#[test]
fn a_licence_is_accepted_when_one_alternative_of_each_part_is() {
    assert!(is_accepted("MIT OR GPL-3.0-only"));
    assert!(is_accepted("(MIT OR GPL-2.0-only) AND Unicode-3.0"));
    assert!(is_accepted("Apache-2.0 WITH LLVM-exception"));
    assert!(!is_accepted("MIT AND GPL-3.0-only"));
    assert!(!is_accepted("GPL-3.0-only"));
}

fn is_accepted(expression: &str) -> bool {
    let plain = expression.replace('/', " OR ").replace("  ", " ");
    split_outside_brackets(&plain, " AND ").iter().all(|part| {
        let part = part
            .trim()
            .strip_prefix('(')
            .and_then(|p| p.strip_suffix(')'))
            .unwrap_or(part.trim());
        part.split(" OR ")
            .any(|one| match one.trim().strip_suffix(" WITH LLVM-exception") {
                Some(base) => LICENCES.contains(&base),
                None if part.contains(" AND ") => is_accepted(one),
                None => LICENCES.contains(&one.trim()),
            })
    })
}

fn split_outside_brackets<'a>(text: &'a str, separator: &str) -> Vec<&'a str> {
    let mut parts = Vec::new();
    let (mut depth, mut start) = (0, 0);
    for (at, character) in text.char_indices() {
        match character {
            '(' => depth += 1,
            ')' => depth -= 1,
            _ if depth == 0 && at >= start && text[at..].starts_with(separator) => {
                parts.push(&text[start..at]);
                start = at + separator.len();
            }
            _ => {}
        }
    }
    parts.push(&text[start..]);
    parts
}

/// Every crate that `name` needs to be built, directly or not.
fn reached_from(name: &str) -> BTreeSet<&'static str> {
    let resolve = METADATA.resolve.as_ref().expect("cargo metadata resolves");
    let package = |id| {
        METADATA
            .packages
            .iter()
            .find(|package: &&Package| package.id == id)
    };
    let root = METADATA
        .workspace_packages()
        .into_iter()
        .find(|p| p.name == name)
        .expect("a crate of ours");
    let mut left = vec![root.id.clone()];
    let mut reached = BTreeSet::new();
    while let Some(id) = left.pop() {
        let node = resolve
            .nodes
            .iter()
            .find(|node| node.id == id)
            .expect("a resolved node");
        for dependency in &node.deps {
            let is_built = dependency
                .dep_kinds
                .iter()
                .any(|kind| kind.kind == DependencyKind::Normal);
            let Some(found) = package(dependency.pkg.clone()).filter(|_| is_built) else {
                continue;
            };
            if reached.insert(found.name.as_str()) {
                left.push(found.id.clone());
            }
        }
    }
    reached
}
