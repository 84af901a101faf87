//! The live sessions: how cancel requests, shutdown and later revocation reach them.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use model::SessionId;
use subtle::ConstantTimeEq as _;
use tokio::sync::mpsc;

/// What a session may be told from outside.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Notice {
    /// The client asks, on another connection, to cancel what runs.
    Cancel,
    /// The gateway is stopping: end as soon as nothing runs.
    Drain,
    /// The gateway has waited long enough.
    Stop,
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
        id: SessionId,
        pid: i32,
        secret: Vec<u8>,
        notices: mpsc::Sender<Notice>,
    ) -> Listed<'_> {
        self.lock().insert(id, Entry { pid, secret, notices });
        Listed { sessions: self, id }
    }

    /// Passes a cancel request on to the session it names; an unknown key does nothing, and
    /// takes the same time as a wrong one.
    pub(crate) fn cancel(&self, pid: i32, secret: &[u8]) -> bool {
        let sessions = self.lock();
        // Two upstreams may use one pid: the secret decides.
        let mut found = None;
        for entry in sessions.values() {
            let same = entry.pid == pid && bool::from(entry.secret.as_slice().ct_eq(secret));
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
pub(crate) struct Listed<'a> {
    sessions: &'a Sessions,
    id: SessionId,
}

impl Drop for Listed<'_> {
    fn drop(&mut self) {
        self.sessions.lock().remove(&self.id);
    }
}
