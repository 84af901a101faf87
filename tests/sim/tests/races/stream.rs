//! What a client gets, beside what a server would have said.

use sim::held::Held;
use sim::server::Server;
use sim::wire::error;

use super::End;

/// The words of any refusal of ours.
fn refusal() -> Vec<u8> {
    error("42501", "refused: by somebody")
}

/// Splits a stream into whole messages, with the words of refusals made equal, and without
/// notices.
fn messages(mut bytes: &[u8]) -> Vec<Vec<u8>> {
    let mut messages = Vec::new();
    while let Some(&[kind, a, b, c, d]) = bytes.first_chunk() {
        let total = u32::from_be_bytes([a, b, c, d]) as usize + 1;
        let Some(frame) = bytes.get(..total) else { break };
        bytes = &bytes[total..];
        let refused = kind == b'E' && frame.windows(10).any(|part| part == b"Mrefused: ");
        match kind {
            b'N' => {}
            b'E' if refused => messages.push(refusal()),
            _ => messages.push(frame.to_vec()),
        }
    }
    messages
}

/// Whether a stream ends with a whole message.
pub(crate) fn ends_whole(mut bytes: &[u8]) -> bool {
    while let Some(&[_, a, b, c, d]) = bytes.first_chunk() {
        let total = u32::from_be_bytes([a, b, c, d]) as usize + 1;
        let Some(rest) = bytes.get(total..) else {
            return false;
        };
        bytes = rest;
    }
    bytes.is_empty()
}

/// The client got what a server would have said that refuses exactly what was refused.
pub(crate) fn compare(script: &[u8], session: &Held, end: End) {
    let Some(refused) = session.refused() else {
        // A server that refuses a statement does so from the beginning.
        return;
    };
    let mut server = Server::default();
    server.refused = refused
        .into_iter()
        .map(|sql| (sql.to_owned(), refusal()))
        .collect();
    server.feed(script);
    let wanted = messages(&server.output());
    let mut got = messages(&session.received);
    if matches!(end, End::Ended | End::Lost) {
        let last = got
            .last()
            .filter(|last| last.windows(6).any(|part| part == b"SFATAL"));
        if last.is_some() {
            got.pop();
        }
    }
    let same = match end {
        End::Done => got == wanted,
        _ => wanted.starts_with(&got),
    };
    assert!(
        same,
        "{end:?}: the client got {:#?}, a server says {:#?}",
        show(&got),
        show(&wanted)
    );
}

fn show(messages: &[Vec<u8>]) -> Vec<String> {
    let shown = messages.iter().map(|message| message.escape_ascii().to_string());
    shown.collect()
}
