//! One client from its first byte to its last: received, known, connected, driven, accounted.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use model::event::Event;
use model::{Fault, Grant, Principal, SessionId};
use proto::postgres::frame;
use proto::postgres::relay::{Disguise, Relay, RelayOptions, UpstreamNames};
use proto::postgres::startup::Startup;
use proto::postgres::upstream::Established;
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::Upstream;
use super::admission::{Tell, admit};
use super::dial::Target;
use super::drive::{Deadlines, Drive};
use super::ephemeral::{Ephemeral, Role};
use super::login::{self, Arrival, ArrivalError};
use super::surroundings::Surroundings;
use crate::clock;
use crate::gate::Asker;
use crate::identity::Login;
use crate::recording::Tape;
use crate::seats::Place;
use crate::services::{Services, random};
use crate::sessions::{EndingCell, Live, NOTICES_MAX, Notice, Status};
use crate::wire::{Wire, tune};

/// The longest application name PostgreSQL keeps, in bytes.
const APPLICATION_NAME_BYTES_MAX: usize = 63;

/// Serves one connection to its end.
pub(crate) async fn serve_client(stream: TcpStream, services: Arc<Services>) {
    let client = login::peer(&stream);
    if let Err(error) = tune(&stream) {
        tracing::debug!(%error, "a connection was gone before it began");
        return;
    }
    let login_max = services.login_max;
    match tokio::time::timeout(login_max, receive(stream, &services, &client)).await {
        Ok(Some(admitted)) => admitted.serve(&services).await,
        Ok(None) => {}
        Err(_) => services.login_refused(&client, None, "the login took too long"),
    }
}

/// A client that may have a session.
struct Admitted {
    wire: Wire,
    startup: Startup,
    settings: Vec<(String, String)>,
    /// The settings that what is sent later depends on.
    began_with: Vec<(String, String)>,
    principal: Arc<Principal>,
    login: Arc<Login>,
    expires: u64,
    /// The grant without which it might not.
    grant: Option<Arc<Grant>>,
    upstream: Arc<Upstream>,
    client: String,
}

/// Returns the settings of a startup in one order, without the client's name for itself: that
/// changes nothing.
fn began_with(settings: &[(String, String)]) -> Vec<(String, String)> {
    let mut settings = settings.to_vec();
    settings.retain(|(name, _)| name != "application_name");
    settings.sort_unstable();
    settings
}

async fn receive(stream: TcpStream, services: &Arc<Services>, client: &str) -> Option<Admitted> {
    let arrival = login::receive(stream, services.tls.as_ref(), services.plaintext_allowed).await;
    let (mut wire, startup) = match arrival {
        Ok(Arrival::Session { wire, startup }) => (wire, startup),
        Ok(Arrival::Cancel { pid, secret }) => {
            if !services.sessions.cancel(pid, &secret) {
                tracing::info!(client, "a cancel request with an unknown key was ignored");
            }
            return None;
        }
        // Health checks and pg_isready connect and leave.
        Err(ArrivalError::Io(error)) => {
            tracing::debug!(client, %error, "a client left before its startup");
            return None;
        }
        Err(error) => {
            services.login_refused(client, None, &error.to_string());
            return None;
        }
    };
    match admit(&mut wire, &startup, services, client).await {
        Ok(admission) => Some(Admitted {
            wire,
            startup,
            began_with: began_with(&admission.settings),
            settings: admission.settings,
            principal: admission.principal,
            login: admission.login,
            expires: admission.expires,
            grant: admission.grant,
            upstream: admission.upstream,
            client: client.to_owned(),
        }),
        Err(turned) => {
            let resource = turned.upstream.as_ref().map(|upstream| &upstream.name);
            services.login_refused(client, resource, &turned.reason);
            match turned.tell {
                Tell::Nothing => {}
                Tell::Bland(sqlstate, message) => login::refuse(&mut wire, sqlstate, &message).await,
                Tell::Why(refusal) => login::part(&mut wire, &refusal.into()).await,
            }
            None
        }
    }
}

impl Admitted {
    async fn serve(mut self, services: &Arc<Services>) {
        let upstream = Arc::clone(&self.upstream);
        let Some(_place) = Place::take(&services.seats, &upstream.seats) else {
            services.login_refused(&self.client, Some(&upstream.name), "too many sessions");
            return login::refuse(&mut self.wire, "53300", "too many sessions; try again later").await;
        };
        let session = SessionId::new(clock::unix_us() / 1000, random());
        if self.write_start(session, services).await.is_err() {
            let refusal = proto::session::journal_unavailable();
            return login::part(&mut self.wire, &refusal.into()).await;
        }
        let now_us = clock::unix_us();
        services.access.note(&self.principal, &upstream.name, now_us);
        if let Some(grant) = &self.grant {
            services.grants.used(grant.id, now_us);
        }
        services.meters.session_started();
        let role = self.lend_role(session, services).await;
        let (ended, operations) = match &role {
            Ok(role) => {
                let account = role.as_ref().map_or(&upstream.target, |role| &role.target);
                self.run(session, Arc::clone(account), services).await
            }
            Err(error) => (self.unreached(session, error).await, 0),
        };
        services.meters.session_ended();
        let event = Event::SessionEnd {
            session,
            reason: ended,
            operations,
        };
        if let Err(error) = services.journal.append(|out| event.encode(clock::unix_us(), out)) {
            tracing::error!(%error, %session, "a session's end could not be written down");
        }
        tracing::info!(%session, reason = ended, operations, "session ended");
        if let (Ok(Some(role)), Some(ephemeral)) = (role, &upstream.ephemeral) {
            // Still in its place among the sessions: there are never more roles than places.
            ephemeral.take_back(role, services).await;
        }
    }

    /// Makes the session a role of its own, where the resource has such. Its password is good
    /// for as long as the session may last.
    async fn lend_role(
        &self,
        session: SessionId,
        services: &Services,
    ) -> Result<Option<Role>, (String, Fault)> {
        let Some(ephemeral) = &self.upstream.ephemeral else {
            return Ok(None);
        };
        let until = Ephemeral::until(self.expires, self.grant.as_deref());
        let role = ephemeral.lend(session, until, services).await;
        role.map(Some).map_err(|e| (e.to_string(), e.fault()))
    }

    /// Tells the client that there is no upstream, and the operator why.
    async fn unreached(&mut self, session: SessionId, (error, fault): &(String, Fault)) -> &'static str {
        tracing::error!(%session, resource = %self.upstream.name, fault = fault.label(), error, "the resource cannot be used");
        let tell = "the resource cannot be reached; the operator has been told why";
        login::refuse(&mut self.wire, "08006", tell).await;
        "upstream not reached"
    }

    async fn write_start(&self, session: SessionId, services: &Services) -> Result<(), ()> {
        let event = Event::SessionStart {
            session,
            principal: &self.principal,
            resource: &self.upstream.name,
            protocol: "postgres",
            client: &self.client,
            expires: self.expires,
        };
        let ticket = services
            .journal
            .append(|out| event.encode(clock::unix_us(), out))
            .map_err(drop)?;
        services.journal.durable(ticket).await.map_err(drop)?;
        tracing::info!(%session, principal = self.principal.key(), resource = %self.upstream.name, client = self.client, "session started");
        Ok(())
    }

    /// Reaches the upstream by this account and drives the session; returns why it ended and how
    /// many operations it put on the road.
    async fn run(
        mut self,
        session: SessionId,
        account: Arc<Target>,
        services: &Arc<Services>,
    ) -> (&'static str, u64) {
        let application = self.name_application(session);
        let established = match self.reach(&account, services).await {
            Ok(established) => established,
            Err(error) => return (self.unreached(session, &error).await, 0),
        };
        let (upstream_wire, established) = established;
        let (notices, inbox) = mpsc::channel(NOTICES_MAX);
        let secret = mint_secret(&self.startup);
        let ending = EndingCell::default();
        let status = Arc::new(Status::default());
        let live = Live {
            id: session,
            principal: Arc::clone(&self.principal),
            login: Arc::clone(&self.login),
            resource: self.upstream.name.clone(),
            client: self.client.clone(),
            started_us: clock::unix_us(),
            expires: self.expires,
            grant: self.grant.as_ref().map(|grant| grant.id),
            status: Arc::clone(&status),
        };
        let _listed = services.sessions.add(
            live,
            Arc::clone(&ending),
            established.pid,
            secret.clone(),
            notices,
        );
        // What was revoked before the session was listed did not reach it.
        let grant = self.grant.as_deref();
        let still = services.still_let_in(&self.principal, &self.login, &self.upstream.name, grant);
        if let Err(refusal) = still {
            login::part(&mut self.wire, &refusal.into()).await;
            return ("revoked", 0);
        }
        let disguise = self.disguise(&account, &upstream_wire);
        let user = self.startup.user().unwrap_or_default();
        let mut welcome = welcome(&established, &secret, user, application.as_deref(), &disguise);
        if self.wire.send(&mut welcome).await.is_err() {
            return ("client disconnected", 0);
        }
        let upstream = (upstream_wire, established, disguise);
        self.drive(session, services, (account, upstream), (inbox, ending, status))
            .await
    }

    /// Makes what keeps the names of the upstream from the client.
    fn disguise(&self, target: &Target, wire: &Wire) -> Disguise {
        let ephemeral = self.upstream.ephemeral.as_ref();
        Disguise::new(&UpstreamNames {
            account: &target.user,
            template: ephemeral.map_or("", |ephemeral| ephemeral.template()),
            client: self.startup.user().unwrap_or_default(),
            host: &target.host,
            address: &wire.peer_address().map_or_else(String::new, |ip| ip.to_string()),
            port: target.port,
            database: &target.database,
            resource: self.upstream.name.as_str(),
        })
    }

    async fn reach(
        &mut self,
        account: &Target,
        services: &Services,
    ) -> Result<(Wire, Established), (String, Fault)> {
        self.upstream
            .ensure_catalog(services)
            .await
            .map_err(|e| (e.to_string(), Fault::Operator))?;
        let settings = std::mem::take(&mut self.settings);
        let reached = account
            .log_in(settings)
            .await
            .map_err(|e| (e.to_string(), e.fault()))?;
        if self.upstream.ephemeral.is_some() && reached.1.method == "trust" {
            return Err((NO_PASSWORD.to_owned(), Fault::Operator));
        }
        Ok(reached)
    }

    /// Marks the upstream session with ours, so that its own logs can be held against the
    /// journal; returns the name the client chose for itself.
    fn name_application(&mut self, session: SessionId) -> Option<String> {
        let own = self
            .settings
            .iter()
            .position(|(name, _)| name == "application_name");
        let own = own.map(|index| self.settings.remove(index).1);
        let mark = format!("tidegate:{session}");
        let room = APPLICATION_NAME_BYTES_MAX - mark.len() - 1;
        let name = match &own {
            Some(own) => format!("{mark} {}", &own[..own.floor_char_boundary(room)]),
            None => mark,
        };
        self.settings.push(("application_name".to_owned(), name));
        own
    }

    async fn drive(
        self,
        session: SessionId,
        services: &Arc<Services>,
        (account, (upstream, established, disguise)): (Arc<Target>, (Wire, Established, Disguise)),
        (notices, ending, status): (mpsc::Receiver<Notice>, EndingCell, Arc<Status>),
    ) -> (&'static str, u64) {
        let options = RelayOptions {
            session,
            seed: random(),
            nonce: random(),
            salt: random(),
            masking: self.upstream.masks(),
            hold_for: self.upstream.hold_for,
            disguise,
        };
        let tape = Tape::start(
            services,
            session,
            (&self.upstream.name, "postgres"),
            &options.salt,
        );
        let asker = Asker {
            session,
            scope: services.scopes.number(&self.principal, &self.upstream.name),
            principal: Arc::clone(&self.principal),
        };
        let left = self.expires.saturating_sub(clock::unix_seconds());
        let mut relay = Relay::new(options);
        for (setting, value) in &self.began_with {
            relay.began_with(setting, value);
        }
        let drive = Drive {
            login: self.login,
            relay,
            client: self.wire,
            upstream,
            surroundings: Surroundings::new(services, &self.upstream, asker, tape),
            origin: Arc::clone(&self.upstream),
            account,
            pid: established.pid,
            secret: established.secret,
            notices,
            ending,
            status,
            deadlines: Deadlines {
                token: Instant::now() + Duration::from_secs(left.min(TOKEN_LIFE_SECONDS_MAX)),
                grant: self.grant.as_ref().map(|grant| {
                    let left = grant.ends_us.saturating_sub(clock::unix_us());
                    Instant::now() + Duration::from_micros(left)
                }),
                idle: self.upstream.idle_timeout,
            },
        };
        drive.run().await
    }
}

/// A role of a session that needs no password is anybody's, and never runs out.
const NO_PASSWORD: &str =
    "the server lets a session's role in without its password; ask for scram-sha-256 in pg_hba.conf";

/// A bound for the timer only; the verifier has its own limit on a token's life.
const TOKEN_LIFE_SECONDS_MAX: u64 = 366 * 24 * 3600;

/// Makes the key the client will cancel with: 4 bytes in protocol 3.0, 32 in 3.2. The upstream's
/// own key stays with the gateway.
fn mint_secret(startup: &Startup) -> Vec<u8> {
    if startup.negotiated_minor() >= 2 {
        random::<32>().to_vec()
    } else {
        random::<4>().to_vec()
    }
}

/// Everything a client gets once it is in: that it is, the server's parameters, its cancel key.
/// Of the parameters, those that would tell the stored account or our own mark say what the
/// client itself asked for.
fn welcome(
    established: &Established,
    secret: &[u8],
    user: &str,
    application: Option<&str>,
    disguise: &Disguise,
) -> Vec<u8> {
    let mut out = Vec::new();
    frame::put(&mut out, b'R', |body| {
        body.extend_from_slice(&0_i32.to_be_bytes())
    });
    for (name, value) in &established.parameters {
        let value: Cow<'_, [u8]> = match &name[..] {
            b"application_name" => application.unwrap_or("").as_bytes().into(),
            b"is_superuser" => b"off"[..].into(),
            b"session_authorization" => user.as_bytes().into(),
            _ => disguise.parameter(name, value),
        };
        frame::put(&mut out, b'S', |body| {
            frame::put_string(body, name);
            frame::put_string(body, &value);
        });
    }
    frame::put(&mut out, b'K', |body| {
        body.extend_from_slice(&established.pid.to_be_bytes());
        body.extend_from_slice(secret);
    });
    frame::put(&mut out, b'Z', |body| body.push(b'I'));
    out
}
