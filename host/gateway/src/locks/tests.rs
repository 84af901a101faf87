use super::*;
use crate::ground::{Ground, customers, person, through};

async fn locks(ground: &Ground) -> Locks {
    Locks::open(ground.state.clone(), ground.journal.clone())
        .await
        .expect("read")
}

fn hits(locks: &Locks, principal: &Principal, resource: &ResourceName) -> bool {
    locks.check(principal, resource).is_err()
}

#[tokio::test]
async fn a_lock_shuts_out_until_it_is_lifted_and_says_why() {
    let ground = Ground::new().await;
    let (locks, alice, root) = (locks(&ground).await, person("alice"), person("root"));
    assert!(!hits(&locks, &alice, &customers()));
    let target = LockTarget::Principal(alice.key());
    let lock = locks
        .set(target.clone(), "laptop stolen", &root)
        .await
        .expect("set");
    let refusal = locks.check(&alice, &customers()).expect_err("shut out");
    assert_eq!(refusal.rule, Rule::Locked);
    assert_eq!(refusal.message, "your access was revoked: laptop stolen");
    assert!(
        refusal
            .hint
            .is_some_and(|hint| hint.contains(&lock.id.to_string()))
    );
    assert!(!hits(&locks, &person("bob"), &customers()));
    assert_eq!(locks.list(), std::slice::from_ref(&lock));

    let lifted = locks
        .lift(lock.id, &root)
        .await
        .expect("lifted")
        .expect("in force");
    assert_eq!(lifted.lifted.map(|(_, by)| by), Some(root.key()));
    assert!(!hits(&locks, &alice, &customers()) && locks.list().is_empty());
    assert_eq!(locks.lift(lock.id, &root).await.expect("read"), None);
}

#[tokio::test]
async fn whoever_acts_for_a_locked_person_and_a_locked_agents_person_are_shut_out_too() {
    let ground = Ground::new().await;
    let locks = locks(&ground).await;
    for (locked, principal) in [
        ("alice", through("alice", "agent-7")),
        ("agent-7", through("alice", "agent-7")),
    ] {
        let target = LockTarget::Principal(person(locked).key());
        let lock = locks.set(target, "", &person("root")).await.expect("set");
        assert!(hits(&locks, &principal, &customers()), "{locked}");
        locks.lift(lock.id, &person("root")).await.expect("lifted");
        assert!(!hits(&locks, &principal, &customers()), "{locked}");
    }
    // Somebody else's agent of the same name is another one.
    let target = LockTarget::Principal("https://other|agent-7".to_owned());
    locks.set(target, "", &person("root")).await.expect("set");
    assert!(!hits(&locks, &through("alice", "agent-7"), &customers()));
}

#[tokio::test]
async fn a_resource_or_everything_is_locked_for_all_but_the_gateways_own_doors_stay_open() {
    let ground = Ground::new().await;
    let (locks, alice) = (locks(&ground).await, person("alice"));
    let (other, own) = (
        ResourceName::new("other"),
        ResourceName::new(ResourceName::GATEWAY),
    );
    let root = person("root");
    let one = locks
        .set(LockTarget::Resource(customers()), "", &root)
        .await
        .expect("set");
    assert!(hits(&locks, &alice, &customers()) && !hits(&locks, &alice, &other));
    assert!(locks.check_principal(&alice).is_ok());
    locks.set(LockTarget::All, "", &root).await.expect("set");
    assert!(hits(&locks, &alice, &other) && hits(&locks, &root, &customers()));
    assert!(locks.check_principal(&alice).is_err());
    assert!(!hits(&locks, &root, &own));
    // A second lock keeps out what the first does not any more.
    locks.lift(one.id, &root).await.expect("lifted");
    assert!(hits(&locks, &alice, &customers()));
    let target = LockTarget::Principal(root.key());
    locks.set(target, "", &alice).await.expect("set");
    assert!(hits(&locks, &root, &own));
}

#[tokio::test]
async fn locks_hold_after_a_restart_and_lifted_ones_do_not() {
    let ground = Ground::new().await;
    let (before, root) = (locks(&ground).await, person("root"));
    let alice = LockTarget::Principal(person("alice").key());
    let bob = LockTarget::Principal(person("bob").key());
    let kept = before.set(alice, "a", &root).await.expect("set");
    let lifted = before.set(bob, "b", &root).await.expect("set");
    before.lift(lifted.id, &root).await.expect("lifted");
    let after = locks(&ground).await;
    assert_eq!(after.list(), [kept]);
    assert!(hits(&after, &person("alice"), &customers()));
    assert!(!hits(&after, &person("bob"), &customers()));
}

#[tokio::test]
async fn every_change_makes_another_generation() {
    let ground = Ground::new().await;
    let (locks, root) = (locks(&ground).await, person("root"));
    let first = locks.generation();
    let lock = locks.set(LockTarget::All, "", &root).await.expect("set");
    let second = locks.generation();
    locks.lift(lock.id, &root).await.expect("lifted");
    assert!(first < second && second < locks.generation());
}

#[tokio::test]
async fn setting_and_lifting_are_written_down() {
    let ground = Ground::new().await;
    let (locks, root) = (locks(&ground).await, person("root"));
    let target = LockTarget::Principal(person("alice").key());
    let lock = locks.set(target, "gone", &root).await.expect("set");
    locks.lift(lock.id, &root).await.expect("lifted");
    let [set] = &ground.journaled("lock.set")[..] else {
        panic!("one entry");
    };
    assert_eq!(set["lock"]["reason"], "gone");
    assert_eq!(set["lock"]["by"], root.key());
    assert_eq!(set["lock"]["target"]["value"], person("alice").key());
    let [lifted] = &ground.journaled("lock.lifted")[..] else {
        panic!("one entry");
    };
    assert_eq!(lifted["lock"], lock.id.to_string());
}

#[tokio::test]
async fn what_cannot_be_written_down_is_not_done() {
    let ground = Ground::new().await;
    let (locks, root) = (locks(&ground).await, person("root"));
    let lock = locks
        .set(LockTarget::Resource(customers()), "", &root)
        .await
        .expect("set");
    ground.close_journal().await;
    let set = locks.set(LockTarget::All, "", &root).await;
    assert!(matches!(set, Err(StateError::Journal(_))), "{set:?}");
    assert_eq!(locks.list(), std::slice::from_ref(&lock));
    let lifted = locks.lift(lock.id, &root).await;
    assert!(matches!(lifted, Err(StateError::Journal(_))), "{lifted:?}");
    assert!(hits(&locks, &person("alice"), &customers()));
}

#[tokio::test]
async fn a_lock_that_cannot_be_stored_is_in_force_all_the_same_and_says_so() {
    let ground = Ground::new().await;
    let (locks, root) = (locks(&ground).await, person("root"));
    ground.state.close().await;
    let set = locks.set(LockTarget::All, "", &root).await;
    assert!(matches!(set, Err(StateError::Database { .. })), "{set:?}");
    assert!(hits(&locks, &person("alice"), &customers()));
    // And one that cannot be unstored is not lifted.
    let id = locks.list()[0].id;
    assert!(locks.lift(id, &root).await.is_err());
    assert!(hits(&locks, &person("alice"), &customers()));
}

#[tokio::test]
async fn a_long_reason_is_cut_on_a_character() {
    let ground = Ground::new().await;
    let locks = locks(&ground).await;
    let reason = "é".repeat(LOCK_REASON_BYTES_MAX);
    let lock = locks
        .set(LockTarget::All, &reason, &person("root"))
        .await
        .expect("set");
    assert_eq!(lock.reason.len(), LOCK_REASON_BYTES_MAX);
}
