//! Tokens that are not good enough: each is refused with one and the same bland message, and
//! the log tells them apart.

use anyhow::Result;
use e2e::issuer::{Issuer, unix_now};
use e2e::journal;
use e2e::tools::Version;
use serde_json::{Value, json};

use crate::Stage;

#[test]
fn every_bad_token_gets_one_bland_message_and_a_reason_of_its_own() -> Result<()> {
    let stage = Stage::new(Version::Packaged)?;
    let mut messages = Vec::new();
    let bad = bad_tokens(&stage.issuer)?;
    for (case, token) in &bad {
        let answer = stage.gateway.target(token).psql("select 1")?;
        assert!(!answer.ok, "{case}: was let in");
        let message = answer
            .errors
            .split("FATAL:")
            .nth(1)
            .unwrap_or_else(|| panic!("{case}: {}", answer.errors));
        messages.push(message.trim().to_owned());
    }
    messages.dedup();
    assert_eq!(messages.len(), 1, "clients are told only one thing: {messages:?}");

    let home = stage.gateway.home();
    let entries = journal::entries(home)?;
    let refused = journal::of_kind(&entries, "login.refused");
    assert_eq!(refused.len(), bad.len(), "each refused login is journaled");
    let mut reasons: Vec<&str> = refused
        .iter()
        .filter_map(|entry| entry["reason"].as_str())
        .collect();
    reasons.sort_unstable();
    reasons.dedup();
    assert_eq!(
        reasons.len(),
        bad.len(),
        "each case has a reason of its own: {reasons:?}"
    );
    assert!(stage.agent()?.psql("select 1")?.ok, "a good token is still good");
    Ok(())
}

#[test]
fn a_session_ends_when_its_token_does() -> Result<()> {
    let stage = Stage::new(Version::Packaged)?;
    let mut claims = stage.issuer.claims("agent-7", &["agents"]);
    // The gateway forgives clocks half a minute; the rest of the token's life is five seconds.
    claims["exp"] = json!(unix_now() - 25);
    let answer = stage
        .gateway
        .target(&stage.issuer.sign(&claims)?)
        .psql("select pg_sleep(30)")?;
    assert!(!answer.ok && answer.errors.contains("57P01"), "{}", answer.errors);
    assert!(
        answer.errors.contains("token has expired") && answer.errors.contains("rule=session-ended"),
        "the client is told why: {}",
        answer.errors
    );
    Ok(())
}

fn bad_tokens(issuer: &Issuer) -> Result<Vec<(&'static str, String)>> {
    let with = |name: &str, value: Value| {
        let mut claims = issuer.claims("agent-7", &["agents"]);
        claims[name] = value;
        claims
    };
    let good = issuer.claims("agent-7", &["agents"]);
    Ok(vec![
        ("expired", issuer.sign(&with("exp", json!(unix_now() - 600)))?),
        (
            "not yet valid",
            issuer.sign(&with("nbf", json!(unix_now() + 600)))?,
        ),
        (
            "wrong audience",
            issuer.sign(&with("aud", json!("somebody-else")))?,
        ),
        (
            "wrong issuer",
            issuer.sign(&with("iss", json!("https://elsewhere.test")))?,
        ),
        ("no signature", issuer.unsigned(&good)),
        ("HS256 with the public key", issuer.confused(&good)?),
        ("unknown key", issuer.sign_as("another-key", &good)?),
        (
            "another's signature",
            Issuer::new()?.sign_as(issuer.key_id(), &good)?,
        ),
        ("60 kB", issuer.sign(&with("padding", json!("x".repeat(45_000))))?),
        ("no token at all", "hunter2".to_owned()),
    ])
}
