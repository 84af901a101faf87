//! The socket below an SSH connection: slowed down when nobody takes what comes, and cut from
//! outside.
//!
//! The library refills a peer's window when bytes come in, not when somebody has taken them, so
//! its windows hold nobody back. Here the socket itself is left unread once too much waits, and
//! TCP holds the peer back. That alone could stand still for good: where something waits to be
//! sent for want of *that* peer's window, the word that opens the window lies behind the bytes
//! that are not read. So meanwhile the socket is read in a trickle, up to a last limit.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::task::AtomicWaker;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep};
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};

use crate::clock;

/// How many bytes of one connection may wait before its socket is left unread: twice the window
/// of one channel, so that a single channel at full speed never gets there.
const WAITING_BYTES_MAX: usize = 4 << 20;

/// How many may wait in the end, trickle included. What a peer has under way when it is held
/// back (its own buffers and those of both kernels) is less.
const BACKLOG_BYTES_MAX: usize = 48 << 20;

/// What a message costs besides its bytes: a peer may send very many with next to nothing in them.
const MESSAGE_BYTES: usize = 128;

/// How much is read at once in a trickle, and how often.
const TRICKLE_BYTES: usize = 64 << 10;
const TRICKLE_EVERY: Duration = Duration::from_millis(20);

/// What is known of one connection's flow.
#[derive(Debug, Default)]
pub(super) struct Flow {
    /// Bytes that came and were not taken yet.
    waiting: AtomicUsize,
    /// How many senders wait for the peer's window, or for their turn.
    sending: AtomicUsize,
    reader: AtomicWaker,
    /// When bytes of a channel last went or came, in microseconds of Unix time.
    moved_us: AtomicU64,
    cut: CancellationToken,
}

impl Flow {
    /// Takes note that something moves.
    pub(super) fn moves(&self) {
        self.moved_us.store(clock::unix_us(), Ordering::Relaxed);
    }

    /// Returns for how long nothing has moved.
    pub(super) fn quiet(&self) -> Duration {
        let moved_us = self.moved_us.load(Ordering::Relaxed);
        Duration::from_micros(clock::unix_us().saturating_sub(moved_us))
    }

    /// Ends the connection at once, whatever its peer does.
    pub(super) fn cut(&self) {
        self.cut.cancel();
    }

    /// Marks the time in which something is on its way to the peer.
    pub(super) fn sending(&self) -> Sending<'_> {
        self.moves();
        self.sending.fetch_add(1, Ordering::AcqRel);
        self.reader.wake();
        Sending(self)
    }
}

/// Something is on its way for as long as this lives.
pub(super) struct Sending<'a>(&'a Flow);

impl Drop for Sending<'_> {
    fn drop(&mut self) {
        self.0.sending.fetch_sub(1, Ordering::AcqRel);
    }
}

/// The bytes of one channel that wait to be taken.
#[derive(Debug)]
pub(super) struct Waiting {
    flow: Arc<Flow>,
    bytes: AtomicUsize,
    overrun: CancellationToken,
}

impl Waiting {
    pub(super) fn new(flow: &Arc<Flow>) -> Arc<Self> {
        Arc::new(Self {
            flow: Arc::clone(flow),
            bytes: AtomicUsize::new(0),
            overrun: CancellationToken::new(),
        })
    }

    /// Takes note of a message that came with so many bytes.
    pub(super) fn came(&self, bytes: usize) {
        self.flow.moves();
        let bytes = bytes + MESSAGE_BYTES;
        self.bytes.fetch_add(bytes, Ordering::AcqRel);
        let all = self.flow.waiting.fetch_add(bytes, Ordering::AcqRel) + bytes;
        if all > BACKLOG_BYTES_MAX {
            self.overrun.cancel();
        }
    }

    /// Takes note of a message that was taken, with its bytes.
    pub(super) fn taken(&self, bytes: usize) {
        let bytes = bytes + MESSAGE_BYTES;
        self.bytes.fetch_sub(bytes, Ordering::AcqRel);
        self.give_back(bytes);
    }

    fn give_back(&self, bytes: usize) {
        let before = self.flow.waiting.fetch_sub(bytes, Ordering::AcqRel);
        if before >= WAITING_BYTES_MAX {
            self.flow.reader.wake();
        }
    }

    /// Resolves when more came for this channel than can be kept.
    pub(super) async fn overrun(&self) {
        self.overrun.cancelled().await;
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.give_back(self.bytes.load(Ordering::Acquire));
    }
}

/// A stream under a [`Flow`].
pub(super) struct Transport<S> {
    stream: S,
    flow: Arc<Flow>,
    trickle: Pin<Box<Sleep>>,
    cut: Pin<Box<WaitForCancellationFutureOwned>>,
}

impl<S> Transport<S> {
    pub(super) fn new(stream: S, flow: &Arc<Flow>) -> Self {
        Self {
            stream,
            flow: Arc::clone(flow),
            trickle: Box::pin(tokio::time::sleep(Duration::ZERO)),
            cut: Box::pin(flow.cut.clone().cancelled_owned()),
        }
    }

    fn check(&mut self, context: &mut Context<'_>) -> Result<(), io::Error> {
        match self.cut.as_mut().poll(context) {
            Poll::Ready(()) => Err(io::ErrorKind::ConnectionAborted.into()),
            Poll::Pending => Ok(()),
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Transport<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        this.check(context)?;
        this.flow.reader.register(context.waker());
        if this.flow.waiting.load(Ordering::Acquire) < WAITING_BYTES_MAX {
            return Pin::new(&mut this.stream).poll_read(context, buffer);
        }
        if this.flow.sending.load(Ordering::Acquire) == 0 {
            return Poll::Pending;
        }
        std::task::ready!(this.trickle.as_mut().poll(context));
        let length = buffer.remaining().min(TRICKLE_BYTES);
        let mut some = ReadBuf::new(buffer.initialize_unfilled_to(length));
        std::task::ready!(Pin::new(&mut this.stream).poll_read(context, &mut some))?;
        let read = some.filled().len();
        buffer.advance(read);
        this.trickle.as_mut().reset(Instant::now() + TRICKLE_EVERY);
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Transport<S> {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        this.check(context)?;
        Pin::new(&mut this.stream).poll_write(context, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        this.check(context)?;
        Pin::new(&mut this.stream).poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn who_sends_more_than_is_taken_is_held_back_until_it_is() {
        let (near, mut far) = tokio::io::duplex(1 << 10);
        let flow = Arc::new(Flow::default());
        let waiting = Waiting::new(&flow);
        let mut transport = Transport::new(near, &flow);
        waiting.came(WAITING_BYTES_MAX - MESSAGE_BYTES);
        waiting.came(0);
        far.write_all(b"more").await.expect("fits");
        let mut more = [0; 4];
        let read = tokio::time::timeout(Duration::from_secs(60), transport.read_exact(&mut more));
        assert!(read.await.is_err(), "nothing is read");
        waiting.taken(0);
        waiting.taken(WAITING_BYTES_MAX - MESSAGE_BYTES);
        transport.read_exact(&mut more).await.expect("reads");
        assert_eq!(&more, b"more");
    }

    #[tokio::test(start_paused = true)]
    async fn where_something_waits_for_the_peer_its_words_come_in_a_trickle() {
        let (near, mut far) = tokio::io::duplex(1 << 20);
        let flow = Arc::new(Flow::default());
        let waiting = Waiting::new(&flow);
        let mut transport = Transport::new(near, &flow);
        waiting.came(WAITING_BYTES_MAX);
        far.write_all(&vec![0; 4 * TRICKLE_BYTES]).await.expect("fits");
        let _sending = flow.sending();
        let began = Instant::now();
        let mut all = vec![0; 4 * TRICKLE_BYTES];
        transport.read_exact(&mut all).await.expect("reads");
        assert!(began.elapsed() >= 2 * TRICKLE_EVERY, "{:?}", began.elapsed());
    }

    #[tokio::test(start_paused = true)]
    async fn what_comes_in_spite_of_all_ends_the_channel_and_frees_what_waited() {
        let flow = Arc::new(Flow::default());
        let waiting = Waiting::new(&flow);
        waiting.came(BACKLOG_BYTES_MAX + 1);
        waiting.overrun().await;
        drop(waiting);
        assert_eq!(flow.waiting.load(Ordering::Acquire), 0);
    }

    #[tokio::test]
    async fn a_cut_reaches_who_reads_and_who_writes() {
        let (near, _far) = tokio::io::duplex(1);
        let flow = Arc::new(Flow::default());
        let mut transport = Transport::new(near, &flow);
        let cut = async {
            tokio::task::yield_now().await;
            flow.cut();
        };
        let (read, ()) = tokio::join!(transport.read_u8(), cut);
        assert!(read.is_err());
        assert!(transport.write_all(b"more").await.is_err());
    }
}
