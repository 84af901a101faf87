//! The live sessions: what is known of each, and how cancel requests, shutdown and revocation
//! reach them.

use std::collections::HashMap;
use std::ops::Deref;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use model::{ApprovalId, GrantId, Principal, ResourceName, Rule, SessionId};
use subtle::ConstantTimeEq as _;
use tokio::sync::mpsc;

use crate::identity::Login;

/// What a session may be told from outside.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Notice {
    /// The client asks, on another connection, to cancel what runs.
    Cancel,
    /// The gateway is stopping: end as soon as nothing runs.
    Drain,
    /// The gateway has waited long enough.
    Stop,
    /// Somebody ends this session: see its [`Ending`].
    End,
}

/// Why a session ends from outside.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Ending {
    /// The rule behind it.
    pub(crate) rule: Rule,
    /// What the client is told.
    pub(crate) reason: Arc<str>,
}

/// Where a session finds why it is being ended; set once, before it is told to look.
pub(crate) type EndingCell = Arc<OnceLock<Ending>>;

/// A live session, as it is known from outside.
#[derive(Clone, Debug)]
pub(crate) struct Live {
    pub(crate) id: SessionId,
    pub(crate) principal: Arc<Principal>,
    /// The login it lives by.
    pub(crate) login: Arc<Login>,
    pub(crate) resource: ResourceName,
    /// The client's address.
    pub(crate) client: String,
    /// When it began, in microseconds of Unix time.
    pub(crate) started_us: u64,
    /// When its token ends, in seconds of Unix time.
    pub(crate) expires: u64,
    /// The grant without which it could not be.
    pub(crate) grant: Option<GrantId>,
    /// What it does: the session's own word.
    pub(crate) status: Arc<Status>,
}

#[cfg(test)]
impl Live {
    /// A session on which nothing runs.
    pub(crate) fn idle(
        id: SessionId,
        principal: Principal,
        resource: ResourceName,
        grant: Option<GrantId>,
    ) -> Self {
        Self {
            id,
            principal: Arc::new(principal),
            login: Arc::default(),
            resource,
            client: "127.0.0.1:1".to_owned(),
            started_us: 0,
            expires: 0,
            grant,
            status: Arc::default(),
        }
    }
}

/// What a session does at the moment.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Doing {
    /// Nothing.
    Idle,
    /// Something runs upstream.
    Running,
    /// It waits for this approval.
    Held(ApprovalId),
}

/// What a session tells of itself, for whoever lists sessions.
#[derive(Debug, Default)]
pub(crate) struct Status {
    running: AtomicBool,
    operations: AtomicU32,
    held: Mutex<Option<ApprovalId>>,
}

impl Status {
    /// Takes note of what the session does; cheap enough for each turn of its loop.
    pub(crate) fn note(&self, running: bool, operations: u32) {
        self.running.store(running, Ordering::Relaxed);
        self.operations.store(operations, Ordering::Relaxed);
    }

    /// Takes note of the approval it waits for.
    pub(crate) fn hold(&self, approval: Option<ApprovalId>) {
        *self.held.lock().unwrap_or_else(PoisonError::into_inner) = approval;
    }

    /// Returns what the session does.
    pub(crate) fn doing(&self) -> Doing {
        match *self.held.lock().unwrap_or_else(PoisonError::into_inner) {
            Some(approval) => Doing::Held(approval),
            None if self.running.load(Ordering::Relaxed) => Doing::Running,
            None => Doing::Idle,
        }
    }

    /// Returns how many operations it has tried.
    pub(crate) fn operations(&self) -> u32 {
        self.operations.load(Ordering::Relaxed)
    }
}

/// How many notices may wait for a session: more than two say nothing new.
pub(crate) const NOTICES_MAX: usize = 4;

/// All sessions of this gateway.
#[derive(Debug, Default)]
pub(crate) struct Sessions {
    inner: Mutex<HashMap<SessionId, Entry>>,
}

#[derive(Debug)]
struct Entry {
    live: Live,
    ending: EndingCell,
    pid: i32,
    secret: Vec<u8>,
    notices: mpsc::Sender<Notice>,
}

impl Sessions {
    fn lock(&self) -> MutexGuard<'_, HashMap<SessionId, Entry>> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lists a session under the key its client will cancel with, until the result is dropped.
    #[must_use]
    pub(crate) fn add(
        &self,
        live: Live,
        ending: EndingCell,
        pid: i32,
        secret: Vec<u8>,
        notices: mpsc::Sender<Notice>,
    ) -> Listed<&Self> {
        let entry = Entry {
            live,
            ending,
            pid,
            secret,
            notices,
        };
        let id = self.insert(entry);
        Listed { sessions: self, id }
    }

    fn insert(&self, entry: Entry) -> SessionId {
        let id = entry.live.id;
        self.lock().insert(id, entry);
        id
    }

    /// Lists a session whose client has no way to ask for a cancel on another connection.
    #[must_use]
    pub(crate) fn add_without_key(
        self: &Arc<Self>,
        live: Live,
        ending: EndingCell,
        notices: mpsc::Sender<Notice>,
    ) -> Listed<Arc<Self>> {
        let id = self.insert(Entry {
            live,
            ending,
            pid: 0,
            secret: Vec::new(),
            notices,
        });
        Listed {
            sessions: Arc::clone(self),
            id,
        }
    }

    /// Returns all sessions, in no order.
    pub(crate) fn list(&self) -> Vec<Live> {
        self.lock().values().map(|entry| entry.live.clone()).collect()
    }

    /// Tells every session that is hit to end, and returns how many these are. The first ending
    /// of a session is the one it goes by.
    pub(crate) fn end_where(&self, hit: impl Fn(&Live) -> bool, ending: Ending) -> usize {
        let sessions = self.lock();
        let hit = sessions.values().filter(|entry| hit(&entry.live));
        hit.map(|entry| {
            let _ = entry.ending.set(ending.clone());
            // A full queue is looked at soon, and the ending with it.
            let _ = entry.notices.try_send(Notice::End);
        })
        .count()
    }

    /// Passes a cancel request on to the session it names; an unknown key does nothing, and
    /// takes the same time as a wrong one.
    pub(crate) fn cancel(&self, pid: i32, secret: &[u8]) -> bool {
        let sessions = self.lock();
        // Two upstreams may use one pid: the secret decides.
        let mut found = None;
        for entry in sessions.values() {
            let has_key = !entry.secret.is_empty();
            let same = has_key && entry.pid == pid && bool::from(entry.secret.as_slice().ct_eq(secret));
            if same {
                found = Some(entry);
            }
        }
        found.is_some_and(|entry| entry.notices.try_send(Notice::Cancel).is_ok())
    }

    /// Tells every session.
    pub(crate) fn tell_all(&self, notice: Notice) {
        for entry in self.lock().values() {
            // A full queue already holds something as urgent.
            let _ = entry.notices.try_send(notice);
        }
    }
}

/// A session's place in the list.
#[derive(Debug)]
pub(crate) struct Listed<S: Deref<Target = Sessions>> {
    sessions: S,
    id: SessionId,
}

impl<S: Deref<Target = Sessions>> Drop for Listed<S> {
    fn drop(&mut self) {
        self.sessions.lock().remove(&self.id);
    }
}

impl crate::grants::Ends for Sessions {
    fn end_where(&self, hit: &dyn Fn(&Live) -> bool, ending: Ending) -> usize {
        Self::end_where(self, hit, ending)
    }
}
