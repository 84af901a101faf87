//! The last word of a session says which rule ends it and what can be done.

use model::{Fault, Refusal, Rule};

use super::stage::{BROKEN, Stage, TAGGED, UNPLANNED, play, show};
use super::wire::*;
use crate::postgres::relay::Fatal;

/// Ends the session as a driver does; returns the last message to the client.
#[track_caller]
fn last_word(stage: &mut Stage) -> String {
    let fatal = stage.fatal.clone().expect("the session ends");
    stage.client_out();
    stage.relay.end(&fatal, 0);
    show(&stage.client_out()).pop().expect("a last word")
}

#[test]
fn a_masker_that_fails_at_rows_is_named_with_its_rule_and_what_to_do() {
    play(true, |stage| {
        stage.client(&[query("select broken")]);
        stage.server(&[columns(&[BROKEN]), row(&["123-45"])]);
        stage.ended_with("58000");
        assert_eq!(
            last_word(stage),
            "E SFATAL\\x00VFATAL\\x00C58000\\x00\
             Mthe result was withheld: masker broken failed: trap\\x00\
             Drule=masker-failed fault=plugin\\x00\
             Hconnect again and leave the masked columns out; \
             the operator finds the reason in the gateway\\'s log\\x00\\x00"
        );
        assert!(!stage.tape.to_client.windows(6).any(|bytes| bytes == b"123-45"));
    });
}

#[test]
fn a_masker_that_fails_at_a_plan_is_named_the_same_way() {
    for described in [false, true] {
        play(true, |stage| {
            if described {
                stage.client(&[parse("", "x"), bind("", ""), describe(b'P', ""), sync()]);
                stage.server(&[parsed(), bound(), columns(&[UNPLANNED])]);
            } else {
                stage.client(&[query("select unplanned")]);
                stage.server(&[columns(&[UNPLANNED])]);
            }
            let last = last_word(stage);
            assert!(last.contains("Drule=masker-failed fault=plugin\\x00H"), "{last}");
        });
    }
}

#[test]
fn an_upstream_that_breaks_a_masked_result_is_at_fault() {
    play(true, |stage| {
        stage.client(&[query("select secret")]);
        stage.server(&[columns(&[TAGGED]), row(&["a", "b"])]);
        let last = last_word(stage);
        assert!(
            last.contains("Drule=masker-failed fault=upstream\\x00H"),
            "{last}"
        );
    });
    play(true, |stage| {
        stage.client(&[query("select 1; select 2")]);
        stage.server(&[columns(&[0]), complete("SELECT 0"), row(&["1"])]);
        let last = last_word(stage);
        assert!(last.contains("Drule=masker-failed fault=gateway\\x00H"), "{last}");
    });
}

#[test]
fn a_setting_the_gateway_relies_on_ends_the_session_by_its_rule() {
    play(true, |stage| {
        stage.server(&[status("standard_conforming_strings", "off")]);
        stage.ended_with("0A000");
        let last = last_word(stage);
        assert!(
            last.contains("Drule=protocol-refused fault=client\\x00H"),
            "{last}"
        );
    });
}

#[test]
fn a_refusal_that_ends_a_session_keeps_its_code_rule_and_hint() {
    for (rule, code, label) in [
        (Rule::JournalUnavailable, "58030", "journal-unavailable"),
        (Rule::RecordingFailed, "58030", "recording-failed"),
        (Rule::SessionEnded, "57P01", "session-ended"),
    ] {
        let mut out = Vec::new();
        Fatal::from(Refusal::new(rule, Fault::Operator, "it ends").hint("come again")).put(&mut out);
        let wanted = format!(
            "E SFATAL\\x00VFATAL\\x00C{code}\\x00Mit ends\\x00Drule={label} fault=operator\\x00Hcome again\\x00\\x00"
        );
        assert_eq!(show(&out), [wanted]);
    }
}

#[test]
fn an_end_without_a_rule_says_only_why() {
    let mut out = Vec::new();
    Fatal::new("08006", Fault::Upstream, "gone").put(&mut out);
    assert_eq!(show(&out), show(&fatal("08006", "gone")));
}
