//! Who acts: taken from a verified token and from nothing else.

use serde::{Deserialize, Serialize};

/// Who acts, as the token says. Identity is the pair of issuer and subject, never an e-mail.
#[derive(Clone, Debug, Deserialize, Eq, Hash, PartialEq, Serialize)]
pub struct Principal {
    /// The configured name of the identity provider, e.g. `corp`.
    pub identity: String,
    /// The token's `iss`, byte for byte as configured.
    pub issuer: String,
    /// The token's `sub`.
    pub subject: String,
    /// The groups the token carries, sorted, without duplicates.
    pub groups: Vec<String>,
    /// A person or an agent; an agent where the token does not say.
    pub kind: PrincipalKind,
    /// The chain of `act` claims, the current actor first. Empty without delegation.
    pub delegation: Vec<Actor>,
    /// The token's `azp` or `client_id`.
    pub client: Option<String>,
    /// The token's `jti`.
    pub token_id: Option<String>,
}

impl Principal {
    /// Returns `issuer|subject`, the exact key of this principal in policies and caches.
    #[must_use]
    pub fn key(&self) -> String {
        format!("{}|{}", self.issuer, self.subject)
    }

    /// Returns the key of each link of the delegation, the current actor first. An actor whose
    /// issuer the token does not name is of the token's own issuer.
    #[must_use]
    pub fn delegation_keys(&self) -> Vec<String> {
        self.delegation
            .iter()
            .map(|actor| {
                let issuer = actor.issuer.as_deref().unwrap_or(&self.issuer);
                format!("{issuer}|{}", actor.subject)
            })
            .collect()
    }

    /// Whether `key` (`issuer|subject`) is this principal or anyone who acts for it.
    #[must_use]
    pub fn involves(&self, key: &str) -> bool {
        self.key() == key || self.delegation_keys().iter().any(|actor| actor == key)
    }
}

/// Whether a principal is a person or a program.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum PrincipalKind {
    /// A program. Approves only where a policy names exactly it.
    Agent,
    /// A human being.
    Person,
}

/// One link of the delegation chain: who acts on behalf of the subject.
#[derive(Clone, Debug, Deserialize, Eq, Hash, PartialEq, Serialize)]
pub struct Actor {
    /// The actor's `iss`, where the token names one.
    pub issuer: Option<String>,
    /// The actor's `sub`.
    pub subject: String,
}
