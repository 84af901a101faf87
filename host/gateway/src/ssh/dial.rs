//! Reaches a host: known by its key, logged in by the stored credential, before anything else.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use model::Fault;
use russh::client::{self, AuthResult, ChannelOpenHandle, Handle, Msg, Session};
use russh::keys::{PrivateKeyWithHashAlg, PublicKeyOrCertificate};
use russh::{Channel, ChannelId};
use tokio::net::TcpStream;
use zeroize::Zeroizing;

use super::keys::{is_host, private_key};
use super::pump::Side;
use super::settings;
use super::transport::{Flow, Transport, Waiting};
use crate::clock;
use crate::config::{SshAccount, SshConfig, SshLogin};
use crate::mutex::lock;
use crate::wire::tune;

/// Why a host cannot be used. What it says is for the operator; the client is told less.
#[derive(Debug, thiserror::Error)]
pub(super) enum DialError {
    #[error("it did not answer in time")]
    Silent,
    #[error("it cannot be reached: {0}")]
    Unreachable(std::io::Error),
    #[error("it is not the configured host, or was not understood: {0}")]
    Stranger(russh::Error),
    #[error("the stored credential cannot be used: {0:#}")]
    Credential(anyhow::Error),
    #[error("it refused the stored credential")]
    Refused,
}

impl DialError {
    pub(super) const fn fault(&self) -> Fault {
        match self {
            Self::Silent | Self::Unreachable(_) => Fault::Upstream,
            Self::Stranger(_) | Self::Credential(_) | Self::Refused => Fault::Operator,
        }
    }

    pub(super) const fn for_client(&self) -> &'static str {
        match self {
            Self::Silent | Self::Unreachable(_) => "the host cannot be reached",
            Self::Stranger(_) => "the host could not be verified",
            Self::Credential(_) | Self::Refused => "the gateway could not log in to the host",
        }
    }
}

/// The bytes that wait, by channel.
type Counts = Arc<Mutex<HashMap<ChannelId, Arc<Waiting>>>>;

/// A host on which the gateway is logged in.
pub(super) struct Reached {
    handle: Handle<Host>,
    flow: Arc<Flow>,
    counts: Counts,
}

impl Reached {
    /// Ends the connection at once.
    pub(super) fn cut(&self) {
        self.flow.cut();
    }

    /// Opens a channel for a command, a shell or a subsystem.
    pub(super) async fn open_session(&self) -> Result<Side<Msg>, russh::Error> {
        Ok(self.side(self.handle.channel_open_session().await?))
    }

    /// Opens a channel to another host.
    pub(super) async fn open_forward(&self, host: &str, port: u16) -> Result<Side<Msg>, russh::Error> {
        // Whence it comes is nothing that the host should learn.
        let opened = self
            .handle
            .channel_open_direct_tcpip(host, port.into(), "127.0.0.1", 0);
        Ok(self.side(opened.await?))
    }

    fn side(&self, channel: Channel<Msg>) -> Side<Msg> {
        let waiting = count(&self.counts, &self.flow, channel.id());
        Side::new(channel, &self.flow, waiting)
    }

    /// Forgets a channel that is closed.
    pub(super) fn forget(&self, channel: ChannelId) {
        lock(&self.counts).remove(&channel);
    }
}

fn count(counts: &Counts, flow: &Arc<Flow>, channel: ChannelId) -> Arc<Waiting> {
    let mut counts = lock(counts);
    let waiting = counts.entry(channel).or_insert_with(|| Waiting::new(flow));
    Arc::clone(waiting)
}

/// Logs in to a host.
pub(super) async fn reach(config: &SshConfig, account: &SshAccount) -> Result<Reached, DialError> {
    tokio::time::timeout(config.timeout, log_in(config, account))
        .await
        .unwrap_or(Err(DialError::Silent))
}

async fn log_in(config: &SshConfig, account: &SshAccount) -> Result<Reached, DialError> {
    let stream = TcpStream::connect((config.host.as_str(), config.port))
        .await
        .map_err(DialError::Unreachable)?;
    tune(&stream).map_err(DialError::Unreachable)?;
    let flow = Arc::new(Flow::default());
    let counts = Counts::default();
    let host = Host {
        config: config.clone(),
        flow: Arc::clone(&flow),
        counts: Arc::clone(&counts),
    };
    let transport = Transport::new(stream, &flow);
    let cut = CutUnlessKept(Some(Arc::clone(&flow)));
    let mut handle = client::connect_stream(Arc::new(settings::client()), transport, host)
        .await
        .map_err(DialError::Stranger)?;
    // One method, the configured one: whatever else the host would take is not tried.
    let answer = authenticate(&mut handle, account).await?;
    if !matches!(answer, AuthResult::Success) {
        return Err(DialError::Refused);
    }
    cut.keep();
    Ok(Reached { handle, flow, counts })
}

/// Cuts a connection that nobody will use.
struct CutUnlessKept(Option<Arc<Flow>>);

impl CutUnlessKept {
    fn keep(mut self) {
        self.0 = None;
    }
}

impl Drop for CutUnlessKept {
    fn drop(&mut self) {
        if let Some(flow) = &self.0 {
            flow.cut();
        }
    }
}

/// The credential is fetched anew each time: it may have been changed.
async fn authenticate(handle: &mut Handle<Host>, account: &SshAccount) -> Result<AuthResult, DialError> {
    let user = account.name.clone();
    let fetch = |secret: &crate::secret::SecretRef| {
        secret
            .resolve()
            .map_err(|error| DialError::Credential(error.into()))
    };
    let answer = match &account.login {
        SshLogin::Password(password) => {
            let password = fetch(password)?;
            let password = std::str::from_utf8(password.expose())
                .map_err(|_| DialError::Credential(anyhow::anyhow!("the password is no text")))?;
            let password = Zeroizing::new(password.to_owned());
            handle.authenticate_password(user, password.as_str()).await
        }
        SshLogin::Key { key, certificate } => {
            let key = Arc::new(private_key(&fetch(key)?).map_err(DialError::Credential)?);
            match certificate {
                Some(path) => {
                    let certificate = russh::keys::load_openssh_certificate(path)
                        .map_err(|error| DialError::Credential(error.into()))?;
                    handle.authenticate_openssh_cert(user, key, certificate).await
                }
                None => {
                    let hash = match key.algorithm().is_rsa() {
                        true => handle.best_supported_rsa_hash().await.ok().flatten().flatten(),
                        false => None,
                    };
                    let key = PrivateKeyWithHashAlg::new(key, hash);
                    handle.authenticate_publickey(user, key).await
                }
            }
        }
    };
    answer.map_err(DialError::Stranger)
}

/// What a host may do of itself: show its key and send bytes. Every channel it opens is refused.
pub(super) struct Host {
    config: SshConfig,
    flow: Arc<Flow>,
    counts: Counts,
}

impl Host {
    fn came(&self, channel: ChannelId, bytes: usize) {
        count(&self.counts, &self.flow, channel).came(bytes);
    }
}

impl client::Handler for Host {
    type Error = russh::Error;

    async fn check_server_key(&mut self, key: &PublicKeyOrCertificate) -> Result<bool, Self::Error> {
        Ok(is_host(&self.config, key, clock::unix_seconds()))
    }

    async fn data(&mut self, channel: ChannelId, data: &[u8], _: &mut Session) -> Result<(), Self::Error> {
        self.came(channel, data.len());
        Ok(())
    }

    async fn extended_data(
        &mut self,
        channel: ChannelId,
        _: u32,
        data: &[u8],
        _: &mut Session,
    ) -> Result<(), Self::Error> {
        self.came(channel, data.len());
        Ok(())
    }

    // A handle that is dropped refuses; the library's own answers would accept.

    async fn server_channel_open_forwarded_tcpip(
        &mut self,
        _: Channel<Msg>,
        _: &str,
        _: u32,
        _: &str,
        _: u32,
        _: ChannelOpenHandle,
        _: &mut Session,
    ) -> Result<(), Self::Error> {
        Ok(())
    }

    async fn server_channel_open_forwarded_streamlocal(
        &mut self,
        _: Channel<Msg>,
        _: &str,
        _: ChannelOpenHandle,
        _: &mut Session,
    ) -> Result<(), Self::Error> {
        Ok(())
    }

    async fn server_channel_open_agent_forward(
        &mut self,
        _: Channel<Msg>,
        _: ChannelOpenHandle,
        _: &mut Session,
    ) -> Result<(), Self::Error> {
        Ok(())
    }

    async fn server_channel_open_session(
        &mut self,
        _: Channel<Msg>,
        _: ChannelOpenHandle,
        _: &mut Session,
    ) -> Result<(), Self::Error> {
        Ok(())
    }

    async fn server_channel_open_direct_tcpip(
        &mut self,
        _: Channel<Msg>,
        _: &str,
        _: u32,
        _: &str,
        _: u32,
        _: ChannelOpenHandle,
        _: &mut Session,
    ) -> Result<(), Self::Error> {
        Ok(())
    }

    async fn server_channel_open_direct_streamlocal(
        &mut self,
        _: Channel<Msg>,
        _: &str,
        _: ChannelOpenHandle,
        _: &mut Session,
    ) -> Result<(), Self::Error> {
        Ok(())
    }

    async fn server_channel_open_x11(
        &mut self,
        _: Channel<Msg>,
        _: &str,
        _: u32,
        _: ChannelOpenHandle,
        _: &mut Session,
    ) -> Result<(), Self::Error> {
        Ok(())
    }
}
