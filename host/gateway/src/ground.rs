//! What tests of several modules stand on: a state database and a journal in a folder of their
//! own, and people.

use journal::{Journal, Options};
use model::{Actor, Principal, PrincipalKind, ResourceName};
use serde_json::Value;
use tempfile::TempDir;

use crate::state::State;

/// A state database and a journal; gone when dropped.
pub(crate) struct Ground {
    pub(crate) state: State,
    pub(crate) journal: Journal,
    _folder: TempDir,
}

impl Ground {
    pub(crate) async fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("state.db");
        let state = State::open(&path).await.expect("a state database");
        let options = Options::new("log", folder.path().join("key"));
        let (journal, _) = Journal::open(&folder.path().join("journal"), options).expect("a journal");
        Self {
            state,
            journal,
            _folder: folder,
        }
    }

    /// Returns the entries of one kind.
    pub(crate) fn journaled(&self, kind: &str) -> Vec<Value> {
        let entries = self.journal.reader().entries(0);
        let parsed =
            entries.map(|entry| serde_json::from_slice::<Value>(&entry.expect("read").bytes).expect("JSON"));
        parsed.filter(|entry| entry["kind"] == kind).collect()
    }

    /// Ends the journal: nothing can be written down any more.
    pub(crate) async fn close_journal(&self) {
        let journal = self.journal.clone();
        tokio::task::spawn_blocking(move || journal.close())
            .await
            .expect("it ends")
            .expect("in order");
    }
}

pub(crate) fn person(subject: &str) -> Principal {
    Principal {
        identity: "corp".to_owned(),
        issuer: "https://idp".to_owned(),
        subject: subject.to_owned(),
        groups: Vec::new(),
        kind: PrincipalKind::Person,
        delegation: Vec::new(),
        client: None,
        token_id: None,
    }
}

/// A person through whom somebody else acts.
pub(crate) fn through(subject: &str, actor: &str) -> Principal {
    Principal {
        delegation: vec![Actor {
            issuer: None,
            subject: actor.to_owned(),
        }],
        ..person(subject)
    }
}

pub(crate) fn customers() -> ResourceName {
    ResourceName::new("customers")
}
