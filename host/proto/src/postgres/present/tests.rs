use super::*;

/// A Bind message's rest: one format for all, these values.
fn bound(format: u16, values: &[Option<&[u8]>]) -> Vec<u8> {
    let mut out = vec![0, 1];
    out.extend_from_slice(&format.to_be_bytes());
    out.extend_from_slice(&u16::try_from(values.len()).expect("few").to_be_bytes());
    for value in values {
        match value {
            Some(bytes) => {
                out.extend_from_slice(&i32::try_from(bytes.len()).expect("short").to_be_bytes());
                out.extend_from_slice(bytes);
            }
            None => out.extend_from_slice(&(-1_i32).to_be_bytes()),
        }
    }
    out.extend_from_slice(&[0, 0]);
    out
}

fn read(oid: u32, bytes: &[u8]) -> String {
    let (values, more) =
        bound_values(&bound(1, &[Some(bytes)]), &oid.to_be_bytes(), &[]).expect("well-formed");
    assert!(!more);
    values[0].text.clone().expect("a value")
}

#[test]
fn binary_values_read_as_the_server_would_print_them() {
    for (oid, bytes, text) in [
        (BOOL, &[1][..], "t"),
        (INT2, &[0xFF, 0xFE], "-2"),
        (INT4, &[0, 0, 1, 0], "256"),
        (INT8, &[0, 0, 0, 0, 0, 0, 0, 7], "7"),
        (FLOAT8, &1.5_f64.to_be_bytes(), "1.5"),
        (TEXT, b"O'Neil", "O'Neil"),
        (JSONB, b"\x01{}", "{}"),
        (DATE, &8_766_i32.to_be_bytes(), "2024-01-01"),
        (TIMESTAMP, &0_i64.to_be_bytes(), "2000-01-01 00:00:00"),
        (
            TIMESTAMPTZ,
            &(-1_i64).to_be_bytes(),
            "1999-12-31 23:59:59.999999+00",
        ),
        (NUMERIC, &[0, 2, 0, 0, 0, 0, 0, 2, 0, 12, 0x0D, 0x48], "12.34"),
        (NUMERIC, &[0, 1, 0, 1, 0x40, 0, 0, 0, 0, 3], "-30000"),
        (NUMERIC, &[0, 0, 0, 0, 0, 0, 0, 3], "0.000"),
        (NUMERIC, &[0, 0, 0, 0, 0xC0, 0, 0, 0], "NaN"),
        (UUID, &[0xAB; 16], "abababab-abab-abab-abab-abababababab"),
        // Not of the type, or of a type nobody knows here.
        (INT4, &[1], "\\x01"),
        (99_999, &[1, 2], "\\x0102"),
    ] {
        assert_eq!(read(oid, bytes), text, "{oid} {bytes:?}");
    }
}

#[test]
fn text_is_shown_as_it_came_and_null_as_none() {
    let (values, _) = bound_values(&bound(0, &[Some(b"1"), None]), &[], &[]).expect("well-formed");
    let texts: Vec<Option<&str>> = values.iter().map(|value| value.text.as_deref()).collect();
    assert_eq!(texts, [Some("1"), None]);
}

#[test]
fn declared_types_count_where_the_server_was_not_asked() {
    let message = bound(1, &[Some(&[0, 0, 0, 9])]);
    let (values, _) = bound_values(&message, &[], &INT4.to_be_bytes()).expect("well-formed");
    assert_eq!(values[0].text.as_deref(), Some("9"));
    let (values, _) = bound_values(&message, &[0; 4], &INT4.to_be_bytes()).expect("well-formed");
    assert_eq!(values[0].text.as_deref(), Some("9"));
}

#[test]
fn long_values_and_many_are_cut_and_marked() {
    let long = vec![b'x'; BIND_BYTES_MAX + 1];
    let (values, _) = bound_values(&bound(0, &[Some(&long)]), &[], &[]).expect("well-formed");
    assert!(values[0].cut);
    let (values, _) = bound_values(&bound(1, &[Some(&long)]), &[], &[]).expect("well-formed");
    assert!(values[0].cut);
    let many = vec![None; BINDS_MAX + 1];
    let (values, more) = bound_values(&bound(0, &many), &[], &[]).expect("well-formed");
    assert!(more && values.len() == BINDS_MAX);
}

#[test]
fn a_message_cut_anywhere_is_an_error_and_no_panic() {
    let whole = bound(1, &[Some(&[0, 0, 0, 9]), None]);
    for end in 0..whole.len() - 2 {
        assert!(bound_values(&whole[..end], &[], &[]).is_err(), "{end}");
    }
}
