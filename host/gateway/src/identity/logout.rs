//! What an identity provider says of who has logged out (OIDC Back-Channel Logout), and what is
//! remembered of that: a logout counts once, and tokens from before it let nobody in again.
//!
//! Remembered in memory, for as long as such tokens can live; a gateway that is started anew
//! has forgotten.

use std::collections::HashMap;
use std::hash::Hash;

use model::Principal;
use serde_json::Value;

use super::claims::{self, Claims};
use super::error::{TokenError, shown};
use super::{Identity, Login, Parts};
use crate::config::IdentityConfig;

/// The event that makes a token a logout token.
const EVENT: &str = "http://schemas.openid.net/event/backchannel-logout";

/// How old a logout token may be, in seconds: providers send it at once, and again for some
/// minutes if they are not heard.
const AGE_MAX: u64 = 300;

/// How long one may be valid, in seconds; the standard advises two minutes.
const LIFETIME_MAX: u64 = 600;

/// How many logout tokens are remembered. A provider with more within some minutes can repeat
/// itself unnoticed: that costs somebody a login, where forgetting a logout would keep a door
/// open.
const TOKENS_MAX: usize = 10_000;

/// How many logouts are remembered; past that, the one that matters for the shortest time goes.
const LOGOUTS_MAX: usize = 50_000;

/// Somebody logged out at an identity provider.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Logout {
    /// The configured name of the provider.
    pub identity: String,
    /// Its issuer.
    pub issuer: String,
    /// Who; `None` if only the provider's session is named.
    pub subject: Option<String>,
    /// Which of the provider's sessions; `None` for all.
    pub provider_session: Option<String>,
    /// The logout token's own name (`jti`).
    pub token_id: String,
    /// When the provider said so, in seconds of Unix time.
    issued: u64,
    ends: u64,
}

impl Logout {
    /// Returns `issuer|subject`, if it names a subject.
    #[must_use]
    pub fn key(&self) -> Option<String> {
        let subject = self.subject.as_ref()?;
        Some(format!("{}|{subject}", self.issuer))
    }

    /// Whether it ends what `principal` does by this login. A login that does not say of which
    /// session of the provider it is counts as one of them.
    #[must_use]
    pub fn hits(&self, principal: &Principal, login: &Login) -> bool {
        let own = match &self.provider_session {
            None => true,
            Some(ended) => match &login.provider_session {
                Some(session) => session == ended,
                None => self.subject.is_some(),
            },
        };
        own && match self.key() {
            Some(key) => principal.involves(&key),
            None => principal.issuer == self.issuer,
        }
    }
}

impl Identity {
    /// Returns who has logged out as a logout token says, and remembers it: its tokens are
    /// refused from here on. `now` in seconds of Unix time. Waits as [`Identity::verify`] does.
    ///
    /// # Errors
    /// Everything that is wrong with a token, the first thing found; it was used before.
    pub async fn verify_logout(&self, token: &str, now: u64) -> Result<Logout, TokenError> {
        let parts = Parts::read(token)?;
        let provider = self.provider_of(&parts.claims)?;
        parts.header.check_logout_type(provider.config.strict_typ)?;
        self.check_signature(&parts, provider, now).await?;
        let logout = check(&parts.claims, &provider.config, now)?;
        let tokens_end = now
            .saturating_add(provider.config.max_lifetime.as_secs())
            .saturating_add(provider.config.leeway.as_secs());
        self.logouts().take(&logout, tokens_end, now)?;
        Ok(logout)
    }

    /// Forgets that a logout token was used: what it says could not be done, and may be said
    /// again.
    pub fn forget_logout_token(&self, logout: &Logout) {
        self.logouts()
            .tokens
            .remove(&(logout.issuer.clone(), logout.token_id.clone()));
    }

    /// Refuses a login that is older than a logout.
    ///
    /// # Errors
    /// [`TokenError::LoggedOut`].
    pub fn check_logged_in(&self, principal: &Principal, login: &Login) -> Result<(), TokenError> {
        self.logouts().check(principal, login)
    }
}

/// Checks all claims of a logout token.
fn check(claims: &Claims, config: &IdentityConfig, now: u64) -> Result<Logout, TokenError> {
    let ends = claims::common(claims, config, now)?;
    let issued = claims::seconds(claims, "iat")?.ok_or(TokenError::MissingClaim("iat"))?;
    let leeway = config.leeway.as_secs();
    if now > issued.saturating_add(AGE_MAX).saturating_add(leeway) {
        return Err(TokenError::Stale(now - issued));
    }
    if ends.saturating_sub(issued) > LIFETIME_MAX {
        return Err(TokenError::LivesTooLong);
    }
    let audiences = claims::audiences(claims)?;
    if !audiences
        .iter()
        .any(|meant| config.logout_clients.iter().any(|own| own == meant))
    {
        return Err(TokenError::WrongAudience);
    }
    let event = claims.get("events").and_then(|events| events.get(EVENT));
    if !event.is_some_and(Value::is_object) {
        return Err(TokenError::NotALogout("the event is missing"));
    }
    // An ID token must not be taken for one.
    if claims.contains_key("nonce") {
        return Err(TokenError::NotALogout("it carries a nonce"));
    }
    let (subject, provider_session) = (claims::name(claims, "sub")?, claims::name(claims, "sid")?);
    if subject.is_none() && provider_session.is_none() {
        return Err(TokenError::NotALogout("it says neither sub nor sid"));
    }
    Ok(Logout {
        identity: config.name.clone(),
        issuer: config.issuer.clone(),
        subject,
        provider_session,
        token_id: claims::name(claims, "jti")?.ok_or(TokenError::MissingClaim("jti"))?,
        issued,
        ends: ends.saturating_add(leeway),
    })
}

impl super::Header {
    /// Refuses tokens made for something else. Some providers do not say that theirs are logout
    /// tokens; the event does.
    fn check_logout_type(&self, strict: bool) -> Result<(), TokenError> {
        match self.media_type().as_deref() {
            Some("logout+jwt") => Ok(()),
            None | Some("jwt") if !strict => Ok(()),
            None => Err(TokenError::WrongType("no typ".to_owned())),
            Some(other) => Err(TokenError::WrongType(shown(other))),
        }
    }
}

/// Whose logins are over.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
enum Whose {
    /// All of a person: `issuer|subject`.
    All(String),
    /// Those of a person that do not say of which session of the provider they are.
    Unnamed(String),
    /// Those of one session of a provider: issuer and `sid`.
    Session(String, String),
}

/// The logouts that still matter.
#[derive(Debug, Default)]
pub(super) struct Logouts {
    /// Issuer and `jti` of each logout token, and until when it is remembered.
    tokens: HashMap<(String, String), u64>,
    /// When whose logins ended, as the provider says, and until when tokens from before live.
    ended: HashMap<Whose, Ended>,
}

#[derive(Clone, Copy, Debug)]
struct Ended {
    at: u64,
    until: u64,
}

impl Logouts {
    /// Takes in a logout, once. Tokens issued before it end by `tokens_end`.
    fn take(&mut self, logout: &Logout, tokens_end: u64, now: u64) -> Result<(), TokenError> {
        let name = (logout.issuer.clone(), logout.token_id.clone());
        if self.tokens.get(&name).is_some_and(|until| now <= *until) {
            return Err(TokenError::Replayed);
        }
        make_room(&mut self.tokens, TOKENS_MAX, now, |until| *until);
        let lifetime = logout.ends.saturating_sub(logout.issued);
        self.tokens
            .insert(name, logout.issued.saturating_add(2 * lifetime));
        let session = || {
            logout
                .provider_session
                .clone()
                .map(|sid| Whose::Session(logout.issuer.clone(), sid))
        };
        let whose = match (logout.key(), session()) {
            (Some(key), None) => vec![Whose::All(key)],
            (Some(key), Some(session)) => vec![Whose::Unnamed(key), session],
            (None, session) => session.into_iter().collect(),
        };
        for whose in whose {
            make_room(&mut self.ended, LOGOUTS_MAX, now, |ended| ended.until);
            let at = self
                .ended
                .get(&whose)
                .map_or(logout.issued, |known| known.at.max(logout.issued));
            self.ended.insert(
                whose,
                Ended {
                    at,
                    until: tokens_end,
                },
            );
        }
        Ok(())
    }

    fn check(&self, principal: &Principal, login: &Login) -> Result<(), TokenError> {
        // What does not say when it was issued may be from before.
        let issued = login.issued.unwrap_or(0);
        let over = |whose: &Whose| self.ended.get(whose).is_some_and(|ended| issued <= ended.at);
        let mut keys = principal.delegation_keys();
        keys.push(principal.key());
        let by_person = keys.into_iter().any(|key| {
            login.provider_session.is_none() && over(&Whose::Unnamed(key.clone())) || over(&Whose::All(key))
        });
        let session = login.provider_session.as_ref();
        let by_session =
            session.is_some_and(|sid| over(&Whose::Session(principal.issuer.clone(), sid.clone())));
        if by_person || by_session {
            return Err(TokenError::LoggedOut);
        }
        Ok(())
    }
}

/// Takes out what is over, and if `map` is still full, what is over first.
fn make_room<K: Clone + Eq + Hash, V>(
    map: &mut HashMap<K, V>,
    most: usize,
    now: u64,
    until: impl Fn(&V) -> u64,
) {
    if map.len() < most {
        return;
    }
    map.retain(|_, value| now <= until(value));
    if map.len() >= most {
        let first = map.iter().min_by_key(|(_, value)| until(value));
        if let Some(first) = first.map(|(key, _)| key.clone()) {
            map.remove(&first);
        }
    }
}
