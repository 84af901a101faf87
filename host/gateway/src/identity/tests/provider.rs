use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use http_body_util::Full;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use super::signer::{Signer, jwks};
use crate::config::{Config, IdentityConfig};
use crate::identity::{Identity, KeysError, TokenError};

const NOW: u64 = 1_800_000_000;

/// How the stand-in provider answers one path: status, extra header, body.
type Answer = (u16, Option<(&'static str, String)>, String);

/// An identity provider on the loopback that answers as it is told and counts.
struct Idp {
    issuer: String,
    /// What `/jwks` answers; `None` for never.
    keys: Arc<Mutex<Option<Answer>>>,
    discovery: Arc<Mutex<Value>>,
    asked: Arc<AtomicUsize>,
}

impl Idp {
    async fn start(signer: &Signer) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("bound");
        let issuer = format!("http://{}", listener.local_addr().expect("bound"));
        let keys = Some((200, None, jwks(&[signer.jwk("k1")])));
        let idp = Self {
            discovery: Arc::new(Mutex::new(
                json!({"issuer": issuer, "jwks_uri": format!("{issuer}/jwks")}),
            )),
            issuer,
            keys: Arc::new(Mutex::new(keys)),
            asked: Arc::default(),
        };
        let (keys, discovery, asked) = (
            Arc::clone(&idp.keys),
            Arc::clone(&idp.discovery),
            Arc::clone(&idp.asked),
        );
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (keys, discovery, asked) =
                    (Arc::clone(&keys), Arc::clone(&discovery), Arc::clone(&asked));
                let service = service_fn(move |request: Request<hyper::body::Incoming>| {
                    let answer = if request.uri().path() == "/jwks" {
                        asked.fetch_add(1, Ordering::Relaxed);
                        keys.lock().expect("whole").clone()
                    } else {
                        Some((200, None, discovery.lock().expect("whole").to_string()))
                    };
                    async move {
                        let Some((status, header, body)) = answer else {
                            return std::future::pending().await;
                        };
                        let mut response = Response::builder().status(status);
                        if let Some((name, value)) = header {
                            response = response.header(name, value);
                        }
                        response.body(Full::new(Bytes::from(body)))
                    }
                });
                tokio::spawn(
                    hyper::server::conn::http1::Builder::new()
                        .serve_connection(TokioIo::new(stream), service),
                );
            }
        });
        idp
    }

    fn config(&self) -> IdentityConfig {
        let text = format!(
            "[listen]\npostgres = \"127.0.0.1:0\"\ninsecure_plaintext = true\n\
             [[identity]]\nname = \"corp\"\nissuer = \"{}\"\naudience = \"tidegate\"\n[policy]\nfiles = []\n",
            self.issuer
        );
        let config = Config::parse(&text, std::path::Path::new("tidegate.toml")).expect("valid");
        config.identities[0].clone()
    }

    fn identity(&self) -> Identity {
        Identity::new(&[self.config()]).expect("prepared")
    }

    fn token(&self, signer: &Signer, kid: &str, now: u64) -> String {
        let claims = json!({"iss": self.issuer, "sub": "a", "aud": "tidegate", "iat": now, "exp": now + 300});
        signer.token(kid, &claims)
    }

    fn answer(&self, answer: Option<Answer>) {
        *self.keys.lock().expect("whole") = answer;
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::Relaxed)
    }

    /// Returns why the keys are not to be had.
    async fn failure(&self) -> KeysError {
        let mut failed = self.identity().warm(NOW).await;
        failed.pop().expect("a failure").1
    }
}

#[tokio::test]
async fn keys_are_discovered_once_and_kept_while_fresh() {
    let signer = Signer::ec();
    let idp = Idp::start(&signer).await;
    let identity = idp.identity();
    for at in [NOW, NOW + 1, NOW + 3_599] {
        identity
            .verify(&idp.token(&signer, "k1", at), at)
            .await
            .expect("accepted");
    }
    assert_eq!(idp.asked(), 1);
    let late = NOW + 3_600;
    identity
        .verify(&idp.token(&signer, "k1", late), late)
        .await
        .expect("accepted");
    assert_eq!(idp.asked(), 2);
}

#[tokio::test]
async fn the_provider_says_how_long_its_keys_are_fresh() {
    let signer = Signer::ec();
    let idp = Idp::start(&signer).await;
    let header = ("cache-control", "public, max-age=600".to_owned());
    idp.answer(Some((200, Some(header), jwks(&[signer.jwk("k1")]))));
    let identity = idp.identity();
    for (at, asked) in [(NOW, 1), (NOW + 599, 1), (NOW + 600, 2)] {
        identity
            .verify(&idp.token(&signer, "k1", at), at)
            .await
            .expect("accepted");
        assert_eq!(idp.asked(), asked);
    }
}

#[tokio::test]
async fn a_new_key_is_found_and_a_withdrawn_one_stops() {
    let (old, new) = (Signer::ec(), Signer::ed());
    let idp = Idp::start(&old).await;
    let identity = idp.identity();
    identity
        .verify(&idp.token(&old, "k1", NOW), NOW)
        .await
        .expect("accepted");
    idp.answer(Some((200, None, jwks(&[new.jwk("k2")]))));
    let later = NOW + 60;
    identity
        .verify(&idp.token(&new, "k2", later), later)
        .await
        .expect("accepted");
    let withdrawn = identity.verify(&idp.token(&old, "k1", later), later).await;
    assert_eq!(withdrawn, Err(TokenError::UnknownKey("k1".into())));
}

#[tokio::test]
async fn a_storm_of_invented_keys_costs_one_fetch_a_minute() {
    let signer = Signer::ec();
    let idp = Idp::start(&signer).await;
    let identity = Arc::new(idp.identity());
    identity
        .verify(&idp.token(&signer, "k1", NOW), NOW)
        .await
        .expect("accepted");
    let later = NOW + 60;
    let mut storm = tokio::task::JoinSet::new();
    for n in 0..100 {
        let token = idp.token(&signer, &format!("invented-{n}"), later);
        let identity = Arc::clone(&identity);
        storm.spawn(async move { identity.verify(&token, later).await });
    }
    while let Some(refused) = storm.join_next().await {
        assert!(matches!(refused.expect("ran"), Err(TokenError::UnknownKey(_))));
    }
    assert_eq!(idp.asked(), 2);
}

#[tokio::test]
async fn old_keys_bridge_an_outage_for_a_day_and_no_longer() {
    let signer = Signer::ec();
    let idp = Idp::start(&signer).await;
    let identity = idp.identity();
    identity
        .verify(&idp.token(&signer, "k1", NOW), NOW)
        .await
        .expect("accepted");
    idp.answer(Some((500, None, String::new())));
    let day = NOW + 24 * 3_600;
    identity
        .verify(&idp.token(&signer, "k1", day), day)
        .await
        .expect("accepted");
    let late = day + 1;
    let refused = identity.verify(&idp.token(&signer, "k1", late), late).await;
    assert_eq!(refused, Err(TokenError::KeysUnavailable));
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let signer = Signer::ec();
    let idp = Idp::start(&signer).await;
    let elsewhere = ("location", format!("{}/jwks2", idp.issuer));
    idp.answer(Some((302, Some(elsewhere), String::new())));
    assert!(matches!(
        idp.failure().await,
        KeysError::Status { status: 302, .. }
    ));
}

#[tokio::test]
async fn an_oversized_answer_is_dropped() {
    let signer = Signer::ec();
    let idp = Idp::start(&signer).await;
    idp.answer(Some((200, None, " ".repeat(256 * 1024 + 1))));
    assert!(matches!(idp.failure().await, KeysError::TooLarge));
    let keys: Vec<Value> = (0..101).map(|n| signer.jwk(&format!("k{n}"))).collect();
    idp.answer(Some((200, None, jwks(&keys))));
    assert!(matches!(idp.failure().await, KeysError::TooManyKeys));
}

#[tokio::test]
async fn a_silent_provider_is_given_up() {
    let signer = Signer::ec();
    let idp = Idp::start(&signer).await;
    idp.answer(None);
    // Virtual from here on: nothing else is left to run, so the deadline comes at once.
    let failure = tokio::spawn({
        let identity = idp.identity();
        async move { identity.warm(NOW).await.pop() }
    });
    while idp.asked() == 0 {
        tokio::task::yield_now().await;
    }
    tokio::time::pause();
    let failure = failure.await.expect("ran").expect("a failure").1;
    assert!(matches!(failure, KeysError::TimedOut(_)));
}

#[tokio::test]
async fn a_discovery_document_cannot_point_elsewhere() {
    let signer = Signer::ec();
    let idp = Idp::start(&signer).await;
    for address in [
        "http://169.254.169.254/latest",
        "https://evil.example.com/jwks",
        "file:///etc/passwd",
        "http://user@127.0.0.1/jwks",
        "",
    ] {
        *idp.discovery.lock().expect("whole") = json!({"issuer": idp.issuer, "jwks_uri": address});
        assert!(
            matches!(
                idp.failure().await,
                KeysError::ForbiddenEndpoint { name: "jwks_uri", .. }
            ),
            "{address}"
        );
    }
    *idp.discovery.lock().expect("whole") =
        json!({"issuer": format!("{}/", idp.issuer), "jwks_uri": format!("{}/jwks", idp.issuer)});
    assert!(matches!(idp.failure().await, KeysError::OtherIssuer(_)));
    *idp.discovery.lock().expect("whole") = json!([]);
    assert!(matches!(idp.failure().await, KeysError::Malformed("discovery")));
}

#[tokio::test]
async fn a_private_address_is_asked_only_where_that_is_configured() {
    let signer = Signer::ec();
    let mut config = Idp::start(&signer).await.config();
    config.issuer = "https://10.255.255.1".into();
    let identity = Identity::new(&[config]).expect("prepared");
    let failure = identity.warm(NOW).await.pop().expect("a failure").1;
    assert!(matches!(failure, KeysError::ForbiddenAddress(_)), "{failure}");
}
