//! Tells open pages and programs that something has changed: what kind of thing and where in
//! the journal, nothing else. Whoever wants to know more asks, and is judged for it.

use std::sync::Arc;

use journal::{Journal, Reader};
use tokio::sync::{broadcast, watch};
use tokio_util::sync::CancellationToken;

/// How many changes a slow listener may be behind; it is then told that it missed some.
const BEHIND_MAX: usize = 256;

/// How many entries are read at once.
const READ_MAX: usize = 1_024;

/// What is told: kinds, or their beginnings up to the dot. Operations are far too many.
const KINDS: [&str; 4] = ["approval", "grant", "lock", "session"];

/// One change.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Change {
    /// The entry's place in the journal.
    pub(crate) index: u64,
    /// Its kind, e.g. `approval.asked`.
    pub(crate) kind: Arc<str>,
}

/// Follows the journal for all listeners together, as long as there are any: where much is done
/// it grows a thousand times a second, and waking up for that costs a twentieth of what the
/// operations themselves do.
#[derive(Clone, Debug)]
pub(crate) struct Feed {
    journal: Journal,
    changes: broadcast::Sender<Change>,
    /// The journal's size when somebody began to listen.
    heard: watch::Sender<u64>,
}

impl Feed {
    /// Begins to follow `journal` until `stop` is cancelled. To be called within a runtime.
    pub(crate) fn start(journal: Journal, stop: CancellationToken) -> Self {
        let (changes, _) = broadcast::channel(BEHIND_MAX);
        let (heard, listening) = watch::channel(0);
        tokio::spawn(follow(journal.clone(), changes.clone(), listening, stop));
        Self {
            journal,
            changes,
            heard,
        }
    }

    /// Returns what changes from now on.
    pub(crate) fn subscribe(&self) -> broadcast::Receiver<Change> {
        let size = self.journal.size();
        let changes = self.changes.subscribe();
        // Only now, so that whoever is woken by it finds a listener.
        self.heard.send_replace(size);
        changes
    }
}

async fn follow(
    journal: Journal,
    sender: broadcast::Sender<Change>,
    mut listening: watch::Receiver<u64>,
    stop: CancellationToken,
) {
    let mut sizes = journal.subscribe();
    let mut next = journal.size();
    loop {
        // What happens while nobody listens is nobody's news.
        while sender.receiver_count() == 0 {
            tokio::select! {
                () = stop.cancelled() => return,
                heard = listening.changed() => if heard.is_err() { return },
            }
            next = next.max(*listening.borrow_and_update());
        }
        tokio::select! {
            () = stop.cancelled() => return,
            grown = sizes.changed() => if grown.is_err() { return },
        }
        let size = *sizes.borrow_and_update();
        while next < size {
            let reader = journal.reader();
            let reading = tokio::task::spawn_blocking(move || changes(&reader, next));
            let Ok(Some((changes, read_to))) = reading.await else {
                next = size;
                break;
            };
            for change in changes {
                let _ = sender.send(change);
            }
            next = read_to;
        }
    }
}

/// Reads from entry `from` on; returns the changes and where to go on. `None` where the journal
/// cannot be read or has no more.
fn changes(reader: &Reader, from: u64) -> Option<(Vec<Change>, u64)> {
    let mut entries = reader.entries(from);
    let mut changes = Vec::new();
    for entry in entries.by_ref().take(READ_MAX) {
        let entry = entry.ok()?;
        if let Some(kind) = kind(&entry.bytes) {
            changes.push(Change {
                index: entry.index,
                kind: kind.into(),
            });
        }
    }
    let next = entries.position();
    (next > from).then_some((changes, next))
}

/// Returns the kind of an entry if it is told.
fn kind(entry: &[u8]) -> Option<String> {
    let head: crate::cli::Head<'_> = serde_json::from_slice(entry).ok()?;
    let (family, _) = head.kind.split_once('.')?;
    KINDS.contains(&family).then(|| head.kind.into_owned())
}

#[cfg(test)]
mod tests {
    use journal::Options;
    use model::SessionId;
    use model::event::Event;

    use super::*;
    use crate::evidence::write_down;

    /// Ends a session in the journal: something that is told.
    async fn happen(journal: &Journal, operations: u64) {
        let event = Event::SessionEnd {
            session: SessionId::new(1, [1; 10]),
            reason: "closed",
            operations,
        };
        write_down(journal, &event).await.expect("written");
    }

    #[tokio::test]
    async fn who_listens_hears_what_happens_however_long_nobody_did() {
        let folder = tempfile::tempdir().expect("a folder");
        let options = Options::new("log", folder.path().join("key"));
        let (journal, _) = Journal::open(&folder.path().join("log"), options).expect("a journal");
        let feed = Feed::start(journal.clone(), CancellationToken::new());
        for round in 0..3 {
            for _ in 0..3 {
                happen(&journal, round).await;
            }
            let mut listener = feed.subscribe();
            let index = journal.size();
            happen(&journal, round).await;
            let told = async {
                loop {
                    let change = listener.recv().await.expect("told");
                    assert_eq!(&*change.kind, "session.end");
                    // One that was just read when the listener came may still be told.
                    if change.index >= index {
                        return change.index;
                    }
                }
            };
            assert_eq!(told.await, index);
        }
    }
}
