use super::*;

fn compiled(paths: &[&str]) -> Paths {
    Paths::compile(paths.len(), paths.iter().copied().enumerate()).expect("paths that compile")
}

/// Follows names, and indices where a step is a number.
fn ends(paths: &Paths, way: &[&str]) -> Vec<u16> {
    let state = way.iter().fold(ROOT, |state, step| match step.parse() {
        Ok(index) => paths.element(state, index),
        Err(_) => paths.member(state, step.as_bytes()),
    });
    paths.ends(state).to_vec()
}

#[test]
fn all_paths_are_followed_at_once() {
    let paths = compiled(&[
        "$.a.b",
        "$..b",
        "$.a[1]",
        "$.a.*",
        "$",
        "$..b..c",
        "$.list[*].x",
        "$.a['b']",
    ]);
    for (way, expected) in [
        (&[][..], &[4][..]),
        (&["a"], &[]),
        (&["b"], &[1]),
        (&["a", "b"], &[0, 1, 3, 7]),
        (&["a", "0"], &[3]),
        (&["a", "1"], &[2, 3]),
        (&["a", "x", "b"], &[1]),
        (&["b", "x", "y", "c"], &[5]),
        (&["b", "b", "c"], &[5]),
        (&["c"], &[]),
        (&["list", "7", "x"], &[6]),
        (&["list", "x", "x"], &[6]),
        (&["list", "x"], &[]),
    ] {
        assert_eq!(ends(&paths, way), expected, "{way:?}");
    }
}

#[test]
fn names_of_every_length_are_told_apart() {
    let names = ["", "a", "b", "ab", "ba", "abc", "é", "日本語"];
    let paths: Vec<String> = names.iter().map(|name| format!("$['{name}']")).collect();
    let paths: Vec<&str> = paths.iter().map(String::as_str).collect();
    let paths = compiled(&paths);
    for (field, name) in (0..).zip(names) {
        assert_eq!(paths.ends(paths.member(ROOT, name.as_bytes())), [field], "{name}");
    }
    for other in [
        "c",
        "aa",
        "A",
        "abcd",
        "e\u{301}",
        "日本",
        "a long name that no path has",
    ] {
        assert_eq!(paths.member(ROOT, other.as_bytes()), NOWHERE, "{other}");
    }
    assert_eq!(paths.name_bytes_max(), "日本語".len());
}

#[test]
fn without_paths_nothing_leads_anywhere() {
    let paths = compiled(&[]);
    assert_eq!(paths.member(ROOT, b"a"), NOWHERE);
    assert_eq!(paths.element(ROOT, 0), NOWHERE);
    assert_eq!(paths.name_bytes_max(), 0);
    assert!(paths.ends(ROOT).is_empty());
}

#[test]
fn a_root_that_is_an_end_of_two_fields_has_both() {
    let paths = Paths::compile(3, [(2, "$"), (0, "$"), (2, "$")]).expect("paths that compile");
    assert_eq!(paths.ends(ROOT), [0, 2]);
}

#[test]
fn many_paths_take_one_state_a_step() {
    let paths: Vec<String> = (0..300).map(|index| format!("$..field_{index}")).collect();
    let paths: Vec<&str> = paths.iter().map(String::as_str).collect();
    assert_eq!(compiled(&paths).states(), 302);
}

#[test]
fn paths_that_multiply_are_a_fault() {
    let path = format!("$..a{}", "[*]".repeat(20));
    let fault = Paths::compile(1, [(0, path.as_str())]).expect_err("too many states");
    assert!(matches!(fault, PathFault::TooMany(_)), "{fault}");
    let fault = Paths::compile(1, [(1, "$.a")]).expect_err("no such field");
    assert!(matches!(fault, PathFault::TooMany(_)), "{fault}");
}
