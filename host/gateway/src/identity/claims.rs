//! Reads the claims of a token whose signature is right: for whom, from when, until when, who.

use model::{Actor, Principal, PrincipalKind};
use serde_json::{Map, Value};
use subtle::ConstantTimeEq as _;

use super::error::{TokenError, shown};
use super::{LoggedIn, Login, Verified};
use crate::config::{IdentityConfig, KindRule};

/// How many links of delegation are kept; real chains have one or two.
const DELEGATION_MAX: usize = 8;

/// How many groups a token may carry; each becomes an entity of every decision.
const GROUPS_MAX: usize = 1_000;

/// The longest subject, group or client, in bytes (OIDC Core, 2: 255 ASCII characters).
const NAME_BYTES_MAX: usize = 255;

/// Claims that only ID tokens and logout tokens carry.
const FOREIGN: [&str; 4] = ["nonce", "at_hash", "c_hash", "events"];

pub(super) type Claims = Map<String, Value>;

/// Checks all claims at `now`, in seconds of Unix time, and returns who the token speaks for.
pub(super) fn check(claims: &Claims, config: &IdentityConfig, now: u64) -> Result<Verified, TokenError> {
    let expires = common(claims, config, now)?;
    if audiences(claims)?
        .iter()
        .all(|meant| !config.audiences.iter().any(|own| own == meant))
    {
        return Err(TokenError::WrongAudience);
    }
    if let Some(claim) = FOREIGN.into_iter().find(|claim| claims.contains_key(*claim)) {
        return Err(TokenError::NotAnAccessToken(claim));
    }
    if claims.contains_key("cnf") {
        return Err(TokenError::Bound);
    }
    Ok(Verified {
        principal: principal(claims, config)?,
        expires,
        login: Login {
            // No claim of access tokens by any standard: taken where it makes sense.
            provider_session: name(claims, "sid").unwrap_or_default(),
            issued: seconds(claims, "iat")?,
            token: None,
        },
    })
}

/// Checks all claims of an ID token (OIDC Core, 3.1.3.7) for the login that `client` began with
/// `nonce`, and returns who logged in.
pub(super) fn check_login(
    claims: &Claims,
    config: &IdentityConfig,
    client: &str,
    nonce: &str,
    now: u64,
) -> Result<LoggedIn, TokenError> {
    common(claims, config, now)?;
    let issued = seconds(claims, "iat")?.ok_or(TokenError::MissingClaim("iat"))?;
    let audiences = audiences(claims)?;
    if !audiences.contains(&client) {
        return Err(TokenError::WrongAudience);
    }
    match name(claims, "azp")? {
        Some(party) if party != client => return Err(TokenError::ClientNotAllowed(shown(&party))),
        // Meant for others too: it must say who asked for it.
        None if audiences.len() > 1 => return Err(TokenError::MissingClaim("azp")),
        _ => {}
    }
    match claims.get("nonce") {
        None => return Err(TokenError::MissingClaim("nonce")),
        Some(Value::String(own)) if bool::from(own.as_bytes().ct_eq(nonce.as_bytes())) => {}
        Some(_) => return Err(TokenError::WrongClaim("nonce")),
    }
    if claims.contains_key("events") {
        return Err(TokenError::NotAnIdToken("events"));
    }
    Ok(LoggedIn {
        principal: whose(claims, config, Some(client.to_owned()))?,
        provider_session: name(claims, "sid")?,
        issued,
    })
}

/// Checks what holds for every token; returns when it ends.
pub(super) fn common(claims: &Claims, config: &IdentityConfig, now: u64) -> Result<u64, TokenError> {
    // Byte for byte: the one by which the provider was found.
    if claims.get("iss").and_then(Value::as_str) != Some(&config.issuer) {
        return Err(TokenError::WrongClaim("iss"));
    }
    times(claims, config, now)
}

/// Reads who claims speak for, whether or not they may be believed.
pub(super) fn principal(claims: &Claims, config: &IdentityConfig) -> Result<Principal, TokenError> {
    let client = client(claims, config)?;
    whose(claims, config, client)
}

fn whose(claims: &Claims, config: &IdentityConfig, client: Option<String>) -> Result<Principal, TokenError> {
    let subject = name(claims, "sub")?.ok_or(TokenError::MissingClaim("sub"))?;
    let delegation = delegation(claims)?;
    Ok(Principal {
        identity: config.name.clone(),
        issuer: config.issuer.clone(),
        subject,
        groups: groups(claims, config)?,
        kind: kind(claims, config, &delegation),
        delegation,
        client,
        token_id: name(claims, "jti")?,
    })
}

fn times(claims: &Claims, config: &IdentityConfig, now: u64) -> Result<u64, TokenError> {
    let leeway = config.leeway.as_secs();
    let expires = seconds(claims, "exp")?.ok_or(TokenError::MissingClaim("exp"))?;
    if expires.saturating_add(leeway) <= now {
        return Err(TokenError::Expired(now - expires));
    }
    if let Some(begins) = seconds(claims, "nbf")?.filter(|begins| *begins > now.saturating_add(leeway)) {
        return Err(TokenError::NotYetValid(begins - now));
    }
    let issued = seconds(claims, "iat")?;
    if let Some(issued) = issued.filter(|issued| *issued > now.saturating_add(leeway)) {
        return Err(TokenError::IssuedInFuture(issued - now));
    }
    // Where it does not say when it was issued, what is left of its life must do.
    let lifetime = expires.saturating_sub(issued.unwrap_or(now));
    if lifetime > config.max_lifetime.as_secs().saturating_add(leeway) {
        return Err(TokenError::LivesTooLong);
    }
    Ok(expires)
}

/// Reads a time: a number, possibly with a fraction (RFC 7519, 2), which is cut off.
pub(super) fn seconds(claims: &Claims, claim: &'static str) -> Result<Option<u64>, TokenError> {
    let Some(value) = claims.get(claim) else {
        return Ok(None);
    };
    if let Some(whole) = value.as_u64() {
        return Ok(Some(whole));
    }
    let number = value
        .as_f64()
        .filter(|number| (0.0..9_007_199_254_740_992.0).contains(number))
        .ok_or(TokenError::WrongClaim(claim))?;
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "the range was just checked, and the fraction is to go"
    )]
    Ok(Some(number as u64))
}

pub(super) fn audiences(claims: &Claims) -> Result<Vec<&str>, TokenError> {
    match claims.get("aud") {
        None => Err(TokenError::MissingClaim("aud")),
        Some(Value::String(audience)) => Ok(vec![audience]),
        Some(Value::Array(audiences)) => audiences
            .iter()
            .map(|audience| audience.as_str().ok_or(TokenError::WrongClaim("aud")))
            .collect(),
        Some(_) => Err(TokenError::WrongClaim("aud")),
    }
}

pub(super) fn name(claims: &Claims, claim: &'static str) -> Result<Option<String>, TokenError> {
    match claims.get(claim) {
        None => Ok(None),
        Some(Value::String(name)) if is_name(name) => Ok(Some(name.clone())),
        Some(_) => Err(TokenError::WrongClaim(claim)),
    }
}

fn is_name(name: &str) -> bool {
    !name.is_empty() && name.len() <= NAME_BYTES_MAX && !name.contains(char::is_control)
}

fn client(claims: &Claims, config: &IdentityConfig) -> Result<Option<String>, TokenError> {
    let (party, client) = (name(claims, "azp")?, name(claims, "client_id")?);
    if let Some(allowed) = &config.clients {
        let named: Vec<&String> = party.iter().chain(&client).collect();
        if named.is_empty() {
            return Err(TokenError::MissingClaim("azp"));
        }
        if let Some(stranger) = named.into_iter().find(|name| !allowed.contains(name)) {
            return Err(TokenError::ClientNotAllowed(shown(stranger)));
        }
    }
    Ok(party.or(client))
}

/// Reads the groups, each once and in order.
pub(super) fn groups(claims: &Claims, config: &IdentityConfig) -> Result<Vec<String>, TokenError> {
    let wrong = TokenError::WrongClaim("groups");
    let mut groups = match claims.get(&config.groups_claim) {
        None => return Ok(Vec::new()),
        Some(Value::Array(groups)) if groups.len() <= GROUPS_MAX => groups
            .iter()
            .map(|group| group.as_str().filter(|group| is_name(group)).map(str::to_owned))
            .collect::<Option<Vec<_>>>()
            .ok_or(wrong)?,
        Some(_) => return Err(wrong),
    };
    groups.sort_unstable();
    groups.dedup();
    Ok(groups)
}

/// Reads the chain of `act` claims (RFC 8693, 4.1): the outermost is the current actor.
fn delegation(claims: &Claims) -> Result<Vec<Actor>, TokenError> {
    let mut chain = Vec::new();
    let mut next = claims.get("act");
    while let Some(act) = next {
        if chain.len() == DELEGATION_MAX {
            return Err(TokenError::DelegationTooLong);
        }
        let act = act.as_object().ok_or(TokenError::WrongClaim("act"))?;
        let member = |claim| name(act, claim).map_err(|_| TokenError::WrongClaim("act"));
        chain.push(Actor {
            issuer: member("iss")?,
            subject: member("sub")?.ok_or(TokenError::WrongClaim("act"))?,
        });
        next = act.get("act");
    }
    Ok(chain)
}

fn kind(claims: &Claims, config: &IdentityConfig, delegation: &[Actor]) -> PrincipalKind {
    let person = match &config.kind {
        KindRule::Agent => false,
        KindRule::Person => true,
        KindRule::ByClaim { claim, equals } => claims.get(claim).and_then(Value::as_str) == Some(equals),
    };
    // Who acts for a person is not that person: it must never approve.
    if person && delegation.is_empty() {
        PrincipalKind::Person
    } else {
        PrincipalKind::Agent
    }
}
