//! Start, health and stop, as an operator and an orchestrator see them.

use std::fs;
use std::process::Stdio;

use anyhow::Result;
use e2e::gateway::{Configuration, Home};
use e2e::http;
use e2e::issuer::Issuer;
use e2e::postgres::Postgres;
use e2e::service::{START_WAIT_MAX, until};
use e2e::tools::{self, Version};
use rustix::process::Signal;

use crate::Stage;

#[test]
fn health_readiness_and_metrics_are_served() -> Result<()> {
    let stage = Stage::new(Version::Packaged)?;
    assert!(stage.agent()?.psql("select 1")?.ok);
    for path in ["/healthz", "/readyz"] {
        assert_eq!(http::get(stage.gateway.admin(), path)?.0, 200, "{path}");
    }
    let (status, metrics) = http::get(stage.gateway.admin(), "/metrics")?;
    assert_eq!(status, 200);
    assert!(metrics.contains("# TYPE"), "{metrics}");
    assert_eq!(http::get(stage.gateway.admin(), "/nothing")?.0, 404);
    Ok(())
}

#[test]
fn sigterm_lets_a_running_statement_finish() -> Result<()> {
    let mut stage = Stage::new(Version::Packaged)?;
    let mut psql = stage.agent()?.command(&tools::postgres_client("psql")?);
    psql.args(["-XqAt", "-c", "select 'finished' from pg_sleep(3)"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let psql = psql.spawn()?;
    let running = "select count(*) from pg_stat_activity where state = 'active' and query like '%finished%pg_sleep%' \
                   and pid <> pg_backend_pid()";
    let server = &stage.server;
    until(START_WAIT_MAX, "the statement to run", || {
        Ok((server.query(running)?.trim() == "1").then_some(()))
    })?;
    let agent = stage.agent()?;
    stage.gateway.signal(Signal::TERM)?;
    let status = stage.gateway.wait()?;
    let answer = psql.wait_with_output()?;
    assert_eq!(String::from_utf8_lossy(&answer.stdout).trim(), "finished");
    assert!(status.success(), "{status}");
    assert!(!agent.psql("select 1")?.ok, "a stopped gateway takes nobody");
    Ok(())
}

#[test]
fn a_bad_configuration_ends_with_64_and_names_every_fault() -> Result<()> {
    let server = Postgres::start(Version::Packaged)?;
    let issuer = Issuer::new()?;
    let home = Home::prepare(&Configuration::new(&server, &issuer))?;
    let good = fs::read_to_string(home.config())?;
    let bad = good
        .replace("audience =", "audiense =")
        .replace("kind = \"postgres\"", "kind = \"postgrse\"");
    fs::write(home.config(), bad)?;
    for command in ["serve", "check"] {
        let done = home.command(&[command, "--config", "tidegate.toml"]).output()?;
        let said =
            String::from_utf8_lossy(&done.stderr).into_owned() + &String::from_utf8_lossy(&done.stdout);
        assert_eq!(done.status.code(), Some(64), "{command}: {said}");
        for word in ["tidegate.toml", "audiense", "audience", "kind"] {
            assert!(said.contains(word), "{command} does not name {word}: {said}");
        }
    }
    fs::write(home.config(), good)?;
    let done = home.command(&["check", "--config", "tidegate.toml"]).output()?;
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    Ok(())
}

#[test]
fn a_plugin_that_was_swapped_or_is_gone_keeps_the_gateway_from_starting() -> Result<()> {
    let server = Postgres::start(Version::Packaged)?;
    let issuer = Issuer::new()?;
    let home = Home::prepare(&Configuration::new(&server, &issuer))?;
    let (masker, classifier) = ("redact.wasm", "sql-risk.wasm");
    let other = fs::read(home.folder().join(classifier))?;
    for (case, file, content) in [
        ("the masker is another component", masker, Some(&other)),
        ("the masker is gone", masker, None),
        ("the classifier is gone", classifier, None),
    ] {
        let path = home.folder().join(file);
        let kept = fs::read(&path)?;
        match content {
            Some(content) => fs::write(&path, content)?,
            None => fs::remove_file(&path)?,
        }
        let mut serve = home.command(&["serve", "--config", "tidegate.toml"]);
        let mut serve = serve.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
        let ended = until(START_WAIT_MAX, case, || Ok(serve.try_wait()?));
        serve.kill()?;
        let done = serve.wait_with_output()?;
        ended?;
        let said =
            String::from_utf8_lossy(&done.stderr).into_owned() + &String::from_utf8_lossy(&done.stdout);
        assert!(!done.status.success(), "{case}: it started");
        let name = file.trim_end_matches(".wasm");
        assert!(said.contains(name), "{case}: {said}");
        assert!(!said.contains("\"listening\""), "{case}: {said}");
        fs::write(&path, kept)?;
    }
    let gateway = home.start()?;
    assert!(
        gateway
            .target(&issuer.token("agent-7", &["agents"])?)
            .psql("select 1")?
            .ok
    );
    Ok(())
}

#[test]
fn explain_tells_the_verdict_without_running_anything() -> Result<()> {
    let stage = Stage::new(Version::Packaged)?;
    let claims = stage.issuer.claims("agent-7", &["agents"]).to_string();
    let explain = |sql: &str| {
        let arguments = [
            "explain",
            "--config",
            "tidegate.toml",
            "--as",
            &claims,
            "--resource",
            "customers",
            "--sql",
            sql,
        ];
        stage.gateway.home().command(&arguments).output()
    };
    let done = explain("select name, ssn from customers where id = 1")?;
    let said = String::from_utf8_lossy(&done.stdout);
    assert!(
        said.contains("run"),
        "{said}{}",
        String::from_utf8_lossy(&done.stderr)
    );
    for line in [
        "judged by  sql-risk (the highest score counts)",
        "masked by  redact (the strictest action stands, of equals the first)",
        "           pii.ssn: keep-last 4 by redact",
    ] {
        assert!(said.contains(line), "{line}: {said}");
    }
    let mark = "explained_and_never_run";
    explain(&format!("delete from orders where remark = '{mark}'"))?;
    assert!(!stage.server.log()?.contains(mark));
    Ok(())
}

#[test]
fn every_subcommand_has_help() -> Result<()> {
    let binary = tools::gateway()?;
    let commands: [&[&str]; 6] = [
        &["serve"],
        &["check"],
        &["explain"],
        &["journal", "verify"],
        &["journal", "tail"],
        &["replay"],
    ];
    for command in commands {
        let text = tools::output(std::process::Command::new(&binary).args(command).arg("--help"))?;
        assert!(
            text.to_lowercase().contains("example"),
            "{command:?} shows no example: {text}"
        );
    }
    let version = tools::output(std::process::Command::new(&binary).arg("--version"))?;
    assert!(version.contains("tidegate"), "{version}");
    Ok(())
}
