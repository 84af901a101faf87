use proptest::prelude::*;

use super::*;

const PLAIN: PathRules = PathRules {
    encoded_slashes: false,
    parameters: false,
};
const LENIENT: PathRules = PathRules {
    encoded_slashes: true,
    parameters: true,
};

#[test]
fn a_path_has_one_form() {
    for (raw, expected) in [
        ("/", "/"),
        ("/a", "/a"),
        ("/a/", "/a/"),
        ("/a/b.c/~d", "/a/b.c/~d"),
        ("/a:b/c@d", "/a:b/c@d"),
        ("/a!$&'()*+,=", "/a!$&'()*+,="),
        ("/%61%2D%2e%5F%7e", "/a-._~"),
        ("/caf%c3%a9", "/caf%C3%A9"),
        ("/a%20b", "/a%20b"),
        ("/a%3fb%23c", "/a%3Fb%23c"),
        ("/100%25", "/100%25"),
        ("/100%25x", "/100%25x"),
        ("/a%2Cb", "/a%2Cb"),
        ("/..a", "/..a"),
        ("/a..", "/a.."),
        ("/.well-known/x", "/.well-known/x"),
        ("/A/a", "/A/a"),
    ] {
        let path = CanonicalPath::parse(raw, PLAIN).expect(raw);
        assert_eq!(path.as_str(), expected);
    }
}

#[test]
fn what_two_servers_read_as_two_paths_is_refused() {
    use PathError::*;
    for (raw, expected) in [
        ("", Relative),
        ("a", Relative),
        ("*", Relative),
        ("http://a/b", Relative),
        ("//", EmptySegment),
        ("//evil/x", EmptySegment),
        ("/a//b", EmptySegment),
        ("/a//", EmptySegment),
        ("/.", DotSegment),
        ("/..", DotSegment),
        ("/a/./b", DotSegment),
        ("/a/../b", DotSegment),
        ("/a/..", DotSegment),
        ("/%2e", DotSegment),
        ("/%2E%2e/admin", DotSegment),
        ("/.%2e/admin", DotSegment),
        ("/...", DotSegment),
        ("/..%20/admin", DotSegment),
        ("/%20../admin", DotSegment),
        ("/..;/admin", Parameters),
        ("/..%3b/admin", Parameters),
        ("/admin;x=1", Parameters),
        ("/admin%3Bx", Parameters),
        ("/a%2fb", HiddenCharacter),
        ("/a%2Fb", HiddenCharacter),
        ("/..%2fadmin", HiddenCharacter),
        ("/a%5cb", HiddenCharacter),
        ("/..%5C..%5Cadmin", HiddenCharacter),
        ("/a%00.png", HiddenCharacter),
        ("/a%0d%0aX:%20y", HiddenCharacter),
        ("/a%09", HiddenCharacter),
        ("/a%7f", HiddenCharacter),
        ("/a\\b", Backslash),
        ("/..\\admin", Backslash),
        ("/a%", Escape),
        ("/a%2", Escape),
        ("/a%zz", Escape),
        ("/a%u002f", Escape),
        ("/a%+1", Escape),
        ("/a%ff", Escape),
        ("/%c0%af", Escape),
        ("/%c0%ae%c0%ae/admin", Escape),
        ("/%e0%80%af", Escape),
        ("/%ed%a0%80", Escape),
        ("/%252e%252e/admin", EncodedTwice),
        ("/%252fadmin", EncodedTwice),
        ("/a%25%34%31", EncodedTwice),
        ("/a%2541", EncodedTwice),
        ("/a#b", Character),
        ("/a?b", Character),
        ("/a b", Character),
        ("/a\tb", Character),
        ("/a\0b", Character),
        ("/é", Character),
        ("/a<b>", Character),
        ("/a\"b", Character),
        ("/a{b}", Character),
        ("/a|b", Character),
        ("/a^b", Character),
        ("/a`b", Character),
        ("/a[b]", Character),
    ] {
        assert_eq!(CanonicalPath::parse(raw, PLAIN), Err(expected), "{raw:?}");
    }
}

#[test]
fn what_is_let_in_is_still_no_way_up() {
    for (raw, expected) in [
        ("/a%2fb", Ok("/a%2Fb")),
        ("/a%2F%2Fb", Ok("/a%2F%2Fb")),
        ("/a;x=1/b", Ok("/a;x=1/b")),
        ("/a%3bx", Ok("/a%3Bx")),
        ("/..%2fb", Err(PathError::DotSegment)),
        ("/a%2f%2e%2e%2fb", Err(PathError::DotSegment)),
        ("/a%2f..;x%2fb", Err(PathError::DotSegment)),
        ("/..;/b", Err(PathError::DotSegment)),
        ("/..%3b/b", Err(PathError::DotSegment)),
        ("/.;x=1/b", Err(PathError::DotSegment)),
        ("/..%20;x/b", Err(PathError::DotSegment)),
        ("/;x/b", Err(PathError::DotSegment)),
        ("/a%5cb", Err(PathError::HiddenCharacter)),
        ("/a%252fb", Err(PathError::EncodedTwice)),
    ] {
        let path = CanonicalPath::parse(raw, LENIENT);
        assert_eq!(
            path.as_ref().map(CanonicalPath::as_str),
            expected.as_ref().copied(),
            "{raw:?}"
        );
    }
}

#[test]
fn a_path_has_a_length_and_a_depth() {
    let long = |count: usize| CanonicalPath::parse(&"/a".repeat(count), PLAIN);
    assert!(long(SEGMENTS_MAX).is_ok());
    assert_eq!(long(SEGMENTS_MAX + 1), Err(PathError::TooLong));
    assert!(CanonicalPath::parse(&format!("/{}", "a".repeat(PATH_BYTES_MAX - 1)), PLAIN).is_ok());
    let longer = format!("/{}", "a".repeat(PATH_BYTES_MAX));
    assert_eq!(CanonicalPath::parse(&longer, PLAIN), Err(PathError::TooLong));
}

#[test]
fn paths_move_between_bases() {
    let path = |text: &str| CanonicalPath::parse(text, PLAIN).expect(text);
    for (whole, first, rest) in [
        ("/crm", "crm", "/"),
        ("/crm/", "crm", "/"),
        ("/crm/a", "crm", "/a"),
        ("/crm/a/", "crm", "/a/"),
    ] {
        assert_eq!(path(whole).split_first(), Some((first, path(rest))), "{whole}");
    }
    assert_eq!(CanonicalPath::root().split_first(), None);

    for (base, inner, whole) in [
        ("/", "/", "/"),
        ("/", "/a", "/a"),
        ("/v2", "/a/", "/v2/a/"),
        ("/v2/", "/a", "/v2/a"),
        ("/v2", "/", "/v2/"),
    ] {
        assert_eq!(path(inner).below(&path(base)), path(whole), "{base} {inner}");
        assert_eq!(
            path(whole).relative_to(&path(base)),
            Some(path(inner)),
            "{base} {inner}"
        );
    }
    assert_eq!(path("/v2").relative_to(&path("/v2")), Some(CanonicalPath::root()));
    assert_eq!(path("/v20/a").relative_to(&path("/v2")), None);
    assert_eq!(path("/a").relative_to(&path("/v2")), None);
}

fn raw_path() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        Just("/".to_owned()),
        Just("%".to_owned()),
        Just("%2".to_owned()),
        Just("%25".to_owned()),
        Just("..".to_owned()),
        Just(";".to_owned()),
        "[a-f0-9A-F]{1,2}",
        any::<u8>().prop_map(|byte| format!("%{byte:02x}")),
        any::<char>().prop_map(String::from),
        Just("%c3%a9".to_owned()),
    ];
    proptest::collection::vec(piece, 0..12).prop_map(|pieces| format!("/{}", pieces.concat()))
}

proptest! {
    #[test]
    fn the_one_form_has_itself_as_its_form(raw in raw_path(), lenient in any::<bool>()) {
        let rules = if lenient { LENIENT } else { PLAIN };
        if let Ok(path) = CanonicalPath::parse(&raw, rules) {
            prop_assert_eq!(CanonicalPath::parse(path.as_str(), rules), Ok(path));
        }
    }

    #[test]
    fn a_second_decoding_finds_nothing_more(raw in raw_path()) {
        if let Ok(path) = CanonicalPath::parse(&raw, PLAIN) {
            let decoded = decode_escapes(path.as_str()).expect("escapes");
            prop_assert_eq!(decoded.matches('/').count(), path.segments().count());
            prop_assert!(!decoded.split('/').any(|segment| matches!(segment, "." | "..")));
            prop_assert!(!decoded.contains(['\\', ';', '\0', '\n', '\r']));
        }
    }
}
