//! What a session waits for between two turns of its loop.

use std::future::Future as _;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::BytesMut;
use journal::Durable;
use proto::postgres::relay::Relay;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::{Instant, Sleep};
use tokio_util::io::poll_read_buf;

use super::{Deadlines, Event, QUIET_TICK, READ_BYTES_MAX, READ_BYTES_MIN};
use crate::postgres::hold::Hold;
use crate::sessions::Notice;
use crate::wire::Wire;

/// The parts that change from turn to turn.
pub(super) struct Turn<'a> {
    pub(super) client_in: Input,
    pub(super) upstream_in: Input,
    pub(super) durable: Option<Durable<'a>>,
    pub(super) cancelling: Option<JoinHandle<()>>,
    pub(super) refreshing: Option<JoinHandle<bool>>,
    pub(super) hold: Option<Hold>,
    /// When the client was last told what it waits for.
    pub(super) told_us: u64,
    /// Whether the catalog could be read since the statement at hand came; `None` if nobody
    /// has tried.
    pub(super) fresh: Option<bool>,
    /// The catalog that the relay's shapes go by.
    pub(super) epoch: u64,
    pub(super) draining: bool,
    pub(super) last_words: Instant,
    pub(super) timer: Pin<Box<Sleep>>,
}

pub(super) struct Input {
    pub(super) bytes: BytesMut,
    read_size: usize,
}

impl Input {
    fn new() -> Self {
        Self {
            bytes: BytesMut::new(),
            read_size: READ_BYTES_MIN,
        }
    }

    /// Reads once; `Ready(Ok(0))` is the end.
    pub(super) fn poll_fill(&mut self, wire: &mut Wire, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        self.bytes.reserve(self.read_size);
        let filled = std::task::ready!(poll_read_buf(Pin::new(wire), cx, &mut self.bytes))?;
        if filled >= self.read_size {
            self.read_size = (self.read_size * 4).min(READ_BYTES_MAX);
        }
        Poll::Ready(Ok(filled))
    }
}

impl Turn<'_> {
    pub(super) fn new(deadlines: &Deadlines) -> Self {
        let last_words = Instant::now();
        let mut turn = Self {
            client_in: Input::new(),
            upstream_in: Input::new(),
            durable: None,
            cancelling: None,
            refreshing: None,
            hold: None,
            told_us: 0,
            fresh: None,
            epoch: 0,
            draining: false,
            last_words,
            timer: Box::pin(tokio::time::sleep_until(last_words)),
        };
        let next = turn.next_tick(deadlines);
        turn.timer.as_mut().reset(next);
        turn
    }

    /// When to look at the clock again: at a deadline, and for what a quiet session has recorded.
    pub(super) fn next_tick(&self, deadlines: &Deadlines) -> Instant {
        let soon = Instant::now() + QUIET_TICK;
        let idle = deadlines.idle.map_or(soon, |idle| self.last_words + idle);
        let grant = deadlines.grant.unwrap_or(soon);
        soon.min(idle).min(deadlines.token).min(grant)
    }

    pub(super) fn is_ending(&self, relay: &Relay) -> bool {
        relay.is_leaving() || self.draining
    }

    pub(super) fn poll_signals(
        &mut self,
        notices: &mut mpsc::Receiver<Notice>,
        cx: &mut Context<'_>,
    ) -> Poll<Event> {
        if let Some(durable) = &mut self.durable
            && let Poll::Ready(written) = Pin::new(durable).poll(cx)
        {
            return Poll::Ready(Event::Durable(written.is_ok()));
        }
        if let Some(task) = &mut self.cancelling
            && Pin::new(task).poll(cx).is_ready()
        {
            return Poll::Ready(Event::CancelDone);
        }
        if let Some(task) = &mut self.refreshing
            && let Poll::Ready(refreshed) = Pin::new(task).poll(cx)
        {
            return Poll::Ready(Event::RefreshDone(refreshed.unwrap_or(false)));
        }
        if let Poll::Ready(Some(notice)) = notices.poll_recv(cx) {
            return Poll::Ready(Event::Notice(notice));
        }
        if let Some(hold) = &mut self.hold
            && let Poll::Ready(step) = hold.poll(cx)
        {
            return Poll::Ready(Event::Held(step));
        }
        self.timer.as_mut().poll(cx).map(|()| Event::Tick)
    }
}
