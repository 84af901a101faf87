//! SSH: the gateway beside OpenSSH's ProxyJump and the host directly, cipher by cipher.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Result;
use e2e::gateway::{Configuration, Gateway, Plugin};
use e2e::issuer::Issuer;
use e2e::ssh::{BOX, SshClient, Sshd};
use e2e::tools;
use tempfile::TempDir;

use crate::Effort;
use crate::flow::{Flow, Way, carry, measure, write_text};

/// What clients encrypt with.
const CIPHERS: [&str; 4] = [
    "aes128-gcm@openssh.com",
    "aes256-gcm@openssh.com",
    "chacha20-poly1305@openssh.com",
    "aes256-ctr",
];

/// A host, and the ways to it.
struct Hosts {
    host: Sshd,
    jump: Sshd,
    gateway: Gateway,
    masking: Gateway,
    client: SshClient,
    masked: SshClient,
    token: String,
    folder: TempDir,
    _journals: [TempDir; 2],
}

impl Hosts {
    fn start() -> Result<Self> {
        let memory = Path::new("/dev/shm");
        let host = Sshd::start()?;
        let issuer = Issuer::new()?;
        let journals = [tempfile::tempdir_in(memory)?, tempfile::tempdir_in(memory)?];
        let resource = host.resource()?;
        let gateway = |journal: &TempDir, lines: &str| {
            let mut configuration = Configuration::ssh(&format!("{resource}{lines}"), &issuer);
            configuration.journal = Some(journal.path().join("journal"));
            configuration.plugins = vec![
                Plugin::new("pii-scan", "masker", "{}"),
                Plugin::new("shell-risk", "classifier", "{}"),
            ];
            Gateway::start(&configuration)
        };
        let plain = gateway(&journals[0], "")?;
        let masking = gateway(&journals[1], "scan_untagged = true\n")?;
        Ok(Self {
            client: plain.ssh_client()?,
            masked: masking.ssh_client()?,
            gateway: plain,
            masking,
            token: issuer.token("bench", &["agents"])?,
            jump: Sshd::start()?,
            host,
            folder: tempfile::tempdir_in(memory)?,
            _journals: journals,
        })
    }

    /// Writes a client's configuration in which `direct` is the host and `jumped` is it, too, behind
    /// the other one.
    fn config(&self, cipher: &str) -> Result<PathBuf> {
        let path = self.folder.path().join("config");
        let entry = |name: &str, host: &Sshd, further: &str| {
            format!(
                "Host {name}\n  HostName 127.0.0.1\n  Port {}\n  IdentityFile {}\n{further}",
                host.port(),
                host.file("account_key").display()
            )
        };
        let all = [
            entry("direct", &self.host, ""),
            entry("jump", &self.jump, ""),
            entry("jumped", &self.host, "  ProxyJump jump\n"),
            format!(
                "Host *\n  Ciphers {cipher}\n  StrictHostKeyChecking no\n  UserKnownHostsFile /dev/null\n  \
                 IdentitiesOnly yes\n  BatchMode yes\n  LogLevel ERROR\n"
            ),
        ];
        fs::write(&path, all.concat())?;
        Ok(path)
    }

    /// Carries something by every way; `arguments` are those behind the program, for the name of the
    /// host in them.
    fn by_all_ways(
        &self,
        (what, program): (&str, &str),
        cipher: &str,
        arguments: impl Fn(&str) -> Vec<String>,
        effort: Effort,
    ) -> Result<Vec<Flow>> {
        let config = self.config(cipher)?;
        let executable = tools::on_path(program)?;
        let directly = |name: &'static str| {
            let (config, executable, arguments) = (&config, &executable, &arguments);
            move || {
                let mut command = Command::new(executable);
                command.arg("-F").arg(config).args(arguments(name));
                carry(&mut command, effort.mib)
            }
        };
        let by = |client: &SshClient| {
            let mut command = client.command(program, &self.token)?;
            command
                .arg("-c")
                .arg(cipher)
                .args(arguments(&format!("{BOX}@gw")));
            carry(&mut command, effort.mib)
        };
        let ways = [
            Way::new("direct", directly("direct")),
            Way::new("ProxyJump", directly("jumped")),
            Way::new("gateway", || by(&self.client)).of(self.gateway.pid()),
            Way::new("gateway, masked", || by(&self.masked)).of(self.masking.pid()),
        ];
        measure(&format!("{what}, {cipher}"), "MiB", &ways, effort.transfers)
    }
}

/// Measures a command's output with each cipher, and files both ways with the first.
pub(crate) fn measure_all(effort: Effort) -> Result<Vec<Flow>> {
    let hosts = Hosts::start()?;
    let text = hosts.folder.path().join("text");
    write_text(&text, effort.mib)?;
    let text = text.to_string_lossy().into_owned();
    let target = hosts.folder.path().join("up").to_string_lossy().into_owned();
    let mut flows = Vec::new();
    for cipher in CIPHERS {
        let cat = |host: &str| vec![host.to_owned(), format!("cat {text}")];
        flows.extend(hosts.by_all_ways(("ssh host cat", "ssh"), cipher, cat, effort)?);
    }
    let down = |host: &str| vec!["-s".into(), format!("{host}:{text}"), "/dev/null".into()];
    flows.extend(hosts.by_all_ways(("scp download", "scp"), CIPHERS[0], down, effort)?);
    let up = |host: &str| vec!["-s".into(), text.clone(), format!("{host}:{target}")];
    flows.extend(hosts.by_all_ways(("scp upload", "scp"), CIPHERS[0], up, effort)?);
    Ok(flows)
}
