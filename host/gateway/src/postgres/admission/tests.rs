use model::{LockTarget, PrincipalKind, Rule};

use super::*;
use crate::grants::tests::Stage;
use crate::ground::{customers, person};

/// Analysts connect; guests may ask to, for reads; dba answers.
const POLICY: &str = r#"
permit (principal in Group::"analysts", action == Action::"connect", resource);
permit (principal in Group::"guests", action == Action::"request", resource)
when { context.operation.verbs.contains("connect") ||
       (context.operation.verbs.contains("grant") && context.operation.kind == "read") };
permit (principal, action == Action::"connect", resource) when { context has grant };
permit (principal in Group::"dba", action == Action::"approve", resource);
"#;

fn member(subject: &str, group: &str) -> Arc<Principal> {
    Arc::new(Principal {
        groups: vec![group.to_owned()],
        kind: PrincipalKind::Person,
        ..person(subject)
    })
}

async fn let_in(stage: &Stage, principal: &Arc<Principal>) -> Result<Option<Arc<Grant>>, Turned> {
    let door = Door {
        policy: stage.policy(),
        grants: &stage.grants,
        locks: &stage.locks,
    };
    let let_in = door.let_in(principal, &customers(), "postgres").await;
    let_in.map_err(|shut| Turned::shut(shut, &customers()))
}

fn why(let_in: Result<Option<Arc<Grant>>, Turned>) -> Refusal {
    match let_in {
        Err(Turned {
            tell: Tell::Why(refusal),
            ..
        }) => refusal,
        Err(turned) => panic!("told nothing: {}", turned.reason),
        Ok(grant) => panic!("let in: {grant:?}"),
    }
}

#[tokio::test]
async fn whoever_may_connect_is_let_in_without_a_grant_and_depends_on_none() {
    let stage = Stage::new(POLICY).await;
    let grant = let_in(&stage, &member("ann", "analysts")).await;
    assert!(matches!(grant, Ok(None)));
    assert!(stage.ground.journaled("approval.asked").is_empty());
}

#[tokio::test]
async fn whoever_may_ask_has_asked_by_trying_and_is_let_in_once_people_agreed() {
    let stage = Stage::new(POLICY).await;
    let guest = member("gus", "guests");
    let told = why(let_in(&stage, &guest).await);
    assert_eq!(told.rule, Rule::ApprovalPending);
    let approval = told.approval.expect("it is named");
    assert!(told.message.contains(&approval.to_string()));
    assert_eq!(why(let_in(&stage, &guest).await).approval, Some(approval));
    let dba = member("dora", "dba");
    let voted = stage
        .approvals()
        .vote(approval, None, &dba, true, "", "api")
        .await;
    assert!(voted.is_ok(), "{voted:?}");
    let Ok(Some(grant)) = let_in(&stage, &guest).await else {
        panic!("let in under a grant");
    };
    assert_eq!(grant.approval, approval);
    assert_eq!(stage.ground.journaled("approval.asked").len(), 1);
}

#[tokio::test]
async fn a_no_is_told_and_not_asked_about_again_at_once() {
    let stage = Stage::new(POLICY).await;
    let guest = member("gus", "guests");
    let approval = why(let_in(&stage, &guest).await).approval.expect("it is named");
    let dba = member("dora", "dba");
    let voted = stage
        .approvals()
        .vote(approval, None, &dba, false, "not today", "api")
        .await;
    assert!(voted.is_ok(), "{voted:?}");
    for _ in 0..3 {
        let told = why(let_in(&stage, &guest).await);
        assert_eq!(told.rule, Rule::ApprovalDenied);
        assert!(told.message.ends_with("not today"), "{}", told.message);
    }
    assert_eq!(stage.ground.journaled("approval.asked").len(), 1);
}

#[tokio::test]
async fn a_lock_on_the_resource_is_told_to_those_who_may_use_it_and_to_nobody_else() {
    let stage = Stage::new(POLICY).await;
    let target = LockTarget::Resource(customers());
    let lock = stage.locks.set(target, "moving", &person("root")).await;
    assert!(lock.is_ok());
    let told = why(let_in(&stage, &member("ann", "analysts")).await);
    assert_eq!(
        (told.rule, &*told.message),
        (Rule::Locked, "your access was revoked: moving")
    );
    let stranger = let_in(&stage, &member("mallory", "nobody")).await;
    let Err(Turned {
        tell: Tell::Bland(sqlstate, told),
        ..
    }) = stranger
    else {
        panic!("told more than it may know");
    };
    assert_eq!((sqlstate, told), ("3D000", no_resource("customers")));
    // Nobody is asked for somebody whom the lock keeps out.
    assert_eq!(
        why(let_in(&stage, &member("gus", "guests")).await).rule,
        Rule::Locked
    );
    assert!(stage.ground.journaled("approval.asked").is_empty());
}
