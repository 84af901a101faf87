//! A command that people must agree to, and sessions that are ended.

use std::time::Duration;

use anyhow::Result;
use e2e::service::until;
use e2e::ssh::BOX;

use super::{SshStage, err, out};
use crate::holds::{approvals, id, json, tidegate};

const HOLDING: &str = r#"
permit (principal in Group::"agents", action in [Action::"connect", Action::"request"], resource == Resource::"box");
permit (principal in Group::"dba", action == Action::"approve", resource == Resource::"box");
permit (principal in Group::"dba", action == Action::"execute", resource == Resource::"tidegate");
"#;

#[test]
fn a_command_waits_says_so_and_runs_once_people_agree() -> Result<()> {
    let stage = SshStage::with("", |configuration| configuration.policy(HOLDING))?;
    let dba = stage.issuer.person("dana", &["dba"])?;
    let done = std::thread::scope(|scope| {
        let waiting = scope.spawn(|| stage.ssh(&["echo ran"]));
        let approval = id(&approvals(&stage.gateway, &dba, "pending", 1)?[0])?;
        let shown = json(&tidegate(&stage.gateway, &dba, &["approvals", &approval])?)?;
        assert!(shown.to_string().contains("echo ran"), "{shown}");
        json(&tidegate(&stage.gateway, &dba, &["approve", &approval])?)?;
        waiting.join().map_err(|_| anyhow::anyhow!("it panicked"))?
    })?;
    assert_eq!(out(&done), "ran\n", "{done:?}");
    assert!(err(&done).contains("waiting for somebody to agree"), "{done:?}");
    Ok(())
}

#[test]
fn who_goes_while_waiting_withdraws_the_question() -> Result<()> {
    let stage = SshStage::with("", |configuration| configuration.policy(HOLDING))?;
    let dba = stage.issuer.person("dana", &["dba"])?;
    let mut command = stage.client.command("ssh", &stage.token)?;
    let mut waiting = command.args(["-l", BOX, "gw", "touch never"]).spawn()?;
    approvals(&stage.gateway, &dba, "pending", 1)?;
    waiting.kill()?;
    waiting.wait()?;
    approvals(&stage.gateway, &dba, "withdrawn", 1)?;
    Ok(())
}

#[test]
fn a_denied_command_ends_with_126() -> Result<()> {
    let stage = SshStage::with("", |configuration| configuration.policy(HOLDING))?;
    let dba = stage.issuer.person("dana", &["dba"])?;
    let done = std::thread::scope(|scope| {
        let waiting = scope.spawn(|| stage.ssh(&["echo ran"]));
        let approval = id(&approvals(&stage.gateway, &dba, "pending", 1)?[0])?;
        let reason = ["deny", &approval, "--reason", "not on a Friday"];
        json(&tidegate(&stage.gateway, &dba, &reason)?)?;
        waiting.join().map_err(|_| anyhow::anyhow!("it panicked"))?
    })?;
    assert_eq!(done.status.code(), Some(126), "{done:?}");
    assert!(err(&done).contains("not on a Friday"), "{done:?}");
    Ok(())
}

#[test]
fn a_revoked_session_ends_at_once_even_if_its_client_reads_nothing() -> Result<()> {
    let stage = SshStage::with("", |configuration| {
        let policy = format!("{}{}", configuration.policy, HOLDING);
        configuration.policy(&policy)
    })?;
    let dba = stage.issuer.person("dana", &["dba"])?;
    let marker = stage.host.file("begun");
    let mut command = stage.client.command("ssh", &stage.token)?;
    let line = format!("touch {}; yes", marker.display());
    // Nobody reads the pipe.
    let mut running = command
        .args(["-l", BOX, "gw", &line])
        .stdout(std::process::Stdio::piped())
        .spawn()?;
    until(Duration::from_secs(20), "the command to begin", || {
        Ok(marker.exists().then_some(()))
    })?;
    tidegate(
        &stage.gateway,
        &dba,
        &[
            "revoke",
            "--principal",
            &format!("{}|agent-7", e2e::issuer::ISSUER),
            "--reason",
            "stop",
        ],
    )?;
    until(Duration::from_secs(5), "no session", || {
        let log = stage.gateway.home().log()?;
        Ok(log.contains("session ended").then_some(()))
    })?;
    let mut pipe = running.stdout.take();
    std::io::copy(&mut pipe.as_mut().expect("piped"), &mut std::io::sink())?;
    assert!(!running.wait()?.success());
    let again = stage.ssh(&["true"])?;
    assert_eq!(again.status.code(), Some(255), "{again:?}");
    Ok(())
}
