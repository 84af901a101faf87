use super::*;

#[tokio::test]
async fn a_question_is_kept_written_down_and_answered_once() {
    let stage = Stage::new().await;
    let mut changes = stage.approvals.changes();
    let mut waiting = stage.ask(question()).await;
    assert_eq!(changes.recv().await, Ok(waiting.id));
    let asked = &stage.journaled()[0];
    assert_eq!(asked["kind"], "approval.asked");
    assert_eq!(asked["approval"], waiting.id.to_string());
    assert_eq!(asked["by"], requester().key());
    assert_eq!(asked["quorum"], "1");
    assert_eq!(asked["session"], session(1).to_string());

    let kept = stage.vote(waiting.id, &dba("bob"), true).await.expect("counts");
    assert_eq!(kept.approval.standing, Standing::Approved);
    assert_eq!(waiting.decided().await, Standing::Approved);
    let content = question().content;
    let used = stage.approvals.consume(waiting.id, content, operation(1)).await;
    assert_eq!(used, Ok(()));
    assert_eq!(stage.kept(waiting.id).await.approval.used_by, Some(operation(1)));
    assert_eq!(
        stage.kinds(),
        ["approval.asked", "approval.vote", "approval.used"]
    );
}

#[tokio::test]
async fn the_same_question_is_found_and_not_asked_twice() {
    let stage = Stage::new().await;
    let first = stage.ask(question()).await;
    stage.approvals.leave(first.id, session(1), Left::TimedOut).await;
    let again = Question {
        session: Some(session(2)),
        ..question()
    };
    let second = stage.ask(again.clone()).await;
    assert_eq!(second.id, first.id);
    stage.vote(first.id, &dba("bob"), true).await.expect("counts");
    let found = stage.approvals.ask(again).await;
    assert!(
        matches!(found, Ok(Asked::Approved(id)) if id == first.id),
        "{found:?}"
    );
    assert_eq!(stage.kinds(), ["approval.asked", "approval.vote"]);
}

#[tokio::test]
async fn another_content_or_requester_is_another_question() {
    let stage = Stage::new().await;
    let first = stage.ask(question()).await;
    let content = Question {
        content: ContentHash([8; 32]),
        ..question()
    };
    let other = Question {
        requester: Arc::new(person("carol")),
        ..question()
    };
    let ids = [first.id, stage.ask(content).await.id, stage.ask(other).await.id];
    assert!(ids[0] != ids[1] && ids[1] != ids[2] && ids[0] != ids[2]);
}

#[tokio::test]
async fn a_question_that_now_needs_other_people_is_asked_anew() {
    let stage = Stage::new().await;
    let first = stage.ask(question()).await;
    stage.vote(first.id, &dba("bob"), true).await.expect("counts");
    let stricter = Question {
        quorum: Quorum::parse("2 of dba").expect("a quorum"),
        ..question()
    };
    let second = stage.ask(stricter).await;
    assert_ne!(second.id, first.id);
    assert_eq!(stage.standing(first.id).await, Standing::Withdrawn);
    let content = question().content;
    let used = stage.approvals.consume(first.id, content, operation(1)).await;
    assert!(used.is_err());
}

#[tokio::test]
async fn sessions_that_ask_at_the_same_moment_get_one_question() {
    let stage = Stage::new().await;
    let asking = (0..20).map(|number| {
        let approvals = stage.approvals.clone();
        let question = Question {
            session: Some(session(number)),
            ..question()
        };
        tokio::spawn(async move { approvals.ask(question).await })
    });
    let mut ids = Vec::new();
    for asked in futures_util::future::join_all(asking).await {
        match asked.expect("it ends") {
            Ok(Asked::Waiting(waiting)) => ids.push(waiting.id),
            other => panic!("not waiting: {other:?}"),
        }
    }
    ids.dedup();
    assert_eq!(ids.len(), 1);
    assert_eq!(stage.kinds(), ["approval.asked"]);
}

#[tokio::test]
async fn it_is_withdrawn_when_the_last_session_that_waits_has_gone() {
    let stage = Stage::new().await;
    let mut waiting = stage.ask(question()).await;
    let second = Question {
        session: Some(session(2)),
        ..question()
    };
    stage.ask(second).await;
    stage.approvals.leave(waiting.id, session(1), Left::Gone).await;
    assert_eq!(stage.standing(waiting.id).await, Standing::Pending);
    stage.approvals.leave(waiting.id, session(2), Left::Gone).await;
    assert_eq!(stage.standing(waiting.id).await, Standing::Withdrawn);
    assert_eq!(waiting.decided().await, Standing::Withdrawn);
    assert_eq!(stage.kinds(), ["approval.asked", "approval.ended"]);
    let refusal = stage.approvals.refusal(waiting.id).await;
    assert_eq!(refusal.rule, Rule::ApprovalUnavailable);
}

#[tokio::test]
async fn a_session_that_does_not_wait_withdraws_nothing() {
    let stage = Stage::new().await;
    let waiting = stage.ask(question()).await;
    stage.approvals.leave(waiting.id, session(2), Left::Gone).await;
    stage
        .approvals
        .leave(waiting.id, session(1), Left::TimedOut)
        .await;
    stage.approvals.leave(waiting.id, session(1), Left::Gone).await;
    assert_eq!(stage.standing(waiting.id).await, Standing::Pending);
}

#[tokio::test]
async fn what_nobody_answers_or_uses_in_time_is_over() {
    let stage = Stage::new().await;
    let mut unanswered = stage.ask(question()).await;
    stage.pass(30 * MINUTE_US - 1).await;
    assert_eq!(stage.standing(unanswered.id).await, Standing::Pending);
    stage.pass(1).await;
    assert_eq!(unanswered.decided().await, Standing::Expired);

    let unused = stage.ask(question()).await;
    stage.vote(unused.id, &dba("bob"), true).await.expect("counts");
    stage.pass(15 * MINUTE_US).await;
    let content = question().content;
    let used = stage.approvals.consume(unused.id, content, operation(1)).await;
    assert!(used.is_err_and(|refusal| refusal.message.contains("expired")));
    let ended: Vec<_> = stage
        .journaled()
        .into_iter()
        .filter(|entry| entry["kind"] == "approval.ended")
        .map(|entry| entry["standing"].clone())
        .collect();
    assert_eq!(ended, ["expired", "expired"]);
}

#[tokio::test]
async fn time_counts_even_where_the_timer_has_not_run() {
    let stage = Stage::new().await;
    let first = stage.ask(question()).await;
    stage.now.fetch_add(30 * MINUTE_US, Ordering::Relaxed);
    assert_eq!(stage.standing(first.id).await, Standing::Expired);
    let late = stage.vote(first.id, &dba("bob"), true).await;
    assert!(matches!(late, Err(AnswerError::Vote(_))), "{late:?}");
    assert_ne!(stage.ask(question()).await.id, first.id);
}

#[tokio::test]
async fn the_timer_wakes_for_what_is_over_next() {
    let stage = Stage::new().await;
    let system = Approvals::start(
        stage.state.clone(),
        stage.journal.clone(),
        Arc::clone(&stage.approvals.inner.policy),
        Clock::system(),
    )
    .await
    .expect("started");
    let stop = tokio_util::sync::CancellationToken::new();
    let timer = tokio::spawn(system.clone().keep_time(stop.clone()));
    let brief = Question {
        decide_within: Duration::from_millis(20),
        ..question()
    };
    let Ok(Asked::Waiting(mut waiting)) = system.ask(brief).await else {
        panic!("not waiting");
    };
    assert_eq!(waiting.decided().await, Standing::Expired);
    stop.cancel();
    timer.await.expect("it ends");
}

#[tokio::test]
async fn a_restart_withdraws_what_sessions_waited_for_and_keeps_the_rest() {
    let stage = Stage::new().await;
    let waited = stage.ask(question()).await.id;
    let other = |byte| Question {
        content: ContentHash([byte; 32]),
        ..question()
    };
    let left = stage.ask(other(8)).await.id;
    stage.approvals.leave(left, session(1), Left::TimedOut).await;
    let approved = stage.ask(other(9)).await.id;
    stage.vote(approved, &dba("bob"), true).await.expect("counts");
    stage.approvals.leave(approved, session(1), Left::TimedOut).await;

    let stage = stage.restart().await;
    assert_eq!(stage.standing(waited).await, Standing::Withdrawn);
    assert_eq!(stage.standing(left).await, Standing::Pending);
    assert_eq!(stage.kept(approved).await.approval.votes.len(), 1);
    let used = stage
        .approvals
        .consume(approved, ContentHash([9; 32]), operation(1))
        .await;
    assert_eq!(used, Ok(()));
    let mut again = stage.ask(other(8)).await;
    assert_eq!(again.id, left);
    stage.pass(30 * MINUTE_US).await;
    assert_eq!(again.decided().await, Standing::Expired);
}

#[tokio::test]
async fn one_requester_may_have_so_many_open_and_no_more() {
    let stage = Stage::new().await;
    let numbered = |number: usize| {
        let mut content = [0; 32];
        content[..8].copy_from_slice(&number.to_be_bytes());
        Question {
            content: ContentHash(content),
            ..question()
        }
    };
    for number in 0..open::OPEN_PER_REQUESTER_MAX {
        stage.ask(numbered(number)).await;
    }
    let more = stage.approvals.ask(numbered(99)).await;
    let refusal = more.expect_err("refused");
    assert_eq!(refusal.rule, Rule::ApprovalUnavailable);
    assert!(
        refusal.message.contains("as many as one may have"),
        "{}",
        refusal.message
    );
    // The ones that are open are found all the same, and others may ask.
    stage.ask(numbered(0)).await;
    let other = Question {
        requester: Arc::new(person("carol")),
        ..question()
    };
    stage.ask(other).await;
}

#[tokio::test]
async fn a_case_that_nobody_could_read_is_not_asked() {
    let stage = Stage::new().await;
    let large = Question {
        case: Case {
            operation: "x".repeat(300 << 10),
            ..case()
        },
        ..question()
    };
    let refusal = stage.approvals.ask(large).await.expect_err("refused");
    assert!(
        refusal.message.contains("too much for anybody"),
        "{}",
        refusal.message
    );
    assert!(stage.journaled().is_empty());
}

#[tokio::test]
async fn whoever_goes_while_it_is_asked_leaves_nothing_waiting() {
    let stage = Stage::new().await;
    let mut changes = stage.approvals.changes();
    let mut asking = Box::pin(stage.approvals.ask(question()));
    // Polled once: the question is on its way when the session goes.
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    assert!(asking.as_mut().poll(&mut context).is_pending());
    drop(asking);
    let id = changes.recv().await.expect("asked");
    assert_eq!(changes.recv().await, Ok(id));
    assert_eq!(stage.standing(id).await, Standing::Withdrawn);
}

#[tokio::test]
async fn one_that_was_deleted_from_outside_keeps_nobody_waiting() {
    let stage = Stage::new().await;
    let mut waiting = stage.ask(question()).await;
    stage.state.delete_approval(waiting.id).await;
    stage.pass(30 * MINUTE_US).await;
    assert_eq!(waiting.decided().await, Standing::Withdrawn);
    let next_us = stage.approvals.inner.tick().await;
    assert!(next_us > stage.now.load(Ordering::Relaxed), "the timer rests");
}
