use super::*;

fn packet(code: i32, rest: &[u8]) -> BytesMut {
    let mut out = BytesMut::new();
    out.put_u32(u32::try_from(rest.len() + 8).expect("short"));
    out.put_i32(code);
    out.extend_from_slice(rest);
    out
}

fn startup_with(parameters: &[(&str, &str)]) -> Startup {
    let mut rest = Vec::new();
    for (name, value) in parameters {
        rest.extend_from_slice(name.as_bytes());
        rest.push(0);
        rest.extend_from_slice(value.as_bytes());
        rest.push(0);
    }
    rest.push(0);
    match first_packet(&mut packet(0x0003_0000, &rest)) {
        Ok(Some(FirstPacket::Startup(startup))) => startup,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_first_packet_is_taken_whole_and_nothing_after_it() {
    let mut input = packet(SSL_REQUEST, b"");
    input.extend_from_slice(b"stuffed");
    let whole = input.clone();
    for end in 0..8 {
        let mut partial = BytesMut::from(&whole[..end]);
        assert_eq!(first_packet(&mut partial), Ok(None), "{end} bytes");
    }
    assert_eq!(first_packet(&mut input), Ok(Some(FirstPacket::Ssl)));
    assert_eq!(&input[..], b"stuffed", "the caller sees what came too early");
}

#[test]
fn packets_that_are_none_are_refused() {
    for bytes in [
        &b"\0\0\0\x07\0\0\0"[..],
        b"\xFF\xFF\xFF\xFF\0\0\0\0",
        b"GET / HTTP/1.1\r\n\r\n",
        &packet(SSL_REQUEST, b"x"),
        &packet(CANCEL_REQUEST, b"1234567"),
        &packet(0x0003_0000, b"user\0me\0"),
        &packet(0x0003_0000, b"user\0me\0\0x"),
        &packet(0x0003_0000, b"user\0"),
    ] {
        assert_eq!(
            first_packet(&mut BytesMut::from(bytes)),
            Err(StartupError::Malformed),
            "{bytes:?}"
        );
    }
    assert_eq!(
        first_packet(&mut packet(0x0002_0000, b"\0")),
        Err(StartupError::Version { major: 2, minor: 0 })
    );
}

#[test]
fn a_cancel_request_carries_a_key_of_any_legal_length() {
    let mut input = packet(CANCEL_REQUEST, b"\0\0\0\x07abcd");
    assert_eq!(
        first_packet(&mut input),
        Ok(Some(FirstPacket::Cancel {
            pid: 7,
            secret: b"abcd".to_vec()
        }))
    );
    let long = [&[0, 0, 0, 7][..], &[9; 32]].concat();
    let mut input = packet(CANCEL_REQUEST, &long);
    assert_eq!(
        first_packet(&mut input),
        Ok(Some(FirstPacket::Cancel {
            pid: 7,
            secret: vec![9; 32]
        }))
    );
}

#[test]
fn the_database_defaults_to_the_user() {
    let startup = startup_with(&[("user", "me")]);
    assert_eq!((startup.user(), startup.database()), (Ok("me"), Ok("me")));
    assert_eq!(
        startup_with(&[("database", "x")]).user(),
        Err(StartupError::NoUser)
    );
}

#[test]
fn what_real_drivers_send_passes() {
    let startup = startup_with(&[
        ("user", "me"),
        ("database", "shop"),
        ("application_name", "psql"),
        ("client_encoding", "'utf-8'"),
        ("DateStyle", "ISO"),
        ("TimeZone", "Europe/Zurich"),
        ("extra_float_digits", "2"),
        ("options", "-c statement_timeout=5\\ s --lock-timeout=1 -cjit=off"),
    ]);
    let settings = startup.settings().expect("all are allowed");
    let text: Vec<String> = settings.iter().map(|(n, v)| format!("{n}={v}")).collect();
    assert_eq!(
        text,
        [
            "datestyle=ISO",
            "timezone=Europe/Zurich",
            "application_name=psql",
            "extra_float_digits=2",
            "statement_timeout=5 s",
            "lock_timeout=1",
            "jit=off"
        ]
    );
}

#[test]
fn settings_that_change_meaning_or_identity_are_refused_by_name() {
    for (name, value) in [
        ("role", "admin"),
        ("search_path", "evil"),
        ("session_authorization", "x"),
        ("options", "-c standard_conforming_strings=off"),
        ("options", "--search-path=x"),
        ("options", "-d 5"),
        ("options", "-c"),
        ("client_encoding", "SJIS"),
        ("log_statement", "none"),
    ] {
        let startup = startup_with(&[("user", "me"), (name, value)]);
        assert!(
            matches!(
                startup.settings(),
                Err(StartupError::Parameter(_) | StartupError::Value { .. })
            ),
            "{name}={value}"
        );
    }
    for value in ["true", "database", "1", "on"] {
        let startup = startup_with(&[("user", "me"), ("replication", value)]);
        assert_eq!(startup.settings(), Err(StartupError::Replication), "{value}");
    }
}

#[test]
fn newer_clients_are_told_what_we_speak() {
    let mut startup = startup_with(&[("user", "me"), ("_pq_.grease", "1")]);
    let mut out = Vec::new();
    startup.minor = 9999;
    startup.negotiate(&mut out);
    assert_eq!(&out[..], b"v\0\0\0\x18\0\x03\0\x02\0\0\0\x01_pq_.grease\0");
    out.clear();
    startup.protocol_options.clear();
    for (minor, answer) in [(0, false), (1, true), (2, false), (3, true)] {
        startup.minor = minor;
        out.clear();
        startup.negotiate(&mut out);
        assert_eq!(!out.is_empty(), answer, "3.{minor}");
    }
}

#[test]
fn a_password_is_one_terminated_string() {
    assert_eq!(password(b"p\0\0\0\x08abc\0"), Ok("abc"));
    for message in [&b"p\0\0\0\x07abc"[..], b"p\0\0\0\x09abc\0x", b"p\0\0\0\x06\xFF\0"] {
        assert_eq!(password(message), Err(StartupError::Malformed), "{message:?}");
    }
}
