//! Lets a client in: encryption, startup, token; or turns it away with one bland sentence.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use bytes::BytesMut;
use rustls::ServerConfig;
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use zeroize::Zeroize as _;

use proto::postgres::frame::{self, HEADER_BYTES};
use proto::postgres::mask::build_error;
use proto::postgres::relay::Fatal;
use proto::postgres::startup::{
    FirstPacket, PASSWORD_BYTES_MAX, Startup, StartupError, first_packet, password,
};

use crate::tls::ALPN_POSTGRES;
use crate::wire::Wire;

/// The first byte of a TLS handshake record: a client that begins with it speaks TLS directly.
const TLS_HANDSHAKE: u8 = 0x16;

/// What a new connection turned out to want.
pub(crate) enum Arrival {
    /// To cancel a statement of another session.
    Cancel { pid: i32, secret: Vec<u8> },
    /// A session. Who it is for is not known yet.
    Session { wire: Wire, startup: Startup },
}

/// Why a client got no session. For the log; the client has been told what it may know.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ArrivalError {
    #[error("the connection broke: {0}")]
    Io(#[from] io::Error),
    #[error(transparent)]
    Startup(#[from] StartupError),
    #[error("plain-text bytes came before the TLS handshake")]
    Stuffed,
    #[error("the client asked for encryption twice")]
    Repeated,
    #[error("direct TLS without the protocol name \"postgresql\"")]
    NoProtocolName,
    #[error("the client does not use TLS")]
    PlainText,
}

/// Receives a client up to its startup message.
///
/// # Errors
/// [`ArrivalError`]; the client has been told where the protocol has a way to tell it.
pub(crate) async fn receive(
    stream: TcpStream,
    tls: Option<&Arc<ServerConfig>>,
    plaintext_allowed: bool,
) -> Result<Arrival, ArrivalError> {
    let mut first = [0];
    stream.peek(&mut first).await?;
    let mut wire = Wire::Plain(stream);
    let mut input = BytesMut::with_capacity(1024);
    if first[0] == TLS_HANDSHAKE {
        let config = tls.ok_or(ArrivalError::Startup(StartupError::Malformed))?;
        wire = accept_tls(wire, config, true).await?;
    }
    let (mut asked_tls, mut asked_gss) = (wire.is_tls(), false);
    loop {
        let packet = loop {
            match first_packet(&mut input) {
                Ok(Some(packet)) => break packet,
                Ok(None) => wire.read_some(&mut input).await?,
                Err(error) => return Err(turn_away(&mut wire, error).await),
            }
        };
        match packet {
            FirstPacket::Cancel { pid, secret } => return Ok(Arrival::Cancel { pid, secret }),
            FirstPacket::Ssl if asked_tls => return Err(ArrivalError::Repeated),
            FirstPacket::Gss if asked_gss || wire.is_tls() => return Err(ArrivalError::Repeated),
            FirstPacket::Ssl => {
                asked_tls = true;
                // Whatever came with the request was written by somebody in between.
                if !input.is_empty() {
                    return Err(ArrivalError::Stuffed);
                }
                match tls {
                    Some(config) => {
                        wire.send(&mut vec![b'S']).await?;
                        wire = accept_tls(wire, config, false).await?;
                    }
                    None => wire.send(&mut vec![b'N']).await?,
                }
            }
            FirstPacket::Gss => {
                asked_gss = true;
                wire.send(&mut vec![b'N']).await?;
            }
            FirstPacket::Startup(startup) => {
                if !wire.is_tls() && !plaintext_allowed {
                    let message = "the gateway only accepts TLS connections; set sslmode=verify-full";
                    refuse(&mut wire, "28000", message).await;
                    return Err(ArrivalError::PlainText);
                }
                if !input.is_empty() {
                    return Err(turn_away(&mut wire, StartupError::Malformed).await);
                }
                return Ok(Arrival::Session { wire, startup });
            }
        }
    }
}

async fn accept_tls(wire: Wire, config: &Arc<ServerConfig>, direct: bool) -> Result<Wire, ArrivalError> {
    let Wire::Plain(stream) = wire else {
        return Err(ArrivalError::Repeated);
    };
    let stream = TlsAcceptor::from(Arc::clone(config)).accept(stream).await?;
    if direct && stream.get_ref().1.alpn_protocol() != Some(ALPN_POSTGRES) {
        return Err(ArrivalError::NoProtocolName);
    }
    Ok(Wire::Tls(Box::new(stream.into())))
}

/// Asks for the token, which clients know as the password, and hands it to `verify`. The
/// message is wiped afterwards.
///
/// # Errors
/// [`ArrivalError`] where no password comes.
pub(crate) async fn ask_token(wire: &mut Wire) -> Result<Token, ArrivalError> {
    let mut out = Vec::new();
    frame::put(&mut out, b'R', |body| {
        body.extend_from_slice(&3_i32.to_be_bytes())
    });
    wire.send(&mut out).await?;
    let mut input = BytesMut::with_capacity(4096);
    let message = wire
        .read_frame(
            &mut input,
            PASSWORD_BYTES_MAX + HEADER_BYTES,
            |input| match input.first() {
                // The length limit of other small messages does not hold for this one.
                Some(b'p') => password_header(input),
                Some(&kind) => Err(frame::FrameError::UnknownType(kind)),
                None => Ok(None),
            },
        )
        .await?;
    if !input.is_empty() {
        return Err(turn_away(wire, StartupError::Malformed).await);
    }
    Ok(Token(message))
}

fn password_header(input: &[u8]) -> Result<Option<frame::Header>, frame::FrameError> {
    let Some(&[kind, a, b, c, d]) = input.first_chunk() else {
        return Ok(None);
    };
    let length = u32::from_be_bytes([a, b, c, d]);
    if length < 5 {
        return Err(frame::FrameError::Length { kind, length });
    }
    Ok(Some(frame::Header {
        kind,
        total: length as usize + 1,
    }))
}

/// A client's token, wiped when dropped.
pub(crate) struct Token(BytesMut);

impl Token {
    pub(crate) fn text(&self) -> Result<&str, StartupError> {
        password(&self.0)
    }
}

impl Drop for Token {
    fn drop(&mut self) {
        self.0.as_mut().zeroize();
    }
}

async fn turn_away(wire: &mut Wire, error: StartupError) -> ArrivalError {
    refuse(wire, error.sqlstate(), &error.to_string()).await;
    error.into()
}

/// Sends a FATAL error; that the client may be gone already changes nothing.
pub(crate) async fn refuse(wire: &mut Wire, sqlstate: &str, message: &str) {
    let mut out = Vec::new();
    build_error("FATAL", sqlstate, message, None, None, &mut out);
    farewell(wire, &mut out).await;
}

/// The same with the rule behind it and what can be done.
pub(crate) async fn part(wire: &mut Wire, fatal: &Fatal) {
    let mut out = Vec::new();
    fatal.put(&mut out);
    farewell(wire, &mut out).await;
}

async fn farewell(wire: &mut Wire, out: &mut Vec<u8>) {
    let _ = wire.send(out).await;
    let _ = tokio::io::AsyncWriteExt::shutdown(wire).await;
}

/// The name the log knows a client by.
pub(crate) fn peer(stream: &TcpStream) -> String {
    stream
        .peer_addr()
        .as_ref()
        .map_or_else(|_| "unknown".into(), SocketAddr::to_string)
}
