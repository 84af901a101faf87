//! Starts everything in order, serves, and stops in order.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::{Context as _, Result};
use journal::Journal;
use journal::recording::{Recordings, RecordingsOptions};
use model::ResourceName;
use model::event::Event;
use proto::postgres::mask::PseudonymKey;
use proto::postgres::sql::Limits;
use tokio::net::{TcpListener, TcpStream};
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::access::Access;
use crate::approvals::Approvals;
use crate::approvals::channels::{Channel, Channels, Footing};
use crate::clock::{self, Clock};
use crate::config::{Config, ResourceConfig};
use crate::evidence::{open_journal, write_start};
use crate::export::Export;
use crate::gate::Gate;
use crate::grants::{Asking, Ends, Grants, Times};
use crate::identity::Identity;
use crate::locks::Locks;
use crate::logins::Logins;
use crate::meters::Meters;
use crate::plugins::{ActivePlugins, Reload};
use crate::policy::{Names, Policy};
use crate::postgres::{Upstream, serve_client};
use crate::refused::{self, Refused};
use crate::seats::Seats;
use crate::services::{Scopes, Services};
use crate::sessions::{Notice, Sessions};
use crate::state::State;
use crate::workers::Workers;
use crate::{admin, http, metrics, plugins, ssh, tls};

/// How long sessions have to end once they were told to stop for good.
const STOP_MAX: Duration = Duration::from_secs(10);

/// How often the gateway looks whether the last session has gone while it drains.
const DRAIN_LOOK: Duration = Duration::from_millis(20);

/// How long the gateway waits after accepting a connection failed: usually for want of file
/// descriptors, which trying again at once does not bring back.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Runs the gateway until it is told to stop.
///
/// # Errors
/// Whatever keeps it from starting, with what was attempted.
pub async fn serve(config: Config) -> Result<()> {
    let metrics = metrics::install().context("the metrics recorder could not be installed")?;
    let postgres = bind(config.listen.postgres).await?;
    let http = bind(config.listen.http).await?;
    let ssh_listener = bind(config.listen.ssh).await?;
    let admin = bind(config.listen.admin).await?;
    let admin_tls = match &config.tls {
        Some(tls) if config.listen.admin_tls => Some(tls::admin(tls)?),
        _ => None,
    };
    let gateway = Gateway::start(&config).await?;
    let stop = CancellationToken::new();
    let health: Arc<dyn admin::Health> = Arc::clone(&gateway.readiness) as _;
    let mut background = gateway.begin_background(&stop)?;
    if let Some(listener) = admin {
        announce("admin", &listener)?;
        let site = admin::Site::new(Arc::clone(&gateway.services), metrics, stop.clone());
        let console = config.console.as_ref().map(|console| {
            admin::Console::new(site.clone(), gateway.state.clone(), console)
                .context("the console’s client secret")
        });
        let router = admin::router(&site, health, console.transpose()?);
        background.push(tokio::spawn(admin::serve(
            listener,
            admin_tls,
            router,
            stop.clone(),
        )));
    }
    for (protocol, listener) in [("postgres", &postgres), ("http", &http), ("ssh", &ssh_listener)] {
        if let Some(listener) = listener {
            announce(protocol, listener)?;
        }
    }
    if let Some(listener) = &ssh_listener {
        let _ = gateway.services.ssh.port.set(listener.local_addr()?.port());
    }
    gateway.readiness.serving.store(true, Ordering::Release);

    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    tokio::select! {
        () = accept(postgres.as_ref(), &gateway, serve_client) => {}
        () = accept(http.as_ref(), &gateway, http::serve_client) => {}
        () = accept(ssh_listener.as_ref(), &gateway, ssh::serve_client) => {}
        failed = plugins::on_hangup(Arc::clone(&gateway.services)) => failed?,
        _ = terminate.recv() => tracing::info!("SIGTERM: draining"),
        _ = interrupt.recv() => tracing::info!("SIGINT: draining"),
    }
    drop((postgres, http, ssh_listener));
    gateway.drain(config.serve.drain).await;
    gateway.close(&stop, background).await
}

async fn bind(address: Option<SocketAddr>) -> Result<Option<TcpListener>> {
    let Some(address) = address else {
        return Ok(None);
    };
    TcpListener::bind(address)
        .await
        .map(Some)
        .with_context(|| format!("cannot listen on {address}"))
}

fn announce(protocol: &str, listener: &TcpListener) -> Result<()> {
    let address = listener.local_addr()?;
    tracing::info!(protocol, %address, "listening");
    Ok(())
}

/// Takes in the clients of one protocol for as long as it is polled; without a listener, nobody.
async fn accept<Served>(
    listener: Option<&TcpListener>,
    gateway: &Gateway,
    serve: fn(TcpStream, Arc<Services>) -> Served,
) where
    Served: Future<Output = ()> + Send + 'static,
{
    let Some(listener) = listener else {
        return std::future::pending().await;
    };
    loop {
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        // Connections that have no session yet count too: nobody may hold any number of them.
        let open = gateway.connections.fetch_add(1, Ordering::Relaxed);
        if open >= gateway.connections_max {
            gateway.connections.fetch_sub(1, Ordering::Relaxed);
            tracing::warn!("too many connections; one was closed");
            continue;
        }
        let (services, connections) = (Arc::clone(&gateway.services), Arc::clone(&gateway.connections));
        gateway.workers.hand_over(stream, move |stream| async move {
            let _open = Open(connections);
            serve(stream, services).await;
        });
    }
}

/// An open connection, counted until dropped.
struct Open(Arc<AtomicUsize>);

impl Drop for Open {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// The running gateway.
pub(crate) struct Gateway {
    pub(crate) services: Arc<Services>,
    readiness: Arc<Readiness>,
    workers: Workers,
    pub(crate) state: State,
    origin: String,
    connections: Arc<AtomicUsize>,
    connections_max: usize,
}

/// Whether the gateway is fit to serve, for its health checks.
struct Readiness {
    journal: Journal,
    serving: AtomicBool,
    draining: AtomicBool,
}

impl admin::Health for Readiness {
    /// A journal that failed once is not tried again: only a new start can mend that.
    fn live(&self) -> Result<(), String> {
        self.journal.health().map_err(|error| error.to_string())
    }

    fn ready(&self) -> Result<(), Vec<String>> {
        let mut reasons = Vec::new();
        if !self.serving.load(Ordering::Acquire) {
            reasons.push("starting".to_owned());
        }
        if self.draining.load(Ordering::Acquire) {
            reasons.push("draining".to_owned());
        }
        if let Err(error) = self.journal.health() {
            reasons.push(error.to_string());
        }
        if reasons.is_empty() { Ok(()) } else { Err(reasons) }
    }
}

/// How long things take on a resource when somebody is asked for a grant on it.
fn times(resource: &ResourceConfig) -> (ResourceName, Times) {
    let times = Times {
        decide_within: resource.decide_within,
        use_within: resource.use_within,
        grant_for: resource.grant_for,
    };
    (resource.name.clone(), times)
}

/// Prepares the identity providers, with their keys where those can be had.
async fn identity(config: &Config) -> Result<Arc<Identity>> {
    let identity = Identity::new(&config.identities)?;
    for (name, error) in identity.warm(clock::unix_seconds()).await {
        tracing::error!(identity = name, %error, "an identity provider has no keys yet; its tokens are refused");
    }
    Ok(Arc::new(identity))
}

/// Prepares the PostgreSQL resources, by name.
fn upstreams(config: &Config) -> Result<HashMap<String, Arc<Upstream>>> {
    let resources = config.resources.iter();
    let resources = resources.filter_map(|resource| Some((resource, resource.postgres()?)));
    let prepared = resources.map(|(resource, postgres)| {
        let upstream = Arc::new(Upstream::new(resource, postgres, config)?);
        Ok((resource.name.as_str().to_owned(), upstream))
    });
    prepared.collect()
}

/// How much is read of one statement.
fn limits(config: &Config) -> Limits {
    Limits {
        bytes_max: usize::try_from(config.limits.statement).unwrap_or(usize::MAX),
        ..Limits::default()
    }
}

fn gate(config: &Config, policy: Arc<Policy>, plugins: Arc<ActivePlugins>, grants: &Grants) -> Gate {
    let detail = config.journal.statements;
    Gate::new(policy, plugins, grants.clone(), limits(config), detail)
}

fn pseudonym_key(config: &Config) -> Result<PseudonymKey> {
    let key = config.masking_key.load()?;
    let key: [u8; 32] = key
        .expose()
        .try_into()
        .context("the masking key is not 32 bytes long")?;
    Ok(PseudonymKey::new(key))
}

/// Connections that have no session yet, on top of the sessions allowed.
const CONNECTIONS_EXTRA: usize = 512;

impl Gateway {
    pub(crate) async fn start(config: &Config) -> Result<Self> {
        let policy = Arc::new(Policy::load(&config.policy_files, &Names::of(config))?);
        let plugins = plugins::load(config).await?;
        let state = State::open(&config.state.database)
            .await
            .context("the state database")?;
        let (journal, origin) = open_journal(config, &state).await?;
        write_start(&journal, &plugins, policy.hash()).await?;
        let approvals = Approvals::start(
            state.clone(),
            journal.clone(),
            Arc::clone(&policy),
            Clock::system(),
        )
        .await
        .context("what people were asked before")?;
        let place = format!("file:{}", config.state.recordings.display());
        let recordings = Recordings::open(&place, journal.clone(), RecordingsOptions::default())?;
        let identity = identity(config).await?;
        let sessions = Arc::new(Sessions::default());
        let locks = Locks::open(state.clone(), journal.clone()).await?;
        let asking = Asking {
            policy: Arc::clone(&policy),
            approvals: approvals.clone(),
            locks: locks.clone(),
            resources: config.resources.iter().map(times).collect(),
        };
        let ends: Arc<dyn Ends> = Arc::clone(&sessions) as _;
        let grants = Grants::open(state.clone(), journal.clone(), ends, asking, Clock::system()).await?;
        approvals.on_grant(Arc::new(grants.clone()));
        let access = Access::new(state.clone(), grants.clone(), locks.clone());
        let logins = Logins {
            identity: Arc::clone(&identity),
            sessions: Arc::clone(&sessions),
            journal: journal.clone(),
            state: state.clone(),
            approvals: approvals.clone(),
        };
        let footing = Footing {
            approvals: approvals.clone(),
            access: access.clone(),
            locks: locks.clone(),
            url: config.console.as_ref().map(|console| console.url.clone()),
        };
        let plugins = Arc::new(ActivePlugins::new(plugins, config));
        let channels = Channels::new(&footing, Channel::all(config, &plugins));
        let services = Services {
            gate: gate(config, policy, plugins, &grants),
            reload: Reload::new(config),
            approvals,
            channels,
            identity,
            logins,
            journal: journal.clone(),
            node: origin.clone(),
            recordings,
            console_url: config
                .console
                .as_ref()
                .map(|console| format!("{}/console", console.url)),
            recordings_place: place,
            sessions,
            locks,
            grants,
            access,
            seats: Seats::new(Some(config.limits.sessions)),
            upstreams: upstreams(config)?,
            http: http::Upstreams::new(config)?,
            ssh: ssh::Upstreams::new(config)?,
            tls: config.tls.as_ref().map(tls::server).transpose()?,
            http_tls: config.tls.as_ref().map(tls::http).transpose()?,
            plaintext_allowed: config.listen.insecure_plaintext,
            login_max: config.limits.login,
            pseudonym_key: pseudonym_key(config)?,
            meters: Meters::new(),
            refused: Refused::new(),
            scopes: Scopes::default(),
        };
        let workers = Workers::start(config.serve.workers, &journal)?;
        Ok(Self {
            services: Arc::new(services),
            readiness: Arc::new(Readiness {
                journal,
                serving: AtomicBool::new(false),
                draining: AtomicBool::new(false),
            }),
            workers,
            state,
            origin,
            connections: Arc::default(),
            connections_max: usize::try_from(config.limits.sessions)
                .unwrap_or(usize::MAX)
                .saturating_add(CONNECTIONS_EXTRA),
        })
    }

    /// Begins what runs beside the sessions: exporters, the anchor of the journal, the time of
    /// approvals, the ends of grants, the logins of sessions, and what is remembered of who was here
    /// and who was turned away.
    fn begin_background(&self, stop: &CancellationToken) -> Result<Vec<tokio::task::JoinHandle<()>>> {
        let export = Export {
            journal: self.services.journal.clone(),
            origin: self.origin.clone(),
            state: self.state.clone(),
            stop: stop.clone(),
        };
        let services = &self.services;
        let exporting = export.run(Arc::clone(&services.gate.plugins));
        let mut background = vec![tokio::spawn(exporting)];
        background.push(tokio::spawn(plugins::watch(Arc::clone(services), stop.clone())));
        let (approvals, grants, access, channels) = (
            services.approvals.clone(),
            services.grants.clone(),
            services.access.clone(),
            services.channels.clone(),
        );
        background.push(tokio::spawn(channels.run(stop.clone())));
        background.push(tokio::spawn(approvals.keep_time(stop.clone())));
        background.push(tokio::spawn(grants.run(stop.clone())));
        background.push(tokio::spawn(access.run(stop.clone())));
        background.push(tokio::spawn(services.logins.clone().run(stop.clone())));
        background.push(tokio::spawn(refused::run(Arc::clone(services), stop.clone())));
        for upstream in services.upstreams.values() {
            background.extend(upstream.sweep_roles(services, stop));
        }
        Ok(background)
    }

    /// Lets sessions end by themselves for a while, then ends them.
    async fn drain(&self, grace: Duration) {
        self.readiness.draining.store(true, Ordering::Release);
        self.services.sessions.tell_all(Notice::Drain);
        if !self.gone_within(grace).await {
            tracing::warn!("sessions are still busy after {grace:?}; they are ended now");
            self.services.sessions.tell_all(Notice::Stop);
            self.gone_within(STOP_MAX).await;
        }
        let left = self.services.seats.taken();
        tracing::info!(left, "drained");
    }

    async fn gone_within(&self, limit: Duration) -> bool {
        let gone = async {
            while self.services.seats.taken() > 0 {
                tokio::time::sleep(DRAIN_LOOK).await;
            }
        };
        tokio::time::timeout(limit, gone).await.is_ok()
    }

    async fn close(
        self,
        stop: &CancellationToken,
        background: Vec<tokio::task::JoinHandle<()>>,
    ) -> Result<()> {
        let journal = self.services.journal.clone();
        if let Ok(ticket) = journal.append(|out| Event::GatewayStop.encode(clock::unix_us(), out)) {
            journal.durable(ticket).await?;
        }
        stop.cancel();
        for task in background {
            let _ = task.await;
        }
        self.workers.stop();
        let checkpoint = tokio::task::spawn_blocking(move || journal.close()).await??;
        self.state.save_anchor(&checkpoint.note).await?;
        tracing::info!("stopped");
        Ok(())
    }
}
