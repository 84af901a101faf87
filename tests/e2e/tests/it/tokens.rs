//! Tokens that are not good enough: each is refused with one and the same bland message, and
//! the log tells them apart.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use anyhow::{Result, ensure};
use e2e::gateway::RESOURCE;
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

/// How long an answer may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(30);

#[test]
fn a_connection_has_one_try_whoever_it_claims_to_be_next() -> Result<()> {
    let stage = Stage::with(Version::Packaged, |mut configuration| {
        configuration.plaintext = true;
        configuration
    })?;
    let good = stage.issuer.token("agent-7", &["agents"])?;
    let target = stage.gateway.target(&good);
    let startup = format!("user\0agent\0database\0{RESOURCE}\0\0");
    let startup = [&196_608_u32.to_be_bytes()[..], startup.as_bytes()].concat();
    let startup = [&length_of(&startup)[..], &startup].concat();
    let (bad, good) = (password("hunter2"), password(&good));
    for at_once in [true, false] {
        let mut stream = TcpStream::connect((target.host.as_str(), target.port))?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.write_all(&startup)?;
        let mut asked = [0; 9];
        stream.read_exact(&mut asked)?;
        assert_eq!(asked, *b"R\0\0\0\x08\0\0\0\x03", "it asks for a password");
        let mut told = vec![0];
        if at_once {
            stream.write_all(&[&bad[..], &good].concat())?;
            stream.read_exact(&mut told)?;
        } else {
            stream.write_all(&bad)?;
            stream.read_exact(&mut told)?;
            // Whether the gateway still hears this makes no difference.
            let _ = stream.write_all(&good);
        }
        // A connection that is reset has ended, too.
        let _ = stream.read_to_end(&mut told);
        ensure!(told.starts_with(b"E"), "{}", String::from_utf8_lossy(&told));
        let accepted = told.windows(9).any(|nine| nine == b"R\0\0\0\x08\0\0\0\0");
        assert!(!accepted, "at once: {at_once}");
    }
    let entries = journal::entries(stage.gateway.home())?;
    assert!(journal::of_kind(&entries, "session.start").is_empty());
    assert!(target.psql("select 1")?.ok, "a new connection has its own try");
    Ok(())
}

/// A length of four bytes that counts itself.
fn length_of(body: &[u8]) -> [u8; 4] {
    u32::try_from(body.len() + 4).unwrap_or(u32::MAX).to_be_bytes()
}

fn password(token: &str) -> Vec<u8> {
    let body = [token.as_bytes(), b"\0"].concat();
    [&b"p"[..], &length_of(&body), &body].concat()
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
