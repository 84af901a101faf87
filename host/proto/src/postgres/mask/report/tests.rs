use proptest::prelude::*;

use super::*;

fn scrubbed(body: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    scrub_error(body, &mut out);
    out
}

#[test]
fn a_scrubbed_error_keeps_severity_state_and_position_only() {
    let body = b"SFEHLER\0VERROR\0C23505\0Mduplicate key value\0DKey (ssn)=(123-45-6789) already exists.\0\
        Hhint 123-45-6789\0P17\0p4\0qselect 123-45-6789\0Wwhere 123-45-6789\0spublic\0tcustomers\0cssn\0dtext\0\
        n123-45-6789\0Ffile\0L1\0Rroutine\0!unknown 123-45-6789\0\0";
    let expected = b"SERROR\0VERROR\0C23505\0\
        Mthe statement failed with 23505; details are withheld because it reads masked data\0P17\0\0";
    assert_eq!(scrubbed(body), expected);
}

#[test]
fn a_scrubbed_notice_does_not_speak_of_failure() {
    let expected = b"SWARNING\0VWARNING\0C01000\0\
        Mthe statement raised 01000; details are withheld because it reads masked data\0\0";
    assert_eq!(
        scrubbed(b"SWARNING\0VWARNING\0C01000\0Mleak: 123-45-6789\0\0"),
        expected
    );
    // Servers before 9.6 have no `V`.
    assert_eq!(scrubbed(b"SWARNING\0C01000\0Mleak: 123-45-6789\0\0"), expected);
}

#[test]
fn fields_that_hold_something_else_are_not_passed_on() {
    let expected = b"SERROR\0VERROR\0CXX000\0\
        Mthe statement failed with XX000; details are withheld because it reads masked data\0\0";
    for body in [
        &b""[..],
        b"\0",
        b"S123-45-6789\0V123-45-6789\0C123-45-6789\0P123-45-6789\0\0",
        b"C1234\0\0",
        b"Cab123\0\0",
        b"VERROR\0P\0\0",
        b"P12345678901\0",
        b"C23505",
        b"\0C23505\0",
    ] {
        assert_eq!(scrubbed(body), expected, "{}", body.escape_ascii());
    }
}

#[test]
fn the_fields_of_an_error_are_read_as_sent() {
    let fields = error_fields(b"SFEHLER\0VERROR\0C42P01\0C00000\0Mno \xff\0P5\0\0Mafter the end\0");
    let expected = ErrorFields {
        severity: Some(b"ERROR"),
        code: Some(b"42P01"),
        message: Some(b"no \xff"),
        position: Some(b"5"),
    };
    assert_eq!(fields, expected);
    assert_eq!(error_fields(b"SFEHLER\0\0").severity, Some(&b"FEHLER"[..]));
    assert_eq!(error_fields(b""), ErrorFields::default());
    assert_eq!(error_fields(b"Mno end").message, None);
}

#[test]
fn our_own_errors_are_whole_frames() {
    let mut out = b"before".to_vec();
    build_error("ERROR", "42501", "no", Some("why\0so"), None, &mut out);
    let body = b"SERROR\0VERROR\0C42501\0Mno\0Dwhy so\0\0";
    let length = u32::try_from(body.len() + 4).expect("short").to_be_bytes();
    assert_eq!(out, [b"beforeE", &length[..], body].concat());

    let mut out = Vec::new();
    build_notice("NOTICE", "00000", "held", None, Some("wait"), &mut out);
    assert_eq!(&out[5..], b"SNOTICE\0VNOTICE\0C00000\0Mheld\0Hwait\0\0");
    assert_eq!(out[0], b'N');
}

#[test]
fn a_long_field_is_cut_between_characters() {
    let mut out = Vec::new();
    build_error(
        "ERROR",
        "42501",
        &"ä".repeat(FIELD_BYTES_MAX),
        None,
        None,
        &mut out,
    );
    let message = error_fields(&out[5..]).message.expect("a message");
    assert_eq!(message.len(), FIELD_BYTES_MAX);
    let mut out = Vec::new();
    build_error(
        "ERROR",
        "42501",
        &format!("a{}", "ä".repeat(FIELD_BYTES_MAX)),
        None,
        None,
        &mut out,
    );
    let message = error_fields(&out[5..]).message.expect("a message");
    assert_eq!(message.len(), FIELD_BYTES_MAX - 1);
    assert!(std::str::from_utf8(message).is_ok());
}

proptest! {
    #[test]
    fn nothing_of_arbitrary_bytes_gets_through(body in proptest::collection::vec(any::<u8>(), 0..120)) {
        let out = scrubbed(&body);
        let fields = error_fields(&out);
        prop_assert!(out.ends_with(b"\0\0"));
        prop_assert!(fields.code.is_some_and(|code| code.len() == 5));
        prop_assert!(out.len() < 160);
    }

    #[test]
    fn canaries_in_any_field_do_not_get_through(kind in 1_u8..=255, canary in "[a-z]{12}") {
        let body = [&[kind], canary.as_bytes(), b"\0\0"].concat();
        prop_assert!(!scrubbed(&body).windows(12).any(|window| window == canary.as_bytes()));
    }
}
