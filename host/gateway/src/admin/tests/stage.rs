//! A gateway without clients, an identity provider of our own, and the API before it.

use axum::Router;
use axum::body::Body;
use axum::response::Response;
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::{Method, Request, StatusCode};
use http_body_util::BodyExt as _;
use model::event::Event;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;
use tower::ServiceExt as _;

use crate::admin::{Site, api};
use crate::clock;
use crate::config::Config;
use crate::identity::tests::signer::{Signer, jwks};
use crate::serve::Gateway;

const ISSUER: &str = "https://idp.example.com";

const CONFIG: &str = r#"
[listen]
postgres = "127.0.0.1:0"
insecure_plaintext = true
[[identity]]
name = "corp"
issuer = "https://idp.example.com"
audience = "tidegate"
jwks = "file:jwks.json"
logout_clients = ["tidegate-console"]
kind = "by_claim"
person_when = { claim = "kind", equals = "person" }
[[resource]]
name = "customers"
kind = "postgres"
upstream = "postgres://127.0.0.1:1/customers?sslmode=disable"
login = { user = "app" }
[policy]
files = ["main.cedar"]
"#;

const POLICY: &str = r#"
@id("security")
permit (principal in Group::"security", action == Action::"execute", resource == Resource::"tidegate");
@id("auditors")
permit (principal in Group::"auditors", action == Action::"execute", resource == Resource::"tidegate")
when { context.operation.verbs.contains("search journal") };
@id("askers")
permit (principal in Group::"askers", action == Action::"request", resource == Resource::"tidegate");
@id("everything")
permit (principal, action in [Action::"connect", Action::"execute", Action::"request"], resource);
@id("approvers")
permit (principal in Group::"dba", action == Action::"approve", resource);
"#;

pub(super) struct Stage {
    signer: Signer,
    pub(super) gateway: Gateway,
    pub(super) site: Site,
    pub(super) router: Router,
    _folder: tempfile::TempDir,
}

/// An answer of the API.
#[derive(Debug)]
pub(super) struct Told {
    pub(super) status: StatusCode,
    pub(super) headers: http::HeaderMap,
    pub(super) body: Value,
}

impl Stage {
    pub(super) async fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let signer = Signer::ec();
        let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).expect("written");
        write("jwks.json", &jwks(&[signer.jwk("k1")]));
        write("main.cedar", POLICY);
        let config = Config::parse(CONFIG, &folder.path().join("tidegate.toml")).expect("valid");
        let gateway = Gateway::start(&config).await.expect("started");
        let recorder = metrics_exporter_prometheus::PrometheusBuilder::new().build_recorder();
        let site = Site::new(
            gateway.services.clone(),
            recorder.handle(),
            CancellationToken::new(),
        );
        Self {
            signer,
            gateway,
            router: api::router(site.clone()),
            site,
            _folder: folder,
        }
    }

    /// Returns a token that these claims are added to, or taken from where they are null.
    pub(super) fn token(&self, changes: &Value) -> String {
        let now = clock::unix_seconds();
        let mut claims = json!({"iss": ISSUER, "sub": "somebody", "aud": "tidegate", "exp": now + 300,
            "iat": now, "kind": "person", "groups": [], "azp": "cli"});
        for (name, value) in changes.as_object().expect("an object") {
            claims[name] = value.clone();
        }
        self.signer.token("k1", &claims)
    }

    /// Returns the token of a person in these groups.
    pub(super) fn person(&self, subject: &str, groups: &[&str]) -> String {
        self.token(&json!({"sub": subject, "groups": groups}))
    }

    pub(super) async fn get(&self, token: &str, path: &str) -> Told {
        self.send(request(Method::GET, token, path, None)).await
    }

    pub(super) async fn post(&self, token: &str, path: &str, body: &Value) -> Told {
        self.send(request(Method::POST, token, path, Some(body))).await
    }

    pub(super) async fn answer(&self, request: Request<Body>) -> Response {
        self.router.clone().oneshot(request).await.expect("infallible")
    }

    pub(super) async fn send(&self, request: Request<Body>) -> Told {
        let response = self.answer(request).await;
        let (parts, body) = response.into_parts();
        let bytes = body.collect().await.expect("a body").to_bytes();
        Told {
            status: parts.status,
            headers: parts.headers,
            body: serde_json::from_slice(&bytes)
                .unwrap_or_else(|_| Value::String(String::from_utf8_lossy(&bytes).into_owned())),
        }
    }

    /// Returns the journal's entries of a kind, those that nobody waited for too.
    pub(super) async fn journalled(&self, kind: &str) -> Vec<Value> {
        let journal = &self.gateway.services.journal;
        let ticket = journal.append(|out| Event::GatewayStop.encode(clock::unix_us(), out));
        let durable = journal.durable(ticket.expect("appended")).await;
        durable.expect("what was appended before is durable, too");
        let entries = self.gateway.services.journal.reader().entries(0);
        entries
            .map(|entry| serde_json::from_slice(&entry.expect("read").bytes).expect("JSON"))
            .filter(|entry: &Value| entry["kind"] == kind)
            .collect()
    }
}

pub(super) fn request(method: Method, token: &str, path: &str, body: Option<&Value>) -> Request<Body> {
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header(AUTHORIZATION, format!("Bearer {token}"));
    match body {
        Some(body) => request
            .header(CONTENT_TYPE, "application/json")
            .body(Body::from(body.to_string())),
        None => request.body(Body::empty()),
    }
    .expect("a request")
}
