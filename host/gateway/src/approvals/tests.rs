mod answers;
mod grants;
mod questions;
mod steps;

use std::sync::atomic::{AtomicU64, Ordering};

use journal::Options;
use model::{PrincipalKind, Rule};
use serde_json::Value;
use tempfile::TempDir;

use super::*;
use crate::policy::Names;
use crate::state::approvals::tests::{case, person, requester};

/// The moment at which tests begin, in microseconds of Unix time.
const START_US: u64 = 1_700_000_000_000_000;

const MINUTE_US: u64 = 60_000_000;

/// The policies: members of dba answer, agents do not.
const POLICY: &str = r#"
permit (principal in Group::"dba", action == Action::"approve", resource);
permit (principal is Person, action == Action::"approve", resource) when { context.risk > 90 };
"#;

/// A gateway's approvals on a disk of their own, at a time of their own.
struct Stage {
    folder: TempDir,
    now: Arc<AtomicU64>,
    state: State,
    journal: Journal,
    approvals: Approvals,
}

impl Stage {
    async fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        Self::on(folder, Arc::new(AtomicU64::new(START_US))).await
    }

    async fn on(folder: TempDir, now: Arc<AtomicU64>) -> Self {
        let state = State::open(&folder.path().join("state.db"))
            .await
            .expect("a state");
        let options = Options::new("log", folder.path().join("key"));
        let (journal, _) = Journal::open(&folder.path().join("journal"), options).expect("a journal");
        let file = folder.path().join("main.cedar");
        std::fs::write(&file, POLICY).expect("written");
        let names = Names {
            identities: vec!["corp".into()],
            resources: vec![ResourceName::new("customers")],
            tags: Vec::new(),
        };
        let policy = Arc::new(Policy::load(&[file], &names).expect("valid policies"));
        let time = Arc::clone(&now);
        let clock = Clock::of(move || time.load(Ordering::Relaxed));
        let approvals = Approvals::start(state.clone(), journal.clone(), policy, clock)
            .await
            .expect("started");
        Self {
            folder,
            now,
            state,
            journal,
            approvals,
        }
    }

    /// Ends the process, as far as anything here can tell, and starts another.
    async fn restart(self) -> Self {
        let (folder, now) = (self.folder, self.now);
        let journal = self.journal;
        tokio::task::spawn_blocking(move || journal.close())
            .await
            .expect("closed")
            .expect("in order");
        drop((self.approvals, self.state));
        Self::on(folder, now).await
    }

    /// Lets time pass, and what time does happen.
    async fn pass(&self, us: u64) {
        self.now.fetch_add(us, Ordering::Relaxed);
        self.approvals.inner.tick().await;
    }

    async fn ask(&self, question: Question) -> Waiting {
        match self.approvals.ask(question).await {
            Ok(Asked::Waiting(waiting)) => waiting,
            other => panic!("not waiting: {other:?}"),
        }
    }

    async fn kept(&self, id: ApprovalId) -> Kept {
        self.approvals.get(id).await.expect("read").expect("kept")
    }

    async fn standing(&self, id: ApprovalId) -> Standing {
        self.kept(id).await.approval.standing
    }

    async fn vote(&self, id: ApprovalId, voter: &Principal, agrees: bool) -> Result<Kept, AnswerError> {
        self.approvals.vote(id, None, voter, agrees, "", "api").await
    }

    /// What the journal has of approvals.
    fn journaled(&self) -> Vec<Value> {
        let entries = self.journal.reader().entries(0).map(|entry| {
            let entry = entry.expect("an entry");
            serde_json::from_slice::<Value>(&entry.bytes).expect("JSON")
        });
        entries
            .filter(|entry| {
                entry["kind"]
                    .as_str()
                    .is_some_and(|kind| kind.starts_with("approval."))
            })
            .collect()
    }

    fn kinds(&self) -> Vec<String> {
        let kinds = self.journaled();
        kinds
            .iter()
            .map(|entry| entry["kind"].as_str().unwrap_or_default().to_owned())
            .collect()
    }
}

fn session(number: u8) -> SessionId {
    SessionId::new(1, [number; 10])
}

fn operation(number: u8) -> OperationId {
    OperationId::new(1, [number; 10])
}

/// What `requester` asks by default: a write, for which one dba is enough.
fn question() -> Question {
    Question {
        subject: Subject::Operation,
        content: ContentHash([7; 32]),
        requester: Arc::new(requester()),
        resource: ResourceName::new("customers"),
        session: Some(session(1)),
        operation: Some(operation(1)),
        quorum: Quorum::default(),
        case: case(),
        decide_within: Duration::from_mins(30),
        use_within: Duration::from_mins(15),
    }
}

fn dba(subject: &str) -> Principal {
    Principal {
        groups: vec!["dba".into()],
        ..person(subject)
    }
}
