use model::Principal;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::signer::{Claims as _, Signer, jwks};
use crate::config::Config;
use crate::identity::{Identity, Login, Logout, TokenError};

const NOW: u64 = 1_800_000_000;
const ISSUER: &str = "https://idp.example.com";

struct Provider {
    signer: Signer,
    identity: Identity,
    _folder: TempDir,
}

impl Provider {
    fn new() -> Self {
        Self::with("")
    }

    fn with(settings: &str) -> Self {
        let signer = Signer::ec();
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::write(folder.path().join("jwks.json"), jwks(&[signer.jwk("k1")])).expect("written");
        let text = format!(
            "[listen]\npostgres = \"127.0.0.1:0\"\ninsecure_plaintext = true\n\
             [[identity]]\nname = \"corp\"\nissuer = \"{ISSUER}\"\naudience = \"tidegate\"\n\
             jwks = \"file:jwks.json\"\nlogout_clients = [\"console\"]\n{settings}\n[policy]\nfiles = []\n"
        );
        let config = Config::parse(&text, &folder.path().join("tidegate.toml")).expect("valid");
        Self {
            signer,
            identity: Identity::new(&config.identities).expect("prepared"),
            _folder: folder,
        }
    }

    async fn take_as(&self, header: &Value, claims: &Value) -> Result<Logout, TokenError> {
        let token = self.signer.token_of(&header.to_string(), &claims.to_string());
        self.identity.verify_logout(&token, NOW).await
    }

    async fn take(&self, claims: &Value) -> Result<Logout, TokenError> {
        let header = json!({"alg": "ES256", "typ": "logout+jwt", "kid": "k1"});
        self.take_as(&header, claims).await
    }

    /// Whether a token of `subject` that was issued at `issued` is let in.
    async fn lets_in(&self, subject: &str, provider_session: Option<&str>, issued: u64) -> bool {
        let mut claims =
            json!({"iss": ISSUER, "sub": subject, "aud": "tidegate", "iat": issued, "exp": NOW + 300});
        if let Some(session) = provider_session {
            claims["sid"] = json!(session);
        }
        match self.identity.verify(&self.signer.token("k1", &claims), NOW).await {
            Ok(_) => true,
            Err(error) => {
                assert_eq!(error, TokenError::LoggedOut);
                false
            }
        }
    }
}

/// As oidc-provider makes them.
fn claims() -> Value {
    json!({"iss": ISSUER, "sub": "alice", "aud": "console", "iat": NOW, "exp": NOW + 120, "jti": "j1",
        "sid": "s1", "events": {"http://schemas.openid.net/event/backchannel-logout": {}}})
}

#[tokio::test]
async fn a_logout_token_says_who_has_logged_out() {
    let logout = Provider::new().take(&claims()).await.expect("accepted");
    assert_eq!(logout.key().as_deref(), Some("https://idp.example.com|alice"));
    assert_eq!(logout.provider_session.as_deref(), Some("s1"));
    let several = claims().with("aud", json!(["other", "console"]));
    Provider::new().take(&several).await.expect("accepted");
    let all = Provider::new()
        .take(&claims().without("sid"))
        .await
        .expect("accepted");
    assert_eq!(all.provider_session, None);
    let session = Provider::new()
        .take(&claims().without("sub"))
        .await
        .expect("accepted");
    assert_eq!(session.key(), None);
}

#[tokio::test]
async fn each_forged_logout_token_is_refused() {
    let provider = Provider::new();
    for (claims, expected) in [
        (
            claims().with("iss", json!("https://evil.example.com")),
            TokenError::UnknownIssuer("https://evil.example.com".into()),
        ),
        (claims().without("iss"), TokenError::MissingClaim("iss")),
        (claims().with("aud", json!("tidegate")), TokenError::WrongAudience),
        (claims().with("aud", json!([])), TokenError::WrongAudience),
        (claims().without("aud"), TokenError::MissingClaim("aud")),
        (claims().with("exp", json!(NOW - 31)), TokenError::Expired(31)),
        (claims().without("exp"), TokenError::MissingClaim("exp")),
        (claims().with("exp", json!(NOW + 601)), TokenError::LivesTooLong),
        (claims().without("iat"), TokenError::MissingClaim("iat")),
        (
            claims().with("iat", json!(NOW + 31)),
            TokenError::IssuedInFuture(31),
        ),
        (claims().with("iat", json!(NOW - 331)), TokenError::Stale(331)),
        (claims().with("nbf", json!(NOW + 31)), TokenError::NotYetValid(31)),
        (claims().without("jti"), TokenError::MissingClaim("jti")),
        (claims().with("jti", json!("")), TokenError::WrongClaim("jti")),
        (
            claims().without("events"),
            TokenError::NotALogout("the event is missing"),
        ),
        (
            claims().with("events", json!({"https://other": {}})),
            TokenError::NotALogout("the event is missing"),
        ),
        (
            claims().with("events", json!([])),
            TokenError::NotALogout("the event is missing"),
        ),
        (
            claims().with("nonce", json!("n")),
            TokenError::NotALogout("it carries a nonce"),
        ),
        (
            claims().with("nonce", Value::Null),
            TokenError::NotALogout("it carries a nonce"),
        ),
        (claims().with("sub", json!(5)), TokenError::WrongClaim("sub")),
        (claims().with("sid", json!({})), TokenError::WrongClaim("sid")),
    ] {
        assert_eq!(provider.take(&claims).await, Err(expected), "{claims}");
    }
    let mut nobody = claims().without("sub");
    nobody.as_object_mut().expect("an object").remove("sid");
    let refused = provider.take(&nobody).await;
    assert_eq!(
        refused,
        Err(TokenError::NotALogout("it says neither sub nor sid"))
    );
    assert!(
        provider.lets_in("alice", Some("s1"), NOW).await,
        "nothing was taken in"
    );
}

#[tokio::test]
async fn a_logout_token_is_signed_by_its_provider_and_of_its_type() {
    let provider = Provider::new();
    for typ in ["at+jwt", "secevent+jwt", "application/at+jwt"] {
        let refused = provider
            .take_as(&json!({"alg": "ES256", "kid": "k1", "typ": typ}), &claims())
            .await;
        assert!(matches!(refused, Err(TokenError::WrongType(_))), "{refused:?}");
    }
    let unsigned = provider.take_as(&json!({"alg": "none"}), &claims()).await;
    assert_eq!(unsigned, Err(TokenError::Unsigned));
    let strict = Provider::with("strict_typ = true");
    let plain = json!({"alg": "ES256", "kid": "k1"});
    let refused = strict.take_as(&plain, &claims()).await;
    assert!(matches!(refused, Err(TokenError::WrongType(_))), "{refused:?}");
    // A key that somebody else made, under the provider's own name for it.
    let header = json!({"alg": "ES256", "typ": "logout+jwt", "kid": "k1"});
    let forged = Signer::ec().token_of(&header.to_string(), &claims().to_string());
    let refused = provider.identity.verify_logout(&forged, NOW).await;
    assert_eq!(refused, Err(TokenError::BadSignature));
    provider.take_as(&plain, &claims()).await.expect("accepted");
}

#[tokio::test]
async fn a_logout_token_counts_once_unless_it_could_not_be_carried_out() {
    let provider = Provider::new();
    let logout = provider.take(&claims()).await.expect("accepted");
    assert_eq!(provider.take(&claims()).await, Err(TokenError::Replayed));
    provider
        .take(&claims().with("jti", json!("j2")))
        .await
        .expect("accepted");
    provider.identity.forget_logout_token(&logout);
    provider.take(&claims()).await.expect("accepted");
}

#[tokio::test]
async fn a_logout_token_opens_no_database_and_an_access_token_logs_nobody_out() {
    let provider = Provider::new();
    let token = provider
        .signer
        .token("k1", &claims().with("aud", json!(["console", "tidegate"])));
    let refused = provider.identity.verify(&token, NOW).await;
    assert!(
        matches!(refused, Err(TokenError::NotAnAccessToken("events"))),
        "{refused:?}"
    );
    let access = json!({"iss": ISSUER, "sub": "alice", "aud": ["tidegate", "console"], "iat": NOW, "exp": NOW + 300, "jti": "a"});
    let refused = provider.take(&access).await;
    assert_eq!(refused, Err(TokenError::NotALogout("the event is missing")));
}

#[tokio::test]
async fn tokens_from_before_a_logout_let_nobody_in_again_and_newer_ones_do() {
    let provider = Provider::new();
    provider.take(&claims().without("sid")).await.expect("accepted");
    assert!(!provider.lets_in("alice", None, NOW - 10).await);
    assert!(!provider.lets_in("alice", Some("s2"), NOW).await);
    assert!(provider.lets_in("alice", None, NOW + 1).await);
    assert!(provider.lets_in("bob", None, NOW - 10).await);
}

#[tokio::test]
async fn the_logout_of_one_session_leaves_the_persons_others() {
    let provider = Provider::new();
    provider.take(&claims()).await.expect("accepted");
    assert!(!provider.lets_in("alice", Some("s1"), NOW - 10).await);
    assert!(
        !provider.lets_in("alice", None, NOW - 10).await,
        "it may be of that session"
    );
    assert!(provider.lets_in("alice", Some("s2"), NOW - 10).await);
    let provider = Provider::new();
    provider.take(&claims().without("sub")).await.expect("accepted");
    assert!(!provider.lets_in("alice", Some("s1"), NOW - 10).await);
    assert!(
        provider.lets_in("alice", None, NOW - 10).await,
        "nobody knows whose session it was"
    );
}

#[tokio::test]
async fn a_logout_hits_what_its_tokens_do_and_what_others_do_for_the_person() {
    let login = |session: Option<&str>| Login {
        provider_session: session.map(str::to_owned),
        ..Login::default()
    };
    let person = |subject: &str| Principal {
        issuer: ISSUER.to_owned(),
        ..crate::ground::person(subject)
    };
    let through = |actor: &str| Principal {
        issuer: ISSUER.to_owned(),
        ..crate::ground::through("carol", actor)
    };
    let (all, one, session) = (
        Provider::new()
            .take(&claims().without("sid"))
            .await
            .expect("accepted"),
        Provider::new().take(&claims()).await.expect("accepted"),
        Provider::new()
            .take(&claims().without("sub"))
            .await
            .expect("accepted"),
    );
    for (who, sid, expected) in [
        (person("alice"), Some("s1"), [true, true, true]),
        (person("alice"), Some("s2"), [true, false, false]),
        (person("alice"), None, [true, true, false]),
        (person("bob"), Some("s1"), [false, false, true]),
        (person("bob"), None, [false, false, false]),
        (through("alice"), None, [true, true, false]),
        (crate::ground::person("alice"), Some("s1"), [false, false, false]),
    ] {
        let hit = [&all, &one, &session].map(|logout| logout.hits(&who, &login(sid)));
        assert_eq!(hit, expected, "{who:?} {sid:?}");
    }
}
