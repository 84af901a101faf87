//! Asking for grants, and what people's answers make of it.

use model::approval::{Standing, VoteError};
use model::{LockTarget, PrincipalKind, Refusal};

use super::*;
use crate::approvals::AnswerError;
use crate::ground::through;

/// Analysts may ask for reads; for writes two of dba must agree, and a reason is needed. The
/// rest of dba may ask, and approve, too. A grant lets connect.
const POLICY: &str = r#"
permit (principal in Group::"analysts", action == Action::"request", resource == Resource::"customers")
when { context.operation.verbs.contains("connect") ||
       (context.operation.verbs.contains("grant") && context.operation.kind == "read") };
@quorum("2 of dba") @reason("required")
permit (principal in Group::"analysts", action == Action::"request", resource == Resource::"customers")
when { context.operation.verbs.contains("grant") && context.operation.kind == "write" };
permit (principal in Group::"dba", action == Action::"request", resource);
permit (principal in Group::"dba", action == Action::"approve", resource);
permit (principal, action == Action::"connect", resource) when { context has grant };
"#;

fn member(subject: &str, groups: &[&str]) -> Arc<Principal> {
    Arc::new(Principal {
        groups: groups.iter().map(|group| (*group).to_owned()).collect(),
        ..person(subject)
    })
}

fn analyst() -> Arc<Principal> {
    member("alice", &["analysts"])
}

fn terms(kinds: &[OperationKind], seconds: u64) -> Terms {
    Terms {
        kinds: kinds.iter().copied().collect(),
        relations: Vec::new(),
        seconds,
    }
}

impl Stage {
    async fn ask(&self, by: &Arc<Principal>, terms: Terms, reason: &str) -> Result<ApprovalId, Refusal> {
        self.grants.request(by, &customers(), terms, reason).await
    }

    /// Asks for an hour of reads.
    async fn asked(&self) -> ApprovalId {
        let hour = terms(&[OperationKind::Read], 3_600);
        self.ask(&analyst(), hour, "").await.expect("asked")
    }

    async fn agree(&self, id: ApprovalId, voter: &Principal) -> Result<Standing, AnswerError> {
        let kept = self.approvals().vote(id, None, voter, true, "", "api").await?;
        Ok(kept.approval.standing)
    }

    /// Approves while nobody can make a grant of it, as if the gateway stopped right then.
    async fn approve_elsewhere(&self, id: ApprovalId) {
        let approvals = Approvals::start(
            self.ground.state.clone(),
            self.ground.journal.clone(),
            Arc::clone(&self.asking.policy),
            ahead(&self.ahead_us),
        )
        .await
        .expect("started");
        let bob = member("bob", &["dba"]);
        approvals
            .vote(id, None, &bob, true, "", "api")
            .await
            .expect("counts");
    }

    fn held_by(&self, principal: &Principal) -> Vec<Arc<Grant>> {
        self.grants.holding(principal, &customers(), self.now_us())
    }
}

#[tokio::test]
async fn what_people_agree_to_holds_from_then_on_for_its_time_and_no_longer() {
    let stage = Stage::new(POLICY).await;
    let id = stage.asked().await;
    assert!(stage.held_by(&analyst()).is_empty(), "nothing before the answer");
    stage.pass(30);
    let before_us = stage.now_us();
    let standing = stage.agree(id, &member("bob", &["dba"])).await.expect("counts");
    assert_eq!(standing, Standing::Used);
    let [grant] = &stage.held_by(&analyst())[..] else {
        panic!("one grant");
    };
    assert!((before_us..=stage.now_us()).contains(&grant.begins_us));
    assert_eq!(grant.ends_us, grant.begins_us + 3_600_000_000);
    // Not from the first use: nobody has used it, and it ends all the same.
    stage.pass(3_601);
    assert!(stage.held_by(&analyst()).is_empty());
    let [given] = &stage.ground.journaled("grant.given")[..] else {
        panic!("one entry");
    };
    assert_eq!(given["grant"]["approval"], id.to_string());
    assert_eq!(given["grant"]["terms"]["seconds"], 3_600);
}

#[tokio::test]
async fn one_answer_gives_one_grant_whoever_asks_again() {
    let stage = Stage::new(POLICY).await;
    let id = stage.asked().await;
    assert_eq!(stage.asked().await, id, "an open question is found again");
    stage.agree(id, &member("bob", &["dba"])).await.expect("counts");
    let again = stage.asked().await;
    assert_ne!(again, id);
    assert_eq!(stage.held_by(&analyst()).len(), 1);
    assert!(stage.agree(id, &member("carol", &["dba"])).await.is_err());
    assert_eq!(stage.held_by(&analyst()).len(), 1);
}

#[tokio::test]
async fn nobody_gives_a_grant_to_themselves_or_to_whom_they_act_for() {
    let stage = Stage::new(POLICY).await;
    let dba = member("dora", &["dba"]);
    let read = || terms(&[OperationKind::Read], 60);
    let id = stage.ask(&dba, read(), "").await.expect("asked");
    let own = stage.agree(id, &dba).await;
    assert!(
        matches!(
            own,
            Err(AnswerError::NotAllowed(_) | AnswerError::Vote(VoteError::Own))
        ),
        "{own:?}"
    );
    // An agent asks for alice; neither of them agrees.
    let asker = Arc::new(Principal {
        groups: vec!["dba".to_owned()],
        ..through("alice", "agent-7")
    });
    let id = stage.ask(&asker, read(), "").await.expect("asked");
    for voter in ["alice", "agent-7"] {
        let own = stage.agree(id, &member(voter, &["dba"])).await;
        assert!(own.is_err(), "{voter}: {own:?}");
    }
    assert!(stage.held_by(&dba).is_empty() && stage.held_by(&asker).is_empty());
    // And what was given to the agent is not alice's own.
    stage.agree(id, &member("bob", &["dba"])).await.expect("counts");
    assert_eq!(stage.held_by(&asker).len(), 1);
    assert!(stage.held_by(&person("alice")).is_empty());
}

#[tokio::test]
async fn people_are_counted_and_not_their_groups_nor_agents() {
    let stage = Stage::new(POLICY).await;
    let write = terms(&[OperationKind::Write], 60);
    let id = stage.ask(&analyst(), write, "a fix").await.expect("asked");
    let bob = member("bob", &["dba", "security", "owners"]);
    assert_eq!(stage.agree(id, &bob).await.expect("counts"), Standing::Pending);
    assert!(stage.agree(id, &bob).await.is_err(), "once is enough");
    let agent = Principal {
        kind: PrincipalKind::Agent,
        ..Principal::clone(&member("robot", &["dba"]))
    };
    assert!(stage.agree(id, &agent).await.is_err());
    assert!(stage.held_by(&analyst()).is_empty());
    let carol = member("carol", &["dba"]);
    assert_eq!(stage.agree(id, &carol).await.expect("counts"), Standing::Used);
    assert_eq!(stage.held_by(&analyst()).len(), 1);
}

#[tokio::test]
async fn a_reason_is_given_where_policy_wants_one_and_is_no_novel() {
    let stage = Stage::new(POLICY).await;
    let write = || terms(&[OperationKind::Write], 60);
    for reason in ["", "  \n"] {
        let refused = stage
            .ask(&analyst(), write(), reason)
            .await
            .expect_err("no reason");
        assert!(refused.message.contains("reason"), "{}", refused.message);
    }
    let long = "x".repeat(model::grant::GRANT_REASON_BYTES_MAX + 1);
    assert!(stage.ask(&analyst(), write(), &long).await.is_err());
    let id = stage.ask(&analyst(), write(), "a fix").await.expect("asked");
    let kept = stage.approvals().get(id).await.expect("read").expect("kept");
    assert_eq!(kept.case.reason.as_deref(), Some("a fix"));
    assert_eq!(kept.case.grant, Some(write()));
    assert_eq!(
        kept.case.title,
        "https://idp|alice wants write on \"customers\" for 1 min"
    );
}

#[tokio::test]
async fn whoever_may_not_ask_is_told_the_same_of_any_resource() {
    let stage = Stage::new(POLICY).await;
    let ask = async |resource: &str, by: &Arc<Principal>| {
        let resource = ResourceName::new(resource);
        let read = terms(&[OperationKind::Read], 60);
        let refused = stage.grants.request(by, &resource, read, "").await;
        let refused = refused.expect_err("not permitted");
        assert_eq!(refused.rule, Rule::PolicyDenied);
        refused.message.replace(resource.as_str(), "R")
    };
    let stranger = member("mallory", &[]);
    assert_eq!(ask("customers", &stranger).await, ask("nowhere", &stranger).await);
    // Policies may permit to ask for anything; what is not there is not asked for.
    ask("nowhere", &member("dora", &["dba"])).await;
    assert!(stage.ground.journaled("approval.asked").is_empty());
}

#[tokio::test]
async fn terms_that_no_grant_can_have_are_not_asked_for() {
    let stage = Stage::new(POLICY).await;
    let dba = member("dora", &["dba"]);
    for bad in [
        terms(&[], 60),
        terms(&[OperationKind::Session], 60),
        terms(&[OperationKind::Read], 0),
        terms(&[OperationKind::Read], u64::MAX),
    ] {
        assert!(stage.ask(&dba, bad.clone(), "").await.is_err(), "{bad:?}");
    }
    assert!(stage.ground.journaled("approval.asked").is_empty());
}

#[tokio::test]
async fn whoever_is_shut_out_neither_asks_nor_gets() {
    let stage = Stage::new(POLICY).await;
    let id = stage.asked().await;
    let target = LockTarget::Principal(analyst().key());
    let lock = stage.locks.set(target, "", &person("root")).await.expect("set");
    stage.agree(id, &member("bob", &["dba"])).await.expect("counts");
    assert!(stage.held_by(&analyst()).is_empty());
    let refused = stage.ask(&analyst(), terms(&[OperationKind::Read], 60), "").await;
    assert_eq!(refused.expect_err("shut out").rule, Rule::Locked);
    // It does not come back when the lock goes: it has to be asked for again.
    stage.locks.lift(lock.id, &person("root")).await.expect("lifted");
    assert!(stage.held_by(&analyst()).is_empty());
    assert!(stage.ground.journaled("grant.given").is_empty());
}

#[tokio::test]
async fn a_longer_time_than_a_grant_may_last_is_cut_when_it_is_given() {
    let stage = Stage::new(POLICY).await;
    let id = stage.asked().await;
    stage.agree(id, &member("bob", &["dba"])).await.expect("counts");
    let kept = stage.approvals().get(id).await.expect("read").expect("kept");
    // What was asked for while a grant could last longer.
    let long = super::super::giving::grant(
        &kept.approval.requester,
        &customers(),
        terms(&[OperationKind::Read], u64::MAX),
        "",
        1,
    );
    assert_eq!(long.ends_us, 1 + model::grant::GRANT_SECONDS_MAX * 1_000_000);
}

#[tokio::test]
async fn connecting_asks_for_all_that_may_be_asked_for_and_only_once() {
    let stage = Stage::new(POLICY.replace("@reason(\"required\")", "").as_str()).await;
    let connect = async |by: &Arc<Principal>| stage.grants.ask_to_connect(by, &customers()).await;
    let Ok(Some(Connecting::Asked(id))) = connect(&analyst()).await else {
        panic!("asked");
    };
    let Ok(Some(Connecting::Asked(again))) = connect(&analyst()).await else {
        panic!("asked");
    };
    assert_eq!(again, id);
    let kept = stage.approvals().get(id).await.expect("read").expect("kept");
    let wanted = terms(&[OperationKind::Read, OperationKind::Write], 3_600);
    assert_eq!(kept.case.grant, Some(wanted));
    assert_eq!(kept.approval.quorum.to_string(), "2 of dba");
    let other = ResourceName::new("other");
    let none = stage.grants.ask_to_connect(&analyst(), &other).await;
    assert!(matches!(none, Ok(None)), "{none:?}");
    assert!(matches!(connect(&member("mallory", &[])).await, Ok(None)));
}

#[tokio::test]
async fn connecting_does_not_ask_where_a_reason_is_needed_or_a_grant_would_not_help() {
    let stage = Stage::new(POLICY).await;
    let refused = stage.grants.ask_to_connect(&analyst(), &customers()).await;
    let hint = refused.expect_err("no reason").hint.expect("a hint");
    assert!(hint.contains("tidegate request --resource customers"), "{hint}");
    let useless = POLICY.replace(
        "when { context has grant }",
        r#"when { context has grant && context.grant.kinds.contains("privilege") }"#,
    );
    let stage = Stage::new(&useless.replace("@reason(\"required\")", "")).await;
    let none = stage.grants.ask_to_connect(&analyst(), &customers()).await;
    assert!(matches!(none, Ok(None)), "{none:?}");
    assert!(stage.ground.journaled("approval.asked").is_empty());
}

#[tokio::test]
async fn an_answer_that_could_not_be_kept_as_a_grant_is_none_until_it_is_asked_again() {
    let stage = Stage::new(POLICY).await;
    let id = stage.asked().await;
    stage.approve_elsewhere(id).await;
    assert!(stage.held_by(&analyst()).is_empty());
    assert_eq!(stage.asked().await, id);
    assert_eq!(stage.held_by(&analyst()).len(), 1);
    let kept = stage.approvals().get(id).await.expect("read").expect("kept");
    assert_eq!(kept.approval.standing, Standing::Used);
}

#[tokio::test]
async fn what_was_agreed_to_under_other_policies_is_no_grant() {
    let stage = Stage::new(POLICY).await;
    let id = stage.asked().await;
    stage.approve_elsewhere(id).await;
    let changed = POLICY.replace("\"2 of dba\"", "\"3 of dba\"");
    let changed = Stage::new(&changed).await;
    assert_ne!(changed.policy().hash(), stage.policy().hash());
    let asking = Asking {
        policy: Arc::clone(&changed.asking.policy),
        ..stage.asking.clone()
    };
    let clock = ahead(&stage.ahead_us);
    let grants = open(&stage.ground, &stage.sessions, &asking, clock).await;
    let refused = grants.give_now(id).await;
    assert!(refused.is_err(), "{refused:?}");
    assert!(
        grants
            .holding(&analyst(), &customers(), stage.now_us())
            .is_empty()
    );
    assert!(stage.ground.journaled("grant.given").is_empty());
}
