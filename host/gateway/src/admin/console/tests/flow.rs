//! A gateway with a console, and browsers that keep cookies.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use axum::Router;
use axum::body::Body;
use http::header::{CONTENT_TYPE, COOKIE, LOCATION, SET_COOKIE};
use http::{HeaderMap, Method, Request, StatusCode};
use http_body_util::BodyExt as _;
use model::Fault;
use model::event::Event;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;
use tower::ServiceExt as _;

use super::html::tags;
use super::provider::{CLIENT, Provider, SECRET};
use crate::admin::Site;
use crate::admin::console::{Console, router};
use crate::admin::listener::Peer;
use crate::config::Config;
use crate::serve::Gateway;

pub(super) const URL: &str = "https://tidegate.example.com";

const POLICY: &str = r#"
@id("operators")
permit (principal in Group::"operators", action == Action::"execute", resource == Resource::"tidegate");
@id("watchers")
permit (principal in Group::"watchers", action == Action::"execute", resource == Resource::"tidegate")
when { context.session.protocol == "console" && context.operation.verbs.contains("show approval") };
@id("approvers")
permit (principal in Group::"dba", action == Action::"approve", resource == Resource::"customers");
@id("askers")
permit (principal, action == Action::"request", resource == Resource::"customers");
"#;

pub(super) struct Stage {
    pub(super) provider: Provider,
    pub(super) gateway: Gateway,
    router: Router,
    _folder: tempfile::TempDir,
}

impl Stage {
    pub(super) async fn new() -> Self {
        let provider = Provider::start().await;
        let folder = tempfile::tempdir().expect("a folder");
        let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).expect("written");
        write("secret", SECRET);
        write("main.cedar", POLICY);
        let text = format!(
            "[listen]\npostgres = \"127.0.0.1:0\"\nadmin = \"127.0.0.1:0\"\ninsecure_plaintext = true\n\
             [console]\nurl = \"{URL}\"\nidentity = \"corp\"\nclient_id = \"{CLIENT}\"\nclient_secret = \"file:secret\"\n\
             [[identity]]\nname = \"corp\"\nissuer = \"{}\"\naudience = \"tidegate\"\nkind = \"person\"\n\
             [[resource]]\nname = \"customers\"\nkind = \"postgres\"\n\
             upstream = \"postgres://127.0.0.1:1/customers?sslmode=disable\"\nlogin = {{ user = \"app\" }}\n\
             [policy]\nfiles = [\"main.cedar\"]\n",
            provider.issuer
        );
        let config = Config::parse(&text, &folder.path().join("tidegate.toml")).expect("valid");
        let gateway = Gateway::start(&config).await.expect("started");
        let recorder = metrics_exporter_prometheus::PrometheusBuilder::new().build_recorder();
        let stop = CancellationToken::new();
        let site = Site::new(gateway.services.clone(), recorder.handle(), stop);
        let console = config.console.as_ref().expect("a console");
        let console = Console::new(site, gateway.state.clone(), console).expect("a secret");
        Self {
            provider,
            gateway,
            router: router(console),
            _folder: folder,
        }
    }

    pub(super) fn browser(&self) -> Browser<'_> {
        Browser {
            stage: self,
            cookies: BTreeMap::new(),
            peer: None,
        }
    }

    /// Returns the browser of somebody who has logged in.
    pub(super) async fn logged_in(&self, subject: &str, groups: &[&str]) -> Browser<'_> {
        let mut browser = self.browser();
        let seen = browser.log_in(subject, groups, &json!({})).await;
        assert_eq!(seen.status, StatusCode::SEE_OTHER, "{}", seen.body);
        browser
    }

    /// Returns the journal's entries of a kind, those too that were only just written.
    pub(super) async fn journalled(&self, kind: &str) -> Vec<Value> {
        let journal = &self.gateway.services.journal;
        let last = Event::Failed {
            fault: Fault::Gateway,
            what: "nothing",
            reason: "what was written before is durable once this is",
        };
        let ticket = journal.append(|out| last.encode(1, out)).expect("written");
        journal.durable(ticket).await.expect("durable");
        let entries = self.gateway.services.journal.reader().entries(0);
        entries
            .map(|entry| serde_json::from_slice(&entry.expect("read").bytes).expect("JSON"))
            .filter(|entry: &Value| entry["kind"] == kind)
            .collect()
    }
}

/// An answer as a browser gets it.
#[derive(Debug)]
pub(super) struct Seen {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: String,
}

impl Seen {
    pub(super) fn location(&self) -> &str {
        let location = self.headers.get(LOCATION).expect("somewhere to go");
        location.to_str().expect("a text")
    }

    /// Returns the headers that set a cookie of this name.
    pub(super) fn set_cookie(&self, name: &str) -> Vec<String> {
        let all = self.headers.get_all(SET_COOKIE).iter();
        all.filter_map(|value| value.to_str().ok())
            .filter(|value| value.starts_with(&format!("{name}=")))
            .map(str::to_owned)
            .collect()
    }

    /// Returns what the page's forms carry.
    pub(super) fn token(&self) -> String {
        let token = tags(&self.body)
            .into_iter()
            .find(|tag| tag.get("name") == Some("token"));
        token
            .and_then(|tag| tag.get("value").map(str::to_owned))
            .expect("a form with a token")
    }
}

/// A browser: it keeps cookies, and says where its requests come from.
pub(super) struct Browser<'a> {
    stage: &'a Stage,
    pub(super) cookies: BTreeMap<String, String>,
    /// Where it comes from, if that is known.
    pub(super) peer: Option<SocketAddr>,
}

impl Browser<'_> {
    pub(super) async fn get(&mut self, path: &str) -> Seen {
        self.send(Method::GET, path, &[("sec-fetch-site", "same-origin")], "")
            .await
    }

    /// Sends a form of a page of the console.
    pub(super) async fn post(&mut self, path: &str, fields: &[(&str, &str)]) -> Seen {
        self.send(
            Method::POST,
            path,
            &[("sec-fetch-site", "same-origin")],
            &form(fields),
        )
        .await
    }

    pub(super) async fn send(
        &mut self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> Seen {
        let mut request = Request::builder().method(method).uri(path);
        if let Some(peer) = self.peer {
            request = request.extension(Peer::new(peer));
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if !body.is_empty() {
            request = request.header(CONTENT_TYPE, "application/x-www-form-urlencoded");
        }
        let cookies: Vec<String> = self
            .cookies
            .iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        if !cookies.is_empty() {
            request = request.header(COOKIE, cookies.join("; "));
        }
        let request = request.body(Body::from(body.to_owned())).expect("a request");
        let response = self
            .stage
            .router
            .clone()
            .oneshot(request)
            .await
            .expect("infallible");
        let (parts, body) = response.into_parts();
        let bytes = body.collect().await.expect("a body").to_bytes();
        self.keep(&parts.headers);
        Seen {
            status: parts.status,
            headers: parts.headers,
            body: String::from_utf8(bytes.to_vec()).expect("text"),
        }
    }

    fn keep(&mut self, headers: &HeaderMap) {
        for value in headers.get_all(SET_COOKIE) {
            let text = value.to_str().expect("a text");
            let (name, rest) = text.split_once('=').expect("a cookie");
            let (value, flags) = rest.split_once(';').expect("flags");
            if flags.contains("Max-Age=0") {
                self.cookies.remove(name);
            } else {
                self.cookies.insert(name.to_owned(), value.to_owned());
            }
        }
    }

    /// Begins a login; returns where the browser is sent.
    pub(super) async fn begin(&mut self, to: &str) -> String {
        let to: String = url::form_urlencoded::byte_serialize(to.as_bytes()).collect();
        let sent = self.get(&format!("/auth/login?to={to}")).await;
        assert_eq!(sent.status, StatusCode::SEE_OTHER, "{}", sent.body);
        sent.location().to_owned()
    }

    /// Comes back from the provider.
    pub(super) async fn come_back(&mut self, query: &str) -> Seen {
        let path = format!("/auth/callback?{query}");
        self.send(Method::GET, &path, &[("sec-fetch-site", "cross-site")], "")
            .await
    }

    /// Logs in as the provider has it, with its claims changed as told.
    pub(super) async fn log_in(&mut self, subject: &str, groups: &[&str], changes: &Value) -> Seen {
        let address = self.begin("/console").await;
        let query = self.stage.provider.log_in(&address, subject, groups, changes);
        self.come_back(&query).await
    }
}

/// Returns a form as browsers send it.
pub(super) fn form(fields: &[(&str, &str)]) -> String {
    let mut form = url::form_urlencoded::Serializer::new(String::new());
    form.extend_pairs(fields);
    form.finish()
}
