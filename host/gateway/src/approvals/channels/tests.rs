mod component;
mod outbox;
mod votes;

use std::collections::VecDeque;
use std::sync::Mutex;

use model::approval::{Case, ContentHash, Quorum, Standing, Subject};
use model::{ApprovalId, Principal, ResourceName};
use plugin::{Code, Decision, FaultKind, GuestError, Vote};
use tokio::sync::Notify;

use super::*;
use crate::approvals::{Asked, Question};
use crate::config::{ChannelUser, Detail};
use crate::grants::tests::Stage;
use crate::ground::{customers, person};

/// Members of dba answer.
const POLICY: &str = r#"permit (principal in Group::"dba", action == Action::"approve", resource);"#;

const SLACK: &str = "slack";

/// Where the gateway is reached.
const URL: &str = "https://gate.example";

/// A plugin that does as the test says, and remembers what it was told to do.
#[derive(Default)]
struct Script {
    said: Mutex<Vec<String>>,
    heard: Notify,
    asked: Mutex<Vec<String>>,
    faults: Mutex<VecDeque<FaultKind>>,
    poll_after_ms: Mutex<Option<u32>>,
    decision: Mutex<Option<Decision>>,
    updates: Mutex<Vec<Update>>,
    /// What happens while a question is being put.
    meanwhile: Mutex<Option<BoxFuture<'static, ()>>>,
}

impl Script {
    fn say(&self, what: String) -> Result<(), PluginFault> {
        self.said.lock().expect("whole").push(what);
        self.heard.notify_one();
        match self.faults.lock().expect("whole").pop_front() {
            Some(kind) => Err(PluginFault {
                plugin: PluginName::new(SLACK),
                kind,
            }),
            None => Ok(()),
        }
    }

    /// Returns what was said since the last time.
    fn said(&self) -> Vec<String> {
        std::mem::take(&mut self.said.lock().expect("whole"))
    }

    /// Waits until something is said.
    async fn next(&self) -> Vec<String> {
        loop {
            let said = self.said();
            if !said.is_empty() {
                return said;
            }
            self.heard.notified().await;
        }
    }

    fn fail(&self, code: Code, retry_after: Option<Duration>) {
        let error = GuestError {
            code,
            message: String::new(),
            retry_after,
        };
        self.faults
            .lock()
            .expect("whole")
            .push_back(FaultKind::Refused(error));
    }

    fn ticket(&self, approval: &str) -> Ticket {
        Ticket {
            external_id: format!("T-{approval}"),
            url: None,
            poll_after_ms: *self.poll_after_ms.lock().expect("whole"),
            state: vec![7],
        }
    }
}

impl Carrier for Script {
    fn submit<'a>(&'a self, ask: &'a Ask<'a>) -> BoxFuture<'a, Result<Ticket, PluginFault>> {
        Box::pin(async move {
            let meanwhile = self.meanwhile.lock().expect("whole").take();
            if let Some(meanwhile) = meanwhile {
                meanwhile.await;
            }
            let asked = format!("{ask:?}");
            self.asked.lock().expect("whole").push(asked);
            self.say(format!("submit {}", ask.approval_id))?;
            Ok(self.ticket(ask.approval_id))
        })
    }

    fn poll<'a>(
        &'a self,
        approval: &'a str,
        ticket: &'a Ticket,
    ) -> BoxFuture<'a, Result<Update, PluginFault>> {
        Box::pin(async move {
            assert_eq!(*ticket, self.ticket(approval));
            self.say(format!("poll {approval}"))?;
            let decision = self.decision.lock().expect("whole").clone();
            Ok(Update {
                approval_id: approval.to_owned(),
                decision: decision.unwrap_or(Decision::Pending),
                ticket: None,
            })
        })
    }

    fn callback<'a>(&'a self, _: &'a Message) -> BoxFuture<'a, Result<(Vec<Update>, Reply), PluginFault>> {
        Box::pin(async move {
            self.say("callback".to_owned())?;
            Ok((self.updates.lock().expect("whole").clone(), reply(200, "ok")))
        })
    }

    fn withdraw<'a>(
        &'a self,
        approval: &'a str,
        ticket: &'a Ticket,
        reason: &'a str,
    ) -> BoxFuture<'a, Result<(), PluginFault>> {
        Box::pin(async move {
            assert_eq!(*ticket, self.ticket(approval));
            self.say(format!("withdraw {approval}: {reason}"))
        })
    }
}

/// A channel to Slack, and everything behind it.
struct Stand {
    stage: Stage,
    footing: Footing,
    script: Arc<Script>,
    line: Arc<Line>,
}

impl Stand {
    async fn new() -> Self {
        let stage = Stage::new(POLICY).await;
        let (state, grants, locks) = (
            stage.ground.state.clone(),
            stage.grants.clone(),
            stage.locks.clone(),
        );
        let footing = Footing {
            approvals: stage.approvals().clone(),
            access: Access::new(state, grants, locks.clone()),
            locks,
            url: Some(URL.to_owned()),
        };
        let script = Arc::new(Script::default());
        let line = Arc::new(Line::new(footing.clone(), channel(&script)));
        Self {
            stage,
            footing,
            script,
            line,
        }
    }

    /// Forgets everything that is not stored.
    fn restart(&mut self) {
        self.line = Arc::new(Line::new(self.footing.clone(), channel(&self.script)));
    }

    fn channels(&self) -> Channels {
        Channels::new(&self.footing, vec![channel(&self.script)])
    }

    /// Asks something of its own each time.
    async fn ask(&self, number: u8) -> ApprovalId {
        self.ask_on(number, customers(), "1").await
    }

    async fn ask_on(&self, number: u8, resource: ResourceName, quorum: &str) -> ApprovalId {
        let question = Question {
            subject: Subject::Operation,
            content: ContentHash([number; 32]),
            requester: Arc::new(person("alice")),
            resource,
            session: None,
            operation: None,
            quorum: Quorum::parse(quorum).expect("a quorum"),
            case: Case {
                title: "delete on customers by alice".to_owned(),
                operation: "DELETE FROM customers WHERE ssn = '123'".to_owned(),
                ..Case::default()
            },
            decide_within: Duration::from_mins(30),
            use_within: Duration::from_mins(15),
        };
        match self.footing.approvals.ask(question).await {
            Ok(Asked::Waiting(waiting)) => waiting.id,
            other => panic!("not waiting: {other:?}"),
        }
    }

    /// Somebody was let in just now.
    fn see(&self, principal: &Principal) {
        let now_us = self.stage.now_us();
        self.footing.access.note(principal, &customers(), now_us);
    }

    async fn standing(&self, id: ApprovalId) -> Standing {
        let kept = self.footing.approvals.get(id).await.expect("read");
        kept.expect("kept").approval.standing
    }

    async fn answer(&self, id: ApprovalId, agrees: bool) {
        let dora = dba("dora");
        let answered = self.footing.approvals.vote(id, None, &dora, agrees, "", "api");
        answered.await.expect("counts");
    }

    /// The outside system reports that somebody answered.
    async fn click(&self, id: ApprovalId, by: &str, agrees: bool) -> u16 {
        *self.script.updates.lock().expect("whole") = vec![update(id, by, agrees)];
        self.line.callback(&message(Vec::new())).await.status
    }

    fn refusals(&self) -> Vec<String> {
        let entries = self.stage.ground.journaled("approval.vote-refused");
        entries
            .iter()
            .map(|entry| {
                format!(
                    "{}: {}",
                    entry["carried"]["by"].as_str().unwrap_or_default(),
                    entry["reason"].as_str().unwrap_or_default()
                )
            })
            .collect()
    }
}

fn channel(script: &Arc<Script>) -> Channel {
    let user = |subject: &str| ChannelUser {
        identity: "corp".to_owned(),
        issuer: "https://idp".to_owned(),
        subject: subject.to_owned(),
    };
    let users = ["alice", "bob", "carol"];
    let users = users.map(|subject| (format!("T1/{subject}"), user(subject)));
    Channel {
        config: ChannelConfig {
            plugin: PluginName::new(SLACK),
            detail: Detail::Summary,
            users: users.into(),
            seen_within: Duration::from_hours(24),
        },
        carrier: Arc::clone(script) as _,
        resources: vec![customers()],
    }
}

fn dba(subject: &str) -> Principal {
    Principal {
        groups: vec!["dba".to_owned()],
        ..person(subject)
    }
}

fn vote(by: &str) -> Vote {
    Vote {
        by: by.to_owned(),
        at_ms: 1,
        comment: "fine".to_owned(),
        evidence: b"the signed request".to_vec(),
    }
}

fn update(id: ApprovalId, by: &str, agrees: bool) -> Update {
    Update {
        approval_id: id.to_string(),
        decision: match agrees {
            true => Decision::Approved(vote(by)),
            false => Decision::Denied(vote(by)),
        },
        ticket: None,
    }
}

fn message(body: Vec<u8>) -> Message {
    Message {
        method: "POST".to_owned(),
        path: String::new(),
        headers: Vec::new(),
        body,
    }
}
