use tidegate_sdk::masker::{Action, Field, Native};
use tidegate_sdk::testing::{check, issues, plans};

use super::Redact;

fn plan(config: &str, tags: &[&str]) -> Action {
    let tags = tags.iter().map(|t| (*t).to_owned()).collect();
    plans::<Redact>(
        config,
        &Field {
            tags,
            ..Field::text("x")
        },
    )
}

#[test]
fn each_rule_is_the_mask_it_names() {
    for (rule, native) in [
        (r#""null""#, Native::Null),
        (r#""keep-first-2""#, Native::KeepFirst(2)),
        (r#""keep-last-4""#, Native::KeepLast(4)),
        (r#""pseudonym""#, Native::Pseudonym("t".to_owned())),
        (r#""generalise-date-month""#, Native::GeneraliseToMonth),
        (r#""generalise-date-year""#, Native::GeneraliseToYear),
        (r#""generalise-number-1000""#, Native::GeneraliseNumber(1000)),
        (r#"{"op":"null"}"#, Native::Null),
        (
            r#"{"op":"constant","value":"[x]"}"#,
            Native::Constant("[x]".to_owned()),
        ),
        (r#"{"op":"keep-first","n":0}"#, Native::KeepFirst(0)),
        (r#"{"op":"keep-last","n":64}"#, Native::KeepLast(64)),
        (r#"{"op":"pseudonym"}"#, Native::Pseudonym("t".to_owned())),
        (
            r#"{"op":"pseudonym","domain":"d"}"#,
            Native::Pseudonym("d".to_owned()),
        ),
        (
            r#"{"op":"generalise-date","to":"month"}"#,
            Native::GeneraliseToMonth,
        ),
        (
            r#"{"op":"generalise-number","step":5}"#,
            Native::GeneraliseNumber(5),
        ),
    ] {
        assert_eq!(
            plan(&format!(r#"{{"t":{rule}}}"#), &["t"]),
            Action::Native(native),
            "{rule}"
        );
    }
}

#[test]
fn the_most_precise_pattern_counts() {
    let config = r#"{"*":"null","pii.*":"keep-first-1","pii.ssn":"keep-last-4","pii.ssn*":"keep-last-9"}"#;
    assert_eq!(plan(config, &["pii.ssn"]), Action::Native(Native::KeepLast(4)));
    assert_eq!(plan(config, &["pii.ssn2"]), Action::Native(Native::KeepLast(9)));
    assert_eq!(plan(config, &["pii.name"]), Action::Native(Native::KeepFirst(1)));
    assert_eq!(plan(config, &["pii"]), Action::Native(Native::Null));
}

#[test]
fn of_several_tags_the_strictest_rule_counts() {
    let config = r#"{"a":"keep-last-4","b":"pseudonym","c":"null","d":"keep-last-2"}"#;
    assert_eq!(
        plan(config, &["a", "b"]),
        Action::Native(Native::Pseudonym("b".to_owned()))
    );
    assert_eq!(plan(config, &["a", "b", "c"]), Action::Native(Native::Null));
    assert_eq!(plan(config, &["a", "d"]), Action::Native(Native::KeepLast(2)));
}

#[test]
fn a_field_with_a_tag_that_no_rule_covers_is_suppressed() {
    assert_eq!(plan(r#"{"a":"keep-last-4"}"#, &["a", "other"]), Action::Suppress);
}

#[test]
fn a_field_without_rules_is_left_to_others() {
    assert_eq!(plan("{}", &["pii.ssn"]), Action::Keep);
    assert_eq!(plan(r#"{"*":"null"}"#, &[]), Action::Keep);
}

#[test]
fn names_chosen_by_the_client_change_nothing() {
    let field = Field {
        tags: vec!["pii.ssn".to_owned()],
        ..Field::text("harmless")
    };
    let config = r#"{"pii.ssn":"null"}"#;
    assert_eq!(plans::<Redact>(config, &field), Action::Native(Native::Null));
}

#[test]
fn all_faults_are_named_at_once_with_their_place() {
    let found = issues::<Redact>(
        r#"{"a":"keep-last-65","b/c":{"op":"keep-last","n":"4"},"d":"scramble","e":{"op":"null","n":1},
            "f":7,"g*h":"null","h":{"op":"rot13"},"i":"generalise-number-0","j":{"n":4}}"#,
    );
    let pointers: Vec<_> = found
        .iter()
        .map(|line| line.split(':').next().unwrap_or(""))
        .collect();
    assert_eq!(
        pointers,
        ["/a", "/b~1c/n", "/d", "/e", "/f", "/g*h", "/h/op", "/i", "/j/op"]
    );
}

#[test]
fn no_cell_enters_the_plugin() {
    check::<Redact>(r#"{"pii.ssn":"null"}"#)
        .column("note", ["123-45-6789"])
        .gives(["123-45-6789"]);
}

#[test]
fn the_schema_is_json() {
    let schema: serde_json::Value = serde_json::from_str(include_str!("schema.json")).expect("JSON");
    assert_eq!(schema["type"], "object");
}
