//! Bodies on their way, in both directions: streamed, masked, recorded and accounted for.

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http::HeaderMap;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use tokio::time::{Instant, Sleep};
use tokio_util::sync::WaitForCancellationFutureOwned;

use super::connection::Running;
use super::decode::Decoder;
use super::forward::Spent;
use super::masks::Masking;
use super::mcp::Cut;
use super::record::BodyTape;

/// Why a body ends before its end. The peer sees no more than that it was cut off: half a body
/// must never look like a whole one.
#[derive(Debug, thiserror::Error)]
pub(super) enum BodyError {
    #[error("the peer's body broke off: {0}")]
    Peer(#[source] hyper::Error),
    #[error("the body cannot be masked: {0}")]
    Mask(String),
    #[error("the body cannot be decoded: {0}")]
    Coding(&'static str),
    #[error("the list cannot be cut to what may be called: it is too long, or no list")]
    List,
    #[error("the session has ended")]
    Ended,
    #[error("nothing came for too long")]
    TimedOut,
    #[error("the session cannot be recorded any more")]
    Unrecorded,
}

/// The body of a request on its way to the upstream.
pub(super) enum RequestBody {
    Empty,
    /// Read before, and sent as one.
    Whole(Option<Bytes>),
    Streamed(Box<Streamed>),
}

/// A body that is passed on as it comes.
pub(super) struct Streamed {
    pub(super) incoming: Incoming,
    /// `None` where it passes as it is, and once it has ended.
    pub(super) masking: Option<Masking>,
    pub(super) tape: Option<BodyTape>,
    pub(super) ended: Pin<Box<WaitForCancellationFutureOwned>>,
    /// Whether all of it has passed.
    pub(super) done: bool,
}

impl RequestBody {
    pub(super) fn whole(bytes: Bytes) -> Self {
        if bytes.is_empty() {
            Self::Empty
        } else {
            Self::Whole(Some(bytes))
        }
    }
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        match self.get_mut() {
            Self::Empty => Poll::Ready(None),
            Self::Whole(bytes) => Poll::Ready(bytes.take().map(|bytes| Ok(Frame::data(bytes)))),
            Self::Streamed(streamed) => streamed.poll(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Empty | Self::Whole(None) => true,
            Self::Whole(Some(_)) => false,
            Self::Streamed(streamed) => streamed.done,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Empty | Self::Whole(None) => SizeHint::with_exact(0),
            Self::Whole(Some(bytes)) => SizeHint::with_exact(bytes.len() as u64),
            Self::Streamed(streamed) if streamed.masking.is_none() => streamed.incoming.size_hint(),
            Self::Streamed(_) => SizeHint::default(),
        }
    }
}

impl Streamed {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        loop {
            if self.done {
                return Poll::Ready(None);
            }
            if self.ended.as_mut().poll(cx).is_ready() {
                self.done = true;
                return Poll::Ready(Some(Err(BodyError::Ended)));
            }
            let frame = match ready!(Pin::new(&mut self.incoming).poll_frame(cx)) {
                Some(Ok(frame)) => frame,
                Some(Err(error)) => {
                    self.done = true;
                    return Poll::Ready(Some(Err(BodyError::Peer(error))));
                }
                None => {
                    self.done = true;
                    let last = finish(self.masking.take()).inspect(|last| self.record(last));
                    if let Some(tape) = self.tape.take() {
                        tape.end();
                    }
                    return Poll::Ready(last.map(some_data).transpose());
                }
            };
            // Trailers of requests stay here: nobody judged them.
            let Ok(data) = frame.into_data() else { continue };
            let passed = mask(self.masking.as_mut(), data).inspect(|passed| self.record(passed));
            match passed {
                Ok(passed) if passed.is_empty() => {}
                Ok(passed) => return Poll::Ready(Some(Ok(Frame::data(passed)))),
                Err(error) => {
                    self.done = true;
                    return Poll::Ready(Some(Err(error)));
                }
            }
        }
    }

    fn record(&mut self, bytes: &[u8]) {
        if let Some(tape) = &mut self.tape {
            tape.feed(bytes);
        }
    }
}

fn some_data(bytes: Bytes) -> Option<Frame<Bytes>> {
    (!bytes.is_empty()).then(|| Frame::data(bytes))
}

/// Masks what has come; without a mask it passes without being copied.
fn mask(masking: Option<&mut Masking>, data: Bytes) -> Result<Bytes, BodyError> {
    let Some(masking) = masking else {
        return Ok(data);
    };
    let mut out = Vec::with_capacity(data.len());
    masking.feed(&data, &mut out).map_err(BodyError::Mask)?;
    Ok(out.into())
}

fn finish(masking: Option<Masking>) -> Result<Bytes, BodyError> {
    let Some(mut masking) = masking else {
        return Ok(Bytes::new());
    };
    let mut out = Vec::new();
    masking.finish(&mut out).map_err(BodyError::Mask)?;
    Ok(out.into())
}

/// The body of an answer on its way to the client.
pub(super) enum ResponseBody {
    /// The gateway's own answer.
    Own(
        Option<Bytes>,
        #[expect(dead_code, reason = "counts for as long as it is kept")] Option<Running>,
    ),
    /// The upstream's.
    Passed(Box<Passed>),
}

/// An upstream's body that is passed on as it comes.
pub(super) struct Passed {
    pub(super) incoming: Incoming,
    pub(super) decoder: Option<Decoder>,
    pub(super) masking: Option<Masking>,
    /// Keeps a list until it is whole.
    pub(super) cut: Option<Box<Cut>>,
    pub(super) tape: Option<BodyTape>,
    /// What is to be written down once it is over; also if the client is gone before that.
    pub(super) spent: Option<Spent>,
    pub(super) ended: Pin<Box<WaitForCancellationFutureOwned>>,
    /// How long the upstream may be silent.
    pub(super) patience: Duration,
    pub(super) silence: Pin<Box<Sleep>>,
    pub(super) running: Option<Running>,
    /// Trailers that came before the mask's last words.
    pub(super) trailers: Option<HeaderMap>,
    /// Whether trailers pass.
    pub(super) passes_trailers: bool,
    pub(super) done: bool,
}

impl ResponseBody {
    pub(super) fn own(bytes: impl Into<Bytes>, running: Option<Running>) -> Self {
        Self::Own(Some(bytes.into()).filter(|bytes| !bytes.is_empty()), running)
    }
}

impl Body for ResponseBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        match self.get_mut() {
            Self::Own(bytes, _) => Poll::Ready(bytes.take().map(|bytes| Ok(Frame::data(bytes)))),
            Self::Passed(passed) => passed.poll(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Own(bytes, _) => bytes.is_none(),
            // Only polling it writes down that it is over.
            Self::Passed(_) => false,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Own(bytes, _) => SizeHint::with_exact(bytes.as_ref().map_or(0, |bytes| bytes.len() as u64)),
            Self::Passed(passed) if passed.masking.is_none() && passed.decoder.is_none() => {
                passed.incoming.size_hint()
            }
            Self::Passed(_) => SizeHint::default(),
        }
    }
}

impl Passed {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        loop {
            if self.done {
                let trailers = self.trailers.take();
                return Poll::Ready(trailers.map(|trailers| Ok(Frame::trailers(trailers))));
            }
            if self.ended.as_mut().poll(cx).is_ready() {
                return self.fail(BodyError::Ended);
            }
            let frame = match Pin::new(&mut self.incoming).poll_frame(cx) {
                Poll::Ready(frame) => frame,
                Poll::Pending => {
                    ready!(self.silence.as_mut().poll(cx));
                    return self.fail(BodyError::TimedOut);
                }
            };
            self.silence.as_mut().reset(Instant::now() + self.patience);
            let passed = match frame {
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(data) => self.pass(data),
                    Err(frame) => {
                        self.trailers = frame.into_trailers().ok().filter(|_| self.passes_trailers);
                        continue;
                    }
                },
                Some(Err(error)) => Err(BodyError::Peer(error)),
                None => self.last(),
            };
            match passed {
                Ok(passed) if passed.is_empty() => {}
                Ok(passed) => return Poll::Ready(Some(Ok(Frame::data(passed)))),
                Err(error) => return self.fail(error),
            }
        }
    }

    fn pass(&mut self, data: Bytes) -> Result<Bytes, BodyError> {
        let data = match &mut self.decoder {
            Some(decoder) => decoder.feed(&data)?,
            None => data,
        };
        let passed = mask(self.masking.as_mut(), data)?;
        let passed = self.keep(passed)?;
        self.record(&passed)?;
        if !self.incoming.is_end_stream() {
            return Ok(passed);
        }
        // Nobody asks for more than was announced, so this is the last time to tell.
        let last = self.last()?;
        if last.is_empty() {
            return Ok(passed);
        }
        Ok([passed, last].concat().into())
    }

    /// The upstream has said all: what the mask held back comes, and all is written down.
    fn last(&mut self) -> Result<Bytes, BodyError> {
        let rest = match self.decoder.take() {
            Some(decoder) => decoder.finish()?,
            None => Bytes::new(),
        };
        let mut out = Vec::new();
        let mut masked = 0;
        let last = match self.masking.take() {
            Some(mut masking) => {
                masking.feed(&rest, &mut out).map_err(BodyError::Mask)?;
                masking.finish(&mut out).map_err(BodyError::Mask)?;
                masked = masking.masked();
                out.into()
            }
            None => rest,
        };
        let last = self.keep(last)?;
        let last = match self.cut.take() {
            Some(cut) => cut.finish().ok_or(BodyError::List)?.into(),
            None => last,
        };
        self.record(&last)?;
        self.done = true;
        let bytes = self.tape.as_ref().map_or(0, BodyTape::bytes);
        if let Some(tape) = self.tape.take() {
            tape.end();
        }
        if let Some(spent) = self.spent.take() {
            spent.complete(bytes, masked);
        }
        self.running = None;
        Ok(last)
    }

    /// Keeps back what is to be cut as a whole.
    fn keep(&mut self, passed: Bytes) -> Result<Bytes, BodyError> {
        let Some(cut) = &mut self.cut else {
            return Ok(passed);
        };
        if cut.keep(&passed) {
            Ok(Bytes::new())
        } else {
            Err(BodyError::List)
        }
    }

    fn record(&mut self, bytes: &[u8]) -> Result<(), BodyError> {
        let Some(tape) = &mut self.tape else {
            return Ok(());
        };
        tape.feed(bytes);
        if tape.is_unrecorded() {
            return Err(BodyError::Unrecorded);
        }
        Ok(())
    }

    fn fail(&mut self, error: BodyError) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        self.done = true;
        self.trailers = None;
        tracing::warn!(%error, "an answer was cut off");
        let bytes = self.tape.as_ref().map_or(0, BodyTape::bytes);
        if let Some(tape) = self.tape.take() {
            tape.end();
        }
        if let Some(spent) = self.spent.take() {
            spent.cut_off(bytes);
        }
        self.running = None;
        Poll::Ready(Some(Err(error)))
    }
}
