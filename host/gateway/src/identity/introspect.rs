//! Asks a provider whether a token still holds (RFC 7662).
//!
//! Only a clear yes lets anybody in: whatever else a provider answers, and its silence, counts
//! as no. Tokens that are no JWTs are told by the answer alone, which then goes through the
//! same checks as the claims of a JWT.

mod turns;

use std::fmt;
use std::time::Duration;

use model::Principal;
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use url::Url;
use url::form_urlencoded::Serializer;

pub(crate) use self::turns::QUESTIONS_MAX;
#[cfg(test)]
pub(super) use self::turns::{ARRIVALS_MAX, WAITING_MAX};
use self::turns::{Asker, Place, Turns};
use super::claims::{self, Claims};
use super::discovered::Discovered;
use super::error::{KeysError, TokenError, shown};
use super::fetch::{Answer, Fetcher};
use super::login::basic;
use super::provider::Provider;
use super::{Identity, Login, TOKEN_BYTES_MAX, Verified, json};
use crate::config::{IdentityConfig, IntrospectionConfig};
use crate::secret::Secret;

/// How long one may take, the wait for its turn included; a client waits for it while logging
/// in.
const ANSWER: Duration = Duration::from_secs(5);

/// What stands for a token wherever it must be told from others: its SHA-256.
pub(crate) type TokenDigest = [u8; 32];

/// A token that its provider can be asked about, for as long as a session lives by it.
#[derive(Clone)]
pub struct KeptToken {
    identity: String,
    text: Secret,
    digest: TokenDigest,
    every: Duration,
}

impl KeptToken {
    pub(crate) fn new(identity: &str, text: &str, every: Duration) -> Self {
        Self {
            identity: identity.to_owned(),
            text: Secret::new(text),
            digest: Sha256::digest(text).into(),
            every,
        }
    }

    pub(crate) fn digest(&self) -> TokenDigest {
        self.digest
    }

    /// How often the provider is to be asked.
    pub(crate) fn every(&self) -> Duration {
        self.every
    }
}

impl fmt::Debug for KeptToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeptToken")
            .field("identity", &self.identity)
            .finish_non_exhaustive()
    }
}

impl PartialEq for KeptToken {
    fn eq(&self, other: &Self) -> bool {
        self.identity == other.identity && self.digest == other.digest
    }
}

impl Eq for KeptToken {}

impl Identity {
    /// Whether any provider is asked about tokens.
    #[must_use]
    pub fn introspects(&self) -> bool {
        self.providers
            .iter()
            .any(|provider| provider.introspection().is_some())
    }

    /// Asks the provider whether the token of a login still holds; a login whose provider is
    /// not asked does. `now` in seconds of Unix time. Takes five seconds at the most.
    ///
    /// # Errors
    /// [`TokenError::NotActive`] if it does not; anything else if that is not known.
    pub async fn still_active(
        &self,
        login: &Login,
        principal: &Principal,
        now: u64,
    ) -> Result<(), TokenError> {
        let Some(token) = &login.token else { return Ok(()) };
        let named = self.named(&token.identity);
        let provider = named.map_err(|error| TokenError::NotIntrospected(error.to_string()))?;
        let answer = provider.introspect(token.text.expose(), Asker::Live, now).await?;
        same_token(&answer, principal, &provider.config)
    }

    /// Asks the provider about a token whose claims were found right, if it is to be asked, and
    /// then keeps the token, to ask again.
    pub(super) async fn confirm(
        &self,
        provider: &Provider,
        token: &str,
        mut verified: Verified,
        now: u64,
    ) -> Result<Verified, TokenError> {
        let Some((introspection, _)) = provider.introspection() else {
            return Ok(verified);
        };
        let answer = provider.introspect(token.as_bytes(), Asker::Signed, now).await?;
        same_token(&answer, &verified.principal, &provider.config)?;
        verified.login.token = Some(introspection.keep(provider, token));
        Ok(verified)
    }

    /// Returns the provider that knows what `token` is, if it is none that tells by itself.
    pub(super) fn opaque_provider(&self, token: &str) -> Option<&Provider> {
        let opaque = token.len() <= TOKEN_BYTES_MAX
            && token.bytes().filter(|byte| *byte == b'.').count() != 2
            && is_bearer(token);
        let asked = |provider: &&Provider| {
            let introspection = provider.introspection();
            introspection.is_some_and(|(introspection, _)| introspection.config.opaque)
        };
        opaque.then(|| self.providers.iter().find(asked)).flatten()
    }

    /// Has the provider say who an opaque token speaks for.
    pub(super) async fn verify_opaque(
        &self,
        provider: &Provider,
        token: &str,
        now: u64,
    ) -> Result<Verified, TokenError> {
        let answer = provider
            .introspect(token.as_bytes(), Asker::Stranger, now)
            .await?;
        // Providers answer about refresh tokens too, and those are for them alone.
        let kind = answer.get("token_type").map(Value::as_str);
        if kind.is_some_and(|kind| kind.is_none_or(|kind| !kind.eq_ignore_ascii_case("bearer"))) {
            return Err(TokenError::WrongClaim("token_type"));
        }
        let mut verified = claims::check(&answer, &provider.config, now)?;
        if let Some((introspection, _)) = provider.introspection() {
            verified.login.token = Some(introspection.keep(provider, token));
        }
        Ok(verified)
    }
}

/// Whether a text may be a bearer token at all (RFC 6750, 2.1): nothing else is sent anywhere.
fn is_bearer(text: &str) -> bool {
    let body = text.trim_end_matches('=');
    let known = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~+/".contains(&byte);
    !body.is_empty() && body.bytes().all(known)
}

impl Provider {
    /// Returns what the provider says of an active token.
    async fn introspect(&self, token: &[u8], asker: Asker, now: u64) -> Result<Claims, TokenError> {
        let unasked = |error: &dyn fmt::Display| TokenError::NotIntrospected(error.to_string());
        let Some((introspection, fetcher)) = self.introspection() else {
            return Err(unasked(&KeysError::NotYet));
        };
        let Some(place) = introspection.turns.place(asker) else {
            return Err(unasked(&"too many wait for its answers"));
        };
        let asked = introspection.ask(&place, fetcher, &self.config.issuer, token, now);
        match tokio::time::timeout(ANSWER, asked).await {
            Ok(Ok(answer)) => read(&answer),
            Ok(Err(error)) => Err(unasked(&error)),
            Err(_) => Err(unasked(&"it did not answer in time")),
        }
    }
}

/// How one provider is asked.
#[derive(Debug)]
pub(super) struct Introspection {
    config: IntrospectionConfig,
    turns: Turns,
    /// Where the provider said to ask.
    endpoint: Discovered<Url>,
}

/// Why a provider was not asked.
#[derive(Debug, thiserror::Error)]
enum AskError {
    #[error(transparent)]
    Provider(#[from] KeysError),
    #[error("the client secret: {0}")]
    Secret(#[from] crate::secret::SecretError),
}

impl Introspection {
    pub(super) fn new(config: &IntrospectionConfig) -> Self {
        Self {
            config: config.clone(),
            turns: Turns::new(),
            endpoint: Discovered::default(),
        }
    }

    fn keep(&self, provider: &Provider, token: &str) -> KeptToken {
        KeptToken::new(&provider.config.name, token, self.config.every)
    }

    async fn ask(
        &self,
        place: &Place<'_>,
        fetcher: &Fetcher,
        issuer: &str,
        token: &[u8],
        now: u64,
    ) -> Result<Answer, AskError> {
        let _turn = place.turn().await;
        let endpoint = self.endpoint(fetcher, issuer, now).await?;
        // Looked up each time: whoever changes it at the provider need not start the gateway anew.
        let secret = self.config.client_secret.resolve()?;
        let authorization = basic(&self.config.client_id, &String::from_utf8_lossy(secret.expose()));
        // Three bytes for each that must be escaped: large enough never to leave a copy behind.
        let mut form = String::with_capacity(3 * token.len() + 64);
        Serializer::new(&mut form)
            .append_pair("token", &String::from_utf8_lossy(token))
            .append_pair("token_type_hint", "access_token");
        let form = Secret::new(form);
        Ok(fetcher.post(&endpoint, Some(&authorization), &form).await?)
    }

    async fn endpoint(&self, fetcher: &Fetcher, issuer: &str, now: u64) -> Result<Url, KeysError> {
        if let Some(url) = &self.config.url {
            return Ok(url.clone());
        }
        self.endpoint.get(now, fetcher.introspection(issuer)).await
    }
}

/// Reads an answer: the claims of an active token, or why there are none.
fn read(answer: &Answer) -> Result<Claims, TokenError> {
    let unreadable = |what: String| TokenError::NotIntrospected(what);
    if answer.status != 200 {
        let body = json::object(&answer.body).unwrap_or_default();
        let error = body.get("error").and_then(Value::as_str).unwrap_or("no reason");
        let what = format!("it answered with status {}: {}", answer.status, shown(error));
        return Err(unreadable(what));
    }
    if answer.media_type.as_deref() != Some("application/json") {
        return Err(unreadable("its answer is not JSON by its own word".to_owned()));
    }
    let claims = json::object(&answer.body)
        .map_err(|_| unreadable("its answer is not a JSON object, or has a member twice".to_owned()))?;
    match claims.get("active") {
        Some(Value::Bool(true)) => Ok(claims),
        Some(Value::Bool(false)) => Err(TokenError::NotActive),
        _ => Err(unreadable(
            "its answer does not say whether the token is active".to_owned(),
        )),
    }
}

/// Refuses an answer that is about somebody else: where it says whose the token is, or which
/// groups they are in, it must say what the token says.
fn same_token(answer: &Claims, principal: &Principal, config: &IdentityConfig) -> Result<(), TokenError> {
    for (claim, own) in [("iss", &principal.issuer), ("sub", &principal.subject)] {
        if answer.get(claim).is_some_and(|said| said.as_str() != Some(own)) {
            return Err(TokenError::OtherToken(claim));
        }
    }
    let tells_groups = answer.contains_key(&config.groups_claim);
    if tells_groups && claims::groups(answer, config)? != principal.groups {
        return Err(TokenError::OtherGroups);
    }
    Ok(())
}
