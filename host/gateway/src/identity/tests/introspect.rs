use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, LOCATION};
use hyper::service::service_fn;
use hyper::{Method, Request, Response};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::net::TcpListener;

use super::signer::{Signer, jwks};
use crate::config::Config;
use crate::identity::introspect::{ARRIVALS_MAX, WAITING_MAX};
use crate::identity::{Identity, TokenError, Verified};

const NOW: u64 = 1_800_000_000;

/// The header of client `gate/way` with the secret `s:e cret`, each half form-encoded first.
const BASIC: &str = "Basic Z2F0ZSUyRndheTpzJTNBZStjcmV0";

/// What the stand-in answers who asks properly: status, content type, body. `None` for never.
type Answer = Option<(u16, &'static str, String)>;

/// An issuer on the loopback with an introspection endpoint that is strict about who asks, how.
pub(crate) struct Idp {
    signer: Signer,
    issuer: String,
    told: Arc<Told>,
    folder: TempDir,
}

#[derive(Default)]
struct Told {
    answer: Mutex<Answer>,
    /// The discovery document's word for where to ask.
    endpoint: Mutex<String>,
    /// The tokens that were asked about.
    asked: Mutex<Vec<String>>,
}

impl Idp {
    pub(crate) async fn start() -> Self {
        let signer = Signer::ec();
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("bound");
        let issuer = format!("http://{}", listener.local_addr().expect("bound"));
        let told = Arc::new(Told::default());
        *told.endpoint.lock().expect("whole") = format!("{issuer}/introspect");
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::write(folder.path().join("secret"), "s:e cret").expect("written");
        std::fs::write(folder.path().join("other"), "guessed").expect("written");
        let (keys, own, state) = (jwks(&[signer.jwk("k1")]), issuer.clone(), Arc::clone(&told));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (keys, own, state) = (keys.clone(), own.clone(), Arc::clone(&state));
                let service = service_fn(move |request| {
                    let (keys, own, state) = (keys.clone(), own.clone(), Arc::clone(&state));
                    async move { serve(request, &keys, &own, &state).await }
                });
                let connection = hyper::server::conn::http1::Builder::new();
                tokio::spawn(connection.serve_connection(TokioIo::new(stream), service));
            }
        });
        let idp = Self {
            signer,
            issuer,
            told,
            folder,
        };
        idp.answer(200, "application/json", json!({"active": true}));
        idp
    }

    pub(crate) fn identity(&self) -> Identity {
        self.identity_with("client_secret = \"file:secret\"")
    }

    fn identity_with(&self, more: &str) -> Identity {
        let text = format!(
            "[listen]\npostgres = \"127.0.0.1:0\"\ninsecure_plaintext = true\n\
             [[identity]]\nname = \"corp\"\nissuer = \"{}\"\naudience = \"tidegate\"\nclients = [\"cli\"]\n\
             introspection = {{ client_id = \"gate/way\", {more} }}\n[policy]\nfiles = []\n",
            self.issuer
        );
        let config = Config::parse(&text, &self.folder.path().join("tidegate.toml")).expect("valid");
        Identity::new(&config.identities).expect("prepared")
    }

    pub(crate) fn answer(&self, status: u16, content_type: &'static str, body: impl ToString) {
        *self.told.answer.lock().expect("whole") = Some((status, content_type, body.to_string()));
    }

    /// It takes questions, and never answers.
    pub(crate) fn falls_silent(&self) {
        *self.told.answer.lock().expect("whole") = None;
    }

    pub(crate) fn asked(&self) -> Vec<String> {
        self.told.asked.lock().expect("whole").clone()
    }

    fn claims(&self) -> Value {
        json!({"iss": self.issuer, "sub": "alice", "aud": "tidegate", "client_id": "cli",
            "iat": NOW, "exp": NOW + 300, "sid": "s1", "groups": ["dba"]})
    }

    fn token(&self) -> String {
        self.signer.token("k1", &self.claims())
    }

    async fn verify(&self, identity: &Identity) -> Result<Verified, TokenError> {
        identity.verify(&self.token(), NOW).await
    }
}

async fn serve(
    request: Request<Incoming>,
    keys: &str,
    issuer: &str,
    told: &Told,
) -> Result<Response<Full<Bytes>>, hyper::http::Error> {
    let reply = |status: u16, content_type: &str, body: String| {
        let response = Response::builder()
            .status(status)
            .header(CONTENT_TYPE, content_type);
        let response = if status == 302 {
            response.header(LOCATION, "/jwks")
        } else {
            response
        };
        response.body(Full::new(Bytes::from(body)))
    };
    let endpoint = told.endpoint.lock().expect("whole").clone();
    match request.uri().path() {
        "/jwks" => return reply(200, "application/json", keys.to_owned()),
        "/introspect" => {}
        _ => {
            let document = json!({"issuer": issuer, "jwks_uri": format!("{issuer}/jwks"), "introspection_endpoint": endpoint});
            return reply(200, "application/json", document.to_string());
        }
    }
    let header = |name| {
        request
            .headers()
            .get(name)
            .map(|value| value.as_bytes().to_owned())
    };
    if header(AUTHORIZATION).as_deref() != Some(BASIC.as_bytes()) {
        return reply(
            401,
            "application/json",
            json!({"error": "invalid_client"}).to_string(),
        );
    }
    let form = header(CONTENT_TYPE).as_deref() == Some(b"application/x-www-form-urlencoded");
    if request.method() != Method::POST || !form {
        return reply(
            400,
            "application/json",
            json!({"error": "invalid_request"}).to_string(),
        );
    }
    let body = request
        .into_body()
        .collect()
        .await
        .map(|body| body.to_bytes())
        .unwrap_or_default();
    let fields: Vec<(String, String)> = url::form_urlencoded::parse(&body).into_owned().collect();
    let [(token, text), (hint, kind)] = &fields[..] else {
        return reply(
            400,
            "application/json",
            json!({"error": "invalid_request"}).to_string(),
        );
    };
    assert_eq!(
        (&token[..], &hint[..], &kind[..]),
        ("token", "token_type_hint", "access_token")
    );
    told.asked.lock().expect("whole").push(text.clone());
    let answer = told.answer.lock().expect("whole").clone();
    match answer {
        Some((status, content_type, body)) => reply(status, content_type, body),
        None => std::future::pending().await,
    }
}

fn unasked(refused: &Result<Verified, TokenError>, reason: &str) -> bool {
    matches!(refused, Err(TokenError::NotIntrospected(why)) if why.contains(reason))
}

#[tokio::test]
async fn a_token_is_let_in_while_its_provider_calls_it_active() {
    let idp = Idp::start().await;
    let identity = idp.identity();
    let token = idp.token();
    let known = identity.verify(&token, NOW).await.expect("accepted");
    assert_eq!(known.login.provider_session.as_deref(), Some("s1"));
    assert_eq!(idp.asked(), [token.as_str()]);
    identity
        .still_active(&known.login, &known.principal, NOW)
        .await
        .expect("active");
    assert_eq!(idp.asked().len(), 2);
    idp.answer(200, "application/json; charset=utf-8", json!({"active": false}));
    let asked = identity.still_active(&known.login, &known.principal, NOW).await;
    assert_eq!(asked, Err(TokenError::NotActive));
    assert_eq!(idp.verify(&identity).await, Err(TokenError::NotActive));
    assert!(!format!("{known:?}").contains(&token));
}

#[tokio::test]
async fn whatever_is_no_clear_yes_lets_nobody_in() {
    let idp = Idp::start().await;
    let identity = idp.identity();
    let json = "application/json";
    let huge = format!("{{\"active\":true,\"x\":\"{}\"}}", " ".repeat(256 * 1024));
    for (status, content_type, body, reason) in [
        (500, json, "{\"active\":true}", "status 500"),
        (
            400,
            json,
            "{\"error\":\"unsupported_token_type\"}",
            "unsupported_token_type",
        ),
        (302, json, "{\"active\":true}", "status 302"),
        (204, json, "", "status 204"),
        (200, "text/html", "{\"active\":true}", "not JSON by its own word"),
        (
            200,
            "application/token-introspection+jwt",
            "{\"active\":true}",
            "not JSON by its own word",
        ),
        (200, json, "{}", "does not say"),
        (200, json, "{\"active\":\"true\"}", "does not say"),
        (200, json, "{\"active\":1}", "does not say"),
        (200, json, "{\"active\":false,\"active\":true}", "a member twice"),
        (200, json, "[true]", "not a JSON object"),
        (200, json, "", "not a JSON object"),
        (200, json, &huge, "larger than"),
    ] {
        idp.answer(status, content_type, body);
        let refused = idp.verify(&identity).await;
        assert!(unasked(&refused, reason), "{reason}: {refused:?}");
    }
    let wrong = idp.identity_with("client_secret = \"file:other\"");
    let refused = idp.verify(&wrong).await;
    assert!(unasked(&refused, "status 401: invalid_client"), "{refused:?}");
    let lost = idp.identity_with("client_secret = \"file:lost\"");
    let refused = idp.verify(&lost).await;
    assert!(unasked(&refused, "the client secret"), "{refused:?}");
}

#[tokio::test]
async fn a_provider_is_not_asked_where_it_must_not_send_us() {
    let idp = Idp::start().await;
    for endpoint in [
        "http://169.254.169.254/introspect",
        "https://evil.example.com/",
        "file:///etc/passwd",
        "",
    ] {
        *idp.told.endpoint.lock().expect("whole") = endpoint.to_owned();
        let refused = idp.verify(&idp.identity()).await;
        assert!(
            unasked(&refused, "introspection_endpoint is not allowed"),
            "{refused:?}"
        );
    }
    assert!(idp.asked().is_empty());
    // The operator may know better than the discovery document.
    let own = format!(
        "client_secret = \"file:secret\", url = \"{}/introspect\"",
        idp.issuer
    );
    idp.verify(&idp.identity_with(&own)).await.expect("accepted");
}

#[tokio::test]
async fn a_provider_that_does_not_answer_is_given_up_and_lets_nobody_in() {
    let idp = Idp::start().await;
    let identity = Arc::new(idp.identity());
    idp.falls_silent();
    let verifying = tokio::spawn({
        let (identity, token) = (Arc::clone(&identity), idp.token());
        async move { identity.verify(&token, NOW).await }
    });
    while idp.asked().is_empty() {
        tokio::task::yield_now().await;
    }
    // Virtual from here on: nothing else is left to run, so the deadline comes at once.
    tokio::time::pause();
    let refused = verifying.await.expect("ran");
    assert!(unasked(&refused, "in time"), "{refused:?}");
}

#[tokio::test]
async fn strangers_do_not_keep_the_provider_from_answering_for_those_it_knows() {
    let idp = Idp::start().await;
    let identity = Arc::new(idp.identity_with("client_secret = \"file:secret\", opaque = true"));
    let known = idp.verify(&identity).await.expect("accepted");
    *idp.told.answer.lock().expect("whole") = None;
    let mut strangers = tokio::task::JoinSet::new();
    for number in 0..2 * WAITING_MAX {
        let identity = Arc::clone(&identity);
        strangers.spawn(async move { identity.verify(&format!("made-up-{number}"), NOW).await });
    }
    // Those for whom there is no room are told so at once; the others wait.
    let refused = strangers.join_next().await.expect("some").expect("ran");
    assert!(unasked(&refused, "too many wait"), "{refused:?}");
    while idp.asked().len() < 1 + ARRIVALS_MAX {
        tokio::task::yield_now().await;
    }
    idp.answer(200, "application/json", json!({"active": true}));
    let alive = identity.still_active(&known.login, &known.principal, NOW).await;
    alive.expect("asked before any stranger is done");
    idp.verify(&identity)
        .await
        .expect("a signed token does not wait for them");
}

#[tokio::test]
async fn an_answer_about_another_token_is_none() {
    let idp = Idp::start().await;
    let identity = idp.identity();
    for (claim, value) in [
        ("sub", json!("mallory")),
        ("sub", json!(5)),
        ("iss", json!("https://other.example.com")),
    ] {
        idp.answer(200, "application/json", json!({"active": true, claim: value}));
        assert_eq!(idp.verify(&identity).await, Err(TokenError::OtherToken(claim)));
    }
}

#[tokio::test]
async fn whoever_was_taken_out_of_a_group_or_put_into_one_needs_a_new_token() {
    let idp = Idp::start().await;
    let identity = idp.identity();
    let known = idp.verify(&identity).await.expect("accepted");
    for (groups, expected) in [
        (json!(["dba", "dba"]), Ok(())),
        (json!([]), Err(TokenError::OtherGroups)),
        (json!(["dba", "root"]), Err(TokenError::OtherGroups)),
        (json!("dba"), Err(TokenError::WrongClaim("groups"))),
    ] {
        idp.answer(200, "application/json", json!({"active": true, "groups": groups}));
        let held = identity.still_active(&known.login, &known.principal, NOW).await;
        assert_eq!(held, expected, "{groups}");
        assert_eq!(idp.verify(&identity).await.map(drop), expected, "{groups}");
    }
    assert!(TokenError::OtherGroups.is_final(), "its live sessions end");
}

#[tokio::test]
async fn what_is_wrong_with_a_token_is_found_before_anybody_is_asked() {
    let idp = Idp::start().await;
    let expired = idp.signer.token(
        "k1",
        &json!({"iss": idp.issuer, "sub": "a", "aud": "tidegate", "exp": NOW - 60}),
    );
    assert!(idp.identity().verify(&expired, NOW).await.is_err());
    assert!(idp.asked().is_empty());
}

#[tokio::test]
async fn an_opaque_token_is_told_by_the_answer_as_strictly_as_by_claims() {
    let idp = Idp::start().await;
    let identity = idp.identity_with("client_secret = \"file:secret\", opaque = true");
    let mut active = idp.claims();
    active["active"] = json!(true);
    active["token_type"] = json!("Bearer");
    idp.answer(200, "application/json", &active);
    let known = identity
        .verify("2YotnFZFEjr1zCsicMWpAA", NOW)
        .await
        .expect("accepted");
    assert_eq!(known.principal.key(), format!("{}|alice", idp.issuer));
    assert_eq!(
        (known.principal.groups, known.expires),
        (vec!["dba".to_owned()], NOW + 300)
    );
    assert!(known.login.token.is_some());
    for (claim, value, expected) in [
        (
            "iss",
            json!("https://other.example.com"),
            TokenError::WrongClaim("iss"),
        ),
        ("iss", Value::Null, TokenError::WrongClaim("iss")),
        ("aud", json!("other"), TokenError::WrongAudience),
        ("aud", Value::Null, TokenError::WrongClaim("aud")),
        ("exp", json!(NOW - 31), TokenError::Expired(31)),
        ("exp", Value::Null, TokenError::WrongClaim("exp")),
        ("sub", json!(""), TokenError::WrongClaim("sub")),
        (
            "client_id",
            json!("mallory"),
            TokenError::ClientNotAllowed("mallory".to_owned()),
        ),
        (
            "token_type",
            json!("refresh_token"),
            TokenError::WrongClaim("token_type"),
        ),
        ("token_type", json!("DPoP"), TokenError::WrongClaim("token_type")),
        ("cnf", json!({"jkt": "x"}), TokenError::Bound),
        ("active", json!(false), TokenError::NotActive),
    ] {
        let mut other = active.clone();
        other[claim] = value;
        idp.answer(200, "application/json", &other);
        assert_eq!(
            identity.verify("2YotnFZFEjr1zCsicMWpAA", NOW).await,
            Err(expected),
            "{other}"
        );
    }
}

#[tokio::test]
async fn only_what_can_be_an_opaque_token_is_sent_anywhere_and_only_where_that_is_configured() {
    let idp = Idp::start().await;
    let opaque = idp.identity_with("client_secret = \"file:secret\", opaque = true");
    let long = "a".repeat(16 * 1024 + 1);
    for text in ["", "pass word", "p\u{e4}ss", "a&token=b", "=", "a.b.c", &long] {
        assert!(opaque.verify(text, NOW).await.is_err(), "{text}");
    }
    let refused = idp.identity().verify("2YotnFZFEjr1zCsicMWpAA", NOW).await;
    assert_eq!(refused, Err(TokenError::Malformed("no three parts")));
    assert!(idp.asked().is_empty());
}
