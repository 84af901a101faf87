//! Replays the corpora, and walks a little around them.

use std::fs;
use std::path::Path;

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

type Target = fn(&[u8]);

/// The inputs kept for a target: hex, with white space wherever it helps.
fn corpus(name: &str) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(name);
    let mut paths: Vec<_> = fs::read_dir(folder)
        .expect("a corpus")
        .map(|entry| entry.expect("an entry").path())
        .collect();
    paths.sort();
    let read = |path: &Path| {
        let text = fs::read_to_string(path).expect("a text file");
        let digits: String = text.split_whitespace().collect();
        hex::decode(digits).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    };
    paths.iter().map(|path| read(path)).collect()
}

/// Plays the corpus of `name`, then mutations of it: bytes changed, cut out and doubled.
fn play(name: &str, target: Target) {
    let inputs = corpus(name);
    assert!(!inputs.is_empty(), "{name} has a corpus");
    inputs.iter().for_each(|input| target(input));
    let change = (any::<prop::sample::Index>(), any::<u8>(), 0..3_u8);
    let mutation = (prop::sample::select(inputs), prop::collection::vec(change, 1..6));
    let config = Config {
        cases: 2_000,
        failure_persistence: None,
        ..Config::default()
    };
    let run = TestRunner::new(config).run(&mutation, |(mut input, changes)| {
        for (place, byte, kind) in changes {
            if input.is_empty() {
                break;
            }
            let at = place.index(input.len());
            match kind {
                0 => input[at] = byte,
                1 => drop(input.remove(at)),
                _ => input.extend_from_within(at..),
            }
        }
        target(&input);
        Ok(())
    });
    if let Err(failure) = run {
        panic!("{failure}");
    }
}

#[test]
fn any_bytes_are_split_into_bounded_frames() {
    play("frames", fuzz::frames);
}

#[test]
fn any_bytes_may_come_before_a_session() {
    play("startup", fuzz::startup);
}

#[test]
fn any_bytes_may_come_from_a_client() {
    play("client", fuzz::client);
}

#[test]
fn any_bytes_may_come_from_a_server() {
    play("upstream", fuzz::upstream);
}

#[test]
fn any_bytes_may_come_as_rows() {
    play("rows", fuzz::rows);
}

#[test]
fn any_bytes_may_come_as_requests() {
    play("requests", fuzz::requests);
}
