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
    whole
}
