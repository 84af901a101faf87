//! A pump between a journal and a scripted exporter, in virtual time.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use journal::{Journal, Options};
use model::PluginName;
use plugin::{Code, FaultKind, GuestError, Reject};
use serde_json::Value;
use tempfile::TempDir;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::super::*;

/// What the scripted exporter does with a delivery; after the script it takes everything.
pub(super) enum Does {
    /// Takes the first so many entries.
    Takes(u64),
    /// Takes all, and gives up on the entries with these numbers.
    Rejects(Vec<u64>),
    Fails(FaultKind),
    Hangs,
}

/// A delivery as the exporter saw it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Seen {
    /// Virtual seconds since the test began.
    pub(super) at: u64,
    pub(super) first: u64,
    pub(super) entries: Vec<String>,
    pub(super) attempt: u32,
}

#[derive(Default)]
pub(super) struct Script {
    steps: Mutex<VecDeque<Does>>,
    seen: Mutex<Vec<Seen>>,
    /// An entry that the exporter calls invalid whenever it is in a batch.
    poison: Option<u64>,
}

impl Script {
    /// A script with an entry that the exporter never takes.
    pub(super) fn poisoned(entry: u64) -> Self {
        Self {
            poison: Some(entry),
            ..Self::default()
        }
    }
}

pub(super) struct Scripted {
    script: Arc<Script>,
    began: Instant,
}

impl Deliver for Scripted {
    async fn deliver(&mut self, batch: &Batch) -> Result<Ack, PluginFault> {
        let text = String::from_utf8(batch.data.clone()).expect("text");
        assert_eq!(text.lines().count(), batch.ends.len());
        self.script
            .seen
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(Seen {
                at: self.began.elapsed().as_secs(),
                first: batch.first_seq,
                entries: text.lines().map(str::to_owned).collect(),
                attempt: batch.attempt,
            });
        let last = batch.first_seq + batch.ends.len() as u64 - 1;
        if self
            .script
            .poison
            .is_some_and(|poison| (batch.first_seq..=last).contains(&poison))
        {
            return Err(fault(refused(Code::InvalidInput, None)));
        }
        let step = self
            .script
            .steps
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .pop_front();
        match step {
            None => Ok(Ack {
                through_seq: last,
                rejects: Vec::new(),
            }),
            Some(Does::Takes(count)) => Ok(Ack {
                through_seq: batch.first_seq + count - 1,
                rejects: Vec::new(),
            }),
            Some(Does::Rejects(seqs)) => {
                let reject = |seq| Reject {
                    seq,
                    reason: "too \"odd\"".to_owned(),
                };
                Ok(Ack {
                    through_seq: last,
                    rejects: seqs.into_iter().map(reject).collect(),
                })
            }
            Some(Does::Fails(kind)) => Err(fault(kind)),
            Some(Does::Hangs) => std::future::pending().await,
        }
    }
}

pub(super) fn refused(code: Code, retry_after: Option<Duration>) -> FaultKind {
    FaultKind::Refused(GuestError {
        code,
        message: "said the plugin".to_owned(),
        retry_after,
    })
}

fn fault(kind: FaultKind) -> PluginFault {
    PluginFault {
        plugin: PluginName::new("siem"),
        kind,
    }
}

/// A cursor in memory whose saves can be made to fail or to hang.
#[derive(Clone)]
pub(super) struct Kept {
    pub(super) next: watch::Sender<u64>,
    pub(super) failures: Arc<Mutex<u32>>,
    pub(super) hangs: bool,
}

impl Cursor for Kept {
    async fn load(&mut self) -> Result<u64, StateError> {
        Ok(*self.next.borrow())
    }

    async fn save(&mut self, next: u64) -> Result<(), StateError> {
        if self.hangs {
            return std::future::pending().await;
        }
        let mut failures = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
        if *failures > 0 {
            *failures -= 1;
            return Err(StateError::Note);
        }
        self.next.send_replace(next);
        Ok(())
    }
}

pub(super) struct Stage {
    pub(super) journal: Journal,
    script: Arc<Script>,
    pub(super) kept: Kept,
    pub(super) stop: CancellationToken,
    pub(super) began: Instant,
    _folder: TempDir,
}

impl Stage {
    pub(super) fn new(steps: impl IntoIterator<Item = Does>) -> Self {
        Self::with(Script {
            steps: Mutex::new(steps.into_iter().collect()),
            ..Script::default()
        })
    }

    pub(super) fn with(script: Script) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let options = Options::new("log", folder.path().join("key"));
        let (journal, _) = Journal::open(&folder.path().join("journal"), options).expect("a journal");
        Self {
            journal,
            script: Arc::new(script),
            kept: Kept {
                next: watch::Sender::new(0),
                failures: Arc::default(),
                hangs: false,
            },
            stop: CancellationToken::new(),
            began: Instant::now(),
            _folder: folder,
        }
    }

    pub(super) async fn append(&self, count: u64) {
        let from = self.journal.size();
        let mut last = None;
        for n in from..from + count {
            let entry = format!(r#"{{"v":1,"kind":"test","n":{n}}}"#);
            last = Some(
                self.journal
                    .append(|out| out.extend_from_slice(entry.as_bytes()))
                    .expect("appended"),
            );
        }
        self.journal
            .durable(last.expect("an entry"))
            .await
            .expect("durable");
        // What is durable is announced a moment later: virtual time must not pass meanwhile.
        self.journal
            .subscribe()
            .wait_for(|size| *size >= from + count)
            .await
            .expect("announced");
    }

    pub(super) fn pump(&self) -> Pump<Scripted, Kept> {
        let plugin = PluginName::new("siem");
        let exporter = Scripted {
            script: Arc::clone(&self.script),
            began: self.began,
        };
        let lag = Arc::new(Lag::new(&plugin));
        let place = (self.journal.clone(), "log".to_owned(), self.stop.clone());
        let mut pump = Pump::beside(plugin, exporter, self.kept.clone(), lag, place);
        pump.random = || u32::MAX;
        pump
    }

    pub(super) fn start(&self) -> JoinHandle<()> {
        tokio::spawn(self.pump().run())
    }

    pub(super) async fn reaches(&self, next: u64) {
        self.kept
            .next
            .subscribe()
            .wait_for(|kept| *kept >= next)
            .await
            .expect("kept");
    }

    pub(super) fn seen(&self) -> Vec<Seen> {
        self.script
            .seen
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Virtual second, first entry, number of entries and attempt of each delivery.
    pub(super) fn deliveries(&self) -> Vec<(u64, u64, usize, u32)> {
        self.seen()
            .iter()
            .map(|seen| (seen.at, seen.first, seen.entries.len(), seen.attempt))
            .collect()
    }

    pub(super) fn journaled(&self, kind: &str) -> Vec<Value> {
        let entries = self.journal.reader().entries(0);
        let parsed =
            entries.map(|entry| serde_json::from_slice::<Value>(&entry.expect("read").bytes).expect("JSON"));
        parsed.filter(|entry| entry["kind"] == kind).collect()
    }
}
