//! A client's connection with the guard before it: the HTTP library reads only what the guard
//! has passed.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker, ready};

use proto::http::guard::{Guard, Protocol, Violation};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::wire::Wire;

/// How many bytes are read at once: a few network packets, less than a head may have.
const READ_BYTES: usize = 16 << 10;

/// A connection whose input goes through a guard.
pub(super) struct Guarded {
    wire: Wire,
    watch: Watch,
    /// Kept for its memory; nothing between two reads.
    input: Box<[u8]>,
}

/// The guard, shared with those who answer requests.
#[derive(Clone, Default)]
pub(super) struct Watch(Arc<Mutex<Shared>>);

#[derive(Default)]
struct Shared {
    guard: Guard,
    /// What has passed and was not read yet, from `at` on.
    passed: Vec<u8>,
    at: usize,
    reader: Option<Waker>,
}

impl Watch {
    fn lock(&self) -> MutexGuard<'_, Shared> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns what is wrong with the request of this number, counted from 0 on the connection.
    pub(super) fn violation(&self, request: u64) -> Option<Violation> {
        let shared = self.lock();
        shared
            .guard
            .violation()
            .filter(|_| request >= shared.guard.heads())
    }

    /// Tells the guard what came of an offer to switch protocols; what it held back goes on.
    pub(super) fn settle(&self, switched: bool) {
        let mut shared = self.lock();
        let Shared { guard, passed, .. } = &mut *shared;
        if !guard.is_offered() {
            return;
        }
        if switched {
            guard.switched(passed);
        } else if let Err(violation) = guard.declined(passed) {
            stopped(violation, passed);
        }
        if let Some(reader) = shared.reader.take() {
            reader.wake();
        }
    }
}

/// Puts a request that will be refused in the place of what was stopped.
fn stopped(violation: Violation, passed: &mut Vec<u8>) {
    tracing::debug!(%violation, "a request has no single reading");
    passed.extend_from_slice(Guard::POISON_HEAD);
}

impl Guarded {
    pub(super) fn new(wire: Wire) -> Self {
        Self {
            wire,
            watch: Watch::default(),
            input: vec![0; READ_BYTES].into(),
        }
    }

    pub(super) fn is_tls(&self) -> bool {
        self.wire.is_tls()
    }

    pub(super) fn watch(&self) -> Watch {
        self.watch.clone()
    }

    /// Reads until the client has shown which protocol it speaks; `None` if it left before.
    pub(super) async fn protocol(&mut self) -> io::Result<Option<Protocol>> {
        loop {
            if let Some(protocol) = self.watch.lock().guard.protocol() {
                return Ok(Some(protocol));
            }
            if std::future::poll_fn(|cx| self.poll_fill(cx)).await? == 0 {
                return Ok(None);
            }
        }
    }

    /// Reads what the socket has of what may pass unseen.
    fn poll_unseen(&mut self, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.wire).poll_read(cx, buffer))?;
        let count = buffer.filled().len() - before;
        self.watch.lock().guard.passed_unseen(count as u64);
        Poll::Ready(Ok(()))
    }

    /// Reads what the socket has and lets the guard look at it; returns how much that was.
    fn poll_fill(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let mut buffer = ReadBuf::new(&mut self.input);
        ready!(Pin::new(&mut self.wire).poll_read(cx, &mut buffer))?;
        let input = buffer.filled();
        let mut shared = self.watch.lock();
        let Shared { guard, passed, .. } = &mut *shared;
        if let Err(violation) = guard.feed(input, passed)
            && violation.is_in_head()
        {
            stopped(violation, passed);
        }
        Poll::Ready(Ok(input.len()))
    }
}

impl AsyncRead for Guarded {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        loop {
            {
                let mut shared = this.watch.lock();
                if shared.take_passed(buffer) {
                    return Poll::Ready(Ok(()));
                }
                match shared.guard.violation() {
                    // The refusal is all that is left to be said.
                    Some(violation) if violation.is_in_head() => return Poll::Pending,
                    // Whoever reads the body must see that it ends in the middle.
                    Some(violation) => {
                        return Poll::Ready(Err(io::Error::new(io::ErrorKind::InvalidData, violation)));
                    }
                    None => {}
                }
                shared.reader = Some(cx.waker().clone());
                // Nothing is looked at in the middle of a body, so it need not come by way of here.
                let unseen = shared.guard.unseen();
                if unseen > 0 && unseen >= buffer.remaining() as u64 {
                    drop(shared);
                    return this.poll_unseen(cx, buffer);
                }
            }
            if ready!(this.poll_fill(cx))? == 0 {
                return Poll::Ready(Ok(()));
            }
        }
    }
}

impl Shared {
    /// Moves what has passed to `buffer`; returns whether there was anything.
    fn take_passed(&mut self, buffer: &mut ReadBuf<'_>) -> bool {
        let passed = &self.passed[self.at..];
        if passed.is_empty() {
            return false;
        }
        let count = passed.len().min(buffer.remaining());
        buffer.put_slice(&passed[..count]);
        self.at += count;
        if self.at == self.passed.len() {
            self.passed.clear();
            self.at = 0;
        }
        true
    }
}

impl AsyncWrite for Guarded {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.wire).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.wire).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.wire.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.wire).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.wire).poll_shutdown(cx)
    }
}
