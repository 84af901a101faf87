//! Drives one session: the only place where a relay meets sockets, the clock and the journal.

mod hold;
mod turn;

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use model::{Fault, Refusal, Rule};
use tokio::io::{AsyncReadExt as _, AsyncWrite as _, AsyncWriteExt as _};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use proto::postgres::relay::{Fatal, Mark, Outbox, Relay, sqlstate};
use proto::session::Waiting;

use self::turn::Turn;
use super::dial::Target;
use super::hold::Step;
use super::surroundings::{Next, Surroundings};
use super::{Age, Upstream};
use crate::approvals::Left;
use crate::clock;
use crate::identity::Login;
use crate::over;
use crate::sessions::{EndingCell, Notice, Status};
use crate::wire::Wire;

/// One read's size to begin with, and at most: a session that streams grows to the larger one,
/// a thousand idle ones stay small.
const READ_BYTES_MIN: usize = 8 << 10;
const READ_BYTES_MAX: usize = 256 << 10;

/// How much of a client's pipeline is kept while its batch waits on the road. Beyond it the
/// client is read no further.
const CLIENT_AHEAD_BYTES_MAX: usize = 1 << 20;

/// How often a session looks at the clock: the recording hands over what is five seconds old.
const QUIET_TICK: Duration = Duration::from_secs(5);

/// How long a client may take to accept the last words of its session, or to fall silent after
/// them.
const FAREWELL_MAX: Duration = Duration::from_secs(5);

/// When a session must end whatever it does.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Deadlines {
    /// When the token ends.
    pub(crate) token: Instant,
    /// When the grant ends that the session depends on.
    pub(crate) grant: Option<Instant>,
    /// How long a session may say nothing.
    pub(crate) idle: Option<Duration>,
}

/// Why a session ended, in the words of the journal.
pub(crate) type Ended = &'static str;

/// Everything one session consists of.
pub(crate) struct Drive<'a> {
    pub(crate) relay: Relay,
    pub(crate) client: Wire,
    pub(crate) upstream: Wire,
    pub(crate) surroundings: Surroundings<'a>,
    pub(crate) origin: Arc<Upstream>,
    pub(crate) login: Arc<Login>,
    /// The account that the session has upstream.
    pub(crate) account: Arc<Target>,
    pub(crate) pid: i32,
    pub(crate) secret: bytes::Bytes,
    pub(crate) notices: mpsc::Receiver<Notice>,
    pub(crate) ending: EndingCell,
    pub(crate) deadlines: Deadlines,
    pub(crate) status: Arc<Status>,
}

/// What an exchange of bytes came to.
enum Event {
    ClientGone,
    Durable(bool),
    Held(Step),
    Moved,
    Notice(Notice),
    CancelDone,
    RefreshDone(bool),
    Tick,
    UpstreamGone,
}

impl<'a> Drive<'a> {
    /// Runs the session to its end; returns why it ended and how many operations it had.
    pub(crate) async fn run(mut self) -> (Ended, u64) {
        let mut turn = Turn::new(&self.deadlines);
        let ended = loop {
            let mark = self.relay.mark();
            let stepped = self.step(&mut turn);
            self.settle_hold(&mut turn);
            self.status
                .note(self.relay.is_running(), self.relay.operation_count());
            if let Some(failure) = self.surroundings.tape().failure() {
                tracing::error!(error = %failure, "a session ends because it cannot be recorded");
                let refusal = Refusal::new(Rule::RecordingFailed, failure.fault(), failure.for_client())
                    .hint("connect again later; the operator finds the reason in the gateway's log");
                break self.part_unrecorded(mark, &refusal.into()).await;
            }
            if let Err(fatal) = stepped {
                break self.part(&fatal, "ended by the gateway").await;
            }
            if self.relay.has_upstream_ended() {
                let fatal = Fatal::new("08006", Fault::Upstream, "the upstream ended the session");
                break self.part(&fatal, "upstream ended the session").await;
            }
            if self.relay.is_leaving() && self.relay.to_upstream.pending().is_empty() {
                break "closed by the client";
            }
            if turn.draining && self.relay.is_idle() {
                let fatal = Fatal::new("57P01", Fault::Operator, "the gateway is shutting down");
                break self.part(&fatal, "gateway stopped").await;
            }
            let event = poll_fn(|cx| self.poll_exchange(&mut turn, cx)).await;
            if let Some(ended) = self.on_event(event, &mut turn).await {
                break ended;
            }
        };
        if let Some(hold) = turn.hold.take() {
            hold.leave(Left::Gone);
        }
        self.status.hold(None);
        self.relay.lose(clock::unix_us());
        self.surroundings.write_outcomes(&mut self.relay);
        let operations = u64::from(self.relay.operation_count());
        self.surroundings.finish().await;
        (ended, operations)
    }

    async fn on_event(&mut self, event: Event, turn: &mut Turn<'a>) -> Option<Ended> {
        match event {
            Event::Moved => None,
            Event::Durable(written) => {
                turn.durable = None;
                self.relay.durable(written);
                None
            }
            Event::CancelDone => {
                turn.cancelling = None;
                None
            }
            Event::Held(step) => {
                self.on_hold(step, turn);
                None
            }
            Event::RefreshDone(refreshed) => {
                turn.refreshing = None;
                turn.fresh = Some(refreshed);
                if refreshed {
                    self.relay.catalog_refreshed();
                    return None;
                }
                if !self.relay.catalog_stale() && self.origin.catalog_age() != Age::Over {
                    // Only one statement's names are unknown: it alone does not run.
                    return None;
                }
                let fatal = Fatal::new(
                    "08006",
                    Fault::Upstream,
                    "the resource's catalog could not be read",
                );
                Some(self.part(&fatal, "catalog not readable").await)
            }
            Event::Notice(notice) => self.on_notice(notice, turn).await,
            Event::Tick => self.on_tick(turn).await,
            Event::ClientGone => {
                self.abandon();
                Some("client disconnected")
            }
            Event::UpstreamGone => {
                let fatal = Fatal::new(
                    "08006",
                    Fault::Upstream,
                    "the connection to the resource was lost",
                );
                Some(self.part(&fatal, "upstream disconnected").await)
            }
        }
    }

    async fn on_notice(&mut self, notice: Notice, turn: &mut Turn<'a>) -> Option<Ended> {
        if let Some(ending) = self.ending.get() {
            let fatal = Fatal::new(sqlstate(ending.rule), Fault::Operator, ending.reason.to_string())
                .rule(ending.rule);
            return Some(self.part(&fatal, "revoked").await);
        }
        match notice {
            Notice::End => None,
            Notice::Cancel => {
                self.cancel(turn);
                None
            }
            Notice::Drain => {
                turn.draining = true;
                None
            }
            Notice::Stop => {
                let fatal = Fatal::new("57P01", Fault::Operator, "the gateway is shutting down");
                Some(self.part(&fatal, "gateway stopped").await)
            }
        }
    }

    /// Does everything that needs no waiting.
    fn step(&mut self, turn: &mut Turn<'a>) -> Result<(), Fatal> {
        let now_us = clock::unix_us();
        self.surroundings.tape().set_time(now_us);
        if self.relay.wants_upstream() && !turn.upstream_in.bytes.is_empty() {
            self.relay
                .on_upstream(&mut turn.upstream_in.bytes, &mut self.surroundings, now_us)?;
            self.surroundings.write_outcomes(&mut self.relay);
        }
        // A statement sent now could be hit by the cancel request that is still on its way.
        if turn.cancelling.is_some() {
            return Ok(());
        }
        loop {
            self.relay
                .on_client(&mut turn.client_in.bytes, &mut self.surroundings, now_us)?;
            match self.relay.waiting() {
                Waiting::Judgement { .. } => {
                    if self.follow_catalog(turn) {
                        self.refresh_catalog(turn);
                        return Ok(());
                    }
                    match self.surroundings.judge(&self.relay, turn.fresh) {
                        Next::Judged(judged) => {
                            turn.fresh = None;
                            self.relay.judge(judged, now_us);
                        }
                        Next::RefreshCatalog => {
                            self.refresh_catalog(turn);
                            return Ok(());
                        }
                        Next::Wait => return Ok(()),
                    }
                }
                Waiting::Approval { .. } => {
                    if !self.advance_hold(turn, now_us) {
                        return Ok(());
                    }
                }
                Waiting::Durability if turn.durable.is_some() => return Ok(()),
                Waiting::Durability => match self.surroundings.write_intents(&self.relay) {
                    Some(durable) => {
                        turn.durable = Some(durable);
                        return Ok(());
                    }
                    None => self.relay.durable(false),
                },
                Waiting::Done => {}
                Waiting::Free => return Ok(()),
            }
        }
    }

    /// Writes, waits and reads as far as anything is ready.
    fn poll_exchange(&mut self, turn: &mut Turn<'a>, cx: &mut Context<'_>) -> Poll<Event> {
        let mut wrote = 0;
        match poll_write_out(&mut self.upstream, &mut self.relay.to_upstream, cx) {
            Ok(count) => wrote += count,
            Err(_) => return Poll::Ready(Event::UpstreamGone),
        }
        match poll_write_out(&mut self.client, &mut self.relay.to_client, cx) {
            Ok(count) => wrote += count,
            Err(_) => return Poll::Ready(Event::ClientGone),
        }
        if let Poll::Ready(event) = turn.poll_signals(&mut self.notices, cx) {
            return Poll::Ready(event);
        }
        let mut moved = false;
        if self.relay.wants_upstream() {
            match turn.upstream_in.poll_fill(&mut self.upstream, cx) {
                Poll::Ready(Ok(0) | Err(_)) => return Poll::Ready(Event::UpstreamGone),
                Poll::Ready(Ok(_)) => moved = true,
                Poll::Pending => {}
            }
        }
        let ahead = turn.client_in.bytes.len();
        if self.relay.wants_client()
            || (self.relay.waiting() != Waiting::Free && ahead < CLIENT_AHEAD_BYTES_MAX)
        {
            match turn.client_in.poll_fill(&mut self.client, cx) {
                Poll::Ready(Ok(0) | Err(_)) => return Poll::Ready(Event::ClientGone),
                Poll::Ready(Ok(_)) => moved = true,
                Poll::Pending => {}
            }
        }
        if moved {
            turn.last_words = Instant::now();
        }
        let unblocked =
            wrote > 0 && (!turn.upstream_in.bytes.is_empty() || ahead > 0 || turn.is_ending(&self.relay));
        if moved || unblocked {
            Poll::Ready(Event::Moved)
        } else {
            Poll::Pending
        }
    }

    /// Keeps the session's view of shapes in step with the catalog; returns whether the catalog
    /// must be read again before anything is judged.
    fn follow_catalog(&mut self, turn: &mut Turn<'a>) -> bool {
        let epoch = self.origin.epoch();
        if turn.epoch != epoch {
            turn.epoch = epoch;
            self.relay.catalog_moved();
        }
        let age = self.origin.catalog_age();
        if age == Age::Renewable {
            self.origin.renew_catalog(self.surroundings.services());
        }
        self.relay.catalog_stale() || age == Age::Over
    }

    fn refresh_catalog(&self, turn: &mut Turn<'a>) {
        if turn.refreshing.is_none() {
            let origin = Arc::clone(&self.origin);
            let services = self.surroundings.services();
            turn.refreshing = Some(tokio::spawn(async move {
                origin.refresh_catalog(&services).await.is_ok()
            }));
        }
    }

    /// Passes a client's cancel request on, if there is anything to cancel: what runs, before
    /// what waits for people behind it.
    fn cancel(&mut self, turn: &mut Turn<'a>) {
        if self.relay.is_running() {
            if turn.cancelling.is_none() {
                turn.cancelling = Some(self.spawn_cancel());
            }
        } else if let Waiting::Approval { .. } = self.relay.waiting() {
            self.relay.refuse_hold(cancelled(), clock::unix_us());
        }
    }

    fn spawn_cancel(&self) -> JoinHandle<()> {
        let (account, pid, secret) = (Arc::clone(&self.account), self.pid, self.secret.clone());
        tokio::spawn(async move { account.cancel(pid, &secret).await })
    }

    /// Leaves nothing running upstream for a client that is gone.
    fn abandon(&mut self) {
        if self.relay.is_running() {
            // Runs on by itself; it has a time limit of its own.
            drop(self.spawn_cancel());
        }
    }

    async fn on_tick(&mut self, turn: &mut Turn<'a>) -> Option<Ended> {
        let now = Instant::now();
        self.tick_hold(turn, clock::unix_us());
        self.surroundings.tape().set_time(clock::unix_us());
        self.surroundings.tape().tick();
        if now >= self.deadlines.token {
            return Some(self.part(&over::token_expired().into(), "token expired").await);
        }
        if self.deadlines.grant.is_some_and(|end| now >= end) {
            return Some(self.part(&over::grant_ended().into(), "grant ended").await);
        }
        if self.relay.is_running() || self.relay.waiting() != Waiting::Free {
            // Silent, but not idle: a statement runs, or waits for somebody.
            turn.last_words = now;
        }
        if let Some(idle) = self.deadlines.idle
            && now >= turn.last_words + idle
        {
            let fatal = Fatal::new("57P05", Fault::Client, "the session was idle for too long");
            return Some(self.part(&fatal, "idle").await);
        }
        let next = turn.next_tick(&self.deadlines).min(self.hold_ends(now));
        turn.timer.as_mut().reset(next);
        None
    }

    /// Ends the session without passing on what came since `mark` and was not recorded. The
    /// last word is left out where the client is in the middle of a message.
    async fn part_unrecorded(&mut self, mark: Mark, fatal: &Fatal) -> Ended {
        let ended = "recording failed";
        if !self.relay.withdraw(mark) {
            self.abandon();
            return ended;
        }
        self.part(fatal, ended).await;
        self.hear_out().await;
        ended
    }

    /// Reads on for a while and drops it: a client that is still streaming would otherwise meet
    /// a reset, and never look at the last word.
    async fn hear_out(&mut self) {
        let mut dropped = vec![0; READ_BYTES_MAX];
        let client = &mut self.client;
        let hear = async { while !matches!(client.read(&mut dropped).await, Ok(0) | Err(_)) {} };
        let _ = tokio::time::timeout(FAREWELL_MAX, hear).await;
    }

    /// Ends the session with a last word, and stops what runs upstream.
    async fn part(&mut self, fatal: &Fatal, ended: Ended) -> Ended {
        self.abandon();
        tracing::info!(message = "session ends", reason = ended, fault = fatal.fault.label(), error = %fatal.message);
        self.relay.end(fatal, clock::unix_us());
        let farewell = async {
            while !self.relay.to_client.pending().is_empty() {
                let count = self.client.write(self.relay.to_client.pending()).await?;
                self.relay.to_client.advance(count);
            }
            self.client.shutdown().await
        };
        let _ = tokio::time::timeout(FAREWELL_MAX, farewell).await;
        ended
    }
}

/// Writes as much as the peer takes; returns how much that was.
fn poll_write_out(wire: &mut Wire, out: &mut Outbox, cx: &mut Context<'_>) -> io::Result<usize> {
    let mut wrote = 0;
    while !out.pending().is_empty() {
        match Pin::new(&mut *wire).poll_write(cx, out.pending()) {
            Poll::Ready(Ok(0)) => return Err(io::ErrorKind::WriteZero.into()),
            Poll::Ready(Ok(count)) => {
                out.advance(count);
                wrote += count;
            }
            Poll::Ready(Err(error)) => return Err(error),
            Poll::Pending => break,
        }
    }
    if wire.is_tls() {
        // TLS keeps a record until it is flushed; an unready socket wakes us again by itself.
        if let Poll::Ready(Err(error)) = Pin::new(wire).poll_flush(cx) {
            return Err(error);
        }
    }
    Ok(wrote)
}

/// The client has taken back what it sent.
fn cancelled() -> Refusal {
    Refusal::new(
        Rule::Cancelled,
        Fault::Client,
        "canceling statement due to user request",
    )
}
