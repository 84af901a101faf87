//! Clients that are not OpenSSH's see through the gateway what they see directly.

use std::process::Command;

use anyhow::Result;
use e2e::ssh::BOX;
use e2e::tools;

use super::SshStage;

fn transcript(client: &str, arguments: &[&str]) -> Result<String> {
    let script = tools::repository().join("tests/e2e/clients/python_ssh.py");
    let mut command = Command::new(tools::python()?);
    tools::output(command.arg(script).arg(client).args(arguments))
}

fn sees_no_difference(client: &str) -> Result<()> {
    let stage = SshStage::new("")?;
    let folder = stage.host.file("files");
    std::fs::create_dir(&folder)?;
    let folder = folder.to_string_lossy().into_owned();
    let key = format!("@{}", stage.host.file("account_key").display());
    let port = stage.host.port().to_string();
    let host_key = stage.host.host_key()?;
    let direct = [&port, stage.host.account(), &host_key, &folder, &key];
    let direct = transcript(client, &direct)?;
    assert!(direct.lines().count() > 7, "{direct}");
    let port = stage.client.gateway().port().to_string();
    let host_key = stage.client.host_key()?;
    let through = [port.as_str(), BOX, &host_key, &folder, &stage.token];
    assert_eq!(direct, transcript(client, &through)?);
    Ok(())
}

#[test]
fn paramiko_sees_no_difference() -> Result<()> {
    sees_no_difference("paramiko")
}

#[test]
fn asyncssh_sees_no_difference() -> Result<()> {
    sees_no_difference("asyncssh")
}
