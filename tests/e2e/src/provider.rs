//! An identity provider for people and programs: the npm package `oidc-provider`, which nobody
//! here wrote. What its access tokens say, it must be asked.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, ChildStdin, ChildStdout, Stdio};

use anyhow::{Context as _, Result, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rustix::process::Signal;
use serde_json::Value;
use tempfile::TempDir;

use crate::http;
use crate::service::{Account, Service};
use crate::tools;

/// The console's secret at the provider.
pub const CONSOLE_SECRET: &str = "console-secret";

/// The gateway's own secret there, with which it asks about tokens; it is called `gateway`.
pub const GATEWAY_SECRET: &str = "gateway-secret";

/// The program that gets tokens for itself, and its secret.
const AGENT: (&str, &str) = ("agent-9", "agent-secret");

/// A running provider: alice is in `dba`, and whoever comes is alice. The agent `agent-9` is in
/// `agents`.
#[derive(Debug)]
pub struct Provider {
    issuer: String,
    address: SocketAddr,
    service: Service,
    _folder: TempDir,
}

impl Provider {
    /// Starts a provider that knows the console at `console`, e.g. `http://127.0.0.1:1234`.
    ///
    /// # Errors
    /// When node or the package is missing.
    pub fn start(console: &str) -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("tidegate-provider-").tempdir()?;
        let script = tools::repository().join("tests/e2e/clients/oidc_provider.mjs");
        let mut command = Account::Own.command(&tools::on_path("node")?)?;
        command.arg(script).arg(packages()?).arg(console);
        let log = folder.path().join("provider.log");
        let mut service = Service::start("the identity provider", &mut command, &log, Signal::TERM)?;
        let issuer = service.wait_for(0, "the identity provider", |log| {
            let line = log.lines().find_map(|line| line.strip_prefix("issuer "))?;
            Some(line.to_owned())
        })?;
        let address = issuer.trim_start_matches("http://").parse()?;
        Ok(Self {
            issuer,
            address,
            service,
            _folder: folder,
        })
    }

    /// Returns a new access token of the agent.
    ///
    /// # Errors
    /// When the provider gives none.
    pub fn agent_token(&self) -> Result<String> {
        let answer = self.post_as_agent("/token", "grant_type=client_credentials")?;
        let answer: Value = serde_json::from_str(&answer)?;
        let token = answer["access_token"].as_str();
        Ok(token.with_context(|| answer.to_string())?.to_owned())
    }

    /// Has the agent take its token back (RFC 7009).
    ///
    /// # Errors
    /// When the provider does not.
    pub fn revoke(&self, token: &str) -> Result<()> {
        let form = format!("token={token}&token_type_hint=access_token");
        self.post_as_agent("/token/revocation", &form).map(drop)
    }

    fn post_as_agent(&self, path: &str, form: &str) -> Result<String> {
        let (name, secret) = AGENT;
        let basic = STANDARD.encode(format!("{name}:{secret}"));
        let authorization = format!("Basic {basic}");
        let (status, body) = http::post_form(self.address, path, &authorization, form)?;
        ensure!(status == 200, "{path}: {status} {body}");
        Ok(body)
    }

    /// Sends it a signal, e.g. to have it stand still.
    ///
    /// # Errors
    /// When it is gone.
    pub fn signal(&self, signal: Signal) -> Result<()> {
        self.service.signal(signal)
    }

    /// Returns what it has written.
    ///
    /// # Errors
    /// When that cannot be read.
    pub fn log(&self) -> Result<String> {
        self.service.log()
    }

    /// Returns its issuer.
    #[must_use]
    pub fn issuer(&self) -> &str {
        &self.issuer
    }
}

fn packages() -> Result<PathBuf> {
    Ok(tools::cache()?.join("node"))
}

/// A person with a browser of their own, who is alice.
#[derive(Debug)]
pub struct Person {
    child: Child,
    stdin: ChildStdin,
    told: BufReader<ChildStdout>,
}

impl Person {
    /// Starts one that knows the console at `console` and the provider.
    ///
    /// # Errors
    /// When node is missing.
    pub fn start(console: &str, provider: &Provider) -> Result<Self> {
        let script = tools::repository().join("tests/e2e/clients/oidc_person.mjs");
        let mut command = Account::Own.command(&tools::on_path("node")?)?;
        command.arg(script).arg(console).arg(provider.issuer());
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let stdin = child.stdin.take().context("its input")?;
        let told = BufReader::new(child.stdout.take().context("its output")?);
        Ok(Self { child, stdin, told })
    }

    /// Has them `login` to the console, get a `token`, `look` at the console or `logout` at the
    /// provider; returns what came of it: an HTTP status, or the token.
    ///
    /// # Errors
    /// When they can't.
    pub fn does(&mut self, what: &str) -> Result<String> {
        writeln!(self.stdin, "{what}")?;
        let mut line = String::new();
        self.told.read_line(&mut line)?;
        ensure!(!line.is_empty(), "{what}: the person has gone");
        Ok(line.trim().to_owned())
    }
}

impl Drop for Person {
    fn drop(&mut self) {
        // Nobody is left to be told.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
