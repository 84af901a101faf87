//! The guard's tests: what stops it, what passes, and that pieces change nothing.

mod probes;
mod stream;

use super::*;

/// What one way of feeding came to.
#[derive(Debug, Eq, PartialEq)]
struct Outcome {
    passed: Vec<u8>,
    heads: u64,
    ended: Result<(), Violation>,
}

/// Feeds `pieces` one after the other, as a socket would give them.
fn feed<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> Outcome {
    let mut guard = Guard::new();
    let mut passed = Vec::new();
    let mut ended = Ok(());
    for piece in pieces {
        ended = guard.feed(piece, &mut passed);
        if ended.is_err() {
            break;
        }
    }
    assert_eq!(guard.violation(), ended.err());
    Outcome {
        passed,
        heads: guard.heads(),
        ended,
    }
}

/// Feeds `input` whole and byte by byte, which must come to the same.
fn both_ways(input: &[u8]) -> Outcome {
    let whole = feed([input]);
    assert_eq!(
        feed(input.chunks(1)),
        whole,
        "{:?}",
        String::from_utf8_lossy(input)
    );
    assert_eq!(feed_unseen(input), whole, "{:?}", String::from_utf8_lossy(input));
    whole
}

/// Feeds as a driver does that lets pass unseen what may.
fn feed_unseen(input: &[u8]) -> Outcome {
    let mut guard = Guard::new();
    let (mut passed, mut rest) = (Vec::new(), input);
    let mut ended = Ok(());
    while ended.is_ok() && !rest.is_empty() {
        let unseen = usize::try_from(guard.unseen())
            .unwrap_or(usize::MAX)
            .min(rest.len());
        let (piece, after) = rest.split_at(unseen.max(1));
        rest = after;
        if unseen > 0 {
            passed.extend_from_slice(piece);
            guard.passed_unseen(unseen as u64);
        } else {
            ended = guard.feed(piece, &mut passed);
        }
    }
    Outcome {
        passed,
        ended,
        heads: guard.heads(),
    }
}
