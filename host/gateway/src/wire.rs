//! A connection, in plain text or in TLS.

use std::io::{self, IoSlice};
use std::net::IpAddr;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::BytesMut;
use socket2::{SockRef, TcpKeepalive};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::TlsStream;

use proto::postgres::frame;

/// One side of a session.
#[derive(Debug)]
pub(crate) enum Wire {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

/// When an idle connection is first probed, and how often then. A peer that is gone without a
/// word is noticed in two minutes instead of never.
const KEEPALIVE_IDLE: Duration = Duration::from_secs(60);
const KEEPALIVE_EVERY: Duration = Duration::from_secs(15);

/// How long sent bytes may stay unconfirmed before the peer counts as gone.
const UNCONFIRMED_MAX: Duration = Duration::from_secs(120);

/// Sets what every connection needs: no delay for small messages, and a lost peer noticed.
pub(crate) fn tune(stream: &TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let socket = SockRef::from(stream);
    socket.set_tcp_keepalive(
        &TcpKeepalive::new()
            .with_time(KEEPALIVE_IDLE)
            .with_interval(KEEPALIVE_EVERY),
    )?;
    socket.set_tcp_user_timeout(Some(UNCONFIRMED_MAX))
}

impl Wire {
    pub(crate) fn is_tls(&self) -> bool {
        matches!(self, Self::Tls(_))
    }

    /// Returns the address at the other end; `None` once it is gone.
    pub(crate) fn peer_address(&self) -> Option<IpAddr> {
        let stream = match self {
            Self::Plain(stream) => stream,
            Self::Tls(stream) => stream.get_ref().0,
        };
        stream.peer_addr().ok().map(|peer| peer.ip().to_canonical())
    }

    /// Reads one whole frame, at most `max` bytes long, into `input` and splits it off.
    ///
    /// # Errors
    /// Any error of the connection; `InvalidData` for what is no frame or too long.
    pub(crate) async fn read_frame(
        &mut self,
        input: &mut BytesMut,
        max: usize,
        header: impl Fn(&[u8]) -> Result<Option<frame::Header>, frame::FrameError>,
    ) -> io::Result<BytesMut> {
        loop {
            if let Some(header) = header(input).map_err(io::Error::other)? {
                if header.total > max {
                    return Err(io::Error::new(io::ErrorKind::InvalidData, "message too long"));
                }
                if input.len() >= header.total {
                    return Ok(input.split_to(header.total));
                }
                input.reserve(header.total - input.len());
            }
            self.read_some(input).await?;
        }
    }

    /// Reads whatever there is, at least one byte.
    pub(crate) async fn read_some(&mut self, input: &mut BytesMut) -> io::Result<()> {
        if self.read_buf(input).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(())
    }

    /// Writes all of `out` and empties it.
    pub(crate) async fn send(&mut self, out: &mut Vec<u8>) -> io::Result<()> {
        self.write_all(out).await?;
        out.clear();
        self.flush().await
    }
}

impl AsyncRead for Wire {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_read(cx, buffer),
            Self::Tls(stream) => Pin::new(stream).poll_read(cx, buffer),
        }
    }
}

impl AsyncWrite for Wire {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_write(cx, bytes),
            Self::Tls(stream) => Pin::new(stream).poll_write(cx, bytes),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_write_vectored(cx, slices),
            Self::Tls(stream) => Pin::new(stream).poll_write_vectored(cx, slices),
        }
    }

    fn is_write_vectored(&self) -> bool {
        match self {
            Self::Plain(stream) => stream.is_write_vectored(),
            Self::Tls(stream) => stream.is_write_vectored(),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_flush(cx),
            Self::Tls(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Tls(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}
