//! Signed messages that somebody has changed on their way.

use std::ops::Range;

use plugin::Message;

/// Returns `good` with one bit of each `step`th byte of its body flipped, and with each of
/// `headers`, which prove it, cut short, sent twice, and left out.
pub(crate) fn tampered(good: &Message, step: usize, headers: Range<usize>) -> Vec<Message> {
    let mut bad = Vec::new();
    for byte in (0..good.body.len()).step_by(step) {
        let mut flipped = good.clone();
        flipped.body[byte] ^= 1;
        bad.push(flipped);
    }
    for header in headers {
        let mut changed = good.clone();
        changed.headers[header].1.pop();
        let mut twice = good.clone();
        twice.headers.push(twice.headers[header].clone());
        let mut missing = good.clone();
        missing.headers.remove(header);
        bad.extend([changed, twice, missing]);
    }
    bad
}
