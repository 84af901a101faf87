use std::sync::Mutex as Lock;

use super::*;

/// Makes grants of nothing, as often as it is told to fail before.
#[derive(Default)]
struct Maker {
    failures: AtomicU64,
    made: Lock<Vec<ApprovalId>>,
}

impl Given for Maker {
    fn given<'a>(&'a self, kept: &'a Kept) -> BoxFuture<'a, Result<(), StateError>> {
        Box::pin(async move {
            assert_eq!(kept.approval.standing, Standing::Approved);
            let left = self.failures.load(Ordering::Relaxed);
            if left > 0 {
                self.failures.store(left - 1, Ordering::Relaxed);
                return Err(StateError::Note);
            }
            self.made.lock().expect("whole").push(kept.approval.id);
            Ok(())
        })
    }
}

impl Maker {
    fn made(&self) -> Vec<ApprovalId> {
        self.made.lock().expect("whole").clone()
    }
}

fn grant() -> Question {
    Question {
        subject: Subject::Grant,
        session: None,
        operation: None,
        ..question()
    }
}

#[tokio::test]
async fn an_approved_grant_is_made_at_once_and_its_approval_is_used() {
    let stage = Stage::new().await;
    let maker = Arc::new(Maker::default());
    stage.approvals.on_grant(Arc::clone(&maker) as _);
    let id = stage.ask(grant()).await.id;
    let kept = stage.vote(id, &dba("bob"), true).await.expect("counts");
    assert_eq!(kept.approval.standing, Standing::Used);
    assert_eq!(maker.made(), [id]);
    stage.pass(MINUTE_US).await;
    assert_eq!(maker.made(), [id]);
    assert_eq!(
        stage.kinds(),
        ["approval.asked", "approval.vote", "approval.used"]
    );
}

#[tokio::test]
async fn a_grant_that_could_not_be_made_is_made_later() {
    let stage = Stage::new().await;
    let maker = Arc::new(Maker::default());
    maker.failures.store(2, Ordering::Relaxed);
    stage.approvals.on_grant(Arc::clone(&maker) as _);
    let id = stage.ask(grant()).await.id;
    let kept = stage.vote(id, &dba("bob"), true).await.expect("counts");
    assert_eq!(kept.approval.standing, Standing::Approved);
    let before_us = stage.approvals.inner.clock.now_us();
    let next_us = stage.approvals.inner.tick().await;
    assert!(
        next_us > before_us && next_us < before_us + MINUTE_US,
        "it is tried again soon"
    );
    stage.pass(next_us - before_us).await;
    assert_eq!(stage.standing(id).await, Standing::Used);
    assert_eq!(maker.made(), [id]);
}

#[tokio::test]
async fn a_grant_approved_before_a_restart_is_made_after_it() {
    let stage = Stage::new().await;
    let id = stage.ask(grant()).await.id;
    stage.vote(id, &dba("bob"), true).await.expect("counts");
    let stage = stage.restart().await;
    assert_eq!(stage.standing(id).await, Standing::Approved);
    let maker = Arc::new(Maker::default());
    stage.approvals.on_grant(Arc::clone(&maker) as _);
    stage.pass(0).await;
    assert_eq!(stage.standing(id).await, Standing::Used);
    assert_eq!(maker.made(), [id]);
}

#[tokio::test]
async fn a_grant_that_was_never_made_is_over_in_time() {
    let stage = Stage::new().await;
    let maker = Arc::new(Maker::default());
    maker.failures.store(u64::MAX, Ordering::Relaxed);
    stage.approvals.on_grant(Arc::clone(&maker) as _);
    let id = stage.ask(grant()).await.id;
    stage.vote(id, &dba("bob"), true).await.expect("counts");
    stage.pass(15 * MINUTE_US).await;
    assert_eq!(stage.standing(id).await, Standing::Expired);
    assert!(maker.made().is_empty());
}
