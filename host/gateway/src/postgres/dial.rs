//! Reaches an upstream and logs in to it. Nothing learnt here is ever shown to a client.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use model::Fault;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use proto::postgres::frame;
use proto::postgres::upstream::{Channel, Credential, Established, Login, LoginError};

use crate::config::SslMode;
use crate::secret::{Secret, SecretError, SecretRef};
use crate::tls::end_point_hash;
use crate::wire::{Wire, tune};

/// How long reaching an upstream may take, from the name to being logged in.
pub(crate) const DIAL_MAX: Duration = Duration::from_secs(15);

/// How long a cancel request may take. The statement it is for usually ends first.
const CANCEL_MAX: Duration = Duration::from_secs(10);

/// The largest message of a login; PostgreSQL's are far below.
const LOGIN_FRAME_BYTES_MAX: usize = 64 << 10;

const SSL_REQUEST: [u8; 8] = [0, 0, 0, 8, 0x04, 0xD2, 0x16, 0x2F];

/// Where an upstream is and how the gateway logs in there.
#[derive(Clone)]
pub(crate) struct Target {
    pub(crate) host: String,
    pub(crate) port: u16,
    pub(crate) database: String,
    pub(crate) user: String,
    pub(crate) password: Option<Password>,
    pub(crate) sslmode: SslMode,
    pub(crate) tls: Option<Arc<ClientConfig>>,
}

/// The password of an account on an upstream.
#[derive(Clone)]
pub(crate) enum Password {
    /// The operator's: fetched anew for each login.
    Stored(SecretRef),
    /// The gateway's own, of an account it has made itself.
    Minted(Secret),
}

/// Why an upstream could not be used. For the log.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DialError {
    #[error("the upstream could not be reached: {0}")]
    Connect(#[source] io::Error),
    #[error("the upstream's TLS failed: {0}")]
    Tls(#[source] io::Error),
    #[error("the upstream does not offer TLS, and its sslmode demands it")]
    NoTls,
    #[error("the upstream's login failed: {0}")]
    Login(#[from] LoginError),
    #[error("the connection to the upstream broke during login: {0}")]
    Broken(#[source] io::Error),
    #[error("the upstream did not answer within {} s", DIAL_MAX.as_secs())]
    TimedOut,
    #[error("the upstream's password is not there: {0}")]
    Password(#[from] SecretError),
    #[error("the upstream's password is not UTF-8")]
    PasswordText,
}

impl DialError {
    /// Returns who must act.
    pub(crate) fn fault(&self) -> Fault {
        match self {
            Self::Password(_) | Self::PasswordText | Self::NoTls | Self::Tls(_) => Fault::Operator,
            Self::Connect(_) | Self::Login(_) | Self::Broken(_) | Self::TimedOut => Fault::Upstream,
        }
    }
}

impl Target {
    /// Connects and logs in with these settings.
    pub(crate) async fn log_in(
        &self,
        settings: Vec<(String, String)>,
    ) -> Result<(Wire, Established), DialError> {
        tokio::time::timeout(DIAL_MAX, self.log_in_unbounded(settings))
            .await
            .map_err(|_| DialError::TimedOut)?
    }

    async fn log_in_unbounded(
        &self,
        settings: Vec<(String, String)>,
    ) -> Result<(Wire, Established), DialError> {
        let (mut wire, channel) = self.connect().await?;
        let password = match &self.password {
            Some(Password::Stored(reference)) => Some(utf8(&reference.resolve()?)?),
            Some(Password::Minted(secret)) => Some(utf8(secret)?),
            None => None,
        };
        let credential = Credential {
            user: self.user.clone(),
            password,
            database: self.database.clone(),
            settings,
            channel,
        };
        let mut out = Vec::new();
        let mut login = Login::start(credential, &mut out);
        let mut input = BytesMut::with_capacity(4096);
        loop {
            if !out.is_empty() {
                wire.send(&mut out).await.map_err(DialError::Broken)?;
            }
            let message = wire
                .read_frame(&mut input, LOGIN_FRAME_BYTES_MAX, frame::backend_header)
                .await
                .map_err(DialError::Broken)?;
            if let Some(established) = login.handle(&message, &mut out)? {
                // What comes now was not asked for; a server that talks out of turn at once
                // cannot be followed.
                if !input.is_empty() {
                    return Err(LoginError::Protocol("bytes after the login").into());
                }
                tracing::debug!(method = established.method, "logged in upstream");
                return Ok((wire, established));
            }
        }
    }

    async fn connect(&self) -> Result<(Wire, Channel), DialError> {
        let mut stream = TcpStream::connect((self.host.as_str(), self.port))
            .await
            .map_err(DialError::Connect)?;
        tune(&stream).map_err(DialError::Connect)?;
        let loopback = stream.peer_addr().is_ok_and(|address| is_loopback(&address));
        let Some(config) = &self.tls else {
            let channel = if loopback {
                Channel::Loopback
            } else {
                Channel::Untrusted
            };
            return Ok((Wire::Plain(stream), channel));
        };
        stream.write_all(&SSL_REQUEST).await.map_err(DialError::Connect)?;
        // Exactly one byte: whatever follows belongs to TLS, and is not read in plain text.
        let answer = stream.read_u8().await.map_err(DialError::Broken)?;
        if answer != b'S' {
            return Err(DialError::NoTls);
        }
        let name = ServerName::try_from(self.host.clone())
            .map_err(|_| DialError::Tls(io::Error::other("the host is no valid server name")))?;
        let stream = TlsConnector::from(Arc::clone(config))
            .connect(name, stream)
            .await
            .map_err(DialError::Tls)?;
        let channel = match self.sslmode {
            SslMode::VerifyFull | SslMode::VerifyCa => Channel::Verified {
                end_point: stream
                    .get_ref()
                    .1
                    .peer_certificates()
                    .and_then(|chain| chain.first())
                    .and_then(|leaf| end_point_hash(leaf)),
            },
            SslMode::Require | SslMode::Disable if loopback => Channel::Loopback,
            SslMode::Require | SslMode::Disable => Channel::Untrusted,
        };
        Ok((Wire::Tls(Box::new(stream.into())), channel))
    }

    /// Asks the upstream to cancel what a session of ours runs there, and waits until it has
    /// taken note: the next statement must not be hit instead.
    pub(crate) async fn cancel(&self, pid: i32, secret: &[u8]) {
        let request = async {
            let (mut wire, _) = self.connect().await?;
            let mut packet = Vec::with_capacity(12 + secret.len());
            // A key has at most 256 bytes; the login has checked that.
            packet.extend_from_slice(&u32::try_from(12 + secret.len()).unwrap_or(16).to_be_bytes());
            packet.extend_from_slice(&80_877_102_i32.to_be_bytes());
            packet.extend_from_slice(&pid.to_be_bytes());
            packet.extend_from_slice(secret);
            wire.send(&mut packet).await.map_err(DialError::Broken)?;
            let _ = wire.read_u8().await;
            Ok::<_, DialError>(())
        };
        match tokio::time::timeout(CANCEL_MAX, request).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::warn!(%error, "a statement could not be cancelled upstream"),
            Err(_) => tracing::warn!("cancelling a statement upstream took too long"),
        }
    }
}

fn utf8(secret: &Secret) -> Result<String, DialError> {
    std::str::from_utf8(secret.expose())
        .map(str::to_owned)
        .map_err(|_| DialError::PasswordText)
}

fn is_loopback(address: &SocketAddr) -> bool {
    match address.ip() {
        IpAddr::V4(v4) => v4.is_loopback(),
        IpAddr::V6(v6) => v6.is_loopback() || v6.to_ipv4_mapped().is_some_and(|v4| v4.is_loopback()),
    }
}
