//! A strict identity provider on the loopback: a code is redeemed once, by the client it was
//! given to, with the verifier of its challenge.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use tokio::net::TcpListener;
use url::Url;

use crate::clock;
use crate::identity::tests::signer::{Signer, jwks};

pub(super) const CLIENT: &str = "console";
pub(super) const SECRET: &str = "console-secret";

/// What a code was given for.
struct Given {
    challenge: String,
    redirect_uri: String,
    claims: Value,
}

#[derive(Clone)]
pub(super) struct Provider {
    pub(super) issuer: String,
    inner: Arc<Inner>,
}

struct Inner {
    signer: Signer,
    codes: Mutex<HashMap<String, Given>>,
}

impl Provider {
    pub(super) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("bound");
        let provider = Self {
            issuer: format!("http://{}", listener.local_addr().expect("bound")),
            inner: Arc::new(Inner {
                signer: Signer::ec(),
                codes: Mutex::default(),
            }),
        };
        let serving = provider.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let provider = serving.clone();
                let service = service_fn(move |request| {
                    let provider = provider.clone();
                    async move { provider.answer(request).await }
                });
                tokio::spawn(
                    hyper::server::conn::http1::Builder::new()
                        .serve_connection(TokioIo::new(stream), service),
                );
            }
        });
        provider
    }

    /// Lets somebody log in who was sent to `address`: returns what the browser brings back,
    /// its claims changed as told.
    pub(super) fn log_in(&self, address: &str, subject: &str, groups: &[&str], changes: &Value) -> String {
        let address = Url::parse(address).expect("an address");
        let asked: HashMap<String, String> = address.query_pairs().into_owned().collect();
        assert!(address.as_str().starts_with(&format!("{}/auth?", self.issuer)));
        assert_eq!(asked["response_type"], "code");
        assert_eq!(asked["client_id"], CLIENT);
        assert_eq!(asked["code_challenge_method"], "S256");
        let now = clock::unix_seconds();
        let mut claims = json!({"iss": self.issuer, "sub": subject, "aud": CLIENT, "iat": now, "exp": now + 300,
            "nonce": asked["nonce"], "sid": format!("sid-{subject}"), "groups": groups});
        for (name, value) in changes.as_object().into_iter().flatten() {
            claims[name] = value.clone();
        }
        let code = URL_SAFE_NO_PAD.encode(crate::services::random::<16>());
        let given = Given {
            challenge: asked["code_challenge"].clone(),
            redirect_uri: asked["redirect_uri"].clone(),
            claims,
        };
        self.inner
            .codes
            .lock()
            .expect("whole")
            .insert(code.clone(), given);
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        query
            .append_pair("code", &code)
            .append_pair("state", &asked["state"])
            .append_pair("iss", &self.issuer);
        query.finish()
    }

    /// Returns what the provider sends when somebody has logged out.
    pub(super) fn logout_token(&self, subject: &str) -> String {
        let now = clock::unix_seconds();
        let claims = json!({"iss": self.issuer, "sub": subject, "aud": CLIENT, "iat": now, "exp": now + 120,
            "jti": "j1", "events": {"http://schemas.openid.net/event/backchannel-logout": {}}});
        let header = json!({"alg": "ES256", "kid": "k1", "typ": "logout+jwt"}).to_string();
        self.inner.signer.token_of(&header, &claims.to_string())
    }

    async fn answer(&self, request: Request<Incoming>) -> Result<Response<Full<Bytes>>, hyper::Error> {
        let (parts, body) = request.into_parts();
        let body = body.collect().await?.to_bytes();
        let (status, answer) = match parts.uri.path() {
            "/.well-known/openid-configuration" => (
                200,
                json!({"issuer": self.issuer,
                    "jwks_uri": format!("{}/jwks", self.issuer),
                    "authorization_endpoint": format!("{}/auth", self.issuer),
                    "token_endpoint": format!("{}/token", self.issuer),
                    "end_session_endpoint": format!("{}/end", self.issuer),
                    "authorization_response_iss_parameter_supported": true})
                .to_string(),
            ),
            "/jwks" => (200, jwks(&[self.inner.signer.jwk("k1")])),
            "/token" => self.redeem(&parts.headers, &body),
            _ => (404, "{}".to_owned()),
        };
        let mut response = Response::new(Full::new(Bytes::from(answer)));
        *response.status_mut() = hyper::StatusCode::from_u16(status).expect("a status");
        Ok(response)
    }

    fn redeem(&self, headers: &hyper::HeaderMap, body: &[u8]) -> (u16, String) {
        let refused = |error: &str| (400, json!({ "error": error }).to_string());
        let basic = format!("Basic {}", STANDARD.encode(format!("{CLIENT}:{SECRET}")));
        if headers.get("authorization").and_then(|value| value.to_str().ok()) != Some(&basic) {
            return (401, json!({"error": "invalid_client"}).to_string());
        }
        let form: HashMap<String, String> = url::form_urlencoded::parse(body).into_owned().collect();
        let text = |name: &str| form.get(name).map(String::as_str).unwrap_or_default();
        if text("grant_type") != "authorization_code" {
            return refused("unsupported_grant_type");
        }
        let Some(given) = self.inner.codes.lock().expect("whole").remove(text("code")) else {
            return refused("invalid_grant");
        };
        let challenge = URL_SAFE_NO_PAD.encode(Sha256::digest(text("code_verifier")));
        if challenge != given.challenge || text("redirect_uri") != given.redirect_uri {
            return refused("invalid_grant");
        }
        let header = json!({"alg": "ES256", "kid": "k1"}).to_string();
        let token = self.inner.signer.token_of(&header, &given.claims.to_string());
        let answer = json!({"id_token": token, "access_token": "opaque", "token_type": "Bearer"});
        (200, answer.to_string())
    }
}
