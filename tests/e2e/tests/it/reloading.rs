//! Plugins are exchanged while sessions run: nobody notices but by what is masked.

use std::fs;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use anyhow::{Context as _, Result, ensure};
use e2e::client::Client;
use e2e::gateway::{Configuration, Gateway};
use e2e::http;
use e2e::service::{START_WAIT_MAX, until};
use e2e::tools::Version;
use rustix::process::Signal;
use serde_json::{Value, json};

use crate::Stage;
use crate::holds::{json as answered, tidegate};
use crate::plugins::Bystander;

/// Agents may do everything, and the administrators may reload.
const POLICY: &str = r#"permit (principal in Group::"agents", action in [Action::"connect", Action::"execute"], resource);
permit (principal in Group::"dba", action == Action::"execute", resource == Resource::"tidegate");
"#;

/// How often plugins are reloaded while statements run.
const RELOADS: usize = 1_000;

/// After so many of them memory must not grow any more.
const WARM: usize = 100;

/// What the memory may grow by in the reloads that follow: five kilobytes each, where an instance
/// holds a megabyte. It is the allocator's own store: 0.8 MiB after a thousand, 1.1 MiB after ten
/// thousand.
const NOISE: u64 = 4 << 20;

const CARD: &str = "select card from customers where id = 3";

fn stage(with: impl FnOnce(Configuration<'_>) -> Configuration<'_>) -> Result<Stage> {
    Stage::with(Version::Packaged, |configuration| {
        with(configuration.policy(POLICY))
    })
}

/// Rewrites the gateway's configuration.
fn edit(gateway: &Gateway, from: &str, to: &str) -> Result<()> {
    let file = gateway.home().config();
    let text = fs::read_to_string(&file)?;
    ensure!(text.contains(from), "{from} is not in {text}");
    Ok(fs::write(&file, text.replace(from, to))?)
}

/// What cards are made into, and what they could be made into.
const KEPT: &str = r#""pii.card" = "keep-last-4""#;
const NULLED: &str = r#""pii.card" = "null""#;

#[test]
fn a_thousand_reloads_fail_no_statement() -> Result<()> {
    let stage = stage(|configuration| configuration)?;
    let agent = stage.agent()?;
    let dba = format!("Bearer {}", stage.issuer.person("dana", &["dba"])?);
    let bystander = Bystander::start(&agent)?;
    let ended = AtomicBool::new(false);
    let runs = thread::scope(|scope| {
        let reloading = scope.spawn(|| {
            let reloaded = reload_often(&stage.gateway, &dba);
            ended.store(true, Ordering::Release);
            reloaded
        });
        let mut runs = 0;
        while !ended.load(Ordering::Acquire) {
            let report = Client::Pgbench.run(&agent, &stage.server)?;
            let failed = report.lines().filter(|line| line.contains("failed"));
            for line in failed {
                ensure!(line.contains(": 0 "), "{report}");
            }
            runs += 1;
        }
        reloading.join().ok().context("the reloads")??;
        anyhow::Ok(runs)
    })?;
    assert!(runs > 0 && bystander.end()? > 0, "nothing ran meanwhile");
    Ok(())
}

#[test]
fn a_thousand_reloads_keep_nothing_of_the_plugins_they_replace() -> Result<()> {
    let stage = stage(|configuration| configuration)?;
    let dba = format!("Bearer {}", stage.issuer.person("dana", &["dba"])?);
    let grown = reload_often(&stage.gateway, &dba)?;
    assert!(grown < NOISE, "{grown} bytes more after {RELOADS} reloads");
    Ok(())
}

/// Reloads with one configuration and the other; returns by how much memory grew after the first
/// hundred.
fn reload_often(gateway: &Gateway, authorization: &str) -> Result<u64> {
    let mut warm = 0;
    for number in 1..=RELOADS {
        let (from, to) = if number % 2 == 1 {
            (KEPT, NULLED)
        } else {
            (NULLED, KEPT)
        };
        edit(gateway, from, to)?;
        let (status, body) = http::post_form(gateway.admin(), "/api/v1/plugins/reload", authorization, "")?;
        ensure!(status == 200, "{number}: {status} {body}");
        let reloaded: Value = serde_json::from_str(&body)?;
        ensure!(reloaded["changed"] == json!(["redact"]), "{body}");
        if number == WARM {
            warm = gateway.memory()?;
        }
    }
    Ok(gateway.memory()?.saturating_sub(warm))
}

#[test]
fn a_reload_adds_changes_and_removes_and_whatever_is_wrong_changes_nothing() -> Result<()> {
    let stage = stage(|configuration| configuration)?;
    let (agent, gateway) = (stage.agent()?, &stage.gateway);
    let dba = stage.issuer.person("dana", &["dba"])?;
    let reload = || tidegate(gateway, &dba, &["reload"]);
    assert_eq!(agent.psql(CARD)?.rows.trim().len(), 16, "all but four hidden");

    edit(gateway, KEPT, NULLED)?;
    let reloaded = answered(&reload()?)?;
    assert_eq!(reloaded["changed"], json!(["redact"]));
    assert_eq!(reloaded["kept"], json!(["sql-risk"]));
    assert_eq!(agent.psql(CARD)?.rows.trim(), "");

    edit(gateway, NULLED, r#""pii.card" = "no such way""#)?;
    let refused = reload()?;
    assert!(!refused.status.success());
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(said.contains("redact") && said.contains("not a rule"), "{said}");
    assert_eq!(agent.psql(CARD)?.rows.trim(), "", "the old one stays");
    edit(gateway, r#""pii.card" = "no such way""#, KEPT)?;

    edit(gateway, r#"classifiers = ["sql-risk"]"#, "classifiers = []")?;
    let reloaded = answered(&reload()?)?;
    assert_eq!(reloaded["changed"], json!(["redact"]), "{reloaded}");
    let nobody = tidegate(gateway, &stage.issuer.token("agent-7", &["agents"])?, &["reload"])?;
    assert_eq!(nobody.status.code(), Some(77), "only whom policy lets");
    Ok(())
}

#[test]
fn a_hangup_and_a_changed_file_reload_as_well() -> Result<()> {
    let stage = stage(|mut configuration| {
        configuration.further.push_str("[plugins]\nwatch = true\n");
        configuration
    })?;
    let (agent, gateway) = (stage.agent()?, &stage.gateway);
    let reloads = |how: &str, wanted: &str| {
        until(START_WAIT_MAX, how, || {
            let shown = agent.psql(CARD)?.rows.trim().to_owned();
            Ok((shown.is_empty() == wanted.is_empty()).then_some(()))
        })
    };
    edit(gateway, KEPT, NULLED)?;
    gateway.signal(Signal::HUP)?;
    reloads("a reload at SIGHUP", "")?;
    edit(gateway, NULLED, KEPT)?;
    reloads("a reload of a changed file", "0004")
}
