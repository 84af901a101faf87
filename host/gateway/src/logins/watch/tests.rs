use std::time::Duration;

use super::*;
use crate::ground::person;
use crate::identity::KeptToken;

const SECOND: u64 = 1_000_000;

fn login(token: &str) -> Arc<Login> {
    Arc::new(Login {
        token: Some(KeptToken::new("corp", token, Duration::from_secs(60))),
        ..Login::default()
    })
}

fn live(tokens: &[&str]) -> Vec<(Arc<Login>, Arc<Principal>)> {
    let live = |token: &&str| (login(token), Arc::new(person("alice")));
    tokens.iter().map(live).collect()
}

fn digest(token: &str) -> TokenDigest {
    login(token).token.as_ref().expect("a token").digest()
}

/// Follows sessions with these tokens from second 0.
fn watch(tokens: &[&str]) -> Watch {
    let mut watch = Watch::default();
    watch.follow(live(tokens).into_iter(), 0);
    watch
}

#[test]
fn each_token_is_asked_about_once_a_round_however_many_sessions_it_has() {
    let mut watch = watch(&["a", "a", "a"]);
    assert!(
        watch.due(8, 44 * SECOND).is_empty(),
        "it was asked about at the login"
    );
    let questions = watch.due(8, 60 * SECOND);
    assert_eq!(questions.len(), 1);
    assert_eq!(questions[0].digest, digest("a"));
    assert!(watch.due(8, 100 * SECOND).is_empty(), "it is being asked about");
    watch.answered(digest("a"), true, 61 * SECOND);
    watch.follow(live(&["a"]).into_iter(), 61 * SECOND);
    assert!(watch.due(8, 105 * SECOND).is_empty());
    assert_eq!(watch.due(8, 121 * SECOND).len(), 1);
}

#[test]
fn questions_wait_for_room_the_longest_due_first() {
    let names: Vec<String> = (0..20).map(|number| number.to_string()).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let mut watch = watch(&names);
    let mut asked = Vec::new();
    for at in 60..63 {
        let due: Vec<_> = watch
            .due(8, at * SECOND)
            .iter()
            .map(|question| question.digest)
            .collect();
        assert_eq!(due.len(), if at == 62 { 4 } else { 8 });
        asked.extend(due);
    }
    asked.sort_unstable();
    asked.dedup();
    assert_eq!(asked.len(), names.len());
}

#[test]
fn tokens_that_began_together_are_not_asked_about_together() {
    let names: Vec<String> = (0..40).map(|number| number.to_string()).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let mut watch = watch(&names);
    let early = watch.due(40, 52 * SECOND).len();
    assert!((1..40).contains(&early), "{early} of 40");
}

#[test]
fn a_token_that_is_unheard_of_for_three_rounds_ends_its_sessions() {
    let mut watch = watch(&["a", "b"]);
    for at in [60, 120] {
        assert!(!watch.due(8, at * SECOND).is_empty());
        watch.answered(digest("a"), false, at * SECOND);
        watch.answered(digest("b"), true, at * SECOND);
    }
    assert!(watch.unheard(180 * SECOND - 1).is_empty());
    let unheard = watch.unheard(180 * SECOND);
    assert_eq!(unheard.len(), 1);
    assert_eq!(unheard[0].digest, digest("a"));
    assert!(watch.unheard(181 * SECOND).is_empty(), "said once a round");
}

#[test]
fn a_token_that_nobody_got_round_to_ask_about_is_unheard_of_too() {
    let mut watch = watch(&["a"]);
    assert_eq!(watch.due(0, 170 * SECOND).len(), 0);
    assert_eq!(watch.unheard(180 * SECOND).len(), 1);
}

#[test]
fn tokens_of_no_session_are_forgotten() {
    let mut watch = watch(&["a", "b"]);
    watch.follow(live(&["b"]).into_iter(), 50 * SECOND);
    let due = watch.due(8, 60 * SECOND);
    assert_eq!(
        due.iter().map(|question| question.digest).collect::<Vec<_>>(),
        [digest("b")]
    );
    // An answer that comes too late is about nothing.
    watch.answered(digest("a"), true, 60 * SECOND);
    watch.follow([].into_iter(), 61 * SECOND);
    assert!(watch.tokens.is_empty());
}
