use model::Assessment;
use model::approval::Quorum;
use model::event::Judged as Rendered;

use super::*;

const HOLD: Duration = Duration::from_secs(5);

fn judged(verdict: Verdict) -> Arc<Judged<()>> {
    let judgement = Judgement::render(Rendered {
        statement: "x",
        statement_sha256: "",
        facts: &model::Facts::default(),
        assessment: &Assessment::default(),
        verdict: &verdict,
        policy: "",
    });
    Arc::new(Judged {
        verdict,
        judgement,
        analysis: (),
        version: 1,
    })
}

fn run() -> Arc<Judged<()>> {
    judged(Verdict::Run { policies: Vec::new() })
}

fn hold() -> Arc<Judged<()>> {
    judged(Verdict::Hold {
        policies: Vec::new(),
        quorum: Quorum::default(),
        reason_required: false,
    })
}

fn release(judged: Arc<Judged<()>>) -> Answer<()> {
    Answer::Release {
        approval: APPROVAL,
        judged,
    }
}

const APPROVAL: ApprovalId = ApprovalId::new(1, [9; 10]);

fn entered(count: u8) -> Road<()> {
    let mut road = Road::new(HOLD);
    let mut operations = (0..count)
        .map(|n| Operation::new(OperationId::new(0, [n; 10]), None, None))
        .collect();
    road.enter(&mut operations);
    road
}

#[test]
fn nothing_comes_off_before_its_intent_is_durable() {
    let mut road = entered(2);
    for index in 0..2 {
        assert_eq!(road.waiting(), Waiting::Judgement { index });
        assert!(road.leave().is_none());
        road.judge(run(), 0);
    }
    assert_eq!(road.waiting(), Waiting::Durability);
    assert!(road.leave().is_none());
    road.durable(true);
    let operations = road.leave().expect("the batch is done");
    assert!(operations.iter().all(|operation| operation.refusal().is_none()));
    assert_eq!(road.waiting(), Waiting::Free);
}

#[test]
fn a_journal_that_cannot_be_written_refuses_the_whole_batch() {
    let mut road = entered(2);
    road.judge(run(), 0);
    road.judge(run(), 0);
    road.durable(false);
    for operation in road.leave().expect("the batch is done") {
        assert_eq!(
            operation.refusal().map(|r| r.rule),
            Some(Rule::JournalUnavailable)
        );
    }
}

#[test]
fn a_held_operation_runs_only_when_released() {
    let no = || Refusal::new(Rule::PolicyDenied, Fault::Client, "no");
    for (answer, refused) in [
        (release(hold()), None),
        (release(run()), None),
        // Judged once more when it was released, and not as before.
        (release(judged(Verdict::Refuse(no()))), Some(Rule::PolicyDenied)),
        (Answer::Refuse(no()), Some(Rule::PolicyDenied)),
    ] {
        let mut road = entered(1);
        road.judge(hold(), 0);
        assert!(matches!(road.waiting(), Waiting::Approval { index: 0, .. }));
        road.durable(true);
        assert!(road.leave().is_none(), "durability does not release a hold");
        road.answer(answer, 1);
        road.durable(true);
        let operations = road.leave().expect("the batch is done");
        assert_eq!(operations[0].refusal().map(|r| r.rule), refused);
    }
}

#[test]
fn a_hold_ends_by_itself_and_a_late_answer_changes_nothing() {
    let mut road = entered(1);
    road.judge(hold(), 0);
    road.tick(4_999_999);
    assert!(matches!(road.waiting(), Waiting::Approval { .. }));
    road.tick(5_000_000);
    road.answer(release(hold()), 5_000_001);
    road.durable(true);
    let operations = road.leave().expect("the batch is done");
    assert_eq!(
        operations[0].refusal().map(|r| r.rule),
        Some(Rule::ApprovalPending)
    );
}

#[test]
fn a_refusal_names_the_approval_that_was_asked_for() {
    let mut road = entered(1);
    road.judge(hold(), 0);
    road.asked(APPROVAL);
    road.tick(5_000_000);
    road.durable(true);
    let operations = road.leave().expect("the batch is done");
    let refusal = operations[0].refusal().expect("refused");
    assert_eq!(refusal.approval, Some(APPROVAL));
    assert_eq!(operations[0].released_by(), None);
}

#[test]
fn what_goes_on_with_something_approved_is_not_asked_for_again() {
    let mut road = Road::new(HOLD);
    let operation = Operation::continuing(OperationId::new(0, [0; 10]), None, None, APPROVAL);
    road.enter(&mut vec![operation]);
    road.judge(hold(), 0);
    assert_eq!(road.waiting(), Waiting::Durability);
    road.durable(true);
    let operations = road.leave().expect("the batch is done");
    assert_eq!(operations[0].refusal(), None);
    assert_eq!(operations[0].released_by(), Some(APPROVAL));
}

#[test]
fn a_batch_without_operations_passes_at_once() {
    let mut road = entered(0);
    assert!(road.leave().is_some_and(|operations| operations.is_empty()));
}

#[test]
fn an_operation_nobody_judged_may_not_run() {
    let operation = Operation::<()>::new(OperationId::new(0, [0; 10]), None, None);
    assert!(operation.refusal().is_some());
}

#[test]
fn nobody_is_asked_beside_a_refusal() {
    let mut road = entered(2);
    road.judge(hold(), 0);
    let refusal = Refusal::new(Rule::PolicyDenied, Fault::Client, "no");
    road.judge(judged(Verdict::Refuse(refusal)), 0);
    assert_eq!(road.waiting(), Waiting::Durability);
    road.durable(true);
    let operations = road.leave().expect("done");
    assert!(operations.iter().all(|operation| operation.refusal().is_some()));
}

#[test]
fn what_is_cut_off_is_no_longer_on_the_road() {
    let mut road = entered(3);
    assert_eq!(road.truncate(1), 2);
    road.judge(run(), 0);
    road.durable(true);
    assert_eq!(road.leave().map(|operations| operations.len()), Some(1));
}
