//! `[[identity]]`: who may vouch for principals, and how far.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use jsonwebtoken::Algorithm;
use url::Url;

use super::introspection::{self, IntrospectionConfig};
use super::quantity::{duration, name, text};
use super::report::{Problem, problem};
use super::section::Section;
use super::upstream::is_loopback;

/// One identity provider.
#[derive(Clone, Debug, PartialEq)]
pub struct IdentityConfig {
    /// Its name, e.g. `corp`; the prefix of its groups where there are several providers.
    pub name: String,
    /// The exact `iss` of its tokens.
    pub issuer: String,
    /// The audiences a token may be meant for; it must name one of them.
    pub audiences: Vec<String>,
    /// The claim that carries the groups.
    pub groups_claim: String,
    /// Where its keys come from.
    pub keys: KeySource,
    /// How a person is told from an agent.
    pub kind: KindRule,
    /// The signature algorithms it may use. Never symmetric ones.
    pub algorithms: Vec<Algorithm>,
    /// Whether `algorithms` was given, and so says what a key without `alg` is for.
    pub algorithms_given: bool,
    /// The `azp` or `client_id` a token must have; `None` for any.
    pub clients: Option<Vec<String>>,
    /// Whether tokens must say that they are access tokens (`typ` of RFC 9068).
    pub strict_typ: bool,
    /// How far the clocks may be apart.
    pub leeway: Duration,
    /// The longest time from a token's issue to its end.
    pub max_lifetime: Duration,
    /// How the provider is asked whether a token still holds, if it is.
    pub introspection: Option<IntrospectionConfig>,
    /// What the provider calls this gateway, the console's client included: its logout tokens
    /// are for one of them.
    pub logout_clients: Vec<String>,
}

/// Where an identity provider's keys come from.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum KeySource {
    /// A JWKS file, read again when it changes.
    File(PathBuf),
    /// OIDC discovery.
    Discovery(HttpKeys),
}

/// How an identity provider's keys are fetched.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct HttpKeys {
    /// Hosts that may serve the keys besides the issuer's own.
    pub hosts: Vec<String>,
    /// Authorities that vouch for the provider's certificate; `None` for the system's own.
    pub root_certificate: Option<PathBuf>,
    /// Whether the provider may be on a private address.
    pub allow_private: bool,
}

/// How a person is told from an agent. Whatever is not shown to be a person is an agent, and
/// so is whoever acts for somebody else (`act`).
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum KindRule {
    /// All are agents.
    Agent,
    /// All are persons.
    Person,
    /// Those with this claim of this value are persons.
    ByClaim {
        /// The claim.
        claim: String,
        /// Its value for a person.
        equals: String,
    },
}

/// What a provider may sign with unless the configuration says less.
const ALGORITHMS: [(&str, Algorithm); 9] = [
    ("ES256", Algorithm::ES256),
    ("ES384", Algorithm::ES384),
    ("EdDSA", Algorithm::EdDSA),
    ("RS256", Algorithm::RS256),
    ("RS384", Algorithm::RS384),
    ("RS512", Algorithm::RS512),
    ("PS256", Algorithm::PS256),
    ("PS384", Algorithm::PS384),
    ("PS512", Algorithm::PS512),
];

/// The default of `leeway`: clocks set by NTP are much closer.
const LEEWAY: Duration = Duration::from_secs(30);

/// The default of `max_lifetime`: workload tokens live for a day at the most.
const MAX_LIFETIME: Duration = Duration::from_hours(24);

pub(super) fn read(section: Section<'_>, folder: &Path) -> Option<IdentityConfig> {
    let name = section.require("name", "name the identity provider, e.g. \"corp\"", name);
    let has_file = section.has("jwks");
    let issuer = section.require(
        "issuer",
        "write the exact iss of its tokens, e.g. \"https://idp.example.com\"",
        |issuer| {
            if has_file {
                text(issuer)
            } else {
                issuer_url(issuer)
            }
        },
    );
    if !section.has("audience") {
        let remedy = "write the aud its tokens carry for this gateway, e.g. \"tidegate\"";
        section.fault("audience", problem("is missing", remedy));
    }
    let audiences = section.one_or_more("audience", text);
    if section.is_empty_list("audience") {
        section.fault("audience", problem("is empty", "name at least one audience"));
    }
    let groups_claim = section.parse("groups", text);
    let keys = keys(&section, folder);
    let kind = kind(&section);
    let algorithms_given = section.has("algorithms");
    let algorithms = section.list("algorithms", algorithm);
    let clients_given = section.has("clients");
    let clients = section.list("clients", text);
    if section.is_empty_list("clients") {
        let remedy = "name the clients, or take the key out to accept any";
        section.fault("clients", problem("is empty: nobody could log in", remedy));
    }
    let strict_typ = section.flag("strict_typ");
    let leeway = section.parse("leeway", duration(Duration::ZERO..=Duration::from_mins(5)));
    let lifetime_range = Duration::from_mins(1)..=Duration::from_hours(24 * 30);
    let max_lifetime = section.parse("max_lifetime", duration(lifetime_range));
    let introspection = introspection::read(&section, folder, issuer.as_deref());
    let logout_clients = section.list("logout_clients", text);
    section.finish();
    Some(IdentityConfig {
        name: name?,
        issuer: issuer?,
        audiences,
        groups_claim: groups_claim.unwrap_or_else(|| "groups".to_owned()),
        keys: keys?,
        kind: kind?,
        algorithms: if algorithms_given {
            algorithms
        } else {
            ALGORITHMS.iter().map(|(_, algorithm)| *algorithm).collect()
        },
        algorithms_given,
        clients: clients_given.then_some(clients),
        strict_typ,
        leeway: leeway.unwrap_or(LEEWAY),
        max_lifetime: max_lifetime.unwrap_or(MAX_LIFETIME),
        introspection,
        logout_clients,
    })
}

/// Refuses two providers with one issuer: a token would have two meanings.
pub(super) fn check_issuers(root: &Section<'_>, identities: &[IdentityConfig]) {
    let mut issuers = HashSet::new();
    for identity in identities {
        if !issuers.insert(&identity.issuer) {
            root.fault(
                "identity",
                problem(
                    format!("the issuer of \"{}\" is taken", identity.name),
                    "keep one [[identity]] per issuer",
                ),
            );
        }
    }
}

fn keys(section: &Section<'_>, folder: &Path) -> Option<KeySource> {
    let fetch_keys = ["jwks_hosts", "root_certificate", "allow_private"];
    if section.has("jwks") {
        let file = section.parse("jwks", |text| match text.split_once(':') {
            Some(("file", path)) if !path.is_empty() => Ok(KeySource::File(folder.join(path))),
            _ => Err(problem(
                "is not a file of keys",
                "write jwks = \"file:PATH\", or take it out to use OIDC discovery",
            )),
        });
        for key in fetch_keys {
            if section.has(key) {
                section.fault(
                    key,
                    problem("means nothing beside jwks", "take one of the two out"),
                );
            }
        }
        // Asked for, so that they are not reported a second time as unknown.
        let _ = (
            section.list("jwks_hosts", text),
            section.parse("root_certificate", text),
        );
        section.flag("allow_private");
        return file;
    }
    Some(KeySource::Discovery(HttpKeys {
        hosts: section.list("jwks_hosts", |host| {
            text(host).map(|host| host.to_ascii_lowercase())
        }),
        root_certificate: section.parse("root_certificate", |path| {
            text(path).map(|path| folder.join(path))
        }),
        allow_private: section.flag("allow_private"),
    }))
}

fn kind(section: &Section<'_>) -> Option<KindRule> {
    let person_when = section.table("person_when").and_then(|table| {
        let claim = table.require("claim", "name the claim that shows a person", text);
        let equals = table.require("equals", "write its value for a person", text);
        table.finish();
        Some(KindRule::ByClaim {
            claim: claim?,
            equals: equals?,
        })
    });
    let has_rule = section.has("person_when");
    let rule = section.parse("kind", |kind| match (kind, has_rule) {
        ("agent", false) => Ok(Some(KindRule::Agent)),
        ("person", false) => Ok(Some(KindRule::Person)),
        ("by_claim", true) => Ok(person_when.clone()),
        ("by_claim", false) => Err(problem(
            "needs to know the claim",
            "add person_when = { claim = \"…\", equals = \"…\" }",
        )),
        ("agent" | "person", true) => Err(problem(
            "contradicts person_when",
            "use kind = \"by_claim\", or take person_when out",
        )),
        _ => Err(problem(
            format!("\"{kind}\" is not known"),
            "use \"agent\", \"person\" or \"by_claim\"",
        )),
    });
    match (section.has("kind"), has_rule) {
        (true, _) => rule.flatten(),
        (false, true) => person_when,
        (false, false) => Some(KindRule::Agent),
    }
}

fn algorithm(text: &str) -> Result<Algorithm, Problem> {
    if let Some((_, algorithm)) = ALGORITHMS.iter().find(|(name, _)| *name == text) {
        return Ok(*algorithm);
    }
    let known: Vec<&str> = ALGORITHMS.iter().map(|(name, _)| *name).collect();
    let what = if text.starts_with("HS") || text == "none" {
        format!("\"{text}\" would let anybody make tokens")
    } else {
        format!("\"{text}\" is not a known algorithm")
    };
    Err(problem(what, format!("use some of {}", known.join(", "))))
}

fn issuer_url(text: &str) -> Result<String, Problem> {
    let remedy = "write the provider's https:// address exactly as its tokens carry it";
    let url = Url::parse(text).map_err(|error| problem(format!("is not a URL: {error}"), remedy))?;
    let host = url.host_str().unwrap_or("").trim_matches(['[', ']']);
    if !(url.scheme() == "https" || url.scheme() == "http" && is_loopback(host)) {
        return Err(problem(
            "keys fetched without TLS could be anybody's",
            "use an https:// issuer; http:// is for the loopback only",
        ));
    }
    if !url.username().is_empty()
        || url.password().is_some()
        || url.query().is_some()
        || url.fragment().is_some()
    {
        return Err(problem("carries more than host and path", remedy));
    }
    Ok(text.to_owned())
}
