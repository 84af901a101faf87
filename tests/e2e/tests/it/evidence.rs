//! The journal tells what happened, and tells when it was tampered with.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result};
use e2e::gateway::Plugin;
use e2e::journal;
use e2e::receiver::Receiver;
use e2e::service::{START_WAIT_MAX, until};
use e2e::tools::{self, Version};

use crate::Stage;

#[test]
fn an_operation_has_an_intent_an_outcome_and_a_replay() -> Result<()> {
    let stage = Stage::new(Version::Packaged)?;
    let agent = stage.agent()?;
    assert!(agent.psql("select name, ssn from customers where id = 3")?.ok);
    assert!(!agent.psql("select upper(ssn) from customers")?.ok);
    let (status, home) = stage.gateway.stop()?;
    assert!(status.success());

    let entries = journal::entries(&home)?;
    let intents = journal::of_kind(&entries, "op.intent");
    let read = intents
        .iter()
        .find(|e| e["statement"] == "select name, ssn from customers where id = 3");
    let read = read.context("an intent of the read")?;
    assert_eq!(read["verdict"], "run");
    let refused = intents
        .iter()
        .find(|e| e["statement"] == "select upper(ssn) from customers");
    assert_eq!(refused.context("an intent of the refused")?["verdict"], "refuse");
    let outcomes = journal::of_kind(&entries, "op.outcome");
    let outcome = outcomes
        .iter()
        .find(|e| e["operation"] == read["operation"])
        .context("an outcome")?;
    assert_eq!(
        (outcome["rows"].as_u64(), outcome["masked"].as_u64()),
        (Some(1), Some(1))
    );

    let session = read["session"].as_str().context("a session")?;
    let replay = tools::output(&mut home.command(&["replay", session, "--config", "tidegate.toml"]))?;
    assert!(
        replay.contains("***-**-0022") && replay.contains("select name, ssn"),
        "{replay}"
    );
    assert!(!replay.contains("103-04-0022"));
    Ok(())
}

#[test]
fn an_untouched_journal_verifies_and_every_kind_of_tampering_is_named() -> Result<()> {
    let stage = Stage::new(Version::Packaged)?;
    let agent = stage.agent()?;
    for n in 0..40 {
        let answer = agent.psql(&format!("select {n}"))?;
        assert!(answer.ok, "{}", answer.all());
    }
    let (_, home) = stage.gateway.stop()?;
    let early = journal::copy(&home)?;
    let gateway = home.start()?;
    let agent = gateway.target(&stage.issuer.token("agent-7", &["agents"])?);
    for n in 0..40 {
        let answer = agent.psql(&format!("select {n}"))?;
        assert!(answer.ok, "{}", answer.all());
    }
    let (_, home) = gateway.stop()?;
    let binary = home.binary();
    let whole = journal::verify(binary, &home.journal())?;
    assert!(
        whole.status.success(),
        "{}",
        String::from_utf8_lossy(&whole.stderr)
    );

    let named = |case: &str, folder: &Path| -> Result<()> {
        let done = journal::verify(binary, folder)?;
        let said = format!(
            "{}{}",
            String::from_utf8_lossy(&done.stdout),
            String::from_utf8_lossy(&done.stderr)
        );
        assert!(!done.status.success(), "{case} was not noticed: {said}");
        assert!(said.len() > 20, "{case} is not named: {said}");
        Ok(())
    };
    for (case, tamper) in TAMPERINGS {
        let copied = journal::copy(&home)?;
        let folder = copied.path().to_owned();
        tamper(&folder).with_context(|| (*case).to_owned())?;
        named(case, &folder)?;
    }
    // An old copy is whole in itself: what shows it is a checkpoint kept elsewhere.
    let checkpoint = home.journal().join("checkpoint");
    let mut verify = Command::new(binary);
    verify
        .args(["journal", "verify", "--dir"])
        .arg(early.path())
        .arg("--checkpoint")
        .arg(checkpoint);
    let done = verify.output()?;
    assert!(
        !done.status.success(),
        "an old copy was not noticed: {}",
        String::from_utf8_lossy(&done.stdout)
    );
    Ok(())
}

#[test]
fn an_exporter_gets_every_entry_in_order() -> Result<()> {
    let receiver = Receiver::start()?;
    let address = receiver.address();
    let stage = Stage::with(Version::Packaged, |mut configuration| {
        configuration.plugins.push(Plugin::splunk_hec(address));
        configuration
            .environment
            .push(("STAGE_HEC_TOKEN".to_owned(), "hec-token".to_owned()));
        configuration
    })?;
    for n in 0..10 {
        assert!(stage.agent()?.psql(&format!("select {n} as exported"))?.ok);
    }
    let received = || {
        receiver
            .posts()
            .iter()
            .map(|post| post.body.clone())
            .collect::<String>()
    };
    let position = |text: &str, n: u32| text.find(&format!("select {n} as exported"));
    let text = until(START_WAIT_MAX, "the last entry to be exported", || {
        let text = received();
        Ok(position(&text, 9).map(|_| text))
    })?;
    let order: Vec<_> = (0..10).map(|n| position(&text, n)).collect();
    assert!(
        order.iter().all(Option::is_some) && order.is_sorted(),
        "{order:?}"
    );
    assert!(
        receiver
            .posts()
            .iter()
            .all(|post| post.authorization.contains("hec-token"))
    );
    Ok(())
}

type Tampering = fn(&Path) -> Result<()>;

const TAMPERINGS: &[(&str, Tampering)] = &[
    ("a byte changed", change_byte),
    ("a leaf removed", remove_leaf),
    ("the tail cut", cut_tail),
];

fn change_byte(folder: &Path) -> Result<()> {
    let path = journal::largest_of_entries(folder)?;
    let mut content = fs::read(&path)?;
    let middle = content.len() / 2;
    content[middle] ^= 1;
    Ok(fs::write(path, content)?)
}

fn remove_leaf(folder: &Path) -> Result<()> {
    let path = journal::largest_of_entries(folder)?;
    let content = fs::read(&path)?;
    // Each entry of a bundle is preceded by its length in two bytes (tlog-tiles).
    let length = usize::from(u16::from_be_bytes([content[0], content[1]]));
    Ok(fs::write(path, &content[2 + length..])?)
}

fn cut_tail(folder: &Path) -> Result<()> {
    let path = journal::largest_of_entries(folder)?;
    let content = fs::read(&path)?;
    Ok(fs::write(path, &content[..content.len() * 2 / 3])?)
}
