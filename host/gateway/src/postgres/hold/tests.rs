use std::future::poll_fn;
use std::task::Waker;
use std::time::Duration;

use model::approval::{Case, Quorum, Subject};
use model::event::{Judged as Rendered, Judgement};
use model::{Assessment, Facts, Verdict};
use proto::postgres::relay::Conduct;
use serde_json::json;

use super::*;
use crate::clock::Clock;
use crate::ground::{Ground, customers, person};
use crate::identity::KeptToken;
use crate::identity::tests::introspect::Idp;
use crate::policy::{Names, Policy};

const POLICY: &str = r#"permit (principal in Group::"dba", action == Action::"approve", resource);"#;

const CONTENT: ContentHash = ContentHash([7; 32]);

/// People to ask, and a provider that is asked whether the login still holds.
struct Stage {
    idp: Idp,
    approvals: Approvals,
    logins: Logins,
    login: Arc<Login>,
    _ground: Ground,
    _folder: tempfile::TempDir,
}

impl Stage {
    async fn new() -> Self {
        let (ground, idp) = (Ground::new().await, Idp::start().await);
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("main.cedar");
        std::fs::write(&file, POLICY).expect("written");
        let names = Names {
            identities: vec!["corp".into()],
            resources: vec![customers()],
            tags: Vec::new(),
        };
        let policy = Arc::new(Policy::load(&[file], &names).expect("valid"));
        let (state, journal) = (ground.state.clone(), ground.journal.clone());
        let approvals = Approvals::start(state.clone(), journal.clone(), policy, Clock::system()).await;
        let approvals = approvals.expect("started");
        let logins = Logins {
            identity: Arc::new(idp.identity()),
            sessions: Arc::default(),
            journal,
            state,
            approvals: approvals.clone(),
        };
        let token = KeptToken::new("corp", "opaque", Duration::from_mins(1));
        Self {
            idp,
            approvals,
            logins,
            login: Arc::new(Login {
                token: Some(token),
                ..Login::default()
            }),
            _ground: ground,
            _folder: folder,
        }
    }

    fn hold(&self) -> Hold {
        self.hold_of(&self.login)
    }

    /// Begins to hold the one operation of these tests.
    fn hold_of(&self, login: &Arc<Login>) -> Hold {
        let (operation, session) = (OperationId::new(1, [1; 10]), SessionId::new(1, [1; 10]));
        let question = Question {
            subject: Subject::Operation,
            content: CONTENT,
            requester: Arc::new(person("alice")),
            resource: customers(),
            session: Some(session),
            operation: Some(operation),
            quorum: Quorum::default(),
            case: Case::default(),
            decide_within: Duration::from_mins(30),
            use_within: Duration::from_mins(15),
        };
        let whom = (&self.approvals, &self.logins, login);
        Hold::ask((question, None), operation, session, whom)
    }

    /// Holds it until people have been asked, and has them agree.
    async fn agreed_to(&self, hold: &mut Hold) -> ApprovalId {
        let Step::Asked(approval) = step(hold).await else {
            panic!("people are asked");
        };
        self.agree(approval).await;
        approval
    }

    async fn agree(&self, approval: ApprovalId) {
        let dba = Principal {
            groups: vec!["dba".to_owned()],
            ..person("bob")
        };
        let counted = self.approvals.vote(approval, None, &dba, true, "", "api").await;
        counted.expect("it counts");
    }

    /// Waits until an approval stands like this.
    async fn becomes(&self, approval: ApprovalId, standing: Standing) {
        let mut changes = self.approvals.changes();
        loop {
            let kept = self.approvals.get(approval).await.expect("read").expect("kept");
            if kept.approval.standing == standing {
                return;
            }
            changes.recv().await.expect("told");
        }
    }
}

async fn step(hold: &mut Hold) -> Step {
    poll_fn(|cx| hold.poll(cx)).await
}

#[track_caller]
fn refused(step: Step) -> Refusal {
    match step {
        Step::Refuse(refusal) => refusal,
        _ => panic!("it is refused"),
    }
}

fn judged() -> Arc<JudgedStatement> {
    let verdict = Verdict::Run { policies: Vec::new() };
    let judgement = Judgement::render(Rendered {
        statement: "",
        statement_sha256: "",
        facts: &Facts::default(),
        assessment: &Assessment::default(),
        verdict: &verdict,
        policy: "",
    });
    Arc::new(JudgedStatement {
        verdict,
        judgement,
        analysis: Conduct::default(),
        version: 0,
    })
}

#[tokio::test]
async fn what_people_agreed_to_waits_for_a_provider_that_can_say_whether_the_login_holds() {
    let stage = Stage::new().await;
    let mut hold = stage.hold();
    stage.idp.answer(503, "application/json", "{}");
    let approval = stage.agreed_to(&mut hold).await;
    let refusal = refused(step(&mut hold).await);
    assert_eq!(
        (refusal.rule, refusal.fault),
        (Rule::SessionEnded, Fault::Operator)
    );
    assert_eq!(hold.agreed(), None, "nothing is looked at again");
    hold.leave(Left::Gone);

    // Nobody is asked a second time: what they agreed to is still there.
    stage.idp.answer(200, "application/json", json!({"active": true}));
    let mut again = stage.hold();
    let Step::Agreed(found) = step(&mut again).await else {
        panic!("it was agreed to");
    };
    assert_eq!((found, again.agreed()), (approval, Some(approval)));
    again.consume(approval, CONTENT, judged());
    assert!(matches!(step(&mut again).await, Step::Release(by, _) if by == approval));
    stage.becomes(approval, Standing::Used).await;
}

#[tokio::test]
async fn what_people_agreed_to_is_not_used_by_a_login_that_is_over() {
    let stage = Stage::new().await;
    let mut hold = stage.hold();
    stage
        .idp
        .answer(200, "application/json", json!({"active": false}));
    let approval = stage.agreed_to(&mut hold).await;
    let refusal = refused(step(&mut hold).await);
    assert_eq!((refusal.rule, refusal.fault), (Rule::SessionEnded, Fault::Client));
    assert!(refusal.message.contains("does not hold any more"), "{refusal:?}");
    assert_eq!(stage.idp.asked().len(), 1);
    assert_eq!(hold.agreed(), None);
    stage.becomes(approval, Standing::Approved).await;
}

#[tokio::test]
async fn a_login_that_nobody_is_asked_about_holds() {
    let stage = Stage::new().await;
    let mut hold = stage.hold_of(&Arc::default());
    let approval = stage.agreed_to(&mut hold).await;
    assert!(matches!(step(&mut hold).await, Step::Agreed(agreed) if agreed == approval));
    assert!(stage.idp.asked().is_empty());
}

#[tokio::test]
async fn whoever_goes_while_the_provider_is_asked_takes_the_answer_along() {
    let stage = Stage::new().await;
    let mut hold = stage.hold();
    stage.idp.falls_silent();
    let approval = stage.agreed_to(&mut hold).await;
    let mut context = Context::from_waker(Waker::noop());
    while stage.idp.asked().is_empty() {
        assert!(hold.poll(&mut context).is_pending());
        tokio::task::yield_now().await;
    }
    hold.leave(Left::Gone);
    stage.becomes(approval, Standing::Withdrawn).await;
}

#[tokio::test]
async fn a_session_that_is_gone_before_it_heard_that_people_were_asked_leaves_no_question() {
    let stage = Stage::new().await;
    let mut changes = stage.approvals.changes();
    let hold = stage.hold();
    let asked = changes.recv().await.expect("asked");
    // Never polled: the session ends in the very moment in which the answer comes.
    drop(hold);
    stage.becomes(asked, Standing::Withdrawn).await;
}

#[tokio::test]
async fn whose_time_is_over_while_the_approval_is_used_up_is_told_the_truth() {
    let stage = Stage::new().await;
    let mut hold = stage.hold();
    let approval = stage.agreed_to(&mut hold).await;
    assert!(matches!(step(&mut hold).await, Step::Agreed(_)));
    assert!(hold.overtaken().is_none(), "the same finds its approval again");
    hold.consume(approval, CONTENT, judged());
    let refusal = hold.overtaken().expect("it is being used up");
    assert_eq!(refusal.rule, Rule::ApprovalUnavailable);
    assert!(refusal.message.contains("has not run"), "{refusal:?}");
    hold.leave(Left::TimedOut);
    stage.becomes(approval, Standing::Used).await;
}
