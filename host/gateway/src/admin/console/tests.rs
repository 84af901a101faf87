//! The console from outside: pages as they are sent, logins as browsers make them.

mod flow;
mod html;
mod login;
mod pages;
mod provider;
mod samples;

use std::collections::BTreeSet;

use super::assets;

/// What styles and script may weigh together, in bytes, before anything packs them.
const WEIGHT_MAX: usize = 25 << 10;

/// How long the script may be, in lines.
const SCRIPT_LINES_MAX: usize = 200;

#[test]
fn styles_and_script_stay_small() {
    let (style, script) = (assets::STYLE.body(), assets::SCRIPT.body());
    assert!(style.len() + script.len() <= WEIGHT_MAX);
    let lines = script.split(|byte| *byte == b'\n').count();
    assert!(lines <= SCRIPT_LINES_MAX, "{lines} lines");
}

#[test]
fn the_script_makes_nothing_of_text_but_text() {
    let script = String::from_utf8_lossy(assets::SCRIPT.body());
    for sink in [
        "innerHTML",
        "outerHTML",
        "insertAdjacentHTML",
        "document.write",
        "eval(",
        "Function(",
        "parseFromString",
        "createContextualFragment",
        "javascript:",
        "fetch(\"http",
    ] {
        assert!(!script.contains(sink), "{sink}");
    }
}

#[test]
fn escaping_is_switched_off_nowhere() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/templates");
    let mut seen = BTreeSet::new();
    for entry in std::fs::read_dir(folder).expect("the templates") {
        let path = entry.expect("a template").path();
        let ending = path
            .extension()
            .and_then(|ending| ending.to_str())
            .map(str::to_owned);
        // The engine escapes by the ending of the file's name.
        assert_eq!(ending.as_deref(), Some("html"), "{}", path.display());
        let text = std::fs::read_to_string(&path).expect("a text");
        for way in ["safe", "escape(", "autoescape", "{% filter"] {
            assert!(
                !text.contains(&format!("|{way}")) && !text.contains(&format!("| {way}")),
                "{}",
                path.display()
            );
            assert!(
                way == "safe" || !text.contains(way),
                "{} has {way}",
                path.display()
            );
        }
        seen.insert(path);
    }
    assert!(seen.len() >= 13, "the templates were found");
}
