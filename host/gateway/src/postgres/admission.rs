//! Lets a client in, or turns it away: who it is, whether it is shut out, whether it may have a
//! session, and under which grant.

use std::sync::Arc;

use model::{Grant, Principal, Refusal, ResourceName};
use proto::postgres::startup::Startup;

use super::Upstream;
use super::login::{self, ArrivalError};
use crate::clock;
use crate::door::{Door, Shut};
use crate::identity::Login;
use crate::services::Services;
use crate::wire::Wire;

/// The one sentence for every token that is not accepted; the log has the reason.
const BAD_TOKEN: &str = "authentication failed: the token was not accepted";

/// Why a client is turned away: precisely for the journal, blandly for the client.
pub(super) struct Turned {
    pub(super) reason: String,
    pub(super) upstream: Option<Arc<Upstream>>,
    pub(super) tell: Tell,
}

/// What a client that is turned away is told.
pub(super) enum Tell {
    Nothing,
    /// An error code and one sentence.
    Bland(&'static str, String),
    /// The rule and what to do: only to those who are known.
    Why(Refusal),
}

impl Turned {
    fn new(reason: impl ToString, sqlstate: &'static str, tell: impl Into<String>) -> Self {
        Self {
            reason: reason.to_string(),
            upstream: None,
            tell: Tell::Bland(sqlstate, tell.into()),
        }
    }

    fn why(refusal: Refusal) -> Self {
        Self {
            reason: format!("{}: {}", refusal.rule.label(), refusal.message),
            upstream: None,
            tell: Tell::Why(refusal),
        }
    }

    fn from(self, upstream: &Arc<Upstream>) -> Self {
        Self {
            upstream: Some(Arc::clone(upstream)),
            ..self
        }
    }
}

/// What a client has that may have a session.
pub(super) struct Admission {
    pub(super) settings: Vec<(String, String)>,
    pub(super) principal: Arc<Principal>,
    pub(super) login: Arc<Login>,
    /// When its token ends, in seconds of Unix time.
    pub(super) expires: u64,
    /// The grant without which it might not have one.
    pub(super) grant: Option<Arc<Grant>>,
    pub(super) upstream: Arc<Upstream>,
}

/// Asks for a client's token, and decides whether it may have a session.
pub(super) async fn admit(
    wire: &mut Wire,
    startup: &Startup,
    services: &Arc<Services>,
    client: &str,
) -> Result<Admission, Turned> {
    let settings = startup
        .settings()
        .map_err(|e| Turned::new(&e, e.sqlstate(), e.to_string()))?;
    let database = startup
        .database()
        .map_err(|e| Turned::new(&e, e.sqlstate(), e.to_string()))?;
    let mut negotiation = Vec::new();
    startup.negotiate(&mut negotiation);
    let broken = |error: &dyn std::fmt::Display| Turned {
        reason: error.to_string(),
        upstream: None,
        tell: Tell::Nothing,
    };
    if !negotiation.is_empty() {
        wire.send(&mut negotiation).await.map_err(|e| broken(&e))?;
    }
    let token = login::ask_token(wire).await.map_err(|error| match &error {
        // More than any token: the client is told no more than for any other bad one.
        ArrivalError::Io(io) if io.kind() == std::io::ErrorKind::InvalidData => {
            Turned::new("the token message is too long", "28P01", BAD_TOKEN)
        }
        _ => broken(&error),
    })?;
    let text = token.text().map_err(|e| Turned::new(e, "28P01", BAD_TOKEN))?;
    let verified = services
        .identity
        .verify(text, clock::unix_seconds())
        .await
        .map_err(|error| Turned::new(error, "28P01", BAD_TOKEN))?;
    // Known from here on; but not told whether a resource exists that may not be used.
    let principal = Arc::new(verified.principal);
    services.locks.check_principal(&principal).map_err(Turned::why)?;
    let unknown = || Turned::new("no such resource", "3D000", no_resource(database));
    let upstream = services.upstream(database).ok_or_else(unknown)?;
    let let_in = Door::of(services)
        .let_in(&principal, &upstream.name, "postgres")
        .await;
    let grant = let_in.map_err(|shut| {
        let turned = Turned::shut(shut, &upstream.name);
        let reason = &turned.reason;
        tracing::info!(client, principal = principal.key(), resource = %upstream.name, %reason, "may not connect");
        turned.from(&upstream)
    })?;
    Ok(Admission {
        settings,
        principal,
        login: Arc::new(verified.login),
        expires: verified.expires,
        grant,
        upstream,
    })
}

impl Turned {
    fn shut(shut: Shut, resource: &ResourceName) -> Self {
        match shut {
            Shut::Hidden(reason) => Self::new(reason, "3D000", no_resource(resource.as_str())),
            Shut::Told(refusal) => Self::why(refusal),
        }
    }
}

fn no_resource(database: &str) -> String {
    let database: String = database.chars().take(64).collect();
    format!("resource \"{database}\" does not exist, or you may not connect to it")
}

#[cfg(test)]
mod tests;
