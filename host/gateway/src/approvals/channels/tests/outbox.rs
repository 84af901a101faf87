use super::*;

const SECOND_US: u64 = 1_000_000;

#[tokio::test]
async fn a_question_is_put_once_and_closed_once_it_is_answered() {
    let stand = Stand::new().await;
    let id = stand.ask(1).await;
    for expected in [vec![format!("submit {id}")], vec![]] {
        assert_eq!(stand.line.look(id).await, line::Next::default());
        assert_eq!(stand.script.said(), expected);
    }
    let asked = stand.script.asked.lock().expect("whole").concat();
    for part in [
        "title: \"delete on customers by alice\"",
        &format!("url: \"{URL}/console/approvals/{id}\""),
        &format!("callback_url: \"{URL}/channels/slack\""),
    ] {
        assert!(asked.contains(part), "{part} in {asked}");
    }
    stand.answer(id, true).await;
    for expected in [vec![format!("withdraw {id}: it was approved")], vec![]] {
        assert_eq!(stand.line.look(id).await, line::Next::default());
        assert_eq!(stand.script.said(), expected);
    }
}

#[tokio::test]
async fn each_end_is_told_with_its_reason() {
    let stand = Stand::new().await;
    let (denied, taken, expired) = (stand.ask(1).await, stand.ask(2).await, stand.ask(3).await);
    for id in [denied, taken, expired] {
        stand.line.look(id).await;
    }
    stand.script.said();
    stand.answer(denied, false).await;
    let alice = person("alice");
    let withdrawn = stand.footing.approvals.withdraw(taken, &alice).await;
    withdrawn.expect("withdrawn");
    stand.stage.pass(30 * 60);
    for (id, reason) in [
        (denied, "it was denied"),
        (taken, "nobody waits for it any more"),
        (expired, "nobody answered in time"),
    ] {
        stand.line.look(id).await;
        assert_eq!(stand.script.said(), [format!("withdraw {id}: {reason}")]);
    }
}

#[tokio::test]
async fn what_fails_is_tried_again_with_the_same_id_later_and_later() {
    let mut stand = Stand::new().await;
    let id = stand.ask(1).await;
    let mut waits = Vec::new();
    for _ in 0..4 {
        stand.script.fail(Code::Unavailable, None);
        let next = stand.line.look(id).await;
        assert_eq!(stand.script.said(), [format!("submit {id}")]);
        // A new start does not make it come earlier.
        stand.restart();
        assert_eq!(stand.line.look(id).await.due_us, next.due_us);
        assert_eq!(stand.script.said(), Vec::<String>::new());
        let wait_us = next.due_us.expect("due") - stand.stage.now_us();
        waits.push(wait_us.div_ceil(SECOND_US));
        stand.stage.pass(wait_us.div_ceil(SECOND_US));
    }
    let within = waits
        .iter()
        .zip([1, 2, 4, 8])
        .all(|(wait, most)| (most / 2..=most).contains(wait));
    assert!(within, "{waits:?}");
    assert_eq!(stand.line.look(id).await, line::Next::default());
    assert_eq!(stand.script.said(), [format!("submit {id}")]);
}

#[tokio::test]
async fn patience_that_is_asked_for_is_shown_to_all_questions() {
    let stand = Stand::new().await;
    let id = stand.ask(1).await;
    stand.script.fail(Code::RateLimited, Some(Duration::from_mins(2)));
    let next = stand.line.look(id).await;
    assert_eq!(next.pause, Some(Duration::from_mins(2)));
    let wait_us = next.due_us.expect("due") - stand.stage.now_us();
    assert!((110..=120).contains(&wait_us.div_ceil(SECOND_US)), "{wait_us}");
}

#[tokio::test]
async fn what_can_never_succeed_is_tried_once_and_stays_open_elsewhere() {
    let stand = Stand::new().await;
    let id = stand.ask(1).await;
    stand.script.fail(Code::InvalidInput, None);
    assert_eq!(stand.line.look(id).await.due_us, None);
    stand.line.look(id).await;
    assert_eq!(stand.script.said(), [format!("submit {id}")]);
    assert_eq!(stand.standing(id).await, Standing::Pending);
    stand.answer(id, true).await;
    stand.line.look(id).await;
    assert_eq!(stand.script.said(), Vec::<String>::new());
}

#[tokio::test]
async fn a_question_that_ends_while_it_is_put_is_closed_at_once() {
    let stand = Stand::new().await;
    let id = stand.ask(1).await;
    let approvals = stand.footing.approvals.clone();
    let meanwhile = async move {
        let answered = approvals.vote(id, None, &dba("dora"), false, "", "api").await;
        answered.expect("counts");
    };
    *stand.script.meanwhile.lock().expect("whole") = Some(Box::pin(meanwhile));
    let next = stand.line.look(id).await;
    assert!(
        next.due_us.is_some_and(|due_us| due_us <= stand.stage.now_us()),
        "{next:?}"
    );
    stand.line.look(id).await;
    let expected = [format!("submit {id}"), format!("withdraw {id}: it was denied")];
    assert_eq!(stand.script.said(), expected);
}

#[tokio::test]
async fn a_withdrawal_is_tried_a_few_times_and_then_left() {
    let stand = Stand::new().await;
    let id = stand.ask(1).await;
    stand.line.look(id).await;
    stand.answer(id, true).await;
    stand.script.said();
    for _ in 0..5 {
        stand.script.fail(Code::Unauthorized, None);
        stand.line.look(id).await;
        stand.stage.pass(300);
    }
    assert_eq!(stand.line.look(id).await.due_us, None);
    assert_eq!(stand.script.said().len(), 5);
}

#[tokio::test]
async fn a_poll_comes_when_the_ticket_says_and_its_answer_counts() {
    let stand = Stand::new().await;
    stand.see(&dba("bob"));
    *stand.script.poll_after_ms.lock().expect("whole") = Some(30_000);
    let id = stand.ask(1).await;
    let next = stand.line.look(id).await;
    let wait_us = next.due_us.expect("due") - stand.stage.now_us();
    assert_eq!(wait_us.div_ceil(SECOND_US), 30);
    stand.stage.pass(31);
    stand.line.look(id).await;
    assert_eq!(stand.standing(id).await, Standing::Pending);
    *stand.script.decision.lock().expect("whole") = Some(Decision::Approved(vote("T1/bob")));
    stand.stage.pass(31);
    stand.line.look(id).await;
    assert_eq!(stand.standing(id).await, Standing::Approved);
    let expected = ["submit", "poll", "poll"].map(|call| format!("{call} {id}"));
    assert_eq!(stand.script.said(), expected);
}

#[tokio::test]
async fn a_question_the_outside_system_lost_is_left_alone_there() {
    for decision in [Decision::Expired, Decision::Withdrawn] {
        let stand = Stand::new().await;
        *stand.script.poll_after_ms.lock().expect("whole") = Some(1_000);
        *stand.script.decision.lock().expect("whole") = Some(decision);
        let id = stand.ask(1).await;
        stand.line.look(id).await;
        stand.stage.pass(2);
        assert_eq!(stand.line.look(id).await.due_us, None);
        assert_eq!(stand.standing(id).await, Standing::Pending);
        stand.answer(id, true).await;
        stand.line.look(id).await;
        let expected = ["submit", "poll"].map(|call| format!("{call} {id}"));
        assert_eq!(stand.script.said(), expected);
    }
}

#[tokio::test]
async fn only_questions_of_its_own_resources_are_put() {
    let stand = Stand::new().await;
    let id = stand.ask_on(1, ResourceName::new("other"), "1").await;
    assert_eq!(stand.line.look(id).await, line::Next::default());
    assert_eq!(stand.script.said(), Vec::<String>::new());
}

#[tokio::test]
async fn a_new_start_takes_up_what_was_asked_and_what_ended_before_it() {
    let stand = Stand::new().await;
    let before = stand.ask(1).await;
    let stop = CancellationToken::new();
    let running = tokio::spawn(stand.channels().run(stop.clone()));
    assert_eq!(stand.script.next().await, [format!("submit {before}")]);
    // What is asked while it runs goes out at once.
    let after = stand.ask(2).await;
    assert_eq!(stand.script.next().await, [format!("submit {after}")]);
    stop.cancel();
    running.await.expect("it ends");

    stand.answer(before, false).await;
    let stop = CancellationToken::new();
    let running = tokio::spawn(stand.channels().run(stop.clone()));
    let expected = [format!("withdraw {before}: it was denied")];
    assert_eq!(stand.script.next().await, expected);
    stop.cancel();
    running.await.expect("it ends");
}
