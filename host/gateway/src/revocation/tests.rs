use std::sync::Arc;
use std::time::{Duration, Instant};

use model::{GrantId, SessionId};
use tokio::sync::mpsc;

use super::*;
use crate::clock;
use crate::grants::tests::Stage;
use crate::ground::{customers, person, through};
use crate::sessions::{EndingCell, Live, Notice};

/// How many sessions live at once where it is about how long revoking takes.
const MANY: usize = 500;

async fn revoke(stage: &Stage, revocation: Revocation) -> Result<Revoked, RevokeError> {
    let reach = Reach {
        journal: &stage.ground.journal,
        sessions: &stage.sessions,
        locks: &stage.locks,
        grants: &stage.grants,
        is_resource: &|name| *name == customers(),
    };
    reach.revoke(revocation, "enough", &person("root")).await
}

/// What a live session hears.
struct Ear {
    ending: EndingCell,
    inbox: mpsc::Receiver<Notice>,
}

impl Ear {
    fn told(&mut self) -> Option<(Rule, String)> {
        let ending = self.ending.get()?;
        assert_eq!(self.inbox.try_recv(), Ok(Notice::End));
        Some((ending.rule, ending.reason.to_string()))
    }
}

fn session(number: u16) -> SessionId {
    let mut random = [0; 10];
    random[8..].copy_from_slice(&number.to_be_bytes());
    SessionId::new(1, random)
}

/// Lists a session for as long as the stage lives.
fn list(stage: &Stage, id: SessionId, principal: Principal, grant: Option<GrantId>) -> Ear {
    let (notices, inbox) = mpsc::channel(1);
    let ending = EndingCell::default();
    let live = Live::idle(id, principal, customers(), grant);
    let listed = stage
        .sessions
        .add(live, Arc::clone(&ending), 1, Vec::new(), notices);
    std::mem::forget(listed);
    Ear { ending, inbox }
}

#[tokio::test]
async fn revoking_a_principal_ends_its_sessions_and_those_through_it_and_keeps_it_out() {
    let stage = Stage::new("").await;
    let mut own = list(&stage, session(1), person("alice"), None);
    let mut through_agent = list(&stage, session(2), through("alice", "agent-7"), None);
    let mut bobs = list(&stage, session(3), person("bob"), None);
    let target = LockTarget::Principal(person("alice").key());
    let revoked = revoke(&stage, Revocation::Lock(target)).await.expect("revoked");
    assert_eq!(revoked.sessions_ended, 2);
    let told = Some((Rule::Locked, "your access was revoked: enough".to_owned()));
    assert_eq!((own.told(), through_agent.told()), (told.clone(), told));
    assert_eq!(bobs.told(), None);
    assert!(stage.locks.check(&person("alice"), &customers()).is_err());
    assert_eq!(stage.locks.list()[0].id, revoked.lock.expect("a lock"));
}

#[tokio::test]
async fn a_resource_or_everything_is_revoked_for_all_of_its_sessions() {
    let stage = Stage::new("").await;
    let mut ear = list(&stage, session(1), person("alice"), None);
    let unknown = LockTarget::Resource(ResourceName::new("other"));
    let refused = revoke(&stage, Revocation::Lock(unknown)).await;
    assert!(matches!(refused, Err(RevokeError::NoResource)), "{refused:?}");
    let own = LockTarget::Resource(ResourceName::new(ResourceName::GATEWAY));
    let refused = revoke(&stage, Revocation::Lock(own)).await;
    assert!(matches!(refused, Err(RevokeError::Gateway)), "{refused:?}");
    assert!(ear.told().is_none() && stage.locks.list().is_empty());
    let target = LockTarget::Resource(customers());
    let revoked = revoke(&stage, Revocation::Lock(target)).await.expect("revoked");
    assert_eq!(revoked.sessions_ended, 1);
    assert!(ear.told().is_some());
    assert!(revoke(&stage, Revocation::Lock(LockTarget::All)).await.is_ok());
    assert!(stage.locks.check_principal(&person("bob")).is_err());
}

#[tokio::test]
async fn a_lock_that_could_keep_nobody_out_is_not_set() {
    let stage = Stage::new("").await;
    let long = format!("https://idp|{}", "x".repeat(KEY_BYTES_MAX));
    for key in ["alice", "|alice", "https://idp|", &long] {
        let target = LockTarget::Principal(key.to_owned());
        let refused = revoke(&stage, Revocation::Lock(target)).await;
        assert!(
            matches!(refused, Err(RevokeError::NoPrincipal)),
            "{key}: {refused:?}"
        );
    }
    assert!(stage.locks.list().is_empty());
}

#[tokio::test]
async fn one_session_is_ended_and_nobody_is_kept_out() {
    let stage = Stage::new("").await;
    let mut one = list(&stage, session(1), person("alice"), None);
    let mut other = list(&stage, session(2), person("alice"), None);
    let revoked = revoke(&stage, Revocation::Session(session(1)))
        .await
        .expect("ended");
    assert_eq!((revoked.lock, revoked.sessions_ended), (None, 1));
    assert_eq!(
        one.told(),
        Some((Rule::SessionEnded, "your session was ended: enough".to_owned()))
    );
    assert!(other.told().is_none() && stage.locks.list().is_empty());
    let [entry] = &stage.ground.journaled("session.revoked")[..] else {
        panic!("one entry");
    };
    assert_eq!(entry["by"], person("root").key());
    let gone = revoke(&stage, Revocation::Session(session(9))).await;
    assert!(matches!(gone, Err(RevokeError::NoSession)), "{gone:?}");
}

#[tokio::test]
async fn revoking_a_grant_ends_what_depends_on_it() {
    let stage = Stage::new("").await;
    let grant = stage.hold("alice", clock::unix_us(), 60).await;
    let mut under = list(&stage, session(1), person("alice"), Some(grant.id));
    let mut free = list(&stage, session(2), person("alice"), None);
    let revoked = revoke(&stage, Revocation::Grant(grant.id))
        .await
        .expect("revoked");
    assert_eq!((revoked.lock, revoked.sessions_ended), (None, 1));
    assert!(under.told().is_some() && free.told().is_none());
    let again = revoke(&stage, Revocation::Grant(grant.id)).await;
    assert!(
        matches!(again, Err(RevokeError::Grant(GrantError::Over))),
        "{again:?}"
    );
}

#[tokio::test]
async fn what_cannot_be_written_down_ends_nothing() {
    let stage = Stage::new("").await;
    let mut ear = list(&stage, session(1), person("alice"), None);
    stage.ground.close_journal().await;
    for revocation in [Revocation::Lock(LockTarget::All), Revocation::Session(session(1))] {
        let failed = revoke(&stage, revocation).await;
        assert!(
            matches!(failed, Err(RevokeError::State(StateError::Journal(_)))),
            "{failed:?}"
        );
    }
    assert!(ear.told().is_none());
}

#[tokio::test]
async fn a_lock_that_cannot_be_stored_still_ends_the_sessions_it_hits() {
    let stage = Stage::new("").await;
    let mut ear = list(&stage, session(1), person("alice"), None);
    stage.ground.state.close().await;
    let failed = revoke(&stage, Revocation::Lock(LockTarget::All)).await;
    assert!(matches!(failed, Err(RevokeError::State(_))), "{failed:?}");
    assert!(ear.told().is_some());
}

#[tokio::test]
async fn five_hundred_sessions_are_told_well_within_a_second() {
    let stage = Stage::new("").await;
    let mut ears: Vec<Ear> = (0..MANY)
        .map(|number| list(&stage, session(number as u16), person("alice"), None))
        .collect();
    let began = Instant::now();
    let revoked = revoke(&stage, Revocation::Lock(LockTarget::All))
        .await
        .expect("revoked");
    let took = began.elapsed();
    assert_eq!(revoked.sessions_ended, MANY);
    assert!(ears.iter_mut().all(|ear| ear.told().is_some()));
    assert!(took < Duration::from_millis(500), "{took:?}");
}

#[tokio::test]
async fn a_session_whose_queue_is_full_still_finds_that_it_is_to_end() {
    let stage = Stage::new("").await;
    let ear = list(&stage, session(1), person("alice"), None);
    stage.sessions.tell_all(Notice::Drain);
    let revoked = revoke(&stage, Revocation::Session(session(1)))
        .await
        .expect("ended");
    assert_eq!(revoked.sessions_ended, 1);
    assert!(ear.ending.get().is_some());
}

#[tokio::test]
async fn a_reason_has_an_end() {
    let stage = Stage::new("").await;
    let reach = Reach {
        journal: &stage.ground.journal,
        sessions: &stage.sessions,
        locks: &stage.locks,
        grants: &stage.grants,
        is_resource: &|_| true,
    };
    let long = "x".repeat(LOCK_REASON_BYTES_MAX + 1);
    let refused = reach
        .revoke(Revocation::Lock(LockTarget::All), &long, &person("root"))
        .await;
    assert!(matches!(refused, Err(RevokeError::ReasonTooLong)), "{refused:?}");
    assert!(stage.locks.list().is_empty());
}
