//! Random orders of everything that can happen to an approval, compared with the model.

use model::approval::{Approval, Vote};
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;

use super::*;

#[derive(Clone, Copy, Debug)]
enum Step {
    Vote { voter: u8, agrees: bool },
    Consume { content: u8 },
    Withdraw,
    Leave { gone: bool },
    Join,
    Pass { minutes: u64 },
    Restart,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        4 => (0_u8..3, prop::bool::weighted(0.8)).prop_map(|(voter, agrees)| Step::Vote { voter, agrees }),
        3 => prop::sample::select(vec![7_u8, 7, 7, 8]).prop_map(|content| Step::Consume { content }),
        1 => Just(Step::Withdraw),
        1 => any::<bool>().prop_map(|gone| Step::Leave { gone }),
        1 => Just(Step::Join),
        2 => (0_u64..20).prop_map(|minutes| Step::Pass { minutes }),
        1 => Just(Step::Restart),
    ];
    prop::collection::vec(step, 1..14)
}

/// What the service should have, and whether its session waits.
struct Expected {
    approval: Approval,
    waits: bool,
}

impl Expected {
    fn follow(&mut self, step: Step, now_us: u64) -> bool {
        let approval = &mut self.approval;
        match step {
            Step::Vote { voter, agrees } => {
                let vote = Vote {
                    by: dba(NAMES[usize::from(voter)]).key(),
                    groups: vec!["dba".into()],
                    agrees,
                    comment: String::new(),
                    at_us: now_us,
                    channel: "api".into(),
                };
                let counts = approval.vote(vote, now_us).is_ok();
                if approval.standing.is_final() {
                    approval.waiting = None;
                }
                counts
            }
            Step::Consume { content } => {
                let content = ContentHash([content; 32]);
                approval.consume(&content, operation(1), now_us).is_ok()
            }
            Step::Withdraw => approval.standing_at(now_us) != Standing::Expired && approval.withdraw(),
            Step::Leave { gone } if self.waits => {
                self.waits = false;
                if gone {
                    self.end(now_us);
                } else if !approval.standing.is_final() {
                    approval.waiting = None;
                }
                true
            }
            Step::Leave { .. } => true,
            Step::Join => {
                let pending = approval.standing_at(now_us) == Standing::Pending;
                if pending {
                    approval.waiting = Some(session(1));
                    self.waits = true;
                }
                pending
            }
            Step::Pass { .. } => {
                if approval.expire(now_us) {
                    approval.waiting = None;
                }
                true
            }
            Step::Restart => {
                if approval.waiting.is_some() {
                    self.end(now_us);
                }
                self.waits = false;
                true
            }
        }
    }

    fn end(&mut self, now_us: u64) {
        if self.approval.expire(now_us) || self.approval.withdraw() {
            self.approval.waiting = None;
        }
    }
}

const NAMES: [&str; 3] = ["bob", "carol", "dora"];

fn two() -> Question {
    Question {
        quorum: Quorum::parse("2 of dba").expect("a quorum"),
        ..question()
    }
}

/// Does `step` to the service; returns whether it was let do so.
async fn take(stage: &Stage, id: ApprovalId, step: Step) -> bool {
    let approvals = &stage.approvals;
    match step {
        Step::Vote { voter, agrees } => stage
            .vote(id, &dba(NAMES[usize::from(voter)]), agrees)
            .await
            .is_ok(),
        Step::Consume { content } => {
            let content = ContentHash([content; 32]);
            approvals.consume(id, content, operation(1)).await.is_ok()
        }
        Step::Withdraw => approvals.withdraw(id, &requester()).await.is_ok(),
        Step::Leave { gone } => {
            let left = if gone { Left::Gone } else { Left::TimedOut };
            approvals.leave(id, session(1), left).await;
            true
        }
        Step::Join => matches!(approvals.ask(two()).await, Ok(Asked::Waiting(waiting)) if waiting.id == id),
        Step::Pass { minutes } => {
            stage.pass(minutes * MINUTE_US).await;
            true
        }
        Step::Restart => true,
    }
}

async fn run(steps: Vec<Step>) {
    let mut stage = Stage::new().await;
    let id = stage.ask(two()).await.id;
    let approval = stage.kept(id).await.approval;
    let mut expected = Expected {
        approval,
        waits: true,
    };
    let mut uses = 0;
    for (index, step) in steps.iter().enumerate() {
        // Asking again after the end makes another approval, which is none of this one's story.
        let over = expected.approval.standing.is_final();
        if matches!(step, Step::Join) && over {
            continue;
        }
        if matches!(step, Step::Restart) {
            stage = stage.restart().await;
        }
        let done = take(&stage, id, *step).await;
        let now_us = stage.now.load(Ordering::Relaxed);
        let expected_done = expected.follow(*step, now_us);
        assert_eq!(done, expected_done, "step {index} of {steps:?}");
        uses += usize::from(done && matches!(step, Step::Consume { .. }));
        let row = stage.state.approval(id).await.expect("read").expect("kept");
        assert_eq!(row.approval, expected.approval, "after step {index} of {steps:?}");
    }
    assert!(uses <= 1, "used {uses} times in {steps:?}");
    let journaled = stage.kinds();
    let used = journaled.iter().filter(|kind| *kind == "approval.used").count();
    assert_eq!(used, uses, "{steps:?}");
}

/// How many orders are tried; each opens a journal and a database of its own.
const ORDERS: usize = 60;

#[tokio::test]
async fn whatever_happens_in_whatever_order_the_row_is_what_the_model_says() {
    let mut runner = TestRunner::deterministic();
    for _ in 0..ORDERS {
        let steps = steps().new_tree(&mut runner).expect("generated").current();
        run(steps).await;
    }
}
