use aws_lc_rs::hmac;
use model::PrincipalKind;
use serde_json::{Value, json};

use super::signer::{Claims as _, Signer, encode, jwks};
use crate::config::{IdentityConfig, KeySource, KindRule};
use crate::identity::{FOR_CLIENT, Identity, TokenError, Verified};

const NOW: u64 = 1_800_000_000;
const ISSUER: &str = "https://idp.example.com";

/// A provider with one key, in a file.
struct Provider {
    signer: Signer,
    config: IdentityConfig,
    folder: tempfile::TempDir,
}

impl Provider {
    fn new(signer: Signer) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let keys = jwks(&[signer.jwk("k1")]);
        std::fs::write(folder.path().join("jwks.json"), keys).expect("written");
        let config = config(folder.path());
        Self {
            signer,
            config,
            folder,
        }
    }

    fn with_keys(self, keys: &[Value]) -> Self {
        std::fs::write(self.folder.path().join("jwks.json"), jwks(keys)).expect("written");
        self
    }

    async fn verify(&self, token: &str) -> Result<Verified, TokenError> {
        let identity = Identity::new(std::slice::from_ref(&self.config)).expect("prepared");
        identity.verify(token, NOW).await
    }

    async fn verify_claims(&self, claims: &Value) -> Result<Verified, TokenError> {
        self.verify(&self.signer.token("k1", claims)).await
    }

    /// Verifies good claims under another header.
    async fn verify_header(&self, header: Value) -> Result<Verified, TokenError> {
        let token = self.signer.token_of(&header.to_string(), &claims().to_string());
        self.verify(&token).await
    }
}

fn config(folder: &std::path::Path) -> IdentityConfig {
    let text = format!(
        "[listen]\npostgres = \"127.0.0.1:0\"\ninsecure_plaintext = true\n\
         [[identity]]\nname = \"corp\"\nissuer = \"{ISSUER}\"\naudience = \"tidegate\"\njwks = \"file:jwks.json\"\n\
         [policy]\nfiles = []\n"
    );
    let config = crate::config::Config::parse(&text, &folder.join("tidegate.toml")).expect("valid");
    config.identities[0].clone()
}

fn claims() -> Value {
    json!({"iss": ISSUER, "sub": "agent-7", "aud": "tidegate", "exp": NOW + 300, "iat": NOW,
        "groups": ["b", "a", "a"], "jti": "1", "azp": "cli"})
}

#[tokio::test]
async fn a_good_token_of_each_algorithm_tells_who_it_speaks_for() {
    for signer in [Signer::ec(), Signer::ed(), Signer::rsa()] {
        let provider = Provider::new(signer);
        let verified = provider.verify_claims(&claims()).await.expect("accepted");
        assert_eq!(verified.expires, NOW + 300);
        let principal = verified.principal;
        assert_eq!(principal.key(), "https://idp.example.com|agent-7");
        assert_eq!(principal.identity, "corp");
        assert_eq!(principal.groups, ["a", "b"]);
        assert_eq!(principal.client.as_deref(), Some("cli"));
        assert_eq!(principal.token_id.as_deref(), Some("1"));
        assert_eq!(principal.kind, PrincipalKind::Agent);
    }
}

#[tokio::test]
async fn each_wrong_claim_has_its_own_reason() {
    let provider = Provider::new(Signer::ec());
    for (claims, expected) in [
        (claims().with("exp", json!(NOW - 100)), TokenError::Expired(100)),
        (claims().with("exp", json!(NOW - 30)), TokenError::Expired(30)),
        (claims().with("exp", json!("soon")), TokenError::WrongClaim("exp")),
        (claims().with("exp", json!(-1)), TokenError::WrongClaim("exp")),
        (claims().with("exp", json!(1e300)), TokenError::WrongClaim("exp")),
        (
            claims().with("exp", json!(NOW + 315_360_000)),
            TokenError::LivesTooLong,
        ),
        (claims().without("exp"), TokenError::MissingClaim("exp")),
        (
            claims().with("nbf", json!(NOW + 3600)),
            TokenError::NotYetValid(3600),
        ),
        (claims().with("nbf", json!(null)), TokenError::WrongClaim("nbf")),
        (
            claims().with("iat", json!(NOW + 3600)),
            TokenError::IssuedInFuture(3600),
        ),
        (claims().without("aud"), TokenError::MissingClaim("aud")),
        (claims().with("aud", json!("other")), TokenError::WrongAudience),
        (claims().with("aud", json!(["other"])), TokenError::WrongAudience),
        (claims().with("aud", json!([])), TokenError::WrongAudience),
        (claims().with("aud", json!(null)), TokenError::WrongClaim("aud")),
        (
            claims().with("aud", json!(["tidegate", 5])),
            TokenError::WrongClaim("aud"),
        ),
        (claims().without("iss"), TokenError::MissingClaim("iss")),
        (
            claims().with("iss", json!([ISSUER])),
            TokenError::WrongClaim("iss"),
        ),
        (
            claims().with("iss", json!("https://evil.example.com")),
            TokenError::UnknownIssuer("https://evil.example.com".into()),
        ),
        (
            claims().with("iss", json!(format!("{ISSUER}/"))),
            TokenError::UnknownIssuer(format!("{ISSUER}/")),
        ),
        (claims().without("sub"), TokenError::MissingClaim("sub")),
        (claims().with("sub", json!("")), TokenError::WrongClaim("sub")),
        (claims().with("sub", json!(7)), TokenError::WrongClaim("sub")),
        (claims().with("sub", json!("a\nb")), TokenError::WrongClaim("sub")),
        (
            claims().with("nonce", json!("n")),
            TokenError::NotAnAccessToken("nonce"),
        ),
        (
            claims().with("at_hash", json!("n")),
            TokenError::NotAnAccessToken("at_hash"),
        ),
        (
            claims().with("events", json!({})),
            TokenError::NotAnAccessToken("events"),
        ),
        (claims().with("cnf", json!({"jkt": "x"})), TokenError::Bound),
        (
            claims().with("groups", json!("dba")),
            TokenError::WrongClaim("groups"),
        ),
        (
            claims().with("groups", json!(["dba", 5])),
            TokenError::WrongClaim("groups"),
        ),
        (
            claims().with("act", json!("agent")),
            TokenError::WrongClaim("act"),
        ),
        (
            claims().with("act", json!({"iss": "x"})),
            TokenError::WrongClaim("act"),
        ),
    ] {
        let refused = provider.verify_claims(&claims).await.expect_err("refused");
        assert_eq!(refused, expected, "{claims}");
        assert_eq!(refused.for_client(), FOR_CLIENT);
    }
}

#[tokio::test]
async fn what_is_unusual_but_right_is_accepted() {
    let provider = Provider::new(Signer::ec());
    for claims in [
        claims().with("aud", json!(["other", "tidegate"])),
        claims().with("exp", json!((NOW + 300) as f64 + 0.5)),
        claims().with("exp", json!(NOW - 29)),
        claims().with("nbf", json!(NOW + 29)),
        claims().without("iat"),
        claims().without("groups"),
        claims().without("jti"),
    ] {
        provider.verify_claims(&claims).await.expect("accepted");
    }
}

#[tokio::test]
async fn each_wrong_header_has_its_own_reason() {
    let provider = Provider::new(Signer::ec());
    for (header, expected) in [
        (json!({"alg": "none"}), TokenError::Unsigned),
        (json!({"alg": "NONE", "kid": "k1"}), TokenError::Unsigned),
        (json!({"alg": "HS256", "kid": "k1"}), TokenError::Symmetric),
        (
            json!({"alg": "ES257", "kid": "k1"}),
            TokenError::UnknownAlgorithm("ES257".into()),
        ),
        (
            json!({"alg": "RS256", "kid": "k1"}),
            TokenError::KeyOfOtherAlgorithm(jsonwebtoken::Algorithm::RS256),
        ),
        (
            json!({"alg": "ES256", "kid": "k2"}),
            TokenError::UnknownKey("k2".into()),
        ),
        (
            json!({"alg": "ES256", "kid": "k1", "crit": ["zz"]}),
            TokenError::Critical,
        ),
        (
            json!({"alg": "ES256", "kid": "k1", "typ": "logout+jwt"}),
            TokenError::WrongType("logout+jwt".into()),
        ),
        (
            json!({"alg": "ES256", "kid": 5}),
            TokenError::Malformed("a header member is not a text"),
        ),
        (json!({"kid": "k1"}), TokenError::Malformed("no alg")),
    ] {
        let refused = provider.verify_header(header.clone()).await.expect_err("refused");
        assert_eq!(refused, expected, "{header}");
    }
    for header in [
        json!({"alg": "ES256", "kid": "k1"}),
        json!({"alg": "ES256"}),
        json!({"alg": "ES256", "kid": "k1", "typ": "application/at+JWT"}),
        json!({"alg": "ES256", "kid": "k1", "jku": "https://evil.example.com/jwks"}),
    ] {
        provider.verify_header(header).await.expect("accepted");
    }
}

#[tokio::test]
async fn a_strict_provider_wants_access_tokens_by_name() {
    let mut provider = Provider::new(Signer::ec());
    provider.config.strict_typ = true;
    let typ = |typ: &str| json!({"alg": "ES256", "kid": "k1", "typ": typ});
    provider.verify_header(typ("at+jwt")).await.expect("accepted");
    let refused = provider.verify_header(typ("JWT")).await;
    assert_eq!(refused, Err(TokenError::WrongType("jwt".into())));
    let untyped = provider.verify_header(json!({"alg": "ES256", "kid": "k1"})).await;
    assert_eq!(untyped, Err(TokenError::WrongType("no typ".into())));
}

#[tokio::test]
async fn the_public_key_is_no_secret_to_sign_with() {
    let provider = Provider::new(Signer::rsa());
    let public = provider.signer.jwk("k1")["n"]
        .as_str()
        .expect("a text")
        .to_owned();
    let header = encode(br#"{"alg":"HS256","kid":"k1"}"#);
    let signed = format!("{header}.{}", encode(claims().to_string().as_bytes()));
    let key = hmac::Key::new(hmac::HMAC_SHA256, public.as_bytes());
    let token = format!(
        "{signed}.{}",
        encode(hmac::sign(&key, signed.as_bytes()).as_ref())
    );
    assert_eq!(provider.verify(&token).await, Err(TokenError::Symmetric));
}

#[tokio::test]
async fn what_is_no_token_is_malformed() {
    let provider = Provider::new(Signer::ec());
    let good = provider.signer.token("k1", &claims());
    for bad in [
        "",
        "a",
        "a.b",
        "a.b.c",
        "..",
        &format!("{good}.x"),
        &good.replace('.', "!"),
    ] {
        let refused = provider.verify(bad).await;
        assert!(
            matches!(refused, Err(TokenError::Malformed(_))),
            "{bad}: {refused:?}"
        );
    }
    let long = format!("{good}{}", "A".repeat(60_000));
    assert_eq!(provider.verify(&long).await, Err(TokenError::TooLong(long.len())));
    let twice = r#"{"alg":"ES256","kid":"k1"}"#;
    let claims = format!(r#"{{"aud":"other",{}"#, &claims().to_string()[1..]);
    let token = provider.signer.token_of(twice, &claims);
    assert_eq!(provider.verify(&token).await, Err(TokenError::DuplicateMember));
}

#[tokio::test]
async fn a_changed_token_and_another_ones_signature_are_refused() {
    let provider = Provider::new(Signer::ec());
    let good = provider.signer.token("k1", &claims());
    let other = provider.signer.token("k1", &claims().with("sub", json!("root")));
    let (signed, _) = other.rsplit_once('.').expect("parts");
    let (_, signature) = good.rsplit_once('.').expect("parts");
    for token in [
        format!("{signed}.{signature}"),
        format!("{signed}."),
        format!("{signed}.AAAA"),
        Signer::ec().token("k1", &claims()),
    ] {
        assert_eq!(provider.verify(&token).await, Err(TokenError::BadSignature));
    }
}

/// What a provider publishes of a key.
type Keys = fn(&Signer) -> Vec<Value>;

#[tokio::test]
async fn keys_that_cannot_be_trusted_are_left_out() {
    let cases: [(&str, Keys); 9] = [
        ("symmetric", |_| {
            vec![json!({"kty": "oct", "kid": "k1", "k": "c2VjcmV0"})]
        }),
        ("weak RSA", |_| {
            vec![json!({"kty": "RSA", "kid": "k1", "e": "AQAB", "n": encode(&[0xC1; 128])})]
        }),
        ("for encryption", |signer| {
            vec![edited(signer, "use", json!("enc"))]
        }),
        ("not for verifying", |signer| {
            vec![edited(signer, "key_ops", json!(["sign"]))]
        }),
        ("private", |signer| vec![edited(signer, "d", json!("AAAA"))]),
        ("alg of another kind", |signer| {
            vec![edited(signer, "alg", json!("HS256"))]
        }),
        ("alg of another curve", |signer| {
            vec![edited(signer, "alg", json!("ES384"))]
        }),
        ("kid twice", |signer| {
            vec![signer.jwk("k1"), Signer::ec().jwk("k1")]
        }),
        ("short point", |signer| vec![edited(signer, "x", json!("AAAA"))]),
    ];
    for (case, keys) in cases {
        let provider = Provider::new(Signer::ec());
        let keys = keys(&provider.signer);
        let provider = provider.with_keys(&keys);
        let refused = provider.verify_claims(&claims()).await;
        assert_eq!(refused, Err(TokenError::KeysUnavailable), "{case}");
    }
}

fn edited(signer: &Signer, member: &str, value: Value) -> Value {
    let mut key = signer.jwk("k1");
    key[member] = value;
    key
}

#[tokio::test]
async fn a_token_without_kid_needs_a_single_fitting_key() {
    let provider = Provider::new(Signer::ec());
    let keys = [
        provider.signer.jwk("k1"),
        Signer::ec().jwk("k2"),
        Signer::ed().jwk("k3"),
    ];
    let provider = provider.with_keys(&keys);
    let refused = provider.verify_header(json!({"alg": "ES256"})).await;
    assert_eq!(refused, Err(TokenError::AmbiguousKey));
}

#[tokio::test]
async fn only_listed_clients_and_algorithms_get_in() {
    let mut provider = Provider::new(Signer::ec());
    provider.config.clients = Some(vec!["cli".into()]);
    provider.verify_claims(&claims()).await.expect("accepted");
    let stranger = provider.verify_claims(&claims().with("azp", json!("web"))).await;
    assert_eq!(stranger, Err(TokenError::ClientNotAllowed("web".into())));
    let second = provider
        .verify_claims(&claims().with("client_id", json!("web")))
        .await;
    assert_eq!(second, Err(TokenError::ClientNotAllowed("web".into())));
    let unnamed = provider.verify_claims(&claims().without("azp")).await;
    assert_eq!(unnamed, Err(TokenError::MissingClaim("azp")));

    provider.config.algorithms = vec![jsonwebtoken::Algorithm::EdDSA];
    let refused = provider.verify_claims(&claims()).await;
    assert_eq!(
        refused,
        Err(TokenError::AlgorithmNotAllowed(jsonwebtoken::Algorithm::ES256))
    );
}

#[tokio::test]
async fn the_chain_of_delegation_is_kept_and_makes_an_agent() {
    let mut provider = Provider::new(Signer::ec());
    provider.config.kind = KindRule::Person;
    let alone = provider.verify_claims(&claims()).await.expect("accepted");
    assert_eq!(alone.principal.kind, PrincipalKind::Person);

    let act = json!({"sub": "agent-9", "act": {"sub": "agent-1", "iss": "https://other"}});
    let verified = provider
        .verify_claims(&claims().with("act", act))
        .await
        .expect("accepted");
    assert_eq!(verified.principal.kind, PrincipalKind::Agent);
    let actors: Vec<_> = verified
        .principal
        .delegation
        .iter()
        .map(|a| a.subject.as_str())
        .collect();
    assert_eq!(actors, ["agent-9", "agent-1"]);

    let chain = (0..9).fold(Value::Null, |inner, _| match inner {
        Value::Null => json!({"sub": "a"}),
        inner => json!({"sub": "a", "act": inner}),
    });
    let refused = provider.verify_claims(&claims().with("act", chain)).await;
    assert_eq!(refused, Err(TokenError::DelegationTooLong));
}

#[tokio::test]
async fn somebody_is_who_issuer_and_subject_say_whatever_else_a_token_claims() {
    let (own, other) = (Provider::new(Signer::ec()), Provider::new(Signer::ec()));
    let mut partner = other.config.clone();
    partner.name = "partner".to_owned();
    partner.issuer = "https://partner.example.com".to_owned();
    let identity = Identity::new(&[own.config.clone(), partner]).expect("prepared");

    let mut named = claims().with("email", json!("root@example.com"));
    for (claim, value) in [
        ("email_verified", json!(false)),
        ("preferred_username", json!("root")),
        ("upn", json!("root@example.com")),
        ("username", json!("root")),
    ] {
        named[claim] = value;
    }
    let plain = identity.verify(&own.signer.token("k1", &claims()), NOW).await;
    let plain = plain.expect("accepted").principal;
    let claiming = identity.verify(&own.signer.token("k1", &named), NOW).await;
    assert_eq!(claiming.expect("accepted").principal, plain);

    // The same subject with the same address at another provider is somebody else.
    let mut theirs = named.clone();
    theirs["iss"] = json!("https://partner.example.com");
    let stranger = identity.verify(&other.signer.token("k1", &theirs), NOW).await;
    let stranger = stranger.expect("accepted").principal;
    assert_eq!(stranger.key(), "https://partner.example.com|agent-7");
    assert!(!stranger.involves(&plain.key()));
    // And no provider signs for another one.
    let forged = identity.verify(&other.signer.token("k1", &named), NOW).await;
    assert_eq!(forged, Err(TokenError::BadSignature));
}

#[tokio::test]
async fn a_claim_can_tell_persons_from_agents() {
    let mut provider = Provider::new(Signer::ec());
    provider.config.kind = KindRule::ByClaim {
        claim: "sub_kind".into(),
        equals: "person".into(),
    };
    let kind = |verified: Result<Verified, _>| verified.expect("accepted").principal.kind;
    let person = claims().with("sub_kind", json!("person"));
    assert_eq!(kind(provider.verify_claims(&person).await), PrincipalKind::Person);
    let unclear = claims().with("sub_kind", json!(["person"]));
    assert_eq!(kind(provider.verify_claims(&unclear).await), PrincipalKind::Agent);
    assert_eq!(
        kind(provider.verify_claims(&claims()).await),
        PrincipalKind::Agent
    );
}

#[tokio::test]
async fn a_changed_file_is_read_again_after_a_while() {
    let provider = Provider::new(Signer::ec());
    let identity = Identity::new(std::slice::from_ref(&provider.config)).expect("prepared");
    let old = provider.signer.token("k1", &claims());
    identity.verify(&old, NOW).await.expect("accepted");

    let next = Signer::ec();
    let provider = provider.with_keys(&[next.jwk("next-key")]);
    let new = next.token("next-key", &claims());
    // Looked at a moment ago, so not again yet.
    assert!(matches!(
        identity.verify(&new, NOW + 4).await,
        Err(TokenError::UnknownKey(_))
    ));
    identity.verify(&new, NOW + 5).await.expect("accepted");
    assert!(matches!(
        identity.verify(&old, NOW + 5).await,
        Err(TokenError::UnknownKey(_))
    ));

    // A file that went bad changes nothing at first, and shuts the door in the end.
    let KeySource::File(path) = &provider.config.keys else {
        panic!("a file");
    };
    std::fs::write(path, "{").expect("written");
    identity.verify(&new, NOW + 60).await.expect("accepted");
    let day = 24 * 3_600;
    let mut late = claims();
    late["exp"] = json!(NOW + day + 600);
    late["iat"] = json!(NOW + day);
    let late = next.token("next-key", &late);
    let refused = identity.verify(&late, NOW + day + 300).await;
    assert_eq!(refused, Err(TokenError::KeysUnavailable));
}

#[test]
fn a_log_line_shows_no_control_characters_of_a_token() {
    let shown = crate::identity::error::shown("a\nb\u{1b}[31m");
    assert_eq!(shown, "a\\nb\\u{1b}[31m");
    assert_eq!(crate::identity::error::shown(&"x".repeat(100)).len(), 67);
}
