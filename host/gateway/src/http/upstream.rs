//! One configured HTTP upstream and what is known of it.

use std::collections::{BTreeSet, HashMap};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::header::{AUTHORIZATION, HOST};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Uri};
use model::{ResourceName, Tag};
use proto::http::admit::{AdmitOptions, Admitted};
use proto::http::authority::Authority;
use proto::http::path::CanonicalPath;
use proto::http::route::{Found as Route, Routes};
use proto::http::token::TokenSource;
use serde_json_path::JsonPath;

use super::dial::Target;
use super::masks::Variants;
use super::pool::Pool;
use crate::config::{Config, HttpConfig, HttpLogin, ResourceConfig};
use crate::gate::Aim;
use crate::seats::Seats;
use crate::tls;

/// The largest OpenAPI document, in bytes: the largest public ones have some 10 MB.
const OPENAPI_BYTES_MAX: u64 = 16 << 20;

/// One HTTP upstream.
pub(crate) struct Upstream {
    pub(super) name: ResourceName,
    pub(super) config: HttpConfig,
    pub(super) target: Target,
    /// The authority that the upstream is called by.
    pub(super) authority: Authority,
    pub(super) base: CanonicalPath,
    pub(super) pool: Pool,
    pub(super) routes: Option<Routes>,
    /// What is read of bodies, by the operator's words for it.
    pub(super) body_facts: Vec<(String, JsonPath)>,
    /// What clients may send.
    options: AdmitOptions,
    /// What proves the gateway to it; fetched at the start.
    pub(super) credential: Vec<(HeaderName, HeaderValue)>,
    pub(super) hold_for: Duration,
    pub(super) decide_within: Duration,
    pub(super) use_within: Duration,
    pub(super) seats: Arc<Seats>,
    /// Where which class of data stands in JSON.
    pub(super) tagged_paths: Vec<(Tag, String)>,
    /// Which headers of answers hold it.
    pub(super) tagged_headers: Vec<(Tag, HeaderName)>,
    /// Every class of data that answers may hold, sorted.
    pub(super) tags: Vec<Tag>,
    pub(super) variants: Variants,
}

impl Upstream {
    fn new(resource: &ResourceConfig, http: &HttpConfig, config: &Config) -> Result<Self> {
        let own = match &http.login {
            Some(HttpLogin::Certificate { certificate, key }) => Some((certificate.as_path(), key.as_path())),
            _ => None,
        };
        let client = || tls::http_client(http.root_certificate.as_deref(), own);
        let target = Target {
            host: http.host.clone(),
            port: http.port,
            tls: http.tls.then(client).transpose()?,
            http2: http.http2,
        };
        let here = |name: &ResourceName| *name == resource.name;
        let paths = config.tags.iter().flat_map(|tag| {
            let paths = tag.paths.iter().filter(|path| here(&path.resource));
            paths.map(|path| (tag.name.clone(), path.path.clone()))
        });
        let headers = config.tags.iter().flat_map(|tag| {
            let headers = tag.headers.iter().filter(|(resource, _)| here(resource));
            headers.map(|(_, header)| (tag.name.clone(), header.clone()))
        });
        let (tagged_paths, tagged_headers): (Vec<_>, Vec<_>) = (paths.collect(), headers.collect());
        let tags: BTreeSet<Tag> = tagged_paths
            .iter()
            .map(|(tag, _)| tag)
            .chain(tagged_headers.iter().map(|(tag, _)| tag))
            .cloned()
            .collect();
        let base = match http.base.as_str() {
            "" => CanonicalPath::root(),
            base => CanonicalPath::parse(base, Default::default())?,
        };
        Ok(Self {
            name: resource.name.clone(),
            authority: Authority::parse(authority(http).as_bytes())?,
            base,
            target,
            pool: Pool::default(),
            routes: http.openapi.as_deref().map(routes).transpose()?,
            hold_for: resource.hold_for,
            decide_within: resource.decide_within,
            use_within: resource.use_within,
            seats: Seats::new(resource.max_sessions),
            tagged_paths,
            tagged_headers,
            tags: tags.into_iter().collect(),
            variants: Variants::default(),
            body_facts: http
                .body_facts
                .iter()
                .map(|path| Ok((path.clone(), JsonPath::parse(path)?)))
                .collect::<Result<_>>()?,
            options: options(http, config.tls.is_some())?,
            credential: credential(http.login.as_ref())?,
            config: http.clone(),
        })
    }

    /// What a judgement is about.
    pub(super) fn aim(&self) -> Aim<'_> {
        Aim {
            resource: &self.name,
            protocol: "http",
        }
    }

    /// Returns what the routes say of a request, if there are routes.
    pub(super) fn route(&self, admitted: &Admitted) -> Option<Route> {
        let routes = self.routes.as_ref()?;
        Some(routes.find(&admitted.method, &admitted.path))
    }
}

fn options(http: &HttpConfig, tls: bool) -> Result<AdmitOptions> {
    let methods = http.methods.iter();
    let token = if http.token_header == AUTHORIZATION {
        TokenSource::Authorization
    } else {
        TokenSource::Header(http.token_header.clone())
    };
    Ok(AdmitOptions {
        methods: methods
            .map(|method| Ok(Method::from_bytes(method.as_bytes())?))
            .collect::<Result<_>>()?,
        token,
        tls,
        ..AdmitOptions::default()
    })
}

/// Returns the headers that prove the gateway to the upstream.
fn credential(login: Option<&HttpLogin>) -> Result<Vec<(HeaderName, HeaderValue)>> {
    let value = |bytes: &[u8]| {
        let mut value = HeaderValue::from_bytes(bytes).context("the credential is no header value")?;
        value.set_sensitive(true);
        Ok::<_, anyhow::Error>(value)
    };
    Ok(match login {
        Some(HttpLogin::Bearer(token)) => {
            let token = token.resolve()?;
            vec![(AUTHORIZATION, value(&[b"Bearer ", token.expose()].concat())?)]
        }
        Some(HttpLogin::Basic { user, password }) => {
            let password = password.resolve()?;
            let pair = [user.as_bytes(), b":", password.expose()].concat();
            let text = format!("Basic {}", STANDARD.encode(pair));
            vec![(AUTHORIZATION, value(text.as_bytes())?)]
        }
        Some(HttpLogin::Header { name, value: secret }) => {
            vec![(name.clone(), value(secret.resolve()?.expose())?)]
        }
        Some(HttpLogin::Certificate { .. }) | None => Vec::new(),
    })
}

fn authority(http: &HttpConfig) -> String {
    let host = if http.host.contains(':') {
        format!("[{}]", http.host)
    } else {
        http.host.clone()
    };
    match (http.tls, http.port) {
        (true, 443) | (false, 80) => host,
        (_, port) => format!("{host}:{port}"),
    }
}

fn routes(file: &Path) -> Result<Routes> {
    let what = || format!("the OpenAPI document {}", file.display());
    let length = std::fs::metadata(file).with_context(what)?.len();
    anyhow::ensure!(
        length <= OPENAPI_BYTES_MAX,
        "{} is larger than {OPENAPI_BYTES_MAX} bytes",
        what()
    );
    let text = std::fs::read(file).with_context(what)?;
    let document = serde_json::from_slice(&text).with_context(what)?;
    Routes::from_openapi(&document).map_err(|errors| {
        let errors: Vec<String> = errors.iter().map(ToString::to_string).collect();
        anyhow::anyhow!("{}: {}", what(), errors.join("; "))
    })
}

/// All HTTP upstreams.
#[derive(Default)]
pub(crate) struct Upstreams {
    by_name: HashMap<String, Arc<Upstream>>,
    by_host: HashMap<String, Arc<Upstream>>,
}

impl Upstreams {
    /// Prepares what is configured.
    pub(crate) fn new(config: &Config) -> Result<Self> {
        let mut upstreams = Self::default();
        for resource in &config.resources {
            let Some(http) = resource.http() else { continue };
            let upstream = Upstream::new(resource, http, config);
            let upstream = Arc::new(upstream.with_context(|| format!("resource \"{}\"", resource.name))?);
            for host in &http.hosts {
                upstreams.by_host.insert(host.clone(), Arc::clone(&upstream));
            }
            if http.hosts.is_empty() {
                upstreams
                    .by_name
                    .insert(resource.name.as_str().to_owned(), upstream);
            }
        }
        Ok(upstreams)
    }

    /// Returns the names of all.
    pub(crate) fn names(&self) -> impl Iterator<Item = &ResourceName> {
        let by_name = self.by_name.values().map(|upstream| &upstream.name);
        let by_host: BTreeSet<&ResourceName> = self.by_host.values().map(|upstream| &upstream.name).collect();
        by_name.chain(by_host)
    }

    /// Returns what may be sent to whom a request seems to be for. Whom it is for is settled by
    /// [`Upstreams::find`] once it has one meaning; if that is another, its methods are checked
    /// again and its token is not found.
    pub(super) fn options(&self, uri: &Uri, headers: &HeaderMap, tls: bool) -> AdmitOptions {
        let host = uri.authority().map(|authority| authority.host());
        let host = host.or_else(|| headers.get(HOST)?.to_str().ok());
        let host = host.map(|host| host.rsplit_once(':').map_or(host, |(name, _)| name));
        let by_host = host.and_then(|host| self.by_host.get(&host.to_ascii_lowercase()));
        let first = uri.path().trim_start_matches('/').split('/').next();
        let upstream = by_host.or_else(|| self.by_name.get(first?));
        upstream.map_or_else(
            || AdmitOptions {
                tls,
                ..AdmitOptions::default()
            },
            |upstream| upstream.options.clone(),
        )
    }

    /// Finds the resource that a request is for: by the host it names, else by the first segment
    /// of its path. Returns the path within the resource, too, and what was taken off it.
    pub(super) fn find(&self, host: &str, path: &CanonicalPath) -> Option<Found> {
        if let Some(upstream) = self.by_host.get(host) {
            return Some(Found {
                upstream: Arc::clone(upstream),
                path: path.clone(),
                prefix: String::new(),
            });
        }
        let (first, rest) = path.split_first()?;
        let upstream = self.by_name.get(first)?;
        Some(Found {
            upstream: Arc::clone(upstream),
            path: rest,
            prefix: format!("/{first}"),
        })
    }
}

/// The resource that a request is for.
pub(super) struct Found {
    pub(super) upstream: Arc<Upstream>,
    /// The path within the resource.
    pub(super) path: CanonicalPath,
    /// What stands before it in the client's view.
    pub(super) prefix: String,
}
