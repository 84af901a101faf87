use super::*;

fn form(paths: &[(&str, Action)], content: Action, body: &str) -> String {
    masked(BodyKind::Form, &masks(paths, content), body)
}

#[test]
fn values_and_names_are_looked_through_decoded() {
    for (body, expected) in [
        ("a=b&c=4111-1111", "a=b&c=%5Bcard%5D"),
        ("a=%34111%2d1111+x", "a=%5Bcard%5D+x"),
        ("4111-1111=a", "%5Bcard%5D=a"),
        ("a=null+me&null+me=b", "a=&redacted=b"),
        ("a=%c3%a9+%26&&=&b&c==d=", "a=%c3%a9+%26&&=&b&c==d="),
        ("", ""),
    ] {
        assert_eq!(form(&[], Action::Call, body), expected, "{body}");
    }
}

#[test]
fn a_path_masks_every_value_of_a_name() {
    let paths = || [("$.pass", constant("é x")), ("$..ssn", keep_last(2))];
    assert_eq!(
        form(
            &paths(),
            Action::Keep,
            "p%61ss=1&pass=2&ssn=12345&PASS=3&pass&pass="
        ),
        "p%61ss=%C3%A9+x&pass=%C3%A9+x&ssn=***45&PASS=3&pass&pass="
    );
    assert_eq!(form(&[("$", Action::Suppress)], Action::Keep, "a=1&b=2"), "a=&b=");
}

#[test]
fn what_can_not_be_decoded_is_refused() {
    for (body, at) in [
        ("a=%", 2),
        ("a=b&c=%4", 6),
        ("a=%zz", 2),
        ("%=1", 0),
        ("a=b&c=%ff", 6),
    ] {
        let masks = masks(&[], Action::Call);
        match every_way(BodyKind::Form, &masks, body.as_bytes()) {
            Err(BodyMaskError::Malformed { at: found, .. }) => assert_eq!(found, at, "{body}"),
            other => panic!("{body}: {other:?}"),
        }
    }
}
