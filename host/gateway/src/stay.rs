//! A session of what is no SQL: one principal on one resource, by one login, whatever carries it.
//!
//! HTTP and SSH put what is their own around it; who asks, how it ends, what it records and how
//! its operations are written down is the same for both.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use model::event::{Event, Intent, Outcome};
use model::{Fault, Grant, OperationId, Principal, Refusal, ResourceName, Rule, SessionId, Tag};
use proto::session::{Road, journal_unavailable};
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::clock;
use crate::gate::{Asker, Plain};
use crate::identity::{Login, Verified};
use crate::mutex::lock;
use crate::recording::Tape;
use crate::seats::{Place, Seats};
use crate::services::{Services, random};
use crate::sessions::{Ending, EndingCell, Listed, Live, NOTICES_MAX, Notice, Sessions, Status};

/// How often a quiet session's recording is handed over.
const RECORD_EVERY: Duration = Duration::from_secs(1);

/// What a session is on.
#[derive(Clone, Debug)]
pub(crate) struct Ground {
    pub(crate) resource: ResourceName,
    /// `http` or `ssh`.
    pub(crate) protocol: &'static str,
    pub(crate) seats: Arc<Seats>,
    /// How long people can answer.
    pub(crate) decide_within: Duration,
    /// How long what they agreed to can be used.
    pub(crate) use_within: Duration,
}

/// Who comes, from where, and what brought them in.
pub(crate) struct Guest<'a> {
    pub(crate) principal: Arc<Principal>,
    pub(crate) verified: Verified,
    pub(crate) grant: Option<Arc<Grant>>,
    /// The client's address.
    pub(crate) client: &'a str,
    /// Cancelled when no further operation is to be taken.
    pub(crate) closing: CancellationToken,
}

/// One session.
pub(crate) struct Stay {
    pub(crate) services: Arc<Services>,
    pub(crate) ground: Ground,
    pub(crate) asker: Asker,
    pub(crate) login: Arc<Login>,
    /// When its login ends, in seconds of Unix time.
    expires: u64,
    grant: Option<Arc<Grant>>,
    /// Cancelled when nothing of it may go on.
    ended: CancellationToken,
    ending: EndingCell,
    pub(crate) status: Arc<Status>,
    /// Salts what ties contents to the journal.
    pub(crate) salt: [u8; 32],
    operations: AtomicU32,
    running: AtomicU32,
    tape: Mutex<Option<Tape>>,
    listed: Mutex<Option<Listed<Arc<Sessions>>>>,
    /// Given back when the session ends.
    place: Mutex<Option<Place>>,
    over: AtomicBool,
}

impl Stay {
    /// Begins a session. It is written down before the first of its operations is, and durable
    /// with it.
    pub(crate) fn begin(
        services: &Arc<Services>,
        ground: Ground,
        guest: Guest<'_>,
    ) -> Result<Arc<Self>, Refusal> {
        let place = Place::take(&services.seats, &ground.seats).ok_or_else(too_many)?;
        let (principal, resource) = (guest.principal, &ground.resource);
        let session = SessionId::new(clock::unix_us() / 1000, random());
        let event = Event::SessionStart {
            session,
            principal: &principal,
            resource,
            protocol: ground.protocol,
            client: guest.client,
            expires: guest.verified.expires,
        };
        let now_us = clock::unix_us();
        let written = services.journal.append(|out| event.encode(now_us, out));
        written.map_err(|_| journal_unavailable())?;
        tracing::info!(%session, principal = principal.key(), %resource, client = guest.client, "session started");
        services.access.note(&principal, resource, now_us);
        if let Some(grant) = &guest.grant {
            services.grants.used(grant.id, now_us);
        }
        services.meters.session_started();
        let salt = random();
        let tape = Tape::start(services, session, (resource, ground.protocol), &salt);
        let stay = Arc::new(Self {
            asker: Asker {
                session,
                scope: services.scopes.number(&principal, resource),
                principal,
            },
            tape: Mutex::new(Some(tape)),
            services: Arc::clone(services),
            login: Arc::new(guest.verified.login),
            expires: guest.verified.expires,
            grant: guest.grant,
            ended: CancellationToken::new(),
            ending: EndingCell::default(),
            status: Arc::default(),
            salt,
            operations: AtomicU32::new(0),
            running: AtomicU32::new(0),
            listed: Mutex::default(),
            place: Mutex::new(Some(place)),
            over: AtomicBool::new(false),
            ground,
        });
        stay.list(guest.client, guest.closing);
        Ok(stay)
    }

    /// Makes the session known to whoever may end it.
    fn list(self: &Arc<Self>, client: &str, closing: CancellationToken) {
        let (notices, inbox) = mpsc::channel(NOTICES_MAX);
        let live = Live {
            id: self.asker.session,
            principal: Arc::clone(&self.asker.principal),
            login: Arc::clone(&self.login),
            resource: self.ground.resource.clone(),
            client: client.to_owned(),
            started_us: clock::unix_us(),
            expires: self.expires,
            grant: self.grant.as_ref().map(|grant| grant.id),
            status: Arc::clone(&self.status),
        };
        let sessions = &self.services.sessions;
        let listed = sessions.add_without_key(live, Arc::clone(&self.ending), notices);
        *lock(&self.listed) = Some(listed);
        tokio::spawn(Arc::clone(self).heed(inbox, closing));
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
    pub(crate) fn still_let_in(&self) -> Result<(), Refusal> {
        let grant = self.grant.as_deref();
        self.services
            .still_let_in(&self.asker.principal, &self.login, &self.ground.resource, grant)
    }

    /// Returns those of `tags` that this principal may see.
    pub(crate) fn revealed(&self, tags: &[Tag]) -> BTreeSet<Tag> {
        let (policy, principal) = (&self.services.gate.policy, &self.asker.principal);
        let now = clock::unix_seconds();
        let ground = &self.ground;
        match policy.reveals(principal, &ground.resource, tags, ground.protocol, now) {
            Ok(revealed) => revealed.into_iter().collect(),
            Err(refusal) => {
                tracing::error!(error = %refusal.message, "policies failed; nothing is revealed");
                BTreeSet::new()
            }
        }
    }

    /// Whether no further operation may use it.
    pub(crate) fn is_over(&self) -> bool {
        self.ended.is_cancelled() || self.over.load(Ordering::Acquire) || self.has_expired()
    }

    fn has_expired(&self) -> bool {
        self.expires <= clock::unix_seconds()
    }

    /// Resolves when nothing of the session may go on.
    pub(crate) fn ended(&self) -> CancellationToken {
        self.ended.clone()
    }

    /// Returns what a client is told whose session has ended.
    pub(crate) fn ending(&self) -> Refusal {
        match self.ending.get() {
            Some(ending) => Refusal::new(ending.rule, Fault::Operator, ending.reason.to_string()),
            None if self.has_expired() => {
                Refusal::new(Rule::SessionEnded, Fault::Client, "the token has expired")
                    .hint("come again with a new token")
            }
            None => Refusal::new(
                Rule::SessionEnded,
                Fault::Operator,
                "the gateway is shutting down",
            )
            .hint("try again in a moment"),
        }
    }

    /// Counts a further operation and gives it an id.
    pub(crate) fn operation(&self) -> OperationId {
        self.operations.fetch_add(1, Ordering::Relaxed);
        self.note();
        OperationId::new(clock::unix_us() / 1000, random())
    }

    /// Takes note that an operation runs upstream, or has ended.
    pub(crate) fn runs(&self, runs: bool) {
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

    /// Makes the intent of the only operation on `road` durable and takes it off the road.
    ///
    /// # Errors
    /// Why it may not run.
    pub(crate) async fn write_down(&self, road: &mut Road<Plain>) -> Result<(), Refusal> {
        let written = self.intent_is_durable(road).await;
        road.durable(written);
        let operation = road.leave().and_then(|mut operations| operations.pop());
        let refusal = operation.map_or_else(|| Some(journal_unavailable()), |operation| operation.refusal());
        if let Some(refusal) = refusal {
            return Err(refusal);
        }
        // The session may have ended while its intent was written.
        if self.is_over() {
            return Err(self.ending());
        }
        match self.unrecorded() {
            Some(refusal) => Err(refusal),
            None => Ok(()),
        }
    }

    async fn intent_is_durable(&self, road: &Road<Plain>) -> bool {
        let [operation] = road.operations() else {
            return false;
        };
        let Some(judged) = operation.judged() else {
            return false;
        };
        let intent = Intent {
            operation: operation.id,
            session: self.asker.session,
            judgement: &judged.judgement,
            binds: operation.binds,
            bind_commitment: operation.bind_commitment,
            approval: operation.approval(),
        };
        let journal = &self.services.journal;
        match journal.append(|out| intent.encode(clock::unix_us(), out)) {
            Ok(ticket) => journal.durable(ticket).await.is_ok(),
            Err(error) => {
                tracing::error!(%error, "an intent could not be written; nothing runs");
                false
            }
        }
    }

    /// Writes down how an operation ended. What cannot be written is logged: it has run.
    pub(crate) fn outcome(&self, outcome: &Outcome<'_>) {
        let written = self
            .services
            .journal
            .append(|out| outcome.encode(clock::unix_us(), out));
        if let Err(error) = written {
            tracing::error!(%error, "an outcome could not be written down");
        }
    }

    /// Records something, unless the recording is over.
    pub(crate) fn with_tape(&self, record: impl FnOnce(&mut Tape)) {
        if let Some(tape) = lock(&self.tape).as_mut() {
            record(tape);
        }
    }

    /// Returns why the session cannot be recorded any more, if so: then nothing of it may go on.
    pub(crate) fn unrecorded(&self) -> Option<Refusal> {
        let tape = lock(&self.tape);
        let failure = tape.as_ref()?.failure()?;
        let refusal = Refusal::new(Rule::RecordingFailed, failure.fault(), failure.for_client());
        Some(refusal.hint("try again later; the operator finds the reason in the gateway's log"))
    }

    /// Ends the session because nothing happens in it.
    pub(crate) async fn end_idle(&self) {
        let _ = self.ending.set(Ending {
            rule: Rule::SessionEnded,
            reason: "the session was idle for too long".into(),
        });
        self.end("idle").await;
    }

    /// Ends the session, once.
    pub(crate) async fn end(&self, reason: &'static str) {
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
