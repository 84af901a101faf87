//! How grants hold, and how they end.

use model::SessionId;
use tokio::sync::mpsc;

use super::*;
use crate::sessions::Live;

const SECOND: u64 = 1_000_000;

/// A session under a grant, and where it hears that it is to end.
fn live(number: u8, grant: Option<GrantId>) -> Live {
    let id = SessionId::new(1, [number; 10]);
    Live::idle(id, person("alice"), customers(), grant)
}

#[tokio::test]
async fn a_grant_holds_for_its_time_its_principal_and_its_resource() {
    let stage = Stage::new("").await;
    let grant = stage.hold("alice", 100 * SECOND, 60).await;
    for (now, holds) in [(99, 0), (100, 1), (159, 1), (160, 0)] {
        assert_eq!(stage.holding("alice", now * SECOND), holds, "{now}");
    }
    assert_eq!(stage.holding("bob", 100 * SECOND), 0);
    let other = ResourceName::new("other");
    assert!(
        stage
            .grants
            .holding(&person("alice"), &other, 100 * SECOND)
            .is_empty()
    );
    assert!(stage.grants.holds(grant.id, 159 * SECOND) && !stage.grants.holds(grant.id, 160 * SECOND));
}

#[tokio::test]
async fn of_several_grants_the_one_that_ends_last_comes_first() {
    let stage = Stage::new("").await;
    let mut ends = Vec::new();
    for seconds in [60, 90, 70] {
        ends.push(stage.hold("alice", 100 * SECOND, seconds).await.ends_us);
    }
    ends.sort_unstable_by(|a, b| b.cmp(a));
    let holding = stage.grants.holding(&person("alice"), &customers(), 100 * SECOND);
    let held: Vec<u64> = holding.iter().map(|grant| grant.ends_us).collect();
    assert_eq!(held, ends);
}

#[tokio::test]
async fn an_approval_gives_one_grant_and_no_second() {
    let stage = Stage::new("").await;
    let first = stage.hold("alice", 100 * SECOND, 60).await;
    let second = Arc::new(Grant {
        id: GrantId::new(1, [7; 10]),
        ends_us: 900 * SECOND,
        ..Grant::clone(&first)
    });
    stage.grants.put_in_force(&second).await.expect("kept");
    assert_eq!(stage.holding("alice", 100 * SECOND), 1);
    assert_eq!(stage.holding("alice", 160 * SECOND), 0);
}

#[tokio::test]
async fn what_ends_by_itself_ends_its_sessions_and_is_written_down_once() {
    let stage = Stage::new("").await;
    let (short, long) = (
        stage.hold("alice", 100 * SECOND, 60).await,
        stage.hold("alice", 100 * SECOND, 600).await,
    );
    let (ending, notices, mut inbox) = ears();
    let _listed = stage.sessions.add(
        live(1, Some(short.id)),
        Arc::clone(&ending),
        1,
        Vec::new(),
        notices,
    );
    let (other, notices, mut others) = ears();
    let _other = stage
        .sessions
        .add(live(2, Some(long.id)), Arc::clone(&other), 1, Vec::new(), notices);

    stage.grants.end_due(159 * SECOND).await;
    assert!(inbox.try_recv().is_err());
    stage.grants.end_due(160 * SECOND).await;
    stage.grants.end_due(161 * SECOND).await;
    assert_eq!(inbox.try_recv(), Ok(Notice::End));
    assert!(
        ending
            .get()
            .is_some_and(|ending| ending.reason.contains("has ended"))
    );
    assert!(others.try_recv().is_err() && other.get().is_none());
    let [ended] = &stage.ground.journaled("grant.ended")[..] else {
        panic!("one entry");
    };
    assert_eq!(
        (&ended["grant"], &ended["why"]),
        (&short.id.to_string().into(), &"ran out".into())
    );
    assert_eq!(ended["by"], serde_json::Value::Null);
}

#[tokio::test]
async fn a_grant_taken_back_holds_no_more_and_ends_its_sessions() {
    let stage = Stage::new("").await;
    let grant = stage.hold("alice", clock::unix_us(), 60).await;
    let (ending, notices, mut inbox) = ears();
    let _listed = stage.sessions.add(
        live(1, Some(grant.id)),
        Arc::clone(&ending),
        1,
        Vec::new(),
        notices,
    );
    let (alone, notices, mut others) = ears();
    let _alone = stage
        .sessions
        .add(live(2, None), Arc::clone(&alone), 1, Vec::new(), notices);
    let (revoked, ended) = stage
        .grants
        .revoke_counting(grant.id, &person("root"), "over")
        .await
        .expect("taken back");
    assert_eq!((ended, inbox.try_recv()), (1, Ok(Notice::End)));
    assert_eq!(
        &*ending.get().expect("told").reason,
        "the grant was taken back: over"
    );
    assert!(others.try_recv().is_err());
    assert_eq!(
        revoked.revoked.as_ref().map(|(_, by)| by.as_str()),
        Some("https://idp|root")
    );
    assert_eq!(stage.holding("alice", clock::unix_us()), 0);
    let [ended] = &stage.ground.journaled("grant.ended")[..] else {
        panic!("one entry");
    };
    assert_eq!(
        (&ended["why"], &ended["by"]),
        (&"revoked".into(), &"https://idp|root".into())
    );

    let again = stage.grants.revoke(grant.id, &person("root"), "").await;
    assert!(matches!(again, Err(GrantError::Over)), "{again:?}");
    let unknown = stage
        .grants
        .revoke(GrantId::new(1, [0; 10]), &person("root"), "")
        .await;
    assert!(matches!(unknown, Err(GrantError::NotFound)), "{unknown:?}");
}

#[tokio::test]
async fn what_cannot_be_written_down_is_neither_given_nor_taken_back() {
    let stage = Stage::new("").await;
    let now_us = clock::unix_us();
    let held = stage.hold("alice", now_us, 60).await;
    stage.ground.close_journal().await;
    let revoked = stage.grants.revoke(held.id, &person("root"), "").await;
    assert!(matches!(revoked, Err(GrantError::Journal(_))), "{revoked:?}");
    assert_eq!(stage.holding("alice", now_us), 1);
    let given = stage
        .grants
        .put_in_force(&Arc::new(grant("bob", now_us, 60)))
        .await;
    assert!(given.is_err());
    assert_eq!(stage.holding("bob", now_us), 0);
}

#[tokio::test]
async fn a_grant_whose_end_cannot_be_stored_is_over_all_the_same() {
    let stage = Stage::new("").await;
    let now_us = clock::unix_us();
    let held = stage.hold("alice", now_us, 60).await;
    stage.ground.state.close().await;
    let revoked = stage.grants.revoke(held.id, &person("root"), "").await;
    assert!(matches!(revoked, Err(GrantError::State(_))), "{revoked:?}");
    assert_eq!(stage.holding("alice", now_us), 0);
    // One that cannot be stored is not given: nobody could take it back for good.
    let given = stage
        .grants
        .put_in_force(&Arc::new(grant("bob", now_us, 60)))
        .await;
    assert!(given.is_err() && stage.holding("bob", now_us) == 0);
}

#[tokio::test]
async fn after_a_restart_what_holds_holds_and_what_ended_meanwhile_is_written_down() {
    let stage = Stage::new("").await;
    let now_us = clock::unix_us();
    let held = stage.hold("alice", now_us, 600).await;
    let revoked = stage.hold("alice", now_us, 600).await;
    stage
        .grants
        .revoke(revoked.id, &person("root"), "")
        .await
        .expect("taken back");
    let past = stage.hold("bob", now_us - 100 * SECOND, 60).await;
    let grants = stage.restarted().await;
    let holding = grants.holding(&person("alice"), &customers(), now_us);
    assert_eq!(holding, [held]);
    assert!(grants.holding(&person("bob"), &customers(), now_us).is_empty());
    grants.end_due(now_us).await;
    let ended = stage.ground.journaled("grant.ended");
    assert!(
        ended.iter().any(|entry| entry["grant"] == past.id.to_string()),
        "{ended:?}"
    );
    // And only once.
    stage.restarted().await.end_due(now_us).await;
    assert_eq!(stage.ground.journaled("grant.ended").len(), ended.len());
}

#[tokio::test]
async fn the_generation_grows_with_every_grant_given_taken_back_and_run_out() {
    let stage = Stage::new("").await;
    let at = |now_us: u64| stage.grants.inner.held.load().generation(|| now_us);
    let now_us = clock::unix_us();
    let none = at(now_us);
    let first = stage.hold("alice", now_us, 60).await;
    let one = at(now_us);
    stage.hold("alice", now_us, 90).await;
    let two = at(now_us);
    assert!(none < one && one < two);
    // Each end counts at its own moment, whether or not anybody has noticed yet.
    let (before, after) = (at(first.ends_us - 1), at(first.ends_us));
    let second = at(now_us + 90 * SECOND);
    assert!(two == before && before < after && after < second);
    stage.grants.end_due(first.ends_us).await;
    assert!(at(first.ends_us) > after);
    let last = stage
        .grants
        .holding(&person("alice"), &customers(), first.ends_us);
    let before = at(now_us);
    stage
        .grants
        .revoke(last[0].id, &person("root"), "")
        .await
        .expect("taken back");
    assert!(at(now_us) > before && at(now_us + 900 * SECOND) > before);
}

#[tokio::test]
async fn lists_are_pages_from_the_newest_and_know_who_used_what() {
    let stage = Stage::new("").await;
    let now_us = clock::unix_us();
    let old = stage.hold("alice", now_us - 100 * SECOND, 60).await;
    let new = stage.hold("alice", now_us, 60).await;
    let bobs = stage.hold("bob", now_us - 50 * SECOND, 600).await;
    stage.grants.used(new.id, now_us + 5);
    let ids = async |filter: GrantFilter| {
        let grants = stage.grants.list(&filter).await.expect("read");
        grants.iter().map(|grant| grant.id).collect::<Vec<_>>()
    };
    let all = GrantFilter::default();
    assert_eq!(ids(all.clone()).await, [new.id, bobs.id, old.id]);
    let page = GrantFilter {
        limit: 1,
        before: Some(new.id),
        ..all.clone()
    };
    assert_eq!(ids(page).await, [bobs.id]);
    let alices = GrantFilter {
        principal: Some(person("alice").key()),
        holding: true,
        ..all.clone()
    };
    assert_eq!(ids(alices.clone()).await, [new.id]);
    let used = stage.grants.list(&alices).await.expect("read")[0].used_us;
    assert_eq!(used, Some(now_us + 5));
    stage.grants.save_uses().await;
    let stored = stage.ground.state.grant(new.id).await.expect("read");
    assert_eq!(stored.and_then(|grant| grant.used_us), used);
    let other = GrantFilter {
        resource: Some(ResourceName::new("other")),
        ..all
    };
    assert!(ids(other).await.is_empty());
}

#[tokio::test]
async fn the_task_ends_grants_by_itself_and_stops_when_told() {
    let stage = Stage::new("").await;
    let (ending, notices, mut inbox) = ears();
    let (stop, grants) = (CancellationToken::new(), stage.grants.clone());
    let task = tokio::spawn({
        let stop = stop.clone();
        async move { grants.run(stop).await }
    });
    // Ends in a moment: the task must notice that there is an end before the one it waits for.
    let mut soon = grant("alice", clock::unix_us(), 60);
    soon.ends_us = clock::unix_us() + 50_000;
    let soon = Arc::new(soon);
    let _listed = stage.sessions.add(
        live(1, Some(soon.id)),
        Arc::clone(&ending),
        1,
        Vec::new(),
        notices,
    );
    stage.grants.put_in_force(&soon).await.expect("given");
    let told = tokio::time::timeout(Duration::from_secs(30), inbox.recv()).await;
    assert_eq!(told, Ok(Some(Notice::End)));
    assert!(!stage.grants.holds(soon.id, soon.ends_us));
    stop.cancel();
    task.await.expect("it stops");
}

fn ears() -> (EndingCell, mpsc::Sender<Notice>, mpsc::Receiver<Notice>) {
    let (notices, inbox) = mpsc::channel(1);
    (EndingCell::default(), notices, inbox)
}
