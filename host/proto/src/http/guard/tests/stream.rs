//! The stream as a whole: what follows what, and how it comes in pieces.

use proptest::prelude::*;

use super::*;

const GET: &[u8] = b"GET /a HTTP/1.1\r\nHost: a\r\n\r\n";
const UPGRADE: &[u8] =
    b"GET /ws HTTP/1.1\r\nHost: a\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n\r\n";
const CHUNKED: &[u8] = b"POST /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n\
    5\r\nhello\r\n0A\r\n0123456789\r\n0\r\n\r\n";
const LENGTH: &[u8] = b"POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello";

#[test]
fn good_requests_pass_unchanged_one_after_the_other() {
    let input = [GET, CHUNKED, GET, LENGTH, LENGTH, GET].concat();
    let outcome = both_ways(&input);
    assert_eq!(outcome.ended, Ok(()));
    assert_eq!(outcome.passed, input);
    assert_eq!(outcome.heads, 6);
}

#[test]
fn what_stands_before_a_violation_passes_and_nothing_after_it() {
    let bad = b"GET /b HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n";
    let input = [GET, LENGTH, &bad[..], GET].concat();
    let outcome = both_ways(&input);
    assert_eq!(outcome.ended, Err(Violation::Host));
    assert_eq!(outcome.passed, [GET, LENGTH].concat());
    assert_eq!(outcome.heads, 2);

    let mut guard = Guard::new();
    let mut passed = Vec::new();
    assert!(guard.feed(bad, &mut passed).is_err());
    assert_eq!(guard.feed(GET, &mut passed), Err(Violation::Host));
    assert!(passed.is_empty() && guard.heads() == 0);
}

#[test]
fn a_body_that_looks_like_a_head_is_a_body() {
    let smuggled = b"GET /x HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n";
    let head = format!(
        "POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n",
        smuggled.len()
    );
    let input = [head.as_bytes(), smuggled, GET].concat();
    let outcome = both_ways(&input);
    assert_eq!((outcome.ended, outcome.heads), (Ok(()), 2));
    assert_eq!(outcome.passed, input);
}

#[test]
fn a_chunk_that_is_malformed_stops_where_it_starts() {
    let head = &b"POST /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"[..];
    for (body, passed, violation) in [
        (&b"5\nhello"[..], &b""[..], Violation::ChunkSize),
        (b"\r\n", b"", Violation::ChunkSize),
        (b"0x5\r\nhello", b"", Violation::ChunkSize),
        (b"5 \r\nhello", b"", Violation::ChunkSize),
        (b"-5\r\nhello", b"", Violation::ChunkSize),
        (b"5\rhello", b"", Violation::ChunkSize),
        (b"5;a=b\r\nhello", b"", Violation::ChunkExtension),
        (b"5;a=b\nhello", b"", Violation::ChunkExtension),
        (b"5\r\nhelloX\r\n", b"5\r\nhello", Violation::ChunkEnd),
        (b"5\r\nhello\n", b"5\r\nhello", Violation::ChunkEnd),
        (b"5\r\nhello\rX", b"5\r\nhello", Violation::ChunkEnd),
        (b"40000001\r\n", b"", Violation::ChunkTooLarge),
        (b"FFFFFFFFFFFFFFFF\r\n", b"", Violation::ChunkTooLarge),
        (b"00000000000000005\r\n", b"", Violation::ChunkTooLarge),
        (b"0\r\nAuthorization: x\r\n\r\n", b"0\r\n", Violation::Trailer),
        (b"0\r\nContent-Length: 5\r\n\r\n", b"0\r\n", Violation::Trailer),
        (b"0\r\nContent-Digest: x\n\r\n", b"0\r\n", Violation::Trailer),
        (b"0\r\nContent-Digest : x\r\n\r\n", b"0\r\n", Violation::Trailer),
        (b"0\r\n folded\r\n\r\n", b"0\r\n", Violation::Trailer),
    ] {
        let outcome = both_ways(&[head, body].concat());
        let body = String::from_utf8_lossy(body);
        assert_eq!(outcome.ended, Err(violation), "{body:?}");
        assert_eq!(outcome.passed, [head, passed].concat(), "{body:?}");
        assert_eq!(outcome.heads, 1, "{body:?}");
        assert!(!violation.is_in_head(), "{body:?}");
    }
}

#[test]
fn digests_may_follow_a_body() {
    let input = b"POST /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: Chunked\r\n\r\n\
        0000000000000005\r\nhello\r\n0\r\nContent-Digest: sha-256=:x:\r\nRepr-Digest: y\r\n\r\n";
    let outcome = both_ways(&[&input[..], GET].concat());
    assert_eq!((outcome.ended, outcome.heads), (Ok(()), 2));
}

#[test]
fn trailers_have_a_size() {
    let head = b"POST /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n";
    let trailer = format!("Content-Digest: {}\r\n", "x".repeat(1024));
    let input = [&head[..], trailer.repeat(5).as_bytes()].concat();
    let outcome = both_ways(&input);
    assert_eq!(outcome.ended, Err(Violation::TrailersTooLarge));
    assert_eq!(outcome.passed, head);
}

#[test]
fn a_head_has_sizes() {
    let long = |target: usize, fields: usize, value: usize| {
        let field = format!("X: {}\r\n", "v".repeat(value));
        format!(
            "GET /{} HTTP/1.1\r\nHost: a\r\n{}\r\n",
            "t".repeat(target - 1),
            field.repeat(fields)
        )
    };
    for (input, expected) in [
        (long(TARGET_BYTES_MAX, 0, 0), Ok(())),
        (long(TARGET_BYTES_MAX + 1, 0, 0), Err(Violation::TargetTooLong)),
        (long(HEAD_BYTES_MAX, 0, 0), Err(Violation::TargetTooLong)),
        (long(1, HEADERS_MAX - 1, 1), Ok(())),
        (long(1, HEADERS_MAX, 1), Err(Violation::TooManyFields)),
        (long(1, 1, HEAD_BYTES_MAX - 64), Ok(())),
        (long(1, 1, HEAD_BYTES_MAX), Err(Violation::HeadTooLarge)),
        (long(1, 50, 1024), Err(Violation::HeadTooLarge)),
    ] {
        assert_eq!(
            both_ways(input.as_bytes()).ended,
            expected,
            "{} bytes",
            input.len()
        );
    }
    // Without a line end there is no more to wait for either.
    let endless = vec![b'a'; HEAD_BYTES_MAX];
    assert_eq!(both_ways(&endless).ended, Err(Violation::TargetTooLong));
    let endless = [&b"GET / HTTP/1.1\r\nHost: a\r\nX: "[..], &endless].concat();
    assert_eq!(both_ways(&endless).ended, Err(Violation::HeadTooLarge));
}

#[test]
fn http2_is_known_by_its_first_words_and_passes_whole() {
    let input = [PREFACE, b"\0\0\0\x04\0\0\0\0\0GET / HTTP/1.1\nanything"].concat();
    let outcome = both_ways(&input);
    assert_eq!((outcome.ended, outcome.heads), (Ok(()), 0));
    assert_eq!(outcome.passed, input);

    let mut guard = Guard::new();
    let mut passed = Vec::new();
    for byte in PREFACE {
        assert_eq!(guard.protocol(), None);
        assert_eq!(guard.feed(&[*byte], &mut passed), Ok(()));
    }
    assert_eq!(guard.protocol(), Some(Protocol::Http2));
    assert_eq!(passed, PREFACE);
}

#[test]
fn what_only_starts_like_http2_is_read_as_http1() {
    for (input, expected) in [
        (&b"PUT /a HTTP/1.1\r\nHost: a\r\n\r\n"[..], Ok(())),
        (b"PRI /a HTTP/1.1\r\nHost: a\r\n\r\n", Ok(())),
        (b"PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n", Err(Violation::Version)),
        (b"PRI * HTTP/1.1\r\nHost: a\r\n\r\n", Err(Violation::Target)),
    ] {
        let outcome = both_ways(input);
        assert_eq!(outcome.ended, expected, "{:?}", String::from_utf8_lossy(input));
        if expected.is_ok() {
            assert_eq!(outcome.passed, input);
        }
    }
    // The preface means something at the start alone.
    let outcome = both_ways(&[GET, PREFACE].concat());
    assert_eq!((outcome.ended, outcome.heads), (Err(Violation::Version), 1));
}

#[test]
fn nothing_passes_until_it_is_said_what_became_of_an_upgrade() {
    for early in [&b""[..], b"\x81\x05hello"] {
        let mut guard = Guard::new();
        let mut passed = Vec::new();
        assert_eq!(guard.feed(&[UPGRADE, early].concat(), &mut passed), Ok(()));
        assert!(guard.is_offered());
        assert_eq!(passed, UPGRADE);

        guard.switched(&mut passed);
        assert_eq!(guard.feed(b"\x81\x00\n\n", &mut passed), Ok(()));
        assert_eq!(passed, [UPGRADE, early, b"\x81\x00\n\n"].concat());
        assert_eq!((guard.heads(), guard.protocol()), (1, Some(Protocol::Http1)));
    }
}

#[test]
fn a_declined_upgrade_leaves_http1_guarded() {
    let mut guard = Guard::new();
    let mut passed = Vec::new();
    assert_eq!(guard.feed(&[UPGRADE, GET].concat(), &mut passed), Ok(()));
    assert_eq!(guard.declined(&mut passed), Ok(()));
    assert_eq!(passed, [UPGRADE, GET].concat());
    assert_eq!(guard.heads(), 2);
    assert_eq!(guard.feed(b"GET /\r\n", &mut passed), Err(Violation::RequestLine));

    let mut guard = Guard::new();
    assert_eq!(guard.feed(&[UPGRADE, b"GET /\r\n"].concat(), &mut passed), Ok(()));
    assert_eq!(guard.declined(&mut passed), Err(Violation::RequestLine));
    // What is said of no offer changes nothing.
    let mut guard = Guard::new();
    guard.switched(&mut passed);
    assert_eq!(guard.declined(&mut passed), Ok(()));
    assert_eq!(guard.feed(b"GET /\r\n", &mut passed), Err(Violation::RequestLine));
}

#[test]
fn behind_an_offer_there_is_room_for_little() {
    let mut guard = Guard::new();
    let mut passed = Vec::new();
    assert_eq!(guard.feed(UPGRADE, &mut passed), Ok(()));
    assert_eq!(guard.feed(&[0; HELD_BYTES_MAX], &mut passed), Ok(()));
    assert_eq!(guard.feed(&[0], &mut passed), Err(Violation::Impatient));
    assert_eq!(passed, UPGRADE);
}

#[test]
fn the_head_in_place_of_a_stopped_one_is_itself_good() {
    let outcome = both_ways(Guard::POISON_HEAD);
    assert_eq!((outcome.ended, outcome.heads), (Ok(()), 1));
    assert_eq!(outcome.passed, Guard::POISON_HEAD);
}

fn stream() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        Just(GET.to_vec()),
        Just(LENGTH.to_vec()),
        Just(CHUNKED.to_vec()),
        Just(b"POST / HTTP/1.1\r\n".to_vec()),
        Just(b"Host: a\r\n".to_vec()),
        Just(b"Transfer-Encoding: chunked\r\n".to_vec()),
        Just(b"Content-Length: 3\r\n".to_vec()),
        Just(b"\r\n".to_vec()),
        Just(b"3\r\nabc\r\n0\r\n\r\n".to_vec()),
        Just(PREFACE[..16].to_vec()),
        proptest::collection::vec(any::<u8>(), 0..4),
    ];
    proptest::collection::vec(piece, 0..8).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn splits_never_change_the_outcome(input in stream(), cuts in proptest::collection::vec(any::<usize>(), 0..6)) {
        let whole = both_ways(&input);
        let mut cuts: Vec<_> = cuts.into_iter().map(|cut| cut % (input.len() + 1)).collect();
        cuts.extend([0, input.len()]);
        cuts.sort_unstable();
        prop_assert_eq!(feed(cuts.windows(2).map(|cut| &input[cut[0]..cut[1]])), whole);
    }

    #[test]
    fn what_passes_is_a_beginning_of_what_came(input in stream()) {
        let outcome = both_ways(&input);
        prop_assert!(input.starts_with(&outcome.passed));
    }
}
