//! A role of its own for each session: made before it, dropped after it, swept after a crash.
//!
//! The shared account is not used by sessions then: what one may do ends with it, what it owns
//! is the template's, and in the server's own eyes every session is somebody else.

mod lease;
mod statements;

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use model::{Grant, ResourceName, SessionId};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use zeroize::Zeroizing;

use self::lease::Lease;
use self::statements::Draft;
use super::dial::{Password, Target};
use super::own::{Own, OwnError, Purpose, Statement};
use crate::clock;
use crate::config::EPHEMERAL_PREFIX;
use crate::secret::Secret;
use crate::services::{Services, random};

/// How long making a role may take, the wait for a connection included: a client is waiting.
const LEND_MAX: Duration = Duration::from_secs(10);

/// How long getting rid of a role may take; what is not done by then is left to the sweep.
const DROP_MAX: Duration = Duration::from_secs(10);

/// How long one sweep may take.
const SWEEP_MAX: Duration = Duration::from_secs(50);

/// How often what was left behind is looked for.
const SWEEP_EVERY: Duration = Duration::from_secs(60);

/// How many connections the admin has at the same time, so that a thousand sessions that end
/// together do not take the server's last connection.
const CONNECTIONS_MAX: usize = 4;

/// How often the server may refuse to drop a role before it is stuck: left without a login, told
/// once, and not tried again until the next start.
const TRIES_MAX: u32 = 3;

/// For how long after a session's latest end other gateways leave its role alone: it may be
/// ending at that very moment.
const LEASE_GRACE_SECONDS: u64 = 60;

/// There is no such role: SQLSTATE `undefined_object`.
const UNDEFINED: &str = "42704";

/// A role is altered by one transaction at a time: the others wait, but not for long.
const PURPOSE: Purpose = Purpose {
    policy: "tidegate.ephemeral",
    settings: &[
        ("application_name", "tidegate-roles"),
        ("lock_timeout", "3s"),
        ("statement_timeout", "8s"),
    ],
};

/// The roles of one upstream's sessions.
pub(crate) struct Ephemeral {
    resource: ResourceName,
    template: String,
    admin: Target,
    known: Mutex<Known>,
    connections: Semaphore,
}

#[derive(Default)]
struct Known {
    /// The roles of sessions that are not over.
    live: HashSet<String>,
    /// How often the server has refused to drop a role.
    refused: HashMap<String, u32>,
}

/// The role of one session; known as living until dropped.
pub(crate) struct Role {
    pub(crate) name: String,
    /// How its session logs in.
    pub(crate) target: Arc<Target>,
    of: Arc<Ephemeral>,
}

impl Drop for Role {
    fn drop(&mut self) {
        self.of.lock().live.remove(&self.name);
    }
}

impl Ephemeral {
    pub(crate) fn new(resource: ResourceName, template: String, admin: Target) -> Self {
        Self {
            resource,
            template,
            admin,
            known: Mutex::default(),
            connections: Semaphore::new(CONNECTIONS_MAX),
        }
    }

    /// Returns the name of the role that sessions act as.
    pub(crate) fn template(&self) -> &str {
        &self.template
    }

    fn lock(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns how long the role of a session is good, in seconds of Unix time: as long as its
    /// token, and no longer than the grant it depends on.
    pub(crate) fn until(token_ends: u64, grant: Option<&Grant>) -> u64 {
        grant.map_or(token_ends, |grant| {
            token_ends.min(grant.ends_us.div_ceil(1_000_000))
        })
    }

    /// Makes a role for a session that ends at `until` at the latest, in seconds of Unix time.
    pub(crate) async fn lend(
        self: &Arc<Self>,
        session: SessionId,
        until: u64,
        services: &Services,
    ) -> Result<Role, OwnError> {
        let name = format!("{EPHEMERAL_PREFIX}{}", session.to_string().replace('-', ""));
        let password = Zeroizing::new(hex::encode(*Zeroizing::new(random::<32>())));
        let target = Target {
            user: name.clone(),
            password: Some(Password::Minted(Secret::new(password.as_bytes()))),
            ..self.admin.clone()
        };
        // Living before it is there: a sweep at this moment must not take it.
        self.lock().live.insert(name.clone());
        let role = Role {
            name,
            target: Arc::new(target),
            of: Arc::clone(self),
        };
        let made = self.make(&role.name, &password, until, services);
        match tokio::time::timeout(LEND_MAX, made).await {
            Ok(made) => made.map(|()| role),
            // Perhaps it is there by now: the sweep will see that nobody lives under its name.
            Err(_) => Err(OwnError::TimedOut),
        }
    }

    async fn make(
        &self,
        name: &str,
        password: &str,
        until: u64,
        services: &Services,
    ) -> Result<(), OwnError> {
        let lease = Lease {
            node: services.node.clone(),
            resource: self.resource.to_string(),
            until: until.saturating_add(LEASE_GRACE_SECONDS),
        };
        let draft = Draft {
            name,
            template: &self.template,
            until,
            lease: &lease,
        };
        // The server never learns the password, nor does its log.
        let verifier = postgres_protocol::password::scram_sha_256(password.as_bytes());
        let (sql, shown) = (draft.statement(&verifier), draft.shown());
        let _one_of_few = self.connections.acquire().await;
        let mut admin = Own::open(&self.admin, PURPOSE, Some(services.record())).await?;
        let statement = Statement {
            name: "a session's role",
            sql: &sql,
            shown: &shown,
        };
        admin.run(statement).await?;
        admin.close().await;
        Ok(())
    }

    /// Drops the role of a session that is over, in bounded time. What fails is left to the
    /// sweep.
    pub(crate) async fn take_back(&self, role: Role, services: &Services) {
        let dropping = async {
            let _one_of_few = self.connections.acquire().await;
            let mut admin = Own::open(&self.admin, PURPOSE, Some(services.record())).await?;
            self.remove(&mut admin, &role.name).await?;
            admin.close().await;
            Ok(())
        };
        let done = tokio::time::timeout(DROP_MAX, dropping).await;
        if let Err(error) = done.unwrap_or(Err(OwnError::TimedOut)) {
            self.refused(&role.name, &error);
        }
    }

    async fn remove(&self, admin: &mut Own<'_>, name: &str) -> Result<(), OwnError> {
        let retire = statements::retire(name, admin.version());
        match admin.run(Statement::open("a role's retirement", &retire)).await {
            Err(error) if error.sqlstate() == Some(UNDEFINED) => return Ok(()),
            retired => retired?,
        };
        let terminate = statements::terminate(name);
        admin
            .run(Statement::open("the end of a role's sessions", &terminate))
            .await?;
        let remove = statements::remove(name, &self.template);
        admin.run(Statement::open("a role's end", &remove)).await?;
        self.lock().refused.remove(name);
        Ok(())
    }

    /// Takes note that a role could not be dropped. Only what the server itself refuses counts:
    /// a server that cannot be reached may come back.
    fn refused(&self, name: &str, error: &OwnError) {
        let resource = &self.resource;
        if error.sqlstate().is_none() {
            tracing::warn!(%resource, role = name, %error, "a session's role could not be dropped yet");
            return;
        }
        let times = {
            let mut known = self.lock();
            let times = known.refused.entry(name.to_owned()).or_default();
            *times += 1;
            *times
        };
        if times == TRIES_MAX {
            let fault = error.fault().label();
            tracing::error!(%resource, role = name, fault, %error, "a session's role is stuck: it cannot log in, but the server does not drop it; drop it by hand");
        }
    }

    /// Drops what sessions left behind that are no more.
    async fn sweep(&self, services: &Services) -> Result<(), OwnError> {
        let _one_of_few = self.connections.acquire().await;
        let mut admin = Own::open(&self.admin, PURPOSE, Some(services.record())).await?;
        let list = statements::list();
        let rows = admin.run(Statement::open("the sessions' roles", &list)).await?;
        let now = clock::unix_seconds();
        let over: Vec<String> = rows
            .iter()
            .filter_map(|row| match row.as_slice() {
                [Some(name), Some(comment)] => Some((name, Lease::parse(comment)?)),
                _ => None,
            })
            .filter(|(_, lease)| lease.is_over(&services.node, self.resource.as_str(), now))
            .map(|(name, _)| name.clone())
            .collect();
        for name in self.due(over) {
            match self.remove(&mut admin, &name).await {
                Ok(()) => {
                    tracing::info!(resource = %self.resource, role = name, "a role was left behind, and is dropped")
                }
                Err(error) if error.sqlstate().is_some() => self.refused(&name, &error),
                Err(error) => return Err(error),
            }
        }
        admin.close().await;
        Ok(())
    }

    /// Returns those of the roles that are to be dropped: nobody lives under them, and they are
    /// not stuck.
    fn due(&self, mut over: Vec<String>) -> Vec<String> {
        let mut known = self.lock();
        // Somebody has dropped them by hand.
        known.refused.retain(|name, _| over.contains(name));
        over.retain(|name| {
            let stuck = known.refused.get(name).is_some_and(|times| *times >= TRIES_MAX);
            !stuck && !known.live.contains(name)
        });
        over
    }

    /// Looks for what was left behind, at once and then again and again until `stop`.
    pub(crate) async fn run(&self, services: &Services, stop: &CancellationToken) {
        loop {
            let swept = tokio::time::timeout(SWEEP_MAX, self.sweep(services));
            let swept = tokio::select! {
                () = stop.cancelled() => return,
                swept = swept => swept.unwrap_or(Err(OwnError::TimedOut)),
            };
            if let Err(error) = swept {
                let (resource, fault) = (&self.resource, error.fault().label());
                tracing::error!(%resource, fault, %error, "the roles of ended sessions could not be looked for");
            }
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(SWEEP_EVERY) => {}
            }
        }
    }
}

#[cfg(test)]
mod tests;
