//! A session over HTTP: one principal on one resource, by one token, over one connection.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use model::event::Event;
use model::{Fault, Grant, OperationId, Principal, Refusal, Rule, SessionId, Tag};
use sha2::{Digest as _, Sha256};
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::connection::Connection;
use super::masks::Masks;
use super::upstream::Upstream;
use crate::clock;
use crate::gate::Asker;
use crate::identity::{Login, Verified};
use crate::recording::Tape;
use crate::seats::Place;
use crate::services::{Services, random};
use crate::sessions::{EndingCell, Listed, Live, NOTICES_MAX, Notice, Sessions, Status};

/// How often a quiet session's recording is handed over.
const RECORD_EVERY: Duration = Duration::from_secs(1);

/// SHA-256 of a token: by it a session is found again, and the token itself is not kept.
pub(super) type TokenDigest = [u8; 32];

pub(super) fn digest(token: &str) -> TokenDigest {
    Sha256::digest(token).into()
}

/// One session.
pub(super) struct Visit {
    pub(super) services: Arc<Services>,
    pub(super) upstream: Arc<Upstream>,
    pub(super) asker: Asker,
    pub(super) login: Arc<Login>,
    /// When its token ends, in seconds of Unix time.
    expires: u64,
    grant: Option<Arc<Grant>>,
    /// Cancelled when nothing of it may go on.
    ended: CancellationToken,
    ending: EndingCell,
    pub(super) status: Arc<Status>,
    /// Salts what ties bodies to the journal.
    pub(super) salt: [u8; 32],
    operations: AtomicU32,
    running: AtomicU32,
    exchanges: AtomicU64,
    tape: Mutex<Option<Tape>>,
    /// The masks of its answers, and under which version they were chosen.
    masks: Mutex<Option<(u128, Arc<Masks>)>>,
    listed: Mutex<Option<Listed<Arc<Sessions>>>>,
    /// Given back when the session ends.
    place: Mutex<Option<Place>>,
    over: AtomicBool,
}

impl Visit {
    /// Begins a session. It is written down before the first of its operations is, and durable
    /// with it.
    pub(super) fn begin(
        connection: &Connection,
        upstream: &Arc<Upstream>,
        (principal, verified): (Arc<Principal>, Verified),
        grant: Option<Arc<Grant>>,
    ) -> Result<Arc<Self>, Refusal> {
        let services = &connection.services;
        let place = Place::take(&services.seats, &upstream.seats).ok_or_else(too_many)?;
        let session = SessionId::new(clock::unix_us() / 1000, random());
        let event = Event::SessionStart {
            session,
            principal: &principal,
            resource: &upstream.name,
            protocol: "http",
            client: &connection.client,
            expires: verified.expires,
        };
        let now_us = clock::unix_us();
        let written = services.journal.append(|out| event.encode(now_us, out));
        written.map_err(|_| proto::session::journal_unavailable())?;
        tracing::info!(%session, principal = principal.key(), resource = %upstream.name, client = connection.client, "session started");
        services.access.note(&principal, &upstream.name, now_us);
        if let Some(grant) = &grant {
            services.grants.used(grant.id, now_us);
        }
        services.meters.session_started();
        let salt = random();
        let visit = Arc::new(Self {
            asker: Asker {
                session,
                scope: services.scopes.number(&principal, &upstream.name),
                principal,
            },
            tape: Mutex::new(Some(Tape::start(
                services,
                session,
                (&upstream.name, "http"),
                &salt,
            ))),
            services: Arc::clone(services),
            upstream: Arc::clone(upstream),
            login: Arc::new(verified.login),
            expires: verified.expires,
            grant,
            ended: CancellationToken::new(),
            ending: EndingCell::default(),
            status: Arc::default(),
            salt,
            operations: AtomicU32::new(0),
            running: AtomicU32::new(0),
            exchanges: AtomicU64::new(0),
            masks: Mutex::default(),
            listed: Mutex::default(),
            place: Mutex::new(Some(place)),
            over: AtomicBool::new(false),
        });
        visit.list(connection);
        Ok(visit)
    }

    /// Makes the session known to whoever may end it.
    fn list(self: &Arc<Self>, connection: &Connection) {
        let (notices, inbox) = mpsc::channel(NOTICES_MAX);
        let live = Live {
            id: self.asker.session,
            principal: Arc::clone(&self.asker.principal),
            login: Arc::clone(&self.login),
            resource: self.upstream.name.clone(),
            client: connection.client.clone(),
            started_us: clock::unix_us(),
            expires: self.expires,
            grant: self.grant.as_ref().map(|grant| grant.id),
            status: Arc::clone(&self.status),
        };
        let sessions = &self.services.sessions;
        let listed = sessions.add_without_key(live, Arc::clone(&self.ending), notices);
        *lock(&self.listed) = Some(listed);
        tokio::spawn(Arc::clone(self).heed(inbox, connection.closing.clone()));
    }

    /// Does what the session is told from outside, and ends it in time.
    async fn heed(self: Arc<Self>, mut inbox: mpsc::Receiver<Notice>, closing: CancellationToken) {
        let left = Duration::from_secs(self.expires.saturating_sub(clock::unix_seconds()));
        let expiry = Instant::now() + left;
        let mut record = tokio::time::interval(RECORD_EVERY);
        let reason = loop {
            tokio::select! {
                notice = inbox.recv() => match notice {
                    Some(Notice::End) => break "revoked",
                    Some(Notice::Stop) => break "gateway stopped",
                    Some(Notice::Drain) => closing.cancel(),
                    Some(Notice::Cancel) => {}
                    None => return,
                },
                () = tokio::time::sleep_until(expiry) => break "token expired",
                _ = record.tick() => self.with_tape(|tape| {
                    tape.set_time(clock::unix_us());
                    tape.tick();
                }),
            }
        };
        self.ended.cancel();
        if reason == "gateway stopped" {
            closing.cancel();
        }
        self.end(reason).await;
    }

    /// Looks once more at what may have been taken back while the session began.
    pub(super) fn still_let_in(&self) -> Result<(), Refusal> {
        let grant = self.grant.as_deref();
        self.services
            .still_let_in(&self.asker.principal, &self.login, &self.upstream.name, grant)
    }

    /// Returns what masks answers to this principal; `None` where nothing has a mask.
    pub(super) fn masks(&self) -> Result<Option<Arc<Masks>>, Refusal> {
        if self.upstream.tags.is_empty() && !self.upstream.config.scan_untagged {
            return Ok(None);
        }
        let version = self.services.gate.version(0);
        let known = lock(&self.masks).clone();
        if let Some((_, masks)) = known.filter(|(known, _)| *known == version) {
            return Ok(Some(masks));
        }
        let masks = self.upstream.masks(&self.services, self.revealed())?;
        *lock(&self.masks) = Some((version, Arc::clone(&masks)));
        Ok(Some(masks))
    }

    fn revealed(&self) -> BTreeSet<Tag> {
        let (policy, principal) = (&self.services.gate.policy, &self.asker.principal);
        let tags = &self.upstream.tags;
        let now = clock::unix_seconds();
        match policy.reveals(principal, &self.upstream.name, tags, "http", now) {
            Ok(revealed) => revealed.into_iter().collect(),
            Err(refusal) => {
                tracing::error!(error = %refusal.message, "policies failed; nothing is revealed");
                BTreeSet::new()
            }
        }
    }

    /// Whether no further request may use it.
    pub(super) fn is_over(&self) -> bool {
        self.ended.is_cancelled() || self.over.load(Ordering::Acquire) || self.has_expired()
    }

    fn has_expired(&self) -> bool {
        self.expires <= clock::unix_seconds()
    }

    /// Resolves when nothing of the session may go on.
    pub(super) fn ended(&self) -> CancellationToken {
        self.ended.clone()
    }

    /// Returns what a client is told whose session has ended.
    pub(super) fn ending(&self) -> Refusal {
        match self.ending.get() {
            Some(ending) => Refusal::new(ending.rule, Fault::Operator, ending.reason.to_string()),
            None if self.has_expired() => {
                Refusal::new(Rule::SessionEnded, Fault::Client, "the token has expired")
                    .hint("send the request again with a new token")
            }
            None => Refusal::new(
                Rule::SessionEnded,
                Fault::Operator,
                "the gateway is shutting down",
            )
            .hint("send the request again in a moment"),
        }
    }

    /// Counts a further operation and gives it an id.
    pub(super) fn operation(&self) -> OperationId {
        self.operations.fetch_add(1, Ordering::Relaxed);
        self.note();
        OperationId::new(clock::unix_us() / 1000, random())
    }

    /// Takes note that an operation runs upstream, or has ended.
    pub(super) fn runs(&self, runs: bool) {
        if runs {
            self.running.fetch_add(1, Ordering::Relaxed);
        } else {
            self.running.fetch_sub(1, Ordering::Relaxed);
        }
        self.note();
    }

    fn note(&self) {
        let running = self.running.load(Ordering::Relaxed) > 0;
        self.status.note(running, self.operations.load(Ordering::Relaxed));
    }

    /// Numbers a further exchange in the recording.
    pub(super) fn exchange(&self) -> u64 {
        self.exchanges.fetch_add(1, Ordering::Relaxed)
    }

    /// Records something, unless the recording is over.
    pub(super) fn with_tape(&self, record: impl FnOnce(&mut Tape)) {
        if let Some(tape) = lock(&self.tape).as_mut() {
            record(tape);
        }
    }

    /// Returns why the session cannot be recorded any more, if so: then nothing of it may go on.
    pub(super) fn unrecorded(&self) -> Option<Refusal> {
        let tape = lock(&self.tape);
        let failure = tape.as_ref()?.failure()?;
        let refusal = Refusal::new(Rule::RecordingFailed, failure.fault(), failure.for_client());
        Some(refusal.hint("try again later; the operator finds the reason in the gateway's log"))
    }

    /// Ends the session, once.
    pub(super) async fn end(self: Arc<Self>, reason: &'static str) {
        if self.over.swap(true, Ordering::AcqRel) {
            return;
        }
        self.ended.cancel();
        drop(lock(&self.listed).take());
        let session = self.asker.session;
        let tape = lock(&self.tape).take();
        if let Some(tape) = tape
            && let Err(error) = tape.finish().await
        {
            tracing::error!(%session, %error, "a recording could not be finished");
        }
        let operations = u64::from(self.operations.load(Ordering::Relaxed));
        let event = Event::SessionEnd {
            session,
            reason,
            operations,
        };
        let written = self
            .services
            .journal
            .append(|out| event.encode(clock::unix_us(), out));
        if let Err(error) = written {
            tracing::error!(%error, %session, "a session's end could not be written down");
        }
        tracing::info!(%session, reason, operations, "session ended");
        self.services.meters.session_ended();
        drop(lock(&self.place).take());
    }
}

fn too_many() -> Refusal {
    Refusal::new(Rule::SessionEnded, Fault::Operator, "there are too many sessions").hint("try again later")
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
