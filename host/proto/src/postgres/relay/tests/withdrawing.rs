//! What could not be recorded is taken back before the client has it.

use model::Fault;

use super::stage::{Feed, Stage};
use super::wire::*;
use crate::postgres::relay::Fatal;

fn unrecorded() -> Fatal {
    Fatal::new(
        "58030",
        Fault::Operator,
        "the session cannot be recorded and ends",
    )
}

#[test]
fn what_was_there_before_is_followed_by_the_last_word() {
    let mut stage = Stage::new(false, Feed::Whole);
    stage.client(&[query("select 1")]);
    stage.server(&[columns(&[0]), row(&["1"])]);
    // Part of it has gone out already.
    let before = stage.relay.to_client.pending().to_vec();
    stage.relay.to_client.advance(3);
    let mark = stage.relay.mark();
    stage.server(&[row(&["2"]), complete("SELECT 2"), ready(b'I')]);
    assert!(stage.relay.withdraw(mark));
    stage.relay.end(&unrecorded(), 0);
    let left = stage.relay.to_client.pending();
    let last_word = left.strip_prefix(&before[3..]).expect("what was recorded");
    assert_eq!(last_word.first(), Some(&b'E'));
    assert!(last_word.windows(5).any(|code| code == b"58030"));
}

#[test]
fn a_row_that_began_since_is_taken_back_whole() {
    let mut stage = Stage::new(false, Feed::Whole);
    stage.client(&[query("select 1")]);
    stage.server(&[columns(&[0])]);
    stage.client_out();
    let mark = stage.relay.mark();
    stage.server(&[row(&["long"])[..8].to_vec()]);
    assert!(!stage.relay.to_client.pending().is_empty());
    assert!(stage.relay.withdraw(mark));
    stage.relay.end(&unrecorded(), 0);
    assert_eq!(stage.relay.to_client.pending().first(), Some(&b'E'));
}

#[test]
fn nothing_is_said_in_the_middle_of_a_row() {
    let mut stage = Stage::new(false, Feed::Whole);
    stage.client(&[query("select 1")]);
    let long = row(&["long"]);
    stage.server(&[columns(&[0]), long[..8].to_vec()]);
    stage.client_out();
    let mark = stage.relay.mark();
    stage.server(&[long[8..].to_vec(), complete("SELECT 1"), ready(b'I')]);
    assert!(!stage.relay.withdraw(mark));
    stage.relay.end(&unrecorded(), 0);
    assert_eq!(stage.relay.to_client.pending(), b"");
}
