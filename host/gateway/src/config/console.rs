//! `[console]`: where people reach the console, and how they log in to it.

use std::path::Path;

use url::Url;

use super::identity::{IdentityConfig, KeySource, KindRule};
use super::listen::ListenConfig;
use super::quantity::text;
use super::report::{Problem, nearest, problem};
use super::section::Section;
use super::settings::secret;
use super::upstream::is_loopback;
use crate::secret::SecretRef;

/// How people log in to the console.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ConsoleConfig {
    /// Where browsers reach it: scheme, host and port, without a slash at the end. Never taken
    /// from a request.
    pub url: String,
    /// The name of the identity provider.
    pub identity: String,
    /// What the provider calls the console.
    pub client_id: String,
    /// The console's secret at the provider.
    pub client_secret: SecretRef,
    /// What is asked for besides `openid`, e.g. `groups`.
    pub scopes: Vec<String>,
}

impl ConsoleConfig {
    /// Whether browsers come by TLS; if not, the console is on the loopback.
    #[must_use]
    pub fn is_secure(&self) -> bool {
        self.url.starts_with("https:")
    }
}

pub(super) fn read(
    root: &Section<'_>,
    folder: &Path,
    identities: &[IdentityConfig],
    listen: Option<&ListenConfig>,
) -> Option<ConsoleConfig> {
    // Asked for in any case, so that it is a known key.
    let section = root.table("console")?;
    if listen.is_some_and(|listen| listen.admin.is_none()) {
        let remedy = "set listen.admin, e.g. \"127.0.0.1:8443\", or take [console] out";
        section.fault("url", problem("has no listener to be served by", remedy));
    }
    let remedy = "write where browsers reach the console, e.g. \"https://tidegate.example.com\"";
    let url = section.require("url", remedy, address);
    let names = root.names("identity");
    let identity = section.require(
        "identity",
        "name the [[identity]] that people log in with",
        |name| {
            if names.iter().any(|known| known == name) {
                return Ok(name.to_owned());
            }
            let remedy = match nearest(name, names.iter().map(String::as_str)) {
                Some(meant) => format!("did you mean \"{meant}\"?"),
                None => "name one of the [[identity]]s".to_owned(),
            };
            Err(problem(format!("there is no identity \"{name}\""), remedy))
        },
    );
    let client_id = section.require(
        "client_id",
        "write what the identity provider calls the console",
        text,
    );
    let client_secret = section.require("client_secret", "write \"env:NAME\" or \"file:PATH\"", |value| {
        secret(value, folder)
    });
    let scopes = section.list("scopes", scope);
    let provider = identities
        .iter()
        .find(|known| Some(&known.name) == identity.as_ref());
    if let Some(provider) = provider {
        check_provider(&section, provider, client_id.as_deref());
    }
    section.finish();
    Some(ConsoleConfig {
        url: url?,
        identity: identity?,
        client_id: client_id?,
        client_secret: client_secret?,
        scopes,
    })
}

fn check_provider(section: &Section<'_>, provider: &IdentityConfig, client_id: Option<&str>) {
    if matches!(provider.keys, KeySource::File(_)) {
        let remedy = "take jwks out of that [[identity]]: logging in needs the provider itself";
        section.fault("identity", problem("has its keys from a file", remedy));
    }
    if provider.kind == KindRule::Agent {
        let remedy = "set kind = \"person\" or person_when there: agents do not log in to the console";
        section.fault("identity", problem("vouches for agents only", remedy));
    }
    if client_id.is_some_and(|client| provider.audiences.iter().any(|audience| audience == client)) {
        let remedy = "register the console as a client of its own, which is no audience of the gateway";
        let what = "is an audience of access tokens: a login would open databases too";
        section.fault("client_id", problem(what, remedy));
    }
}

/// Reads an origin: `https://HOST[:PORT]`, or `http://` on the loopback.
fn address(text: &str) -> Result<String, Problem> {
    let remedy = "write scheme, host and port only, e.g. \"https://tidegate.example.com\"";
    let url = Url::parse(text).map_err(|error| problem(format!("is not a URL: {error}"), remedy))?;
    let host = url.host_str().unwrap_or("").trim_matches(['[', ']']);
    let bare = url.path() == "/" && url.query().is_none() && url.fragment().is_none();
    if host.is_empty() || !bare || !url.username().is_empty() || url.password().is_some() {
        return Err(problem("carries more than scheme, host and port", remedy));
    }
    match url.scheme() {
        "https" => {}
        "http" if is_loopback(host) => {}
        _ => {
            return Err(problem(
                "would carry the console's cookies in clear text",
                "use an https:// address; http:// is for the loopback only",
            ));
        }
    }
    Ok(url.origin().ascii_serialization())
}

/// Reads one scope (RFC 6749, 3.3).
fn scope(text: &str) -> Result<String, Problem> {
    let fits = !text.is_empty()
        && text
            .bytes()
            .all(|byte| matches!(byte, 0x21 | 0x23..=0x5b | 0x5d..=0x7e));
    if fits {
        Ok(text.to_owned())
    } else {
        Err(problem(
            "is not a scope",
            "write one scope a text, e.g. \"groups\"",
        ))
    }
}
