//! Logging in by what stands for a token: certificates and tickets.

use std::path::Path;
use std::process::Command;

use anyhow::{Result, ensure};
use e2e::ssh::BOX;
use e2e::tools;

use super::{SshStage, err, out};
use crate::holds::{json, tidegate};

/// Runs `tidegate login`, with a folder for what it writes.
fn login(stage: &SshStage, token: &str, folder: &Path, further: &[&str]) -> Result<String> {
    let dir = folder.to_string_lossy().into_owned();
    let mut arguments = vec!["login", "--dir", dir.as_str()];
    arguments.extend(further);
    let done = tidegate(&stage.gateway, token, &arguments)?;
    ensure!(done.status.success(), "{done:?}");
    Ok(out(&done))
}

/// Runs a program of OpenSSH with what `tidegate login` wrote.
fn by_certificate(folder: &Path, program: &str) -> Result<Command> {
    let mut command = Command::new(tools::on_path(program)?);
    command
        .arg("-F")
        .arg(folder.join("config"))
        .args(["-o", "LogLevel=ERROR", "-o", "BatchMode=yes"]);
    command.env_remove("SSH_AUTH_SOCK");
    Ok(command)
}

#[test]
fn a_login_writes_what_ssh_needs_and_its_certificate_lets_in() -> Result<()> {
    let stage = SshStage::new("")?;
    let folder = tempfile::tempdir()?;
    // Longer than what OpenSSH can send as a password.
    let mut claims = stage.issuer.claims("agent-7", &["agents"]);
    claims["padding"] = "x".repeat(2_000).into();
    let token = stage.issuer.sign(&claims)?;
    let told = login(&stage, &token, folder.path(), &[])?;
    assert!(told.contains("\"box\""), "{told}");
    let done = by_certificate(folder.path(), "ssh")?
        .args(["box.tidegate", "echo in"])
        .output()?;
    assert_eq!(out(&done), "in\n", "{done:?}");
    std::fs::write(folder.path().join("file"), "content")?;
    let there = stage.host.file("by-certificate");
    let done = by_certificate(folder.path(), "scp")?
        .arg(folder.path().join("file"))
        .arg(format!("box.tidegate:{}", there.display()))
        .output()?;
    assert!(done.status.success(), "{done:?}");
    assert_eq!(std::fs::read_to_string(&there)?, "content");
    // What holds is left alone.
    let before = std::fs::read(folder.path().join("id-cert.pub"))?;
    login(&stage, &token, folder.path(), &["--ensure", "--quiet"])?;
    assert_eq!(std::fs::read(folder.path().join("id-cert.pub"))?, before);
    Ok(())
}

#[test]
fn a_certificate_opens_nothing_but_the_gateway_and_nothing_without_its_key() -> Result<()> {
    let stage = SshStage::new("")?;
    let folder = tempfile::tempdir()?;
    login(&stage, &stage.token, folder.path(), &[])?;
    // A key alone is nobody.
    std::fs::rename(folder.path().join("id-cert.pub"), folder.path().join("kept"))?;
    let done = by_certificate(folder.path(), "ssh")?
        .args(["box.tidegate", "true"])
        .output()?;
    assert_eq!(done.status.code(), Some(255), "{done:?}");
    // A certificate with another key behind it, too.
    std::fs::rename(folder.path().join("kept"), folder.path().join("id-cert.pub"))?;
    std::fs::remove_file(folder.path().join("id"))?;
    let made = Command::new("ssh-keygen")
        .args(["-q", "-t", "ed25519", "-N", "", "-f"])
        .arg(folder.path().join("id"))
        .status()?;
    assert!(made.success());
    let done = by_certificate(folder.path(), "ssh")?
        .args(["box.tidegate", "true"])
        .output()?;
    assert_eq!(done.status.code(), Some(255), "{done:?}");
    Ok(())
}

#[test]
fn whoever_is_shut_out_gets_in_by_no_certificate() -> Result<()> {
    let stage = SshStage::with("", |configuration| {
        let dba = r#"permit (principal in Group::"dba", action == Action::"execute", resource == Resource::"tidegate");"#;
        let policy = format!("{}{dba}", configuration.policy);
        configuration.policy(&policy)
    })?;
    let folder = tempfile::tempdir()?;
    login(&stage, &stage.token, folder.path(), &[])?;
    let dba = stage.issuer.person("dana", &["dba"])?;
    let agent = format!("{}|agent-7", e2e::issuer::ISSUER);
    let done = tidegate(
        &stage.gateway,
        &dba,
        &["revoke", "--principal", &agent, "--reason", "lost laptop"],
    )?;
    assert!(done.status.success(), "{done:?}");
    let done = by_certificate(folder.path(), "ssh")?
        .args(["box.tidegate", "true"])
        .output()?;
    assert_eq!(done.status.code(), Some(255), "{done:?}");
    Ok(())
}

#[test]
fn a_ticket_is_a_password_for_once() -> Result<()> {
    let stage = SshStage::new("")?;
    let done = tidegate(&stage.gateway, &stage.token, &["login", "--ticket", BOX])?;
    let ticket = json(&done)?["ticket"].as_str().unwrap_or_default().to_owned();
    assert!(ticket.len() <= 128, "{done:?}");
    let first = stage.client.ssh(&ticket, &["-l", BOX, "gw", "echo in"])?;
    assert_eq!(out(&first), "in\n", "{first:?}");
    let second = stage.client.ssh(&ticket, &["-l", BOX, "gw", "echo in"])?;
    assert_eq!(second.status.code(), Some(255), "{second:?}");
    assert!(err(&second).contains("Permission denied"), "{second:?}");
    Ok(())
}
