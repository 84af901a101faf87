//! `[[identity]] introspection`: how a provider is asked whether a token still holds (RFC 7662).

use std::path::Path;
use std::time::Duration;

use url::Url;

use super::identity::IdentityConfig;
use super::quantity::{duration, text};
use super::report::{Problem, problem};
use super::section::Section;
use super::settings::secret;
use super::upstream::is_loopback;
use crate::secret::SecretRef;

/// How a provider is asked whether a token still holds.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct IntrospectionConfig {
    /// What the provider calls whoever asks.
    pub client_id: String,
    /// Its secret at the provider.
    pub client_secret: SecretRef,
    /// Where to ask; `None` for where the provider itself says.
    pub url: Option<Url>,
    /// How often it is asked about the token of a live session.
    pub every: Duration,
    /// Whether tokens that are no JWTs are sent there too: then the answer alone says who it is.
    pub opaque: bool,
}

/// The default of `every`: how long a withdrawn token may live on in a session.
const EVERY: Duration = Duration::from_secs(60);

pub(super) fn read(
    section: &Section<'_>,
    folder: &Path,
    issuer: Option<&str>,
) -> Option<IntrospectionConfig> {
    let table = section.table("introspection")?;
    if section.has("jwks") {
        let remedy = "take jwks out: whoever is asked about tokens can be asked for keys";
        section.fault("introspection", problem("means nothing beside jwks", remedy));
    }
    let client_id = table.require(
        "client_id",
        "write what the identity provider calls the gateway",
        text,
    );
    let client_secret = table.require("client_secret", "write \"env:NAME\" or \"file:PATH\"", |value| {
        secret(value, folder)
    });
    let url = table.parse("url", |url| address(url, issuer));
    let range = Duration::from_secs(10)..=Duration::from_hours(1);
    let every = table.parse("every", duration(range));
    let opaque = table.flag("opaque");
    table.finish();
    Some(IntrospectionConfig {
        client_id: client_id?,
        client_secret: client_secret?,
        url,
        every: every.unwrap_or(EVERY),
        opaque,
    })
}

/// Refuses two providers of opaque tokens: such a token does not say whose it is, and the wrong
/// provider must not see it.
pub(super) fn check_opaque(root: &Section<'_>, identities: &[IdentityConfig]) {
    let opaque =
        |identity: &&IdentityConfig| identity.introspection.as_ref().is_some_and(|asked| asked.opaque);
    for identity in identities.iter().filter(opaque).skip(1) {
        root.fault(
            "identity",
            problem(
                format!("\"{}\" is a second one with opaque tokens", identity.name),
                "set introspection.opaque at one [[identity]] only",
            ),
        );
    }
}

fn address(text: &str, issuer: Option<&str>) -> Result<Url, Problem> {
    let remedy = "write the https:// address of the provider's introspection endpoint";
    let url = Url::parse(text).map_err(|error| problem(format!("is not a URL: {error}"), remedy))?;
    if !url.username().is_empty() || url.password().is_some() || url.fragment().is_some() {
        return Err(problem("carries more than host, path and query", remedy));
    }
    let host = url.host_str().unwrap_or("").trim_matches(['[', ']']);
    let local = issuer.is_none_or(|issuer| issuer.starts_with("http:")) && is_loopback(host);
    match url.scheme() {
        "https" => Ok(url),
        "http" if local => Ok(url),
        _ => Err(problem(
            "would carry tokens in clear text",
            "use an https:// address; http:// is for an issuer on the loopback only",
        )),
    }
}
