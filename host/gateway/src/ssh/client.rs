//! What the library calls for a client: logins, channels, what is asked on them.
//!
//! It waits for each answer before it reads on, so nothing here takes time once somebody is known.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use model::Refusal;
use proto::ssh::facts::Start;
use proto::ssh::target::Target;
use russh::keys::Certificate;
use russh::server::{Auth, ChannelOpenHandle, Handler, Msg, Response, Session};
use russh::{Channel, ChannelId, ChannelOpenFailure, MethodKind, MethodSet, Pty, Sig};
use tokio::sync::mpsc;
use tokio_util::sync::{CancellationToken, DropGuard};

use super::channel::{Ask, Control, Terminal, forward};
use super::connection::{Connection, Entered, Open};
use super::credentials::{Credentials, NotHeld};
use super::pump::Side;
use super::settings;
use super::transport::Waiting;
use crate::clock;
use crate::door::{Door, Shut};
use crate::identity::{TOKEN_BYTES_MAX, Verified};
use crate::stay::{Guest, Stay};

/// How many channels one connection may have at once: many times what `sshd` allows.
const CHANNELS_MAX: usize = 64;

/// The longest command line, in bytes: what the library takes in one packet is not much more.
const COMMAND_BYTES_MAX: usize = 128 << 10;

/// How many variables go with a command, and how long each may be.
const VARIABLES_MAX: usize = 64;
const VARIABLE_BYTES_MAX: usize = 4 << 10;

/// How many signals and sizes of one channel wait for the host.
const CONTROLS_MAX: usize = 64;

/// What OpenSSH's client makes of any longer password.
const CUT_SECRET_BYTES: usize = 1023;

/// One client, in the library's eyes.
pub(super) struct Client {
    connection: Arc<Connection>,
    channels: HashMap<ChannelId, Asked>,
    /// Why the last login failed, where the client may know.
    told: Option<String>,
}

/// A channel and what was asked on it before anything was begun.
struct Asked {
    /// Until something is begun.
    side: Option<(Side<Msg>, Open)>,
    waiting: Arc<Waiting>,
    terminal: Option<Terminal>,
    environment: BTreeMap<String, String>,
    control: mpsc::Sender<Control>,
    controls: Option<mpsc::Receiver<Control>>,
    /// Tells whoever works on it that it is closed.
    closed: DropGuard,
    is_closed: CancellationToken,
}

/// A login that did not succeed: whether the client may know why.
enum NotIn {
    Wrong,
    Told(Refusal),
}

impl Client {
    pub(super) fn new(connection: Arc<Connection>) -> Self {
        Self {
            connection,
            channels: HashMap::new(),
            told: None,
        }
    }

    /// Lets somebody in by a token.
    async fn by_token(&mut self, user: &str, token: &str) -> Auth {
        if Credentials::is_ticket(token) {
            let resource = Target::parse(user).map_or("", |target| target.resource);
            let credentials = self.connection.services.ssh.credentials.as_ref();
            let holder = credentials.map(|held| held.redeem(token, resource, clock::unix_seconds()));
            return self.by_what_was_given(user, holder).await;
        }
        let services = &self.connection.services;
        if token.len() > TOKEN_BYTES_MAX {
            services.login_refused(&self.connection.client, None, "a token that is too long");
            return Auth::reject();
        }
        let verified = services.identity.verify(token, clock::unix_seconds()).await;
        match verified {
            Ok(verified) => self.let_in(user, verified).await,
            Err(error) => {
                services.login_refused(&self.connection.client, None, &error.to_string());
                if token.len() == CUT_SECRET_BYTES {
                    let cut = "the ssh client cuts passwords after 1023 bytes, and the token is longer; \
                               log in with `tidegate login`, which gets a certificate for it";
                    self.told = Some(cut.to_owned());
                }
                self.reject()
            }
        }
    }

    /// Lets somebody in by a certificate or a ticket, if the token behind it still holds.
    async fn by_what_was_given(&mut self, user: &str, holder: Option<Result<Verified, NotHeld>>) -> Auth {
        let services = &self.connection.services;
        match holder {
            Some(Ok(verified)) => {
                let held = services
                    .logins
                    .still_hold(&verified.login, &verified.principal)
                    .await;
                match held {
                    Ok(()) => self.let_in(user, verified).await,
                    Err(refusal) => {
                        services.login_refused(&self.connection.client, None, &refusal.message);
                        self.reject()
                    }
                }
            }
            Some(Err(why)) => {
                services.login_refused(&self.connection.client, None, &why.to_string());
                self.reject()
            }
            None => self.reject(),
        }
    }

    async fn let_in(&mut self, user: &str, verified: Verified) -> Auth {
        match self.enter(user, verified).await {
            Ok(entered) => {
                self.connection.enter(entered);
                Auth::Accept
            }
            Err(NotIn::Wrong) => self.reject(),
            Err(NotIn::Told(refusal)) => {
                self.told = Some(super::channel::told(&refusal));
                self.reject()
            }
        }
    }

    /// Finds out whether somebody who is known may have a session, and begins it.
    async fn enter(&self, user: &str, verified: Verified) -> Result<Entered, NotIn> {
        let (services, client) = (&self.connection.services, &self.connection.client);
        let principal = Arc::new(verified.principal.clone());
        let target = Target::parse(user);
        let upstream = target.and_then(|target| services.ssh.find(target.resource));
        let resource = upstream.as_ref().map(|upstream| &upstream.name);
        let refused = |refusal: Refusal| {
            let reason = format!("{}: {}", refusal.rule.label(), refusal.message);
            services.login_refused(client, resource, &reason);
            NotIn::Told(refusal)
        };
        services.locks.check_principal(&principal).map_err(refused)?;
        let account = upstream
            .as_ref()
            .zip(target)
            .and_then(|(upstream, target)| upstream.config.account(target.account));
        let Some((upstream, account)) = upstream.as_ref().zip(account) else {
            services.login_refused(client, resource, "no such resource or account");
            return Err(NotIn::Wrong);
        };
        let let_in = Door::of(services).let_in(&principal, &upstream.name, "ssh").await;
        let grant = let_in.map_err(|shut| match shut {
            Shut::Told(refusal) => refused(refusal),
            Shut::Hidden(reason) => {
                services.login_refused(client, resource, &reason);
                NotIn::Wrong
            }
        })?;
        let guest = Guest {
            principal,
            verified,
            grant,
            client,
            closing: self.connection.closing.clone(),
        };
        let stay = Stay::begin(services, upstream.ground(), guest).map_err(refused)?;
        // What was revoked before the session was listed did not reach it.
        if let Err(refusal) = stay.still_let_in() {
            stay.end("revoked").await;
            return Err(NotIn::Told(refusal));
        }
        Ok(Entered::new(stay, Arc::clone(upstream), account.clone()))
    }

    /// Refuses a login. Where there is something to say, the client is asked to go on in the one
    /// way in which it can be said.
    fn reject(&self) -> Auth {
        let methods = match self.told {
            Some(_) => MethodSet::from(&[MethodKind::KeyboardInteractive][..]),
            None => settings::methods(),
        };
        Auth::Reject {
            proceed_with_methods: Some(methods),
            partial_success: false,
        }
    }

    /// Begins what is asked on a channel: it is answered at once, and what comes of it comes on the
    /// channel, because a client may wait for people.
    fn begin(&mut self, channel: ChannelId, start: Start, session: &mut Session) -> Result<(), russh::Error> {
        let entered = self.connection.entered();
        let asked = self.channels.get_mut(&channel);
        let begun = entered.zip(asked).and_then(|(entered, asked)| {
            let (side, open) = asked.side.take()?;
            Some(Ask {
                entered,
                start,
                side,
                open,
                handle: session.handle(),
                terminal: asked.terminal.clone(),
                environment: std::mem::take(&mut asked.environment),
                controls: asked.controls.take()?,
                closed: asked.is_closed.clone(),
            })
        });
        let Some(ask) = begun else {
            return session.channel_failure(channel);
        };
        session.channel_success(channel)?;
        tokio::spawn(ask.run());
        Ok(())
    }

    fn control(&self, channel: ChannelId, control: Control) {
        if let Some(asked) = self.channels.get(&channel) {
            // Whoever sends more of them than the host takes loses some.
            let _ = asked.control.try_send(control);
        }
    }

    /// Whether something may still be asked for a channel, before anything is begun on it.
    fn open_to(&mut self, channel: ChannelId) -> Option<&mut Asked> {
        self.channels
            .get_mut(&channel)
            .filter(|asked| asked.side.is_some())
    }

    fn add(&mut self, channel: Channel<Msg>, open: Open) {
        let waiting = Waiting::new(&self.connection.flow);
        let id = channel.id();
        let side = Side::new(channel, &self.connection.flow, Arc::clone(&waiting));
        let (control, controls) = mpsc::channel(CONTROLS_MAX);
        let closed = CancellationToken::new();
        let asked = Asked {
            side: Some((side, open)),
            waiting,
            terminal: None,
            environment: BTreeMap::new(),
            control,
            controls: Some(controls),
            is_closed: closed.clone(),
            closed: closed.drop_guard(),
        };
        self.channels.insert(id, asked);
    }
}

impl Handler for Client {
    type Error = russh::Error;

    async fn auth_password(&mut self, user: &str, password: &str) -> Result<Auth, Self::Error> {
        Ok(self.by_token(user, password).await)
    }

    async fn auth_keyboard_interactive<'a>(
        &'a mut self,
        user: &str,
        _: &str,
        response: Option<Response<'a>>,
    ) -> Result<Auth, Self::Error> {
        let Some(mut response) = response else {
            let ask = |instructions: String, prompts: Vec<(Cow<'static, str>, bool)>| Auth::Partial {
                name: Cow::Borrowed(""),
                instructions: Cow::Owned(instructions),
                prompts: Cow::Owned(prompts),
            };
            return Ok(match &self.told {
                Some(told) => ask(told.clone(), Vec::new()),
                None => ask(String::new(), vec![(Cow::Borrowed("Token: "), false)]),
            });
        };
        if self.told.take().is_some() {
            return Ok(self.reject());
        }
        let answer = response.next().map(|answer| answer.to_vec());
        let token = answer.and_then(|answer| String::from_utf8(answer).ok());
        match token {
            Some(token) => Ok(self.by_token(user, token.trim_end_matches(['\r', '\n'])).await),
            None => Ok(self.reject()),
        }
    }

    async fn auth_openssh_certificate(
        &mut self,
        user: &str,
        certificate: &Certificate,
    ) -> Result<Auth, Self::Error> {
        let credentials = self.connection.services.ssh.credentials.as_ref();
        let holder = credentials.map(|held| held.holder(certificate, clock::unix_seconds()));
        Ok(self.by_what_was_given(user, holder).await)
    }

    async fn channel_open_session(
        &mut self,
        channel: Channel<Msg>,
        reply: ChannelOpenHandle,
        _: &mut Session,
    ) -> Result<(), Self::Error> {
        if self.connection.closing.is_cancelled() {
            reply.reject(ChannelOpenFailure::AdministrativelyProhibited).await;
            return Ok(());
        }
        match self.connection.open(CHANNELS_MAX) {
            Some(open) => {
                self.add(channel, open);
                reply.accept().await;
            }
            None => reply.reject(ChannelOpenFailure::ResourceShortage).await,
        }
        Ok(())
    }

    async fn channel_open_direct_tcpip(
        &mut self,
        channel: Channel<Msg>,
        host: &str,
        port: u32,
        _: &str,
        _: u32,
        reply: ChannelOpenHandle,
        session: &mut Session,
    ) -> Result<(), Self::Error> {
        let start = u16::try_from(port).ok().map(|port| Start::Forward {
            host: host.to_ascii_lowercase(),
            port,
        });
        let open = self.connection.open(CHANNELS_MAX);
        let (Some(start), Some(open), Some(entered)) = (start, open, self.connection.entered()) else {
            reply.reject(ChannelOpenFailure::ResourceShortage).await;
            return Ok(());
        };
        let id = channel.id();
        self.add(channel, open);
        let Some(asked) = self.channels.get_mut(&id) else {
            return Ok(());
        };
        if let Some((side, open)) = asked.side.take()
            && let Some(controls) = asked.controls.take()
        {
            let ask = Ask {
                entered,
                start,
                side,
                open,
                handle: session.handle(),
                terminal: None,
                environment: BTreeMap::new(),
                controls,
                closed: asked.is_closed.clone(),
            };
            tokio::spawn(forward(ask, reply));
        }
        Ok(())
    }

    async fn channel_close(&mut self, channel: ChannelId, _: &mut Session) -> Result<(), Self::Error> {
        drop(self.channels.remove(&channel).map(|asked| asked.closed));
        Ok(())
    }

    async fn data(&mut self, channel: ChannelId, data: &[u8], _: &mut Session) -> Result<(), Self::Error> {
        if let Some(asked) = self.channels.get(&channel) {
            asked.waiting.came(data.len());
        }
        Ok(())
    }

    async fn extended_data(
        &mut self,
        channel: ChannelId,
        _: u32,
        data: &[u8],
        _: &mut Session,
    ) -> Result<(), Self::Error> {
        if let Some(asked) = self.channels.get(&channel) {
            asked.waiting.came(data.len());
        }
        Ok(())
    }

    async fn pty_request(
        &mut self,
        channel: ChannelId,
        term: &str,
        columns: u32,
        rows: u32,
        width: u32,
        height: u32,
        modes: &[(Pty, u32)],
        session: &mut Session,
    ) -> Result<(), Self::Error> {
        match self.open_to(channel) {
            Some(asked) => {
                asked.terminal = Some(Terminal {
                    term: term.to_owned(),
                    size: [columns, rows, width, height],
                    modes: modes.to_vec(),
                });
                session.channel_success(channel)
            }
            None => session.channel_failure(channel),
        }
    }

    async fn env_request(
        &mut self,
        channel: ChannelId,
        name: &str,
        value: &str,
        session: &mut Session,
    ) -> Result<(), Self::Error> {
        let entered = self.connection.entered();
        let passes = entered.is_some_and(|entered| entered.upstream.config.passes(name));
        let fits = name.len() + value.len() <= VARIABLE_BYTES_MAX && !value.contains('\0');
        match self.open_to(channel) {
            Some(asked) if passes && fits && asked.environment.len() < VARIABLES_MAX => {
                asked.environment.insert(name.to_owned(), value.to_owned());
                session.channel_success(channel)
            }
            _ => session.channel_failure(channel),
        }
    }

    async fn shell_request(&mut self, channel: ChannelId, session: &mut Session) -> Result<(), Self::Error> {
        self.begin(channel, Start::Shell, session)
    }

    async fn exec_request(
        &mut self,
        channel: ChannelId,
        line: &[u8],
        session: &mut Session,
    ) -> Result<(), Self::Error> {
        if line.len() > COMMAND_BYTES_MAX || line.contains(&0) {
            return session.channel_failure(channel);
        }
        self.begin(channel, Start::Exec(line.to_vec()), session)
    }

    async fn subsystem_request(
        &mut self,
        channel: ChannelId,
        name: &str,
        session: &mut Session,
    ) -> Result<(), Self::Error> {
        match name {
            "sftp" => self.begin(channel, Start::Sftp, session),
            _ => session.channel_failure(channel),
        }
    }

    async fn window_change_request(
        &mut self,
        channel: ChannelId,
        columns: u32,
        rows: u32,
        width: u32,
        height: u32,
        _: &mut Session,
    ) -> Result<(), Self::Error> {
        let size = [columns, rows, width, height];
        match self.open_to(channel) {
            Some(asked) => {
                if let Some(terminal) = &mut asked.terminal {
                    terminal.size = size;
                }
            }
            None => self.control(channel, Control::Resize(size)),
        }
        Ok(())
    }

    async fn signal(&mut self, channel: ChannelId, signal: Sig, _: &mut Session) -> Result<(), Self::Error> {
        self.control(channel, Control::Signal(signal));
        Ok(())
    }

    async fn x11_request(
        &mut self,
        channel: ChannelId,
        _: bool,
        _: &str,
        _: &str,
        _: u32,
        session: &mut Session,
    ) -> Result<(), Self::Error> {
        session.channel_failure(channel)
    }
}
