//! What a fuzzer drives: each target takes any bytes, and must neither panic nor break its word.
//!
//! Inputs that once found something are kept in `corpus/`, one hex file each, and replayed by
//! the tests.

#![forbid(unsafe_code)]

use bytes::BytesMut;
use model::mask::{Action, NativeMask, Plan, Planned};
use proto::http::authority::Authority;
use proto::http::content::MediaType;
use proto::http::guard::{Guard, Violation};
use proto::http::path::{CanonicalPath, PathRules};
use proto::http::query::Query;
use proto::postgres::frame::{HEADER_BYTES, backend_header, frontend_header};
use proto::postgres::mask::{
    FieldDescription, Format, PseudonymKey, ResultMask, error_fields, parse_row_description, scrub_error,
};
use proto::postgres::relay::Relay;
use proto::postgres::startup::{FirstPacket, first_packet, password};
use proto::session::Waiting;
use sim::session::{Blank, judged, options};
use sim::wire;

/// Splits a stream in both directions: a header never claims what its type may not have, and
/// none appears before its five bytes are there.
///
/// # Panics
/// If that is not so.
pub fn frames(bytes: &[u8]) {
    for header in [frontend_header, backend_header] {
        let mut rest = bytes;
        while let Ok(Some(found)) = header(rest) {
            assert!(rest.len() >= HEADER_BYTES && found.total >= HEADER_BYTES);
            let Some(after) = rest.get(found.total..) else {
                break;
            };
            rest = after;
        }
    }
}

/// Reads what comes before a session: packets, parameters, options, passwords.
///
/// # Panics
/// If a packet is taken that is not whole.
pub fn startup(bytes: &[u8]) {
    let mut input = BytesMut::from(bytes);
    let before = input.len();
    if let Ok(Some(packet)) = first_packet(&mut input) {
        assert!(before - input.len() >= 8);
        if let FirstPacket::Startup(startup) = packet {
            let _ = startup.user();
            let _ = startup.database();
            let _ = startup.settings();
            startup.negotiate(&mut Vec::new());
        }
    }
    let _ = password(bytes);
    let _ = parse_row_description(bytes);
    let _ = error_fields(bytes);
    let mut out = Vec::new();
    scrub_error(bytes, &mut out);
    assert_eq!(out.last(), Some(&0), "a terminated error");
}

/// Feeds a relay with what a client sends; statements that contain `refuse` are refused.
///
/// # Panics
/// If a statement goes upstream that is to be refused.
pub fn client(bytes: &[u8]) {
    for masking in [false, true] {
        let mut relay = Relay::new(options(masking));
        let mut input = BytesMut::new();
        for piece in bytes.chunks(7) {
            input.extend_from_slice(piece);
            if !drive(&mut relay, &mut input) {
                return;
            }
        }
        let sent = relay.to_upstream.pending();
        let mut rest = sent;
        while let Ok(Some(header)) = frontend_header(rest) {
            // Copy data goes on before its frame is whole.
            let Some(frame) = rest.get(..header.total) else {
                break;
            };
            let refused = header.kind == b'Q' && frame.windows(6).any(|word| word == b"refuse");
            assert!(!refused, "a refused query went upstream");
            rest = &rest[header.total..];
        }
    }
}

/// Judges and writes down until nothing moves; `false` once the session has ended.
fn drive(relay: &mut Relay, input: &mut BytesMut) -> bool {
    loop {
        if relay.on_client(input, &mut Blank, 0).is_err() {
            return false;
        }
        match relay.waiting() {
            Waiting::Judgement { .. } => {
                let Some((sql, _)) = relay.question() else {
                    return false;
                };
                let sql = String::from_utf8_lossy(sql).into_owned();
                relay.judge(judged(&sql, sql.contains("refuse")), 0);
            }
            Waiting::Durability => relay.durable(true),
            Waiting::Approval { .. } | Waiting::Done | Waiting::Free => return true,
        }
    }
}

/// Feeds a relay, which owes a client several answers, with what a server sends.
pub fn upstream(bytes: &[u8]) {
    for masking in [false, true] {
        let mut relay = Relay::new(options(masking));
        let pipeline = [
            wire::query("select 1; prepare s as select 2"),
            wire::parse("", "select 3"),
            wire::bind("", ""),
            wire::named(b'D', b'S', ""),
            wire::execute("", 0),
            wire::message(b'S', &[]),
            wire::query("copy t from stdin"),
        ];
        let mut client = BytesMut::from(&pipeline.concat()[..]);
        let mut input = BytesMut::new();
        drive(&mut relay, &mut client);
        for piece in bytes.chunks(7) {
            input.extend_from_slice(piece);
            if relay.on_upstream(&mut input, &mut Blank, 0).is_err() || !drive(&mut relay, &mut client) {
                break;
            }
        }
        relay.lose(0);
    }
}

/// Masks a row of three columns: the second becomes NULL, the others pass unchanged.
///
/// # Panics
/// If the outcome is not a well-formed row that says so.
pub fn rows(bytes: &[u8]) {
    let field = FieldDescription {
        name: Vec::new(),
        table_oid: 1,
        attnum: 1,
        type_oid: 25,
        type_size: -1,
        type_modifier: -1,
        format: Format::Text,
    };
    let keep = || Planned {
        plugin: None,
        action: Action::Keep,
    };
    let null = Planned {
        plugin: None,
        action: Action::Native(NativeMask::Null),
    };
    let plan = Plan {
        actions: vec![keep(), null, keep()],
    };
    let fields = vec![field; 3];
    let key = PseudonymKey::new([0; 32]);
    let mut mask = ResultMask::compile(&plan, &fields, &key).expect("a plan of our own");
    let mut out = vec![42];
    match mask.mask_rows(bytes, None, &mut out) {
        Ok(masked) => {
            let before = cells(bytes);
            let after = cells(&out[1..]);
            assert_eq!(before.len(), after.len());
            assert_eq!(before.len() as u64, masked.rows);
            for (before, after) in before.iter().zip(&after) {
                assert_eq!((before[0], None, before[2]), (after[0], after[1], after[2]));
            }
        }
        Err(_) => assert_eq!(out, [42], "nothing is let out of a run that fails"),
    }
}

/// Reads rows of three columns; they are well-formed.
fn cells(mut bytes: &[u8]) -> Vec<[Option<&[u8]>; 3]> {
    let mut rows = Vec::new();
    while !bytes.is_empty() {
        let header = backend_header(bytes).expect("a row").expect("a whole one");
        let mut body = proto::postgres::frame::Body::of(&bytes[..header.total]);
        assert_eq!(body.u16(), Ok(3));
        rows.push([(); 3].map(|()| body.value().expect("a cell")));
        body.end().expect("nothing left over");
        bytes = &bytes[header.total..];
    }
    rows
}

/// Guards what an HTTP client sends, whole and in pieces; then reads every word of it as a target,
/// a host and a media type.
///
/// # Panics
/// If pieces change what passes, or what has one form has another one.
pub fn requests(bytes: &[u8]) {
    let (passed, ended) = guarded([bytes]);
    assert!(bytes.starts_with(&passed));
    for size in [1, 7] {
        assert_eq!(guarded(bytes.chunks(size)), (passed.clone(), ended));
    }
    for word in bytes.split(u8::is_ascii_whitespace) {
        if let Ok(authority) = Authority::parse(word) {
            assert_eq!(Authority::parse(authority.to_string().as_bytes()), Ok(authority));
        }
        let _ = MediaType::parse(word);
        let Ok(text) = std::str::from_utf8(word) else {
            continue;
        };
        let (path, query) = text
            .split_once('?')
            .map_or((text, None), |(path, query)| (path, Some(query)));
        let _ = Query::parse(query);
        if let Ok(path) = CanonicalPath::parse(path, PathRules::default()) {
            assert_eq!(
                CanonicalPath::parse(path.as_str(), PathRules::default()),
                Ok(path)
            );
        }
    }
}

fn guarded<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> (Vec<u8>, Result<(), Violation>) {
    let mut guard = Guard::new();
    let mut passed = Vec::new();
    for piece in pieces {
        let fed = guard.feed(piece, &mut passed);
        if fed.is_err() {
            return (passed, fed);
        }
    }
    (passed, Ok(()))
}
