//! The built gateway as an operator runs it: a configuration file, a process, its log.

mod configuration;

use std::collections::BTreeMap;
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};
use std::time::Duration;

use anyhow::{Context as _, Result};
use rustix::process::Signal;
use serde_json::Value;
use tempfile::TempDir;

pub use configuration::{
    AGENT_POLICY, Configuration, ConsoleOf, Plugin, RESOURCE, SSH_POLICY, WEB, WEB_POLICY, WEB_TOKEN,
};

use crate::certificate::Certificate;
use crate::client::{Target, Tls};
use crate::http;
use crate::provider::{CONSOLE_SECRET, GATEWAY_SECRET};
use crate::service::{Account, START_WAIT_MAX, Service, until};
use crate::ssh::SshClient;
use crate::tools;

/// A gateway with its folder: configuration, keys, state. The process may come and go.
#[derive(Debug)]
pub struct Gateway {
    service: Service,
    addresses: Addresses,
    home: Home,
}

#[derive(Clone, Copy, Debug)]
struct Addresses {
    postgres: Option<SocketAddr>,
    http: Option<SocketAddr>,
    ssh: Option<SocketAddr>,
    admin: SocketAddr,
}

/// Everything a gateway needs on disk. Outlives the process, so that it can be started again.
#[derive(Debug)]
pub struct Home {
    folder: TempDir,
    binary: PathBuf,
    environment: BTreeMap<String, String>,
    authority: Option<PathBuf>,
    journal: PathBuf,
    /// Whether there are listeners for PostgreSQL, for HTTP and for SSH.
    listens: [bool; 3],
}

impl Gateway {
    /// Writes a configuration and starts the gateway on it; returns when it is ready.
    ///
    /// # Errors
    /// When the binary is missing or does not get ready; the error carries the log's end.
    pub fn start(configuration: &Configuration<'_>) -> Result<Self> {
        Home::prepare(configuration)?.start()
    }

    /// Returns how an agent with this token reaches the resource.
    #[must_use]
    pub fn target(&self, token: &str) -> Target {
        Target {
            host: if self.home.authority.is_some() {
                "localhost".to_owned()
            } else {
                "127.0.0.1".to_owned()
            },
            port: self.addresses.postgres.map_or(0, |address| address.port()),
            database: RESOURCE.to_owned(),
            user: "agent".to_owned(),
            password: token.to_owned(),
            tls: self.home.authority.clone().map_or(Tls::Off, Tls::Verify),
        }
    }

    /// Returns the address of a path of the HTTP resource.
    #[must_use]
    pub fn web(&self, path: &str) -> String {
        let (scheme, host) = match self.home.authority {
            Some(_) => ("https", "localhost"),
            None => ("http", "127.0.0.1"),
        };
        let port = self.addresses.http.map_or(0, |address| address.port());
        format!("{scheme}://{host}:{port}/{WEB}{path}")
    }

    /// Returns the address of the HTTP listener.
    #[must_use]
    pub fn http(&self) -> Option<SocketAddr> {
        self.addresses.http
    }

    /// Makes a client's folder for OpenSSH.
    ///
    /// # Errors
    /// When there is no SSH listener.
    pub fn ssh_client(&self) -> Result<SshClient> {
        let address = self.addresses.ssh.context("no SSH listener")?;
        SshClient::new(address, &self.home.folder().join("var/ssh_host.key"))
    }

    /// Returns the authority that vouches for the gateway, unless it speaks plaintext.
    #[must_use]
    pub fn authority(&self) -> Option<&Path> {
        self.home.authority.as_deref()
    }

    /// Returns the address of the admin listener.
    #[must_use]
    pub fn admin(&self) -> SocketAddr {
        self.addresses.admin
    }

    /// Returns what stands on disk.
    #[must_use]
    pub fn home(&self) -> &Home {
        &self.home
    }

    /// Returns the process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.service.pid()
    }

    /// Returns how much memory it has now, in bytes.
    ///
    /// # Errors
    /// When it is gone.
    pub fn memory(&self) -> Result<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid()))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kilobytes: u64 = line
            .and_then(|line| line.split_whitespace().next())
            .context("VmRSS")?
            .parse()?;
        Ok(kilobytes << 10)
    }

    /// Sends a signal.
    ///
    /// # Errors
    /// When the process is gone.
    pub fn signal(&self, signal: Signal) -> Result<()> {
        self.service.signal(signal)
    }

    /// Waits for the end of the process.
    ///
    /// # Errors
    /// When it does not come in time.
    pub fn wait(&mut self) -> Result<ExitStatus> {
        self.service.wait()
    }

    /// Stops the gateway in order (SIGTERM), and returns how it ended and what stays on disk.
    ///
    /// # Errors
    /// When it does not end in time.
    pub fn stop(mut self) -> Result<(ExitStatus, Home)> {
        let status = self.service.stop()?;
        Ok((status, self.home))
    }

    /// Kills the gateway (SIGKILL), and returns what stays on disk.
    ///
    /// # Errors
    /// When the operating system refuses.
    pub fn kill(mut self) -> Result<Home> {
        self.service.kill()?;
        Ok(self.home)
    }
}

impl Home {
    /// Writes keys, policy and configuration; starts nothing.
    ///
    /// # Errors
    /// When a plugin or the binary is not built, or a file cannot be written.
    pub fn prepare(configuration: &Configuration<'_>) -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("tidegate-gateway-").tempdir()?;
        let at = |name: &str| folder.path().join(name);
        fs::create_dir(at("policy"))?;
        fs::create_dir(at("var"))?;
        configuration.issuer.write_jwks(&at("jwks.json"))?;
        fs::write(at("policy/policy.cedar"), &configuration.policy)?;
        let authority = match configuration.plaintext {
            true => None,
            false => Some(Certificate::write(folder.path())?.authority),
        };
        fs::write(at("tidegate.toml"), configuration.render(folder.path())?)?;
        let mut environment: BTreeMap<_, _> = configuration.environment.iter().cloned().collect();
        if let Some(server) = configuration.server {
            let password = server.login().password.clone();
            environment.insert("STAGE_UPSTREAM_PASSWORD".to_owned(), password);
        }
        environment.insert("STAGE_WEB_TOKEN".to_owned(), WEB_TOKEN.to_owned());
        environment.insert("STAGE_CONSOLE_SECRET".to_owned(), CONSOLE_SECRET.to_owned());
        environment.insert("STAGE_GATEWAY_SECRET".to_owned(), GATEWAY_SECRET.to_owned());
        let journal = configuration.journal_in(folder.path());
        let binary = configuration.binary.clone().map_or_else(tools::gateway, Ok)?;
        Ok(Self {
            folder,
            binary,
            environment,
            authority,
            journal,
            listens: [
                configuration.server.is_some(),
                configuration.web.is_some() || configuration.listens_http,
                configuration.ssh.is_some(),
            ],
        })
    }

    /// Starts a gateway and returns when it is ready.
    ///
    /// # Errors
    /// When it does not get ready; the error carries the log's end.
    pub fn start(self) -> Result<Gateway> {
        let from = self.log().map_or(0, |log| log.len());
        let mut service = self.launch()?;
        let addresses = service.wait_for(from, "the gateway's listeners", |log| {
            // The listeners that are configured are announced together, admin first.
            let found = |protocol: &str, wanted: bool| match (listening(log, protocol), wanted) {
                (Some(address), _) => Some(Some(address)),
                (None, true) => None,
                (None, false) => Some(None),
            };
            Some(Addresses {
                postgres: found("postgres", self.listens[0])?,
                http: found("http", self.listens[1])?,
                ssh: found("ssh", self.listens[2])?,
                admin: listening(log, "admin")?,
            })
        })?;
        until(START_WAIT_MAX, "the gateway to be ready", || {
            let ready = http::get(addresses.admin, "/readyz").is_ok_and(|(status, _)| status == 200);
            Ok(ready.then_some(()))
        })
        .with_context(|| self.log().unwrap_or_default())?;
        Ok(Gateway {
            service,
            addresses,
            home: self,
        })
    }

    /// Starts a gateway and kills it (SIGKILL) after so long, ready or not; tells whether it
    /// listened by then.
    ///
    /// # Errors
    /// When it cannot be started or killed, or ended by itself.
    pub fn kill_after(&self, after: Duration) -> Result<bool> {
        let from = self.log().map_or(0, |log| log.len());
        let mut service = self.launch()?;
        // The moment is the caller's; there is nothing to wait for.
        std::thread::sleep(after);
        service.check_running()?;
        service.kill()?;
        let log = self.log()?;
        Ok(log
            .get(from..)
            .is_some_and(|log| listening(log, "postgres").is_some()))
    }

    fn launch(&self) -> Result<Service> {
        let mut command = Account::Own.command(&self.binary)?;
        command
            .args(["serve", "--config"])
            .arg(self.config())
            .current_dir(self.folder())
            .envs(&self.environment);
        Service::start("the gateway", &mut command, &self.log_path(), Signal::TERM)
    }

    /// Returns the folder: `tidegate.toml`, `policy/`, `var/journal`, `var/recordings`.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Returns the configuration file.
    #[must_use]
    pub fn config(&self) -> PathBuf {
        self.folder.path().join("tidegate.toml")
    }

    /// Returns the folder of the journal.
    #[must_use]
    pub fn journal(&self) -> PathBuf {
        self.journal.clone()
    }

    /// Returns the binary.
    #[must_use]
    pub fn binary(&self) -> &Path {
        &self.binary
    }

    /// Returns a command of the gateway's command line, with the environment its configuration needs.
    #[must_use]
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.binary);
        command
            .args(arguments)
            .current_dir(self.folder())
            .envs(&self.environment);
        command
    }

    /// Returns everything the gateway has logged since it was first started.
    ///
    /// # Errors
    /// When it never was.
    pub fn log(&self) -> Result<String> {
        Ok(fs::read_to_string(self.log_path())?)
    }

    /// Returns the path of its log.
    #[must_use]
    pub fn log_path(&self) -> PathBuf {
        self.folder.path().join("tidegate.log")
    }
}

/// Finds the line `listening` of a protocol in a log of JSON lines, and the address in it.
fn listening(log: &str, protocol: &str) -> Option<SocketAddr> {
    log.lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
        .find_map(|line| {
            let fields = line.get("fields").unwrap_or(&line);
            let matches = fields["message"] == "listening" && fields["protocol"] == protocol;
            matches.then(|| fields["address"].as_str()?.parse().ok())?
        })
}
