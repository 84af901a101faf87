//! Tells who a token speaks for. The only door: whatever [`Identity::verify`] has not
//! returned is nobody.
//!
//! Keys come from the configured providers alone, never from a token. Every reason for a
//! refusal has its own line in the log, and one bland sentence for the client.

mod claims;
mod discovered;
mod error;
mod fetch;
mod introspect;
pub(crate) mod json;
mod keys;
pub mod login;
mod logout;
mod provider;
#[cfg(test)]
pub(crate) mod tests;

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::Algorithm;
use model::Principal;
use serde_json::{Map, Value};
use url::Url;

use crate::config::IdentityConfig;
pub use error::{FOR_CLIENT, KeysError, TokenError};
pub use introspect::KeptToken;
pub(crate) use introspect::{QUESTIONS_MAX, TokenDigest};
use login::Endpoints;
pub use logout::Logout;
use logout::Logouts;
use provider::Provider;

/// The longest token that is looked at, in bytes. Providers that put hundreds of groups into
/// one stay below it.
pub const TOKEN_BYTES_MAX: usize = 16 * 1024;

/// Who a token speaks for, and until when.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Verified {
    /// Who acts.
    pub principal: Principal,
    /// When the token ends, in seconds of Unix time.
    pub expires: u64,
    /// What is known of the login behind it.
    pub login: Login,
}

/// What is known of the login behind a token, besides whose it is.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Login {
    /// The provider's name for its own session (`sid`), if the token says it.
    pub provider_session: Option<String>,
    /// When the token was issued, in seconds of Unix time.
    pub issued: Option<u64>,
    /// The token, if its provider is to be asked about it.
    pub token: Option<KeptToken>,
}

/// Who logged in, as an ID token says.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct LoggedIn {
    /// Who.
    pub principal: Principal,
    /// The provider's name for its own session (`sid`), by which it says that it has ended.
    pub provider_session: Option<String>,
    /// When the token was issued, in seconds of Unix time.
    pub issued: u64,
}

impl LoggedIn {
    /// Returns what is known of the login.
    #[must_use]
    pub fn login(&self) -> Login {
        Login {
            provider_session: self.provider_session.clone(),
            issued: Some(self.issued),
            token: None,
        }
    }
}

/// The configured identity providers and their keys.
#[derive(Debug)]
pub struct Identity {
    providers: Vec<Provider>,
    logouts: Mutex<Logouts>,
}

impl Identity {
    /// Prepares the providers; fetches nothing yet.
    ///
    /// # Errors
    /// A provider's certificate authorities cannot be read.
    pub fn new(configs: &[IdentityConfig]) -> Result<Self, KeysError> {
        let providers = configs.iter().map(Provider::new);
        Ok(Self {
            providers: providers.collect::<Result<_, _>>()?,
            logouts: Mutex::default(),
        })
    }

    /// Returns who issues the tokens that are taken here, each once.
    pub fn issuers(&self) -> impl Iterator<Item = &str> {
        let issuers: BTreeSet<&str> = self.providers.iter().map(|p| p.config.issuer.as_str()).collect();
        issuers.into_iter()
    }

    /// Fetches the keys of every provider and returns those that have none, with the reason.
    /// Serving can begin regardless: tokens of such a provider are refused until it has.
    pub async fn warm(&self, now: u64) -> Vec<(String, KeysError)> {
        let mut failed = Vec::new();
        for provider in &self.providers {
            if let Err(error) = provider.warm(now).await {
                failed.push((provider.config.name.clone(), error));
            }
        }
        failed
    }

    /// Returns who `token` speaks for at `now`, in seconds of Unix time.
    ///
    /// Waits only where keys must be fetched: the first time, when they have aged, or for a
    /// key not seen before, and then no longer than a fetch may take; and where the provider is
    /// to be asked whether the token is active, as long again.
    ///
    /// # Errors
    /// Everything that is wrong with a token, the first thing found.
    pub async fn verify(&self, token: &str, now: u64) -> Result<Verified, TokenError> {
        let verified = match self.opaque_provider(token) {
            Some(provider) => self.verify_opaque(provider, token, now).await?,
            None => self.verify_jwt(token, now).await?,
        };
        self.check_logged_in(&verified.principal, &verified.login)?;
        Ok(verified)
    }

    async fn verify_jwt(&self, token: &str, now: u64) -> Result<Verified, TokenError> {
        let parts = Parts::read(token)?;
        let provider = self.provider_of(&parts.claims)?;
        parts.header.check_type(provider.config.strict_typ)?;
        self.check_signature(&parts, provider, now).await?;
        let verified = claims::check(&parts.claims, &provider.config, now)?;
        self.confirm(provider, token, verified, now).await
    }

    fn logouts(&self) -> MutexGuard<'_, Logouts> {
        self.logouts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns who an ID token says has logged in to `client`, in the login that was begun
    /// with `nonce`; `now` in seconds of Unix time. Waits as [`Identity::verify`] does.
    ///
    /// # Errors
    /// Everything that is wrong with a token, the first thing found.
    pub async fn verify_login(
        &self,
        token: &str,
        issuer: &str,
        client: &str,
        nonce: &str,
        now: u64,
    ) -> Result<LoggedIn, TokenError> {
        let parts = Parts::read(token)?;
        let provider = self.provider_of(&parts.claims)?;
        // Another configured provider is nobody to vouch for this login.
        if provider.config.issuer != issuer {
            return Err(TokenError::WrongClaim("iss"));
        }
        parts.header.check_plain_type()?;
        self.check_signature(&parts, provider, now).await?;
        claims::check_login(&parts.claims, &provider.config, client, nonce, now)
    }

    async fn check_signature(
        &self,
        parts: &Parts<'_>,
        provider: &Provider,
        now: u64,
    ) -> Result<(), TokenError> {
        let config = &provider.config;
        if !config.algorithms.contains(&parts.header.algorithm) {
            return Err(TokenError::AlgorithmNotAllowed(parts.header.algorithm));
        }
        let key = provider.key(&parts.header, now).await?;
        let genuine = jsonwebtoken::crypto::verify(
            parts.signature,
            parts.signed.as_bytes(),
            &key.key,
            parts.header.algorithm,
        );
        // An error here is a key or signature of the wrong shape: no better than a wrong one.
        if !genuine.unwrap_or(false) {
            return Err(TokenError::BadSignature);
        }
        Ok(())
    }

    /// Returns who a token with these claims, a JSON object, would speak for. Verifies nothing:
    /// for explaining, never for letting anybody in. Without `iss`, the first provider is meant.
    ///
    /// # Errors
    /// The claims are malformed, or of a provider that is not configured.
    pub fn imagine(&self, claims: &str) -> Result<Principal, TokenError> {
        let claims =
            json::object(claims.as_bytes()).map_err(|_| TokenError::Malformed("not a JSON object"))?;
        let provider = match (claims.contains_key("iss"), self.providers.first()) {
            (false, Some(first)) => first,
            _ => self.provider_of(&claims)?,
        };
        claims::principal(&claims, &provider.config)
    }

    /// Returns where the provider `name` lets people log in, as it says itself; `now` in seconds
    /// of Unix time. What it said is kept for an hour.
    ///
    /// # Errors
    /// There is no such provider, or it does not say.
    pub async fn endpoints(&self, name: &str, now: u64) -> Result<Arc<Endpoints>, KeysError> {
        self.named(name)?.endpoints(now).await
    }

    /// Sends a form to the provider's token endpoint; returns the status and the body of its
    /// answer.
    ///
    /// # Errors
    /// There is no such provider, or it does not answer in time.
    pub(crate) async fn redeem(
        &self,
        name: &str,
        endpoint: &Url,
        form: &login::Redemption,
    ) -> Result<(u16, Vec<u8>), KeysError> {
        self.named(name)?.redeem(endpoint, form).await
    }

    fn named(&self, name: &str) -> Result<&Provider, KeysError> {
        let found = self.providers.iter().find(|p| p.config.name == name);
        found.ok_or(KeysError::NotYet)
    }

    /// Finds the provider by the token's word for it; the signature must then bear it out.
    fn provider_of(&self, claims: &Map<String, Value>) -> Result<&Provider, TokenError> {
        let issuer = match claims.get("iss") {
            Some(Value::String(issuer)) => issuer,
            Some(_) => return Err(TokenError::WrongClaim("iss")),
            None => return Err(TokenError::MissingClaim("iss")),
        };
        let found = self.providers.iter().find(|p| p.config.issuer == *issuer);
        found.ok_or_else(|| TokenError::UnknownIssuer(error::shown(issuer)))
    }
}

/// A token taken apart, nothing of it verified yet.
struct Parts<'t> {
    header: Header,
    claims: Map<String, Value>,
    /// What the signature covers.
    signed: &'t str,
    signature: &'t str,
}

impl<'t> Parts<'t> {
    fn read(token: &'t str) -> Result<Self, TokenError> {
        if token.len() > TOKEN_BYTES_MAX {
            return Err(TokenError::TooLong(token.len()));
        }
        let (signed, signature) = token
            .rsplit_once('.')
            .ok_or(TokenError::Malformed("no three parts"))?;
        let (header, claims) = signed
            .split_once('.')
            .filter(|(_, claims)| !claims.contains('.'))
            .ok_or(TokenError::Malformed("no three parts"))?;
        let header = Header::read(&part(header)?)?;
        let claims = part(claims)?;
        Ok(Self {
            header,
            claims,
            signed,
            signature,
        })
    }
}

fn part(encoded: &str) -> Result<Map<String, Value>, TokenError> {
    let bytes = URL_SAFE_NO_PAD
        .decode(encoded)
        .map_err(|_| TokenError::Malformed("not base64url"))?;
    json::object(&bytes).map_err(|error| match error {
        json::NotAnObject::Duplicate => TokenError::DuplicateMember,
        json::NotAnObject::Malformed => TokenError::Malformed("not a JSON object"),
    })
}

/// What counts of a token's header. Keys and addresses of keys in it are never looked at.
struct Header {
    algorithm: Algorithm,
    typ: Option<String>,
    kid: Option<String>,
}

impl Header {
    fn read(members: &Map<String, Value>) -> Result<Self, TokenError> {
        // We know no extension, so whatever is critical is not understood (RFC 7515, 4.1.11).
        if members.contains_key("crit") {
            return Err(TokenError::Critical);
        }
        let text = |name: &'static str| match members.get(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text.clone())),
            Some(_) => Err(TokenError::Malformed("a header member is not a text")),
        };
        let name = text("alg")?.ok_or(TokenError::Malformed("no alg"))?;
        if name.eq_ignore_ascii_case("none") {
            return Err(TokenError::Unsigned);
        }
        if name.to_ascii_uppercase().starts_with("HS") {
            return Err(TokenError::Symmetric);
        }
        Ok(Self {
            algorithm: name
                .parse()
                .map_err(|_| TokenError::UnknownAlgorithm(error::shown(&name)))?,
            typ: text("typ")?,
            kid: text("kid")?,
        })
    }

    /// Refuses tokens made for something else, as their `typ` says (RFC 8725, 3.11).
    fn check_type(&self, strict: bool) -> Result<(), TokenError> {
        match self.media_type().as_deref() {
            Some("at+jwt") => Ok(()),
            None | Some("jwt") if !strict => Ok(()),
            None => Err(TokenError::WrongType("no typ".to_owned())),
            Some(other) => Err(TokenError::WrongType(error::shown(other))),
        }
    }

    /// Refuses tokens that say they are anything in particular: ID tokens say nothing.
    fn check_plain_type(&self) -> Result<(), TokenError> {
        match self.media_type().as_deref() {
            None | Some("jwt") => Ok(()),
            Some(other) => Err(TokenError::WrongType(error::shown(other))),
        }
    }

    fn media_type(&self) -> Option<String> {
        let typ = self.typ.as_deref()?.to_ascii_lowercase();
        let short = typ.strip_prefix("application/").map(str::to_owned);
        Some(short.unwrap_or(typ))
    }
}
