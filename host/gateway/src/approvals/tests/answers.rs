use super::*;
use model::approval::VoteError;

#[tokio::test]
async fn an_approval_is_used_once_however_many_try() {
    let stage = Stage::new().await;
    let id = stage.ask(question()).await.id;
    stage.vote(id, &dba("bob"), true).await.expect("counts");
    let trying = (0..50).map(|number| {
        let approvals = stage.approvals.clone();
        tokio::spawn(async move { approvals.consume(id, question().content, operation(number)).await })
    });
    let tried = futures_util::future::join_all(trying).await;
    let (mut used, mut refused) = (0, 0);
    for tried in tried {
        match tried.expect("it ends") {
            Ok(()) => used += 1,
            Err(refusal) => {
                assert!(refusal.message.contains("used already"), "{}", refusal.message);
                refused += 1;
            }
        }
    }
    assert_eq!((used, refused), (1, 49));
    let journaled = stage.kinds();
    let uses = journaled.iter().filter(|kind| *kind == "approval.used");
    assert_eq!(uses.count(), 1);
}

#[tokio::test]
async fn of_two_answers_that_race_exactly_one_counts() {
    let stage = Stage::new().await;
    let mut waiting = stage.ask(question()).await;
    let id = waiting.id;
    let answering = [("bob", true), ("carol", false)].map(|(subject, agrees)| {
        let approvals = stage.approvals.clone();
        tokio::spawn(async move { approvals.vote(id, None, &dba(subject), agrees, "", "api").await })
    });
    let answered = futures_util::future::join_all(answering).await;
    let results: Vec<_> = answered
        .into_iter()
        .map(|answer| answer.expect("it ends"))
        .collect();
    let counted: Vec<_> = results.iter().filter_map(|answer| answer.as_ref().ok()).collect();
    assert_eq!(counted.len(), 1, "{results:?}");
    let lost = results.iter().find_map(|answer| answer.as_ref().err());
    assert!(
        matches!(lost, Some(AnswerError::Vote(VoteError::NotPending(_)))),
        "{lost:?}"
    );
    let standing = stage.standing(id).await;
    assert_eq!(standing, counted[0].approval.standing);
    assert_eq!(waiting.decided().await, standing);
}

#[tokio::test]
async fn several_answer_where_several_are_needed() {
    let stage = Stage::new().await;
    let two = Question {
        quorum: Quorum::parse("2 of dba").expect("a quorum"),
        ..question()
    };
    let id = stage.ask(two).await.id;
    let first = stage.vote(id, &dba("bob"), true).await.expect("counts");
    assert_eq!(first.approval.standing, Standing::Pending);
    let twice = stage.vote(id, &dba("bob"), true).await;
    assert!(
        matches!(twice, Err(AnswerError::Vote(VoteError::Twice))),
        "{twice:?}"
    );
    let second = stage.vote(id, &dba("carol"), true).await.expect("counts");
    assert_eq!(second.approval.standing, Standing::Approved);
    // Only the groups that count are kept.
    assert_eq!(stage.kept(id).await.approval.votes[0].groups, ["dba"]);
}

#[tokio::test]
async fn an_answer_to_what_was_looked_at_does_not_count_once_that_has_changed() {
    let stage = Stage::new().await;
    let two = Question {
        quorum: Quorum::parse("2 of dba").expect("a quorum"),
        ..question()
    };
    let id = stage.ask(two).await.id;
    let answer = async |seen, subject| {
        let who = dba(subject);
        let answered = stage.approvals.vote(id, Some(seen), &who, true, "", "api");
        answered.await.map(|kept| kept.approval.standing)
    };
    assert!(matches!(answer(0, "bob").await, Ok(Standing::Pending)));
    assert!(matches!(answer(0, "carol").await, Err(AnswerError::Changed)));
    assert!(matches!(answer(1, "carol").await, Ok(Standing::Approved)));
    let votes = stage.journaled();
    let votes = votes.iter().filter(|entry| entry["kind"] == "approval.vote");
    let sessions: Vec<&Value> = votes.map(|vote| &vote["session"]).collect();
    let waits = Value::from(session(1).to_string());
    assert_eq!(sessions, [&waits, &waits], "each tells of the session that waits");
}

#[tokio::test]
async fn one_no_is_enough_and_the_requester_hears_why() {
    let stage = Stage::new().await;
    let mut waiting = stage.ask(question()).await;
    let no = stage
        .approvals
        .vote(waiting.id, None, &dba("bob"), false, "not on a Friday", "console")
        .await
        .expect("counts");
    assert_eq!(no.approval.standing, Standing::Denied);
    assert_eq!(waiting.decided().await, Standing::Denied);
    let refusal = stage.approvals.refusal(waiting.id).await;
    assert_eq!(refusal.rule, Rule::ApprovalDenied);
    assert!(
        refusal.message.ends_with("not on a Friday"),
        "{}",
        refusal.message
    );
    let vote = &stage.journaled()[1];
    assert_eq!(
        (&vote["by"], &vote["channel"]),
        (&dba("bob").key().into(), &"console".into())
    );
    assert_eq!(
        (&vote["agrees"], &vote["comment"]),
        (&false.into(), &"not on a Friday".into())
    );
    assert_eq!(stage.kinds()[2], "approval.ended");
}

#[tokio::test]
async fn only_whom_policy_lets_may_answer() {
    let stage = Stage::new().await;
    let id = stage.ask(question()).await.id;
    let agent = Principal {
        kind: PrincipalKind::Agent,
        ..dba("bot")
    };
    let own = Principal {
        kind: PrincipalKind::Person,
        groups: vec!["dba".into()],
        ..requester()
    };
    for voter in [person("eve"), agent, own] {
        assert!(!stage.approvals.may_answer(&voter, &stage.kept(id).await));
        let answer = stage.vote(id, &voter, true).await;
        assert!(matches!(answer, Err(AnswerError::NotAllowed(_))), "{answer:?}");
        assert_eq!(answer.map_err(|error| error.fault()), Err(model::Fault::Client));
    }
    assert!(stage.approvals.may_answer(&dba("bob"), &stage.kept(id).await));
    assert_eq!(stage.kept(id).await.approval.revision, 0);
    assert_eq!(stage.kinds(), ["approval.asked"]);
}

#[tokio::test]
async fn policy_judges_answers_by_what_was_asked() {
    let stage = Stage::new().await;
    let mut risky = question();
    risky.case.assessment.score = 95;
    let id = stage.ask(risky).await.id;
    assert!(stage.vote(id, &person("eve"), true).await.is_ok());
}

#[tokio::test]
async fn whoever_asked_can_take_it_back_and_nobody_else() {
    let stage = Stage::new().await;
    let mut waiting = stage.ask(question()).await;
    let other = stage.approvals.withdraw(waiting.id, &dba("bob")).await;
    assert!(matches!(other, Err(AnswerError::NotAllowed(_))), "{other:?}");
    let own = stage
        .approvals
        .withdraw(waiting.id, &requester())
        .await
        .expect("withdrawn");
    assert_eq!(own.approval.standing, Standing::Withdrawn);
    assert_eq!(waiting.decided().await, Standing::Withdrawn);
    let again = stage.approvals.withdraw(waiting.id, &requester()).await;
    assert!(matches!(again, Err(AnswerError::Vote(_))), "{again:?}");
}

#[tokio::test]
async fn what_is_not_there_cannot_be_answered_used_or_taken_back() {
    let stage = Stage::new().await;
    let id = ApprovalId::new(1, [1; 10]);
    let answer = stage.vote(id, &dba("bob"), true).await;
    assert!(matches!(answer, Err(AnswerError::NotFound)), "{answer:?}");
    let taken = stage.approvals.withdraw(id, &dba("bob")).await;
    assert!(matches!(taken, Err(AnswerError::NotFound)), "{taken:?}");
    let used = stage
        .approvals
        .consume(id, question().content, operation(1))
        .await;
    assert!(used.is_err_and(|refusal| refusal.message.contains("there is no approval")));
}

#[tokio::test]
async fn an_approval_lets_nothing_else_through() {
    let stage = Stage::new().await;
    let id = stage.ask(question()).await.id;
    let pending = stage
        .approvals
        .consume(id, question().content, operation(1))
        .await;
    assert!(pending.is_err_and(|refusal| refusal.rule == Rule::ApprovalPending));
    stage.vote(id, &dba("bob"), true).await.expect("counts");
    let other = stage
        .approvals
        .consume(id, ContentHash([8; 32]), operation(1))
        .await;
    assert!(other.is_err_and(|refusal| refusal.message.contains("something else")));
    assert_eq!(stage.standing(id).await, Standing::Approved);
}

#[tokio::test]
async fn without_a_journal_nothing_is_asked_answered_or_used() {
    let stage = Stage::new().await;
    let id = stage.ask(question()).await.id;
    let journal = stage.journal.clone();
    tokio::task::spawn_blocking(move || journal.close())
        .await
        .expect("closed")
        .expect("in order");
    let answer = stage.vote(id, &dba("bob"), true).await;
    assert!(
        matches!(&answer, Err(AnswerError::NotAllowed(refusal)) if refusal.rule == Rule::JournalUnavailable),
        "{answer:?}"
    );
    assert_eq!(stage.standing(id).await, Standing::Pending);
    let other = Question {
        content: ContentHash([8; 32]),
        ..question()
    };
    let asked = stage.approvals.ask(other).await;
    assert!(asked.is_err_and(|refusal| refusal.rule == Rule::JournalUnavailable));
}

#[tokio::test]
async fn without_its_database_nothing_is_asked_answered_or_used() {
    let stage = Stage::new().await;
    let approved = stage.ask(question()).await.id;
    stage.vote(approved, &dba("bob"), true).await.expect("counts");
    let numbered = |number| Question {
        content: ContentHash([number; 32]),
        ..question()
    };
    let pending = stage.ask(numbered(8)).await.id;
    stage.state.close().await;
    let used = stage
        .approvals
        .consume(approved, question().content, operation(1))
        .await;
    let asked = stage.approvals.ask(numbered(9)).await.map(drop);
    for refused in [used, asked] {
        let refusal = refused.expect_err("refused");
        assert_eq!(
            (refusal.rule, refusal.fault),
            (Rule::ApprovalUnavailable, model::Fault::Operator)
        );
    }
    let answer = stage.vote(pending, &dba("bob"), true).await;
    assert!(matches!(answer, Err(AnswerError::State(_))), "{answer:?}");
    let why = stage.approvals.refusal(approved).await;
    assert_eq!(why.rule, Rule::ApprovalUnavailable);
}
