use super::*;

fn step(descends: bool, to: To) -> Step {
    Step { descends, to }
}

fn name(name: &str) -> To {
    To::Name(name.to_owned())
}

#[test]
fn every_known_step_is_read() {
    for (path, expected) in [
        ("$", vec![]),
        ("$.a", vec![step(false, name("a"))]),
        ("$._a1", vec![step(false, name("_a1"))]),
        ("$.jméno", vec![step(false, name("jméno"))]),
        ("$['a b']", vec![step(false, name("a b"))]),
        ("$['it\\'s \\\\']", vec![step(false, name("it's \\"))]),
        ("$['']", vec![step(false, name(""))]),
        ("$['a]']", vec![step(false, name("a]"))]),
        ("$[0]", vec![step(false, To::Index(0))]),
        ("$[12]", vec![step(false, To::Index(12))]),
        ("$[*]", vec![step(false, To::Any)]),
        ("$.*", vec![step(false, To::Any)]),
        ("$..a", vec![step(true, name("a"))]),
        ("$..['a-b']", vec![step(true, name("a-b"))]),
        ("$..*", vec![step(true, To::Any)]),
        (
            "$.items[*]..card['no']",
            vec![
                step(false, name("items")),
                step(false, To::Any),
                step(true, name("card")),
                step(false, name("no")),
            ],
        ),
    ] {
        assert_eq!(parse(path), Ok(expected), "{path}");
    }
}

#[test]
fn everything_else_is_a_fault_that_says_where() {
    let long = format!("$.{}", "a".repeat(NAME_BYTES_MAX + 1));
    let deep = format!("${}", ".a".repeat(STEPS_MAX + 1));
    for (path, at) in [
        ("", 0),
        ("a", 0),
        ("$a", 1),
        ("$.", 2),
        ("$..", 3),
        ("$...a", 3),
        ("$.a b", 3),
        ("$.a-b", 3),
        ("$.1", 2),
        ("$[", 2),
        ("$[]", 2),
        ("$[-1]", 2),
        ("$[01]", 2),
        ("$[1:2]", 2),
        ("$[1,2]", 2),
        ("$[?(@.a)]", 2),
        ("$[\"a\"]", 2),
        ("$['a", 4),
        ("$['a'", 4),
        ("$['a','b']", 4),
        ("$['\\n']", 3),
        ("$..[0]", 3),
        ("$..[*]", 3),
        ("$[9007199254740992]", 2),
        ("$.a.length()", 10),
        (" $", 0),
        ("$ ", 1),
        (&long, 2),
        (&deep, 257),
    ] {
        match parse(path) {
            Err(PathFault::Malformed { at: found, .. }) => assert_eq!(found, at, "{path}"),
            other => panic!("{path}: {other:?}"),
        }
    }
}

#[test]
fn a_fault_says_what_is_known() {
    let fault = parse("$[?(@.a)]").expect_err("a filter");
    assert_eq!(
        fault.to_string(),
        "the path \"$[?(@.a)]\" can't be followed: neither an index from 0, nor * nor a quoted name \
         at byte 2; known are $, .name, ['name'], [n], [*], .*, ..name, ..['name'] and ..*"
    );
}
