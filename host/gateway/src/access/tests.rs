use super::*;
use crate::grants::tests::Stage;
use crate::ground::{Ground, customers, person, through};

const DAY_US: u64 = 24 * 3_600 * 1_000_000;
const DAYS_30: Duration = Duration::from_secs(30 * 24 * 3_600);

async fn access(stage: &Stage) -> Access {
    Access::new(
        stage.ground.state.clone(),
        stage.grants.clone(),
        stage.locks.clone(),
    )
}

#[tokio::test]
async fn whoever_has_not_been_anywhere_for_long_is_told_with_the_last_place() {
    let stage = Stage::new("").await;
    let access = access(&stage).await;
    let (alice, bob, other) = (person("alice"), person("bob"), ResourceName::new("other"));
    let now_us = 100 * DAY_US;
    access.note(&alice, &customers(), 10 * DAY_US);
    access.note(&alice, &other, 20 * DAY_US);
    access.note(&bob, &customers(), 10 * DAY_US);
    access.note(&bob, &other, 99 * DAY_US);
    let review = access.review(now_us, DAYS_30).await.expect("read");
    let dormant: Vec<_> = review
        .dormant
        .iter()
        .map(|seen| (seen.principal.as_str(), seen.resource.as_str(), seen.last_us))
        .collect();
    assert_eq!(dormant, [("https://idp|alice", "other", 20 * DAY_US)]);
    assert!(!review.cut);
    // Back again.
    access.note(&alice, &customers(), 99 * DAY_US);
    assert!(
        access
            .review(now_us, DAYS_30)
            .await
            .expect("read")
            .dormant
            .is_empty()
    );
}

#[tokio::test]
async fn the_groups_and_the_time_of_the_last_visit_count() {
    let stage = Stage::new("").await;
    let access = access(&stage).await;
    let mut alice = person("alice");
    access.note(&alice, &customers(), 2 * DAY_US);
    access.save().await;
    alice.groups = vec!["dba".to_owned()];
    access.note(&alice, &customers(), 3 * DAY_US);
    access.save().await;
    // A clock that was set back does not make anybody dormant.
    access.note(&alice, &customers(), DAY_US);
    let review = access.review(100 * DAY_US, DAYS_30).await.expect("read");
    let [seen] = &review.dormant[..] else {
        panic!("{review:?}");
    };
    assert_eq!(
        (seen.last_us, &seen.groups[..]),
        (3 * DAY_US, &["dba".to_owned()][..])
    );
    assert_eq!(seen.kind, PrincipalKind::Person);
}

#[tokio::test]
async fn whoever_acts_through_an_agent_is_not_here_and_an_agent_is_not_a_person() {
    let stage = Stage::new("").await;
    let access = access(&stage).await;
    let agent = Principal {
        groups: vec!["admins".to_owned()],
        kind: PrincipalKind::Agent,
        ..person("alice")
    };
    access.note(&person("alice"), &customers(), DAY_US);
    access.note(&through("alice", "agent-7"), &customers(), 2 * DAY_US);
    for saved in [false, true] {
        let seen = access.last_seen("https://idp|alice").await.expect("read");
        assert_eq!(seen.map(|seen| seen.last_us), Some(DAY_US), "saved: {saved}");
        access.save().await;
    }
    access.note(&agent, &ResourceName::new("other"), 3 * DAY_US);
    for saved in [false, true] {
        let seen = access.last_seen("https://idp|alice").await.expect("read");
        assert_eq!(seen.map(|seen| seen.last_us), Some(DAY_US), "saved: {saved}");
        access.save().await;
    }
}

#[tokio::test]
async fn grants_that_nobody_used_and_locks_in_force_are_told() {
    let stage = Stage::new("").await;
    let access = access(&stage).await;
    let now_us = clock::unix_us();
    let unused = stage.hold("alice", now_us, 3_600).await;
    let used = stage.hold("bob", now_us, 3_600).await;
    stage.grants.used(used.id, now_us);
    let lock = stage
        .locks
        .set(model::LockTarget::All, "", &person("root"))
        .await
        .expect("set");
    let review = access.review(now_us, DAYS_30).await.expect("read");
    let ids: Vec<_> = review.unused.iter().map(|grant| grant.id).collect();
    assert_eq!(ids, [unused.id]);
    assert_eq!(review.locks, [lock]);
}

#[tokio::test]
async fn a_minute_holds_so_many_visits_and_no_more() {
    let stage = Stage::new("").await;
    let access = access(&stage).await;
    for number in 0..=WAITING_MAX {
        access.note(&person(&number.to_string()), &customers(), 1);
    }
    let waiting = access.waiting.lock().expect("nobody panicked").len();
    assert_eq!(waiting, WAITING_MAX);
}

#[tokio::test]
async fn who_was_here_long_ago_is_forgotten() {
    let ground = Ground::new().await;
    let seen = |principal: &str, last_us| Seen {
        principal: principal.to_owned(),
        kind: PrincipalKind::Agent,
        identity: "corp".to_owned(),
        groups: Vec::new(),
        last_us,
        resource: customers(),
    };
    let all = [seen("old", 10), seen("new", 20)];
    ground.state.save_seen(&all).await.expect("saved");
    ground.state.forget_seen(20).await.expect("forgotten");
    let left = ground.state.dormant(u64::MAX, 10).await.expect("read");
    assert_eq!(left, [seen("new", 20)]);
}
