//! PostgreSQL: receives clients, reaches upstreams, and drives the sessions between them.

mod admission;
mod catalog;
mod dial;
mod drive;
mod ephemeral;
mod estimate;
mod hold;
mod login;
mod own;
mod session;
mod surroundings;

use std::collections::{BTreeSet, HashMap};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwapOption;
use model::{Principal, ResourceName, Tag};
use proto::postgres::catalog::{Catalog, CatalogBuilder, CatalogError, TaggedColumn};
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

pub(crate) use self::catalog::Record;
use self::catalog::{ReadError, SharedRows};
use self::dial::{Password, Target};
use self::ephemeral::Ephemeral;
pub(crate) use self::session::serve_client;
use crate::clock;
use crate::config::{Config, Login, PostgresConfig, ResourceConfig};
use crate::gate::Aim;
use crate::policy::Policy;
use crate::seats::Seats;
use crate::services::Services;
use crate::tls::{self, TlsError};

/// How old a catalog may be when a statement is judged by it. Changes made past the gateway are
/// seen by then at the latest; those made through it, at once.
const CATALOG_AGE_MAX: Duration = Duration::from_secs(60);

/// The age from which a catalog is read anew in the background, so that nobody has to wait.
const CATALOG_AGE_SOON: Duration = Duration::from_secs(30);

/// How often the catalog is read at the most, whoever asks: reading it costs the upstream some
/// tens of milliseconds.
const REFRESH_EVERY: Duration = Duration::from_millis(250);

/// How many sets of revealed tags are kept prepared: principals differ by few groups.
const VARIANTS_MAX: usize = 64;

/// One configured PostgreSQL upstream and what is known of it.
pub struct Upstream {
    pub(crate) name: ResourceName,
    /// By the shared account: for the catalog, and for sessions that have no roles of their own.
    pub(crate) target: Arc<Target>,
    /// Makes the roles of sessions, where they have their own.
    pub(crate) ephemeral: Option<Arc<Ephemeral>>,
    /// Whether people are told how many rows a statement is expected to touch.
    pub(crate) estimate: bool,
    pub(crate) scan_untagged: bool,
    pub(crate) hold_for: Duration,
    /// How long a question can be answered, and an answer used.
    pub(crate) decide_within: Duration,
    pub(crate) use_within: Duration,
    pub(crate) idle_timeout: Option<Duration>,
    pub(crate) seats: Arc<Seats>,
    tagged: Vec<TaggedColumn>,
    trusted_functions: Vec<String>,
    epoch: AtomicU64,
    snapshot: ArcSwapOption<Snapshot>,
    refreshing: tokio::sync::Mutex<()>,
    /// One permit: only one task renews in the background.
    renewing: tokio::sync::Semaphore,
}

/// What was read of an upstream's catalog at one moment.
struct Snapshot {
    epoch: u64,
    read_at: Instant,
    rows: SharedRows,
    full: Arc<Catalog>,
    variants: Mutex<HashMap<BTreeSet<Tag>, Arc<Catalog>>>,
}

/// What the age of a catalog asks for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Age {
    /// Nothing.
    Young,
    /// That it be read again while it still serves.
    Renewable,
    /// That it be read again first.
    Over,
}

/// The catalog as it counts for one principal.
#[derive(Clone)]
pub struct CatalogPair {
    /// Changes with every reading.
    pub epoch: u64,
    /// Without the tags that policy reveals to the principal: what masks go by.
    pub own: Arc<Catalog>,
    /// With all tags, where that differs: what policies and classifiers are told.
    pub full: Option<Arc<Catalog>>,
}

impl Upstream {
    /// Prepares a configured resource.
    ///
    /// # Errors
    /// [`TlsError`] where its authorities cannot be loaded.
    pub fn new(
        resource: &ResourceConfig,
        postgres: &PostgresConfig,
        config: &Config,
    ) -> Result<Self, TlsError> {
        let upstream = &postgres.upstream;
        let tagged = config.tags.iter().flat_map(|tag| {
            tag.columns
                .iter()
                .filter(|column| column.resource == resource.name)
                .map(|column| TaggedColumn {
                    schema: column.schema.clone(),
                    table: column.table.clone(),
                    column: column.column.clone(),
                    tag: tag.name.clone(),
                })
        });
        let tls = tls::client(upstream.sslmode, postgres.root_certificate.as_deref())?;
        let target = |login: &Login| Target {
            host: upstream.host.clone(),
            port: upstream.port,
            database: upstream.database.clone(),
            user: login.user.clone(),
            password: login.password.clone().map(Password::Stored),
            sslmode: upstream.sslmode,
            tls: tls.clone(),
        };
        Ok(Self {
            name: resource.name.clone(),
            target: Arc::new(target(&postgres.login)),
            ephemeral: postgres.ephemeral.as_ref().map(|ephemeral| {
                let admin = target(&ephemeral.admin);
                let template = ephemeral.template.clone();
                Arc::new(Ephemeral::new(resource.name.clone(), template, admin))
            }),
            estimate: postgres.estimate,
            scan_untagged: postgres.scan_untagged,
            hold_for: resource.hold_for,
            decide_within: resource.decide_within,
            use_within: resource.use_within,
            idle_timeout: resource.idle_timeout,
            seats: Seats::new(resource.max_sessions),
            tagged: tagged.collect(),
            trusted_functions: postgres.trusted_functions.clone(),
            epoch: AtomicU64::new(0),
            snapshot: ArcSwapOption::empty(),
            refreshing: tokio::sync::Mutex::new(()),
            renewing: tokio::sync::Semaphore::new(1),
        })
    }

    /// What a judgement is about.
    pub(crate) fn aim(&self) -> Aim<'_> {
        Aim {
            resource: &self.name,
            protocol: "postgres",
        }
    }

    /// Whether any result could need masking.
    pub(crate) fn masks(&self) -> bool {
        !self.tagged.is_empty() || self.scan_untagged
    }

    /// Begins to drop what ended sessions left upstream, where they have roles of their own.
    pub(crate) fn sweep_roles(
        &self,
        services: &Arc<Services>,
        stop: &CancellationToken,
    ) -> Option<JoinHandle<()>> {
        let ephemeral = Arc::clone(self.ephemeral.as_ref()?);
        let (services, stop) = (Arc::clone(services), stop.clone());
        Some(tokio::spawn(async move { ephemeral.run(&services, &stop).await }))
    }

    /// Returns the number of the catalog in force.
    pub(crate) fn epoch(&self) -> u64 {
        self.epoch.load(Ordering::Acquire)
    }

    /// Reads the catalog if there is none yet or it is old. Only resources with tags need one.
    pub(crate) async fn ensure_catalog(&self, services: &Services) -> Result<(), ReadError> {
        if self.tagged.is_empty() {
            return Ok(());
        }
        let fresh = |snapshot: &Arc<Snapshot>| snapshot.read_at.elapsed() < CATALOG_AGE_MAX;
        if self.snapshot.load().as_ref().is_some_and(fresh) {
            return Ok(());
        }
        let _one_at_a_time = self.refreshing.lock().await;
        if self.snapshot.load().as_ref().is_some_and(fresh) {
            return Ok(());
        }
        self.read_catalog(Some(services.record())).await
    }

    /// Reads the catalog again, unless that was begun and done after this call.
    pub(crate) async fn refresh_catalog(&self, services: &Services) -> Result<(), ReadError> {
        if self.tagged.is_empty() {
            return Ok(());
        }
        let asked_at = Instant::now();
        let _one_at_a_time = self.refreshing.lock().await;
        if let Some(snapshot) = self.snapshot.load_full() {
            if snapshot.read_at > asked_at {
                return Ok(());
            }
            tokio::time::sleep_until(snapshot.read_at + REFRESH_EVERY).await;
        }
        self.read_catalog(Some(services.record())).await
    }

    /// Returns what the age of the catalog asks for.
    pub(crate) fn catalog_age(&self) -> Age {
        if self.tagged.is_empty() {
            return Age::Young;
        }
        match self
            .snapshot
            .load()
            .as_ref()
            .map(|snapshot| snapshot.read_at.elapsed())
        {
            Some(age) if age < CATALOG_AGE_SOON => Age::Young,
            Some(age) if age < CATALOG_AGE_MAX => Age::Renewable,
            Some(_) | None => Age::Over,
        }
    }

    /// Reads the catalog again in the background, unless that is under way.
    pub(crate) fn renew_catalog(self: &Arc<Self>, services: Arc<Services>) {
        let Ok(idle) = self.renewing.try_acquire() else {
            return;
        };
        idle.forget();
        let upstream = Arc::clone(self);
        tokio::spawn(async move {
            // A failure shows when the catalog is over age; it has been logged.
            let _ = upstream.refresh_catalog(&services).await;
            upstream.renewing.add_permits(1);
        });
    }

    pub(crate) async fn read_catalog(&self, record: Option<Record<'_>>) -> Result<(), ReadError> {
        // Taken before the queries run: what changes meanwhile makes the snapshot old, not new.
        let read_at = Instant::now();
        let rows = catalog::read(&self.target, record).await.inspect_err(|error| {
            tracing::error!(resource = %self.name, %error, "the upstream's catalog could not be read");
        })?;
        let epoch = self.epoch() + 1;
        let full = self
            .build(&rows, self.tagged.clone(), epoch)
            .inspect_err(|error| {
                tracing::error!(resource = %self.name, %error, "the configured tags do not fit the upstream");
            })?;
        let snapshot = Snapshot {
            epoch,
            read_at,
            rows: Arc::new(rows),
            full: Arc::new(full),
            variants: Mutex::default(),
        };
        self.snapshot.store(Some(Arc::new(snapshot)));
        self.epoch.store(epoch, Ordering::Release);
        Ok(())
    }

    fn build(
        &self,
        rows: &catalog::Rows,
        tagged: Vec<TaggedColumn>,
        epoch: u64,
    ) -> Result<Catalog, CatalogError> {
        let mut builder = CatalogBuilder::new(tagged).trust(self.trusted_functions.iter().cloned());
        for (query, rows) in rows.iter().enumerate() {
            for row in rows {
                let row: Vec<Option<&str>> = row.iter().map(Option::as_deref).collect();
                builder.row(query, &row)?;
            }
        }
        builder.finish(epoch)
    }

    /// Returns the catalog as it counts for a principal.
    ///
    /// Where anything fails on the way, nothing is revealed.
    pub(crate) fn catalogs(&self, principal: &Principal, policy: &Policy) -> CatalogPair {
        let Some(snapshot) = self.snapshot.load_full() else {
            return CatalogPair {
                epoch: 0,
                own: Arc::default(),
                full: None,
            };
        };
        let revealed = self.revealed(principal, policy);
        let full = Arc::clone(&snapshot.full);
        if revealed.is_empty() {
            return CatalogPair {
                epoch: snapshot.epoch,
                own: full,
                full: None,
            };
        }
        let own = snapshot.variant(
            revealed,
            |tagged| self.build(&snapshot.rows, tagged, snapshot.epoch),
            &self.tagged,
        );
        match own {
            Some(own) => CatalogPair {
                epoch: snapshot.epoch,
                own,
                full: Some(full),
            },
            None => CatalogPair {
                epoch: snapshot.epoch,
                own: full,
                full: None,
            },
        }
    }

    /// Returns the tags of this upstream that policy reveals to a principal.
    fn revealed(&self, principal: &Principal, policy: &Policy) -> BTreeSet<Tag> {
        let tags: BTreeSet<Tag> = self.tagged.iter().map(|column| column.tag.clone()).collect();
        let tags: Vec<Tag> = tags.into_iter().collect();
        match policy.reveals(principal, &self.name, &tags, "postgres", clock::unix_seconds()) {
            Ok(revealed) => revealed.into_iter().collect(),
            Err(refusal) => {
                tracing::error!(error = %refusal.message, "policies failed; nothing is revealed");
                BTreeSet::new()
            }
        }
    }
}

impl Snapshot {
    /// Returns the catalog without the revealed tags, building it the first time.
    fn variant(
        &self,
        revealed: BTreeSet<Tag>,
        build: impl FnOnce(Vec<TaggedColumn>) -> Result<Catalog, CatalogError>,
        tagged: &[TaggedColumn],
    ) -> Option<Arc<Catalog>> {
        let mut variants = self.variants.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(catalog) = variants.get(&revealed) {
            return Some(Arc::clone(catalog));
        }
        let hidden = tagged
            .iter()
            .filter(|column| !revealed.contains(&column.tag))
            .cloned()
            .collect();
        let catalog = Arc::new(build(hidden).ok()?);
        if variants.len() >= VARIANTS_MAX {
            variants.clear();
        }
        variants.insert(revealed, Arc::clone(&catalog));
        Some(catalog)
    }
}
