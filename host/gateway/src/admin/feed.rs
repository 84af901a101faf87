//! Tells open pages and programs that something has changed: what kind of thing and where in
//! the journal, nothing else. Whoever wants to know more asks, and is judged for it.

use std::sync::Arc;

use journal::{Journal, Reader};
use tokio::sync::broadcast;
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

/// Follows the journal for all listeners together.
#[derive(Clone, Debug)]
pub(crate) struct Feed(broadcast::Sender<Change>);

impl Feed {
    /// Begins to follow `journal` until `stop` is cancelled. To be called within a runtime.
    pub(crate) fn start(journal: Journal, stop: CancellationToken) -> Self {
        let (sender, _) = broadcast::channel(BEHIND_MAX);
        tokio::spawn(follow(journal, sender.clone(), stop));
        Self(sender)
    }

    /// Returns what changes from now on.
    pub(crate) fn subscribe(&self) -> broadcast::Receiver<Change> {
        self.0.subscribe()
    }
}

async fn follow(journal: Journal, sender: broadcast::Sender<Change>, stop: CancellationToken) {
    let mut sizes = journal.subscribe();
    let mut next = journal.size();
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            grown = sizes.changed() => if grown.is_err() { return },
        }
        let size = *sizes.borrow_and_update();
        // Nobody listens: what happened meanwhile is nobody's news.
        if sender.receiver_count() == 0 {
            next = size;
            continue;
        }
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
