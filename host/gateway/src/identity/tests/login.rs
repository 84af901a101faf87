use serde_json::{Value, json};
use url::Url;

use super::signer::{Claims as _, Signer, jwks};
use crate::config::IdentityConfig;
use crate::identity::login::{Attempt, Client, Endpoints, HOME, LoginError, id_token, return_to};
use crate::identity::{Identity, LoggedIn, TokenError};
use crate::secret::Secret;

const NOW: u64 = 1_800_000_000;
const ISSUER: &str = "https://idp.example.com";
const NONCE: &str = "n-0S6_WzA2Mj";

fn endpoints() -> Endpoints {
    let at = |path: &str| Url::parse(&format!("{ISSUER}/{path}")).expect("an address");
    Endpoints {
        issuer: ISSUER.to_owned(),
        authorization: at("auth?tenant=7"),
        token: at("token"),
        end_session: Some(at("end")),
        names_issuer: false,
        secret_in_form: false,
    }
}

fn client() -> Client<'static> {
    Client {
        id: "console",
        redirect_uri: "https://tidegate.example.com/auth/callback",
        scopes: &[],
    }
}

/// A login begun from bytes that a test can tell apart.
fn attempt() -> Attempt {
    let mut random = [0; 96];
    random[32..64].fill(1);
    random[64..].fill(2);
    Attempt::new(&random, HOME.to_owned())
}

fn callback(pairs: &[(&str, &str)]) -> String {
    let mut query = url::form_urlencoded::Serializer::new(String::new());
    query.extend_pairs(pairs);
    query.finish()
}

#[test]
fn the_browser_is_sent_with_a_challenge_and_never_with_the_verifier() {
    let attempt = attempt();
    let scopes = ["openid".to_owned(), "groups".to_owned()];
    let address = attempt.address(
        &endpoints(),
        Client {
            scopes: &scopes,
            ..client()
        },
    );
    let pairs: Vec<(String, String)> = address.query_pairs().into_owned().collect();
    let value = |name: &str| {
        let found: Vec<_> = pairs.iter().filter(|(own, _)| own == name).collect();
        assert_eq!(found.len(), 1, "{name} stands once in {pairs:?}");
        found[0].1.as_str()
    };
    assert_eq!(value("tenant"), "7", "what the provider put there stays");
    assert_eq!(value("response_type"), "code");
    assert_eq!(value("client_id"), "console");
    assert_eq!(value("redirect_uri"), client().redirect_uri);
    assert_eq!(value("scope"), "openid groups");
    assert_eq!(value("state"), attempt.state);
    assert_eq!(value("nonce"), attempt.nonce);
    assert_eq!(value("code_challenge_method"), "S256");
    assert!(!address.as_str().contains(&attempt.verifier));
    // RFC 7636, appendix B.
    let known = Attempt {
        verifier: "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk".to_owned(),
        ..attempt
    };
    let address = known.address(&endpoints(), client());
    let challenge = "code_challenge=E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
    assert!(address.as_str().contains(challenge), "{address}");
}

#[test]
fn an_attempt_has_three_secrets_and_shows_none() {
    let attempt = attempt();
    assert_ne!(attempt.state, attempt.nonce);
    assert_ne!(attempt.nonce, attempt.verifier);
    // 256 bits each, in the length that RFC 7636 asks of a verifier.
    for secret in [&attempt.state, &attempt.nonce, &attempt.verifier] {
        assert_eq!(secret.len(), 43);
        assert!(!format!("{attempt:?}").contains(secret.as_str()));
    }
}

#[test]
fn only_the_answer_to_this_login_brings_a_code() {
    let attempt = attempt();
    let state = attempt.state.as_str();
    let good = [("code", "c1"), ("state", state), ("iss", ISSUER)];
    assert_eq!(
        attempt.code(&callback(&good), &endpoints()).expect("a code"),
        "c1"
    );
    assert!(
        attempt.code(&callback(&good[..2]), &endpoints()).is_ok(),
        "iss is optional"
    );

    let other = |pairs: &[(&str, &str)]| attempt.code(&callback(pairs), &endpoints()).expect_err("refused");
    for pairs in [
        &[("code", "c1")][..],
        &[("code", "c1"), ("state", "")],
        &[("code", "c1"), ("state", "forged")],
        &[("code", "c1"), ("state", &state[1..])],
        &[("code", "c1"), ("state", state), ("state", state)],
        &[("code", "c1"), ("code", "c2"), ("state", state)],
        &[("error", "access_denied"), ("state", "forged")],
    ] {
        assert!(matches!(other(pairs), LoginError::OtherLogin), "{pairs:?}");
    }
    let mixed = other(&[
        ("code", "c1"),
        ("state", state),
        ("iss", "https://idp.example.com/"),
    ]);
    assert!(matches!(mixed, LoginError::OtherIssuer(_)), "{mixed}");
    assert!(matches!(other(&[("state", state)]), LoginError::NoCode));
    assert!(matches!(
        other(&[("state", state), ("code", "")]),
        LoginError::NoCode
    ));
    let refused = other(&[("state", state), ("error", "access_denied"), ("code", "c1")]);
    assert!(matches!(refused, LoginError::Refused(error) if error == "access_denied"));
}

#[test]
fn a_provider_that_names_itself_must_do_so_each_time() {
    let endpoints = Endpoints {
        names_issuer: true,
        ..endpoints()
    };
    let attempt = attempt();
    let query = callback(&[("code", "c1"), ("state", &attempt.state)]);
    assert!(matches!(
        attempt.code(&query, &endpoints),
        Err(LoginError::OtherIssuer(_))
    ));
}

#[test]
fn a_code_is_redeemed_with_the_verifier_and_the_secret_in_one_place() {
    let secret = Secret::new("s:e/c ret");
    let attempt = attempt();
    let form = attempt.redemption("c/1", client(), &secret, &endpoints());
    let body = String::from_utf8(form.body.expose().to_vec()).expect("text");
    assert!(
        body.contains("grant_type=authorization_code&code=c%2F1&"),
        "{body}"
    );
    assert!(
        body.contains(&format!("code_verifier={}", attempt.verifier)),
        "{body}"
    );
    assert!(!body.contains("secret"), "{body}");
    // console:s%3Ae%2Fc+ret
    let basic = form.authorization.expect("a header");
    assert_eq!(basic.expose(), b"Basic Y29uc29sZTpzJTNBZSUyRmMrcmV0");

    let in_form = Endpoints {
        secret_in_form: true,
        ..endpoints()
    };
    let form = attempt.redemption("c1", client(), &secret, &in_form);
    let body = String::from_utf8(form.body.expose().to_vec()).expect("text");
    assert!(
        body.contains("client_id=console&client_secret=s%3Ae%2Fc+ret"),
        "{body}"
    );
    assert!(form.authorization.is_none());
}

#[test]
fn an_answer_without_an_id_token_is_no_login() {
    assert_eq!(
        id_token(200, br#"{"id_token":"t","access_token":"a"}"#).expect("a token"),
        "t"
    );
    let refused = id_token(400, br#"{"error":"invalid_grant"}"#).expect_err("refused");
    assert!(matches!(refused, LoginError::Refused(error) if error == "invalid_grant"));
    for (status, body) in [
        (200, &b"{}"[..]),
        (200, br#"{"id_token":5}"#),
        (200, b"<html>"),
        (200, br#"{"id_token":"a","id_token":"b"}"#),
        (400, br#"{"id_token":"t"}"#),
        (302, b""),
    ] {
        assert!(id_token(status, body).is_err(), "{status}");
    }
}

#[test]
fn a_login_returns_to_a_page_of_the_console_and_nowhere_else() {
    for page in [
        "/console",
        "/console?view=all",
        "/console/approvals/0192f0c1-2345-7abc-8def-0123456789ab",
        "/console/journal?kind=op,session.start&session=x%20y",
    ] {
        assert_eq!(return_to(Some(page)), page);
    }
    for evil in [
        "",
        "https://evil.example/console",
        "//evil.example/console",
        "/\\evil.example/console",
        "/console/..//evil.example",
        "/console/../../evil",
        "/console\\..\\evil",
        "/console/%2e%2e/auth/logout",
        "/consoleevil",
        "/auth/logout",
        "/api/v1/me",
        "javascript:alert(1)",
        "/console?a=\r\nset-cookie: x=y",
        "/console?a=\u{202e}",
        "console",
        &format!("/console?{}", "a".repeat(3_000)),
    ] {
        assert_eq!(return_to(Some(evil)), HOME, "{evil}");
    }
    assert_eq!(return_to(None), HOME);
}

/// A provider with one key, and people.
struct Provider {
    signer: Signer,
    identity: Identity,
    _folder: tempfile::TempDir,
}

impl Provider {
    fn new() -> Self {
        Self::with("kind = \"person\"\nclients = [\"cli\"]")
    }

    fn with(settings: &str) -> Self {
        let signer = Signer::ec();
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::write(folder.path().join("jwks.json"), jwks(&[signer.jwk("k1")])).expect("written");
        let text = format!(
            "[listen]\npostgres = \"127.0.0.1:0\"\ninsecure_plaintext = true\n\
             [[identity]]\nname = \"corp\"\nissuer = \"{ISSUER}\"\naudience = \"tidegate\"\n\
             jwks = \"file:jwks.json\"\n{settings}\n\
             [[identity]]\nname = \"other\"\nissuer = \"https://other.example.com\"\naudience = \"tidegate\"\n\
             jwks = \"file:jwks.json\"\nkind = \"person\"\n[policy]\nfiles = []\n"
        );
        let file = folder.path().join("tidegate.toml");
        let config = crate::config::Config::parse(&text, &file).expect("valid");
        let identities: Vec<IdentityConfig> = config.identities;
        Self {
            signer,
            identity: Identity::new(&identities).expect("prepared"),
            _folder: folder,
        }
    }

    async fn log_in(&self, claims: &Value) -> Result<LoggedIn, TokenError> {
        let header = json!({"alg": "ES256", "kid": "k1"});
        self.log_in_as(&header, claims).await
    }

    async fn log_in_as(&self, header: &Value, claims: &Value) -> Result<LoggedIn, TokenError> {
        let token = self.signer.token_of(&header.to_string(), &claims.to_string());
        self.identity
            .verify_login(&token, ISSUER, "console", NONCE, NOW)
            .await
    }
}

fn claims() -> Value {
    json!({"iss": ISSUER, "sub": "alice", "aud": "console", "exp": NOW + 300, "iat": NOW,
        "nonce": NONCE, "sid": "s1", "groups": ["dba"], "at_hash": "x"})
}

#[tokio::test]
async fn an_id_token_tells_who_logged_in() {
    let provider = Provider::new();
    let who = provider.log_in(&claims()).await.expect("accepted");
    assert_eq!(who.principal.key(), "https://idp.example.com|alice");
    assert_eq!(who.principal.groups, ["dba"]);
    assert_eq!(who.principal.kind, model::PrincipalKind::Person);
    assert_eq!(who.principal.client.as_deref(), Some("console"));
    assert_eq!(who.provider_session.as_deref(), Some("s1"));
    let several = claims().with("aud", json!(["console", "other"]));
    assert_eq!(
        provider.log_in(&several).await,
        Err(TokenError::MissingClaim("azp"))
    );
    let mut several = several;
    several["azp"] = json!("console");
    provider.log_in(&several).await.expect("accepted");
}

#[tokio::test]
async fn an_id_token_for_another_login_or_another_client_is_refused() {
    let provider = Provider::new();
    for (claims, expected) in [
        (
            claims().with("nonce", json!("another")),
            TokenError::WrongClaim("nonce"),
        ),
        (
            claims().with("nonce", json!([NONCE])),
            TokenError::WrongClaim("nonce"),
        ),
        (claims().without("nonce"), TokenError::MissingClaim("nonce")),
        (claims().with("aud", json!("tidegate")), TokenError::WrongAudience),
        (
            claims().with("aud", json!(["tidegate"])),
            TokenError::WrongAudience,
        ),
        (claims().without("aud"), TokenError::MissingClaim("aud")),
        (
            claims().with("azp", json!("cli")),
            TokenError::ClientNotAllowed("cli".to_owned()),
        ),
        (
            claims().with("iss", json!("https://other.example.com")),
            TokenError::WrongClaim("iss"),
        ),
        (
            claims().with("iss", json!("https://evil.example.com")),
            TokenError::UnknownIssuer("https://evil.example.com".to_owned()),
        ),
        (claims().with("exp", json!(NOW - 100)), TokenError::Expired(100)),
        (claims().without("iat"), TokenError::MissingClaim("iat")),
        (claims().without("sub"), TokenError::MissingClaim("sub")),
        (
            claims().with("events", json!({})),
            TokenError::NotAnIdToken("events"),
        ),
    ] {
        assert_eq!(provider.log_in(&claims).await, Err(expected), "{claims}");
    }
}

#[tokio::test]
async fn access_and_logout_tokens_do_not_log_anybody_in() {
    let provider = Provider::new();
    for typ in ["at+jwt", "application/at+jwt", "logout+jwt"] {
        let header = json!({"alg": "ES256", "kid": "k1", "typ": typ});
        let refused = provider.log_in_as(&header, &claims()).await;
        assert!(
            matches!(refused, Err(TokenError::WrongType(_))),
            "{typ}: {refused:?}"
        );
    }
    let header = json!({"alg": "ES256", "kid": "k1", "typ": "JWT"});
    provider.log_in_as(&header, &claims()).await.expect("accepted");
    let unsigned = json!({"alg": "none"});
    assert_eq!(
        provider.log_in_as(&unsigned, &claims()).await,
        Err(TokenError::Unsigned)
    );
}

#[tokio::test]
async fn an_id_token_opens_no_database() {
    let provider = Provider::with("kind = \"person\"");
    let token = provider
        .signer
        .token("k1", &claims().with("aud", json!("tidegate")));
    let refused = provider.identity.verify(&token, NOW).await;
    assert!(
        matches!(refused, Err(TokenError::NotAnAccessToken(_))),
        "{refused:?}"
    );
}

#[tokio::test]
async fn who_acts_for_somebody_is_no_person() {
    let provider = Provider::new();
    let who = provider
        .log_in(&claims().with("act", json!({"sub": "agent-7"})))
        .await;
    assert_eq!(who.expect("verified").principal.kind, model::PrincipalKind::Agent);
}
