//! One identity provider's keys: fetched when needed, kept while fresh, dropped when too old.
//!
//! Attempts are rare by design: one at a time, and never two within [`RETRY`], so that tokens
//! with invented keys can't make us a source of load on the provider.

use std::path::Path;
use std::sync::Arc;
use std::time::SystemTime;

use arc_swap::ArcSwap;
use tokio::sync::Mutex;
use url::Url;

use super::Header;
use super::discovered::Discovered;
use super::error::{KeysError, TokenError};
use super::fetch::Fetcher;
use super::introspect::Introspection;
use super::keys::{JWKS_BYTES_MAX, Key, KeySet};
use super::login::{Endpoints, Redemption};
use crate::config::{IdentityConfig, KeySource};

/// The least time between two attempts to fetch, in seconds.
const RETRY: u64 = 60;

/// The same while there are no keys at all: nobody can log in until there are.
const RETRY_WITHOUT_KEYS: u64 = 5;

/// How often a file is looked at, in seconds.
const FILE_LOOK: u64 = 5;

/// How long fetched keys are fresh at the least and at the most, in seconds; what the
/// provider says in between counts. A key that was withdrawn lives no longer than this.
const FRESH: std::ops::RangeInclusive<u64> = 300..=3_600;

/// How old keys may get while every fetch fails, in seconds; then nobody is let in.
const AGE_MAX: u64 = 24 * 3_600;

/// One identity provider.
#[derive(Debug)]
pub(super) struct Provider {
    pub(super) config: IdentityConfig,
    source: Source,
    held: ArcSwap<Held>,
    attempts: Mutex<Attempts>,
    /// Where people log in.
    endpoints: Discovered<Arc<Endpoints>>,
    introspection: Option<Introspection>,
}

#[derive(Debug)]
enum Source {
    File,
    Http(Fetcher),
}

/// The keys at hand.
#[derive(Debug, Default)]
struct Held {
    keys: Option<KeySet>,
    /// When they were known to be current, in seconds of Unix time.
    current_at: u64,
    /// How long they are fresh from then, in seconds.
    fresh_for: u64,
}

#[derive(Debug, Default)]
struct Attempts {
    last: Option<u64>,
    /// The file's time and length when it was read last.
    seen: Option<(SystemTime, u64)>,
}

impl Provider {
    pub(super) fn new(config: &IdentityConfig) -> Result<Self, KeysError> {
        let source = match &config.keys {
            KeySource::File(_) => Source::File,
            KeySource::Discovery(http) => Source::Http(Fetcher::new(&config.issuer, http)?),
        };
        Ok(Self {
            config: config.clone(),
            source,
            held: ArcSwap::default(),
            attempts: Mutex::default(),
            endpoints: Discovered::default(),
            introspection: config.introspection.as_ref().map(Introspection::new),
        })
    }

    /// Returns where people log in, asking the provider as rarely as [`Discovered`] does. A
    /// provider whose keys come from a file is never asked anything.
    pub(super) async fn endpoints(&self, now: u64) -> Result<Arc<Endpoints>, KeysError> {
        let Source::Http(fetcher) = &self.source else {
            return Err(KeysError::NotYet);
        };
        let asked = async { fetcher.endpoints(&self.config.issuer).await.map(Arc::new) };
        self.endpoints.get(now, asked).await
    }

    /// Sends a form to the token endpoint.
    pub(super) async fn redeem(
        &self,
        endpoint: &Url,
        form: &Redemption,
    ) -> Result<(u16, Vec<u8>), KeysError> {
        match &self.source {
            Source::Http(fetcher) => {
                let answer = fetcher.post(endpoint, form.authorization.as_ref(), &form.body);
                answer.await.map(|answer| (answer.status, answer.body))
            }
            Source::File => Err(KeysError::NotYet),
        }
    }

    /// Returns how the provider is asked about tokens, if it is.
    pub(super) fn introspection(&self) -> Option<(&Introspection, &Fetcher)> {
        match &self.source {
            Source::Http(fetcher) => Some((self.introspection.as_ref()?, fetcher)),
            Source::File => None,
        }
    }

    /// Fetches the keys if there are none yet.
    pub(super) async fn warm(&self, now: u64) -> Result<(), KeysError> {
        self.refresh(now, &self.held.load_full()).await
    }

    /// Returns the key for a token with `header`, fetching keys where that is due.
    pub(super) async fn key(&self, header: &Header, now: u64) -> Result<Key, TokenError> {
        let mut held = self.held.load_full();
        if !held.is_fresh(now) {
            held = self.renewed(&held, now).await;
        }
        match held.find(header, now) {
            // The provider may have a new key since.
            Err(TokenError::UnknownKey(_)) => self.renewed(&held, now).await.find(header, now),
            found => found,
        }
    }

    async fn renewed(&self, held: &Arc<Held>, now: u64) -> Arc<Held> {
        if let Err(error) = self.refresh(now, held).await {
            tracing::warn!(identity = self.config.name, %error, "the keys could not be renewed");
        }
        self.held.load_full()
    }

    /// Fetches the keys unless somebody else just did, or an attempt is too recent.
    async fn refresh(&self, now: u64, known: &Arc<Held>) -> Result<(), KeysError> {
        let mut attempts = self.attempts.lock().await;
        let held = self.held.load_full();
        if !Arc::ptr_eq(&held, known) {
            return Ok(());
        }
        let pause = match (&self.source, &held.keys) {
            (Source::File, _) => FILE_LOOK,
            (Source::Http(_), None) => RETRY_WITHOUT_KEYS,
            (Source::Http(_), Some(_)) => RETRY,
        };
        // A clock that was set back must not put the next attempt off.
        let too_early = attempts
            .last
            .is_some_and(|last| (last..last.saturating_add(pause)).contains(&now));
        if too_early {
            return match held.keys {
                Some(_) => Ok(()),
                None => Err(KeysError::NotYet),
            };
        }
        attempts.last = Some(now);
        match (&self.source, &self.config.keys) {
            (Source::Http(fetcher), _) => {
                let fetched = fetcher.keys(&self.config.issuer).await?;
                let keys = KeySet::read(&fetched.body, &self.config)?;
                let fresh_for = fetched
                    .max_age
                    .unwrap_or(*FRESH.end())
                    .clamp(*FRESH.start(), *FRESH.end());
                self.hold(keys, now, fresh_for);
            }
            (Source::File, KeySource::File(path)) => self.look(path, &held, &mut attempts, now).await?,
            (Source::File, KeySource::Discovery(_)) => return Err(KeysError::NotYet),
        }
        Ok(())
    }

    /// Reads the file if it changed.
    async fn look(
        &self,
        path: &Path,
        held: &Held,
        attempts: &mut Attempts,
        now: u64,
    ) -> Result<(), KeysError> {
        use tokio::io::AsyncReadExt as _;

        let unreadable = |error: std::io::Error| KeysError::Unreadable {
            path: path.display().to_string(),
            reason: error.to_string(),
        };
        let file = tokio::fs::File::open(path).await.map_err(unreadable)?;
        let metadata = file.metadata().await.map_err(unreadable)?;
        let seen = (metadata.modified().map_err(unreadable)?, metadata.len());
        if let Some(keys) = held.keys.as_ref().filter(|_| attempts.seen == Some(seen)) {
            // Still what the file says: only the time is new.
            self.hold(keys.clone(), now, FILE_LOOK);
            return Ok(());
        }
        let mut bytes = Vec::new();
        file.take(JWKS_BYTES_MAX as u64 + 1)
            .read_to_end(&mut bytes)
            .await
            .map_err(unreadable)?;
        let keys = KeySet::read(&bytes, &self.config)?;
        attempts.seen = Some(seen);
        self.hold(keys, now, FILE_LOOK);
        Ok(())
    }

    fn hold(&self, keys: KeySet, now: u64, fresh_for: u64) {
        self.held.store(Arc::new(Held {
            keys: Some(keys),
            current_at: now,
            fresh_for,
        }));
    }
}

impl Held {
    fn is_fresh(&self, now: u64) -> bool {
        self.keys.is_some()
            && (self.current_at..self.current_at.saturating_add(self.fresh_for)).contains(&now)
    }

    fn find(&self, header: &Header, now: u64) -> Result<Key, TokenError> {
        let usable = now <= self.current_at.saturating_add(AGE_MAX);
        match &self.keys {
            Some(keys) if usable => keys.find(header.kid.as_deref(), header.algorithm).cloned(),
            _ => Err(TokenError::KeysUnavailable),
        }
    }
}
