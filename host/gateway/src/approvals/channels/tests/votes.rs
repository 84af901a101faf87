use model::LockTarget;
use sha2::{Digest as _, Sha256};

use super::*;

#[tokio::test]
async fn an_answer_counts_as_that_of_the_principal_behind_it_and_is_proved() {
    let stand = Stand::new().await;
    stand.see(&dba("bob"));
    let id = stand.ask(1).await;
    stand.line.look(id).await;
    assert_eq!(stand.click(id, "T1/bob", true).await, 200);
    assert_eq!(stand.standing(id).await, Standing::Approved);
    let [voted] = stand
        .stage
        .ground
        .journaled("approval.vote")
        .try_into()
        .expect("one");
    let sha256 = hex::encode(Sha256::digest("the signed request"));
    for (key, value) in [("by", "https://idp|bob"), ("channel", SLACK), ("comment", "fine")] {
        assert_eq!(voted[key], value);
    }
    assert_eq!(voted["carried"]["by"], "T1/bob");
    assert_eq!(voted["carried"]["evidence_sha256"], sha256);
    let plugin = PluginName::new(SLACK);
    let state = &stand.stage.ground.state;
    let told = state.told_before(&plugin, id, "T1/bob", true).await;
    assert_eq!(told.expect("read"), Some(Told::Counted));
}

#[tokio::test]
async fn the_same_answer_counts_once_however_often_it_comes() {
    let stand = Stand::new().await;
    stand.see(&dba("bob"));
    let id = stand.ask_on(1, customers(), "2 of dba").await;
    stand.line.look(id).await;
    for _ in 0..3 {
        assert_eq!(stand.click(id, "T1/bob", true).await, 200);
    }
    let line = &stand.line;
    let message = message(Vec::new());
    let replies = futures_util::future::join_all([line.callback(&message), line.callback(&message)]).await;
    assert!(replies.iter().all(|reply| reply.status == 200));
    assert_eq!(stand.standing(id).await, Standing::Pending);
    assert_eq!(stand.stage.ground.journaled("approval.vote").len(), 1);
    assert_eq!(stand.refusals(), Vec::<String>::new());
    stand.see(&dba("carol"));
    stand.click(id, "T1/carol", true).await;
    assert_eq!(stand.standing(id).await, Standing::Approved);
}

#[tokio::test]
async fn whoever_is_not_configured_counts_for_nothing_and_is_written_down_once() {
    let stand = Stand::new().await;
    let id = stand.ask(1).await;
    stand.line.look(id).await;
    for _ in 0..3 {
        assert_eq!(stand.click(id, "T1/mallory", true).await, 200);
    }
    assert_eq!(stand.standing(id).await, Standing::Pending);
    let expected = "T1/mallory: the configuration does not say which principal that is";
    assert_eq!(stand.refusals(), [expected]);
}

#[tokio::test]
async fn nobody_answers_for_themselves_through_a_channel() {
    let stand = Stand::new().await;
    stand.see(&dba("alice"));
    let id = stand.ask(1).await;
    stand.line.look(id).await;
    stand.click(id, "T1/alice", true).await;
    assert_eq!(stand.standing(id).await, Standing::Pending);
    let expected = "T1/alice: nobody answers for what they, or whoever acts for them, asked";
    assert_eq!(stand.refusals(), [expected]);
}

#[tokio::test]
async fn groups_count_for_a_day_and_not_longer() {
    let stand = Stand::new().await;
    let id = stand.ask(1).await;
    stand.line.look(id).await;
    stand.click(id, "T1/bob", true).await;
    stand.see(&dba("bob"));
    stand.stage.pass(24 * 3_600 + 1);
    let late = stand.ask(2).await;
    stand.line.look(late).await;
    stand.click(late, "T1/bob", true).await;
    assert_eq!(stand.standing(late).await, Standing::Pending);
    let reason = "https://idp|bob was not here in the last 86400 s, so nobody knows its groups";
    assert_eq!(
        stand.refusals(),
        [reason, reason].map(|reason| format!("T1/bob: {reason}"))
    );
    // Once bob has been here, the same click counts.
    stand.see(&dba("bob"));
    stand.click(late, "T1/bob", true).await;
    assert_eq!(stand.standing(late).await, Standing::Approved);
}

#[tokio::test]
async fn the_groups_of_the_last_token_decide() {
    let stand = Stand::new().await;
    stand.see(&dba("bob"));
    stand.stage.pass(1);
    // Bob was a member of dba.
    stand.see(&person("bob"));
    let id = stand.ask(1).await;
    stand.line.look(id).await;
    stand.click(id, "T1/bob", true).await;
    assert_eq!(stand.standing(id).await, Standing::Pending);
    assert_eq!(stand.refusals().len(), 1);
}

#[tokio::test]
async fn whoever_is_shut_out_does_not_answer_either() {
    let stand = Stand::new().await;
    stand.see(&dba("bob"));
    let target = LockTarget::Principal("https://idp|bob".to_owned());
    let root = person("root");
    let lock = stand.footing.locks.set(target, "phone stolen", &root);
    lock.await.expect("set");
    let id = stand.ask(1).await;
    stand.line.look(id).await;
    stand.click(id, "T1/bob", true).await;
    assert_eq!(stand.standing(id).await, Standing::Pending);
    assert_eq!(
        stand.refusals(),
        ["T1/bob: your access was revoked: phone stolen"]
    );
}

#[tokio::test]
async fn what_was_not_asked_here_is_dropped() {
    let stand = Stand::new().await;
    stand.see(&dba("bob"));
    let id = stand.ask_on(1, ResourceName::new("other"), "1").await;
    stand.line.look(id).await;
    assert_eq!(stand.click(id, "T1/bob", true).await, 200);
    let mut nonsense = update(id, "T1/bob", true);
    nonsense.approval_id = "no id, but long: ".repeat(20);
    *stand.script.updates.lock().expect("whole") = vec![nonsense];
    assert_eq!(stand.line.callback(&message(Vec::new())).await.status, 200);
    assert_eq!(stand.standing(id).await, Standing::Pending);
    assert_eq!(stand.refusals(), Vec::<String>::new());
}

#[tokio::test]
async fn a_late_answer_changes_nothing() {
    let stand = Stand::new().await;
    stand.see(&dba("bob"));
    let id = stand.ask(1).await;
    stand.line.look(id).await;
    stand.answer(id, false).await;
    stand.line.look(id).await;
    stand.click(id, "T1/bob", true).await;
    assert_eq!(stand.standing(id).await, Standing::Denied);
    let expected = "T1/bob: it is denied and can't be answered any more";
    assert_eq!(stand.refusals(), [expected]);
}

#[tokio::test]
async fn an_answer_that_cannot_be_kept_is_to_be_sent_again() {
    let stand = Stand::new().await;
    stand.see(&dba("bob"));
    let id = stand.ask(1).await;
    stand.line.look(id).await;
    stand.stage.ground.close_journal().await;
    assert_eq!(stand.click(id, "T1/bob", true).await, 503);
    assert_eq!(stand.standing(id).await, Standing::Pending);
    stand.stage.ground.state.close().await;
    assert_eq!(stand.click(id, "T1/bob", true).await, 503);
}

#[tokio::test]
async fn strangers_fill_nothing_and_keep_nobody_from_being_heard() {
    let stand = Stand::new().await;
    stand.see(&dba("bob"));
    let id = stand.ask(1).await;
    stand.line.look(id).await;
    for number in 0..50 {
        stand.click(id, &format!("T1/U{number}"), true).await;
    }
    assert_eq!(stand.refusals().len(), 32);
    stand.click(id, "T1/bob", true).await;
    assert_eq!(stand.standing(id).await, Standing::Approved);
}

#[tokio::test]
async fn messages_are_bounded_in_size_and_number() {
    let stand = Stand::new().await;
    let channels = stand.channels();
    let status = async |message: &Message| channels.callback(SLACK, message).await.status;
    assert_eq!(channels.callback("teams", &message(Vec::new())).await.status, 404);
    assert_eq!(status(&message(vec![0; MESSAGE_BYTES_MAX + 1])).await, 413);
    let header = ("x".to_owned(), "y".repeat(MESSAGE_HEADERS_BYTES_MAX));
    let large = Message {
        headers: vec![header],
        ..message(Vec::new())
    };
    assert_eq!(status(&large).await, 431);
    assert_eq!(stand.script.said(), Vec::<String>::new());
    stand.script.fail(Code::Internal, None);
    assert_eq!(status(&message(Vec::new())).await, 500);
    let mut all = Vec::new();
    for _ in 0..200 {
        all.push(status(&message(vec![0; MESSAGE_BYTES_MAX])).await);
    }
    assert_eq!(all[..50], [200; 50]);
    let refused = channels.callback(SLACK, &message(Vec::new())).await;
    assert!(all.contains(&429) || refused.status == 429);
}
