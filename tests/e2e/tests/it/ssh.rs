//! SSH through the gateway, with OpenSSH's own programs on both sides.

mod clients;
mod holds;
mod logins;
mod masks;
mod recordings;
mod streams;
mod transfers;

use std::io::Write as _;
use std::net::TcpListener;
use std::process::Output;

use anyhow::Result;
use e2e::gateway::{Configuration, Gateway};
use e2e::issuer::Issuer;
use e2e::journal;
use e2e::ssh::{BOX, SshClient, Sshd};

/// A host, an issuer and a gateway between them, and a client with a token.
pub(super) struct SshStage {
    pub(super) gateway: Gateway,
    pub(super) issuer: Issuer,
    pub(super) client: SshClient,
    pub(super) host: Sshd,
    pub(super) token: String,
}

impl SshStage {
    pub(super) fn new(lines: &str) -> Result<Self> {
        Self::with(lines, |configuration| configuration)
    }

    pub(super) fn with(
        lines: &str,
        change: impl FnOnce(Configuration<'_>) -> Configuration<'_>,
    ) -> Result<Self> {
        let host = Sshd::start()?;
        let issuer = Issuer::new()?;
        let lines = format!("{}{lines}", host.resource()?);
        let gateway = Gateway::start(&change(Configuration::ssh(&lines, &issuer)))?;
        Ok(Self {
            token: issuer.token("agent-7", &["agents"])?,
            client: gateway.ssh_client()?,
            gateway,
            issuer,
            host,
        })
    }

    /// Runs `ssh` to the resource.
    pub(super) fn ssh(&self, arguments: &[&str]) -> Result<Output> {
        let mut all = vec!["-l", BOX, "gw"];
        all.extend(arguments);
        self.client.ssh(&self.token, &all)
    }
}

pub(super) fn out(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

pub(super) fn err(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn a_command_runs_and_its_status_and_both_streams_come_back_apart() -> Result<()> {
    let stage = SshStage::new("")?;
    let done = stage.ssh(&["echo out; echo err >&2; exit 7"])?;
    assert_eq!(
        (out(&done).as_str(), done.status.code()),
        ("out\n", Some(7)),
        "{done:?}"
    );
    assert_eq!(err(&done), "err\n");
    let account = format!("{}@{BOX}", stage.host.account());
    let done = stage
        .client
        .ssh(&stage.token, &["-l", &account, "gw", "id -un"])?;
    assert_eq!(out(&done).trim(), stage.host.account(), "{done:?}");
    let entries = journal::entries(stage.gateway.home())?;
    let intents = journal::of_kind(&entries, "op.intent");
    assert_eq!(intents.len(), 2);
    assert_eq!(intents[0]["statement"], "echo out; echo err >&2; exit 7");
    let outcomes = journal::of_kind(&entries, "op.outcome");
    assert_eq!(
        (&outcomes[0]["status"], &outcomes[0]["result"]),
        (&7.into(), &"error".into())
    );
    Ok(())
}

#[test]
fn whoever_is_not_known_or_may_not_learns_nothing_of_what_is_there() -> Result<()> {
    let stage = SshStage::new("")?;
    let stranger = stage.issuer.token("stranger", &["others"])?;
    let mut told = Vec::new();
    for (user, token) in [
        (BOX, "not a token"),
        ("nothing", stage.token.as_str()),
        ("nobody@box", stage.token.as_str()),
        (BOX, stranger.as_str()),
    ] {
        let done = stage.client.ssh(token, &["-l", user, "gw", "true"])?;
        assert_eq!(done.status.code(), Some(255), "{user}: {done:?}");
        told.push(err(&done).replace(user, "USER"));
    }
    told.dedup();
    assert_eq!(told.len(), 1, "{told:?}");
    Ok(())
}

#[test]
fn the_hosts_address_key_banner_and_the_stored_credential_stay_behind_the_gateway() -> Result<()> {
    let stage = SshStage::new("")?;
    let done = stage.client.ssh(
        &stage.token,
        &["-vvv", "-o", "LogLevel=DEBUG3", "-l", BOX, "gw", "true"],
    )?;
    assert!(done.status.success(), "{}", err(&done));
    let seen = err(&done);
    let key = stage.host.host_key()?;
    let key = key.split(' ').nth(1).unwrap_or_default();
    for secret in [
        key,
        "stage-banner",
        &format!(":{}", stage.host.port()),
        "OpenSSH_9.2p1 Debian-2+deb12u",
    ] {
        let shown = seen
            .lines()
            .filter(|line| !line.contains("Local version") && !line.starts_with("OpenSSH_"));
        assert!(shown.clone().all(|line| !line.contains(secret)), "{secret}");
    }
    Ok(())
}

#[test]
fn a_host_with_another_key_gets_neither_credential_nor_command() -> Result<()> {
    let other = Sshd::start()?;
    let host = Sshd::start()?;
    let issuer = Issuer::new()?;
    let lines = host.resource()?.replace(&host.host_key()?, &other.host_key()?);
    let gateway = Gateway::start(&Configuration::ssh(&lines, &issuer))?;
    let token = issuer.token("agent-7", &["agents"])?;
    let done = gateway.ssh_client()?.ssh(&token, &["-l", BOX, "gw", "true"])?;
    assert_eq!(done.status.code(), Some(255), "{done:?}");
    assert!(err(&done).contains("could not be verified"), "{done:?}");
    Ok(())
}

#[test]
fn what_reaches_further_than_the_host_is_refused() -> Result<()> {
    let stage = SshStage::new("")?;
    let jump = stage.ssh(&["-o", "LogLevel=INFO", "-W", "10.0.0.1:22"])?;
    assert!(!jump.status.success());
    assert!(err(&jump).contains("administratively prohibited"), "{jump:?}");
    let agent = stage.client.ssh(
        &stage.token,
        &[
            "-A",
            "-o",
            "IdentityAgent=none",
            "-l",
            BOX,
            "gw",
            "echo \"[$SSH_AUTH_SOCK]\"",
        ],
    )?;
    assert_eq!(out(&agent), "[]\n", "{agent:?}");
    let remote = stage.client.ssh(
        &stage.token,
        &[
            "-o",
            "ExitOnForwardFailure=yes",
            "-R",
            "0:127.0.0.1:9",
            "-l",
            BOX,
            "gw",
            "true",
        ],
    )?;
    assert_eq!(remote.status.code(), Some(255), "{remote:?}");
    Ok(())
}

#[test]
fn a_connection_goes_on_to_what_is_listed_and_is_an_operation() -> Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let target = listener.local_addr()?;
    let greeter = std::thread::spawn(move || -> Result<()> {
        listener.accept()?.0.write_all(b"greetings")?;
        Ok(())
    });
    let stage = SshStage::new(&format!("forward = [\"{target}\"]\n"))?;
    let done = stage.ssh(&["-W", &target.to_string()])?;
    assert_eq!(out(&done), "greetings", "{done:?}");
    greeter.join().map_err(|_| anyhow::anyhow!("it panicked"))??;
    let entries = journal::entries(stage.gateway.home())?;
    let intents = journal::of_kind(&entries, "op.intent");
    assert_eq!(intents[0]["verb"], serde_json::json!(["forward"]));
    assert_eq!(intents[0]["relations"], serde_json::json!([target.to_string()]));
    Ok(())
}

#[test]
fn variables_pass_by_the_list_alone() -> Result<()> {
    let stage = SshStage::new("environment = [\"DEPLOY_ID\"]\n")?;
    let done = stage.client.ssh(
        &stage.token,
        &[
            "-o",
            "SetEnv=DEPLOY_ID=41 LC_X=leaks",
            "-l",
            BOX,
            "gw",
            "echo \"[$DEPLOY_ID|$LC_X]\"",
        ],
    )?;
    assert_eq!(out(&done), "[41|]\n", "{done:?}");
    Ok(())
}

#[test]
fn what_policy_denies_ends_with_126_and_the_reason() -> Result<()> {
    let stage = SshStage::with("exec_only = true\n", |configuration| {
        configuration.policy(
            r#"permit (principal in Group::"agents", action == Action::"connect", resource == Resource::"box");
permit (principal in Group::"agents", action == Action::"execute", resource == Resource::"box")
when { context.operation has command && context.operation.command has text && context.operation.command.text == "uptime" };
"#,
        )
    })?;
    assert!(stage.ssh(&["uptime"])?.status.success());
    let refused = stage.ssh(&["reboot"])?;
    assert_eq!(refused.status.code(), Some(126), "{refused:?}");
    assert!(err(&refused).contains("policy-denied"), "{refused:?}");
    let shell = stage.ssh(&["-tt"])?;
    assert_eq!(shell.status.code(), Some(126), "{shell:?}");
    assert!(
        err(&shell).contains("no shell") || out(&shell).contains("no shell"),
        "{shell:?}"
    );
    Ok(())
}
