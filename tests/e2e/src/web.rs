//! An HTTP service of the stage, and clients that ask it through the gateway.

use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result};
use rustix::process::Signal;
use serde_json::Value;
use tempfile::TempDir;

use crate::service::{Account, Service};
use crate::tools;

/// A running script of `clients/` that prints `listening PORT`.
#[derive(Debug)]
pub struct Script {
    port: u16,
    _service: Service,
    _folder: TempDir,
}

impl Script {
    /// Starts a script of node's with these arguments, on the loopback.
    ///
    /// # Errors
    /// When node is missing, or the script does not listen.
    pub fn start(name: &'static str, arguments: &[&str]) -> Result<Self> {
        Self::trusting(name, arguments, None)
    }

    /// Starts a script that trusts this authority, too.
    ///
    /// # Errors
    /// As [`Script::start`].
    pub fn trusting(name: &'static str, arguments: &[&str], authority: Option<&Path>) -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("tidegate-script-").tempdir()?;
        let script = tools::repository().join("tests/e2e/clients").join(name);
        let mut command = Account::Own.command(&tools::on_path("node")?)?;
        command.arg(script).args(arguments);
        if let Some(authority) = authority {
            command.env("NODE_EXTRA_CA_CERTS", authority);
        }
        let log = folder.path().join("log");
        let mut service = Service::start(name, &mut command, &log, Signal::TERM)?;
        let port = service.wait_for(0, name, |log| {
            let line = log.lines().find_map(|line| line.strip_prefix("listening "))?;
            line.parse().ok()
        })?;
        Ok(Self {
            port,
            _service: service,
            _folder: folder,
        })
    }

    /// Returns its port.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }
}

/// Starts a service that tells what it was asked.
///
/// # Errors
/// When node is missing.
pub fn service() -> Result<Script> {
    Script::start("http_upstream.mjs", &[])
}

/// An answer as curl got it.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The status; 0 if there was no answer.
    pub status: u16,
    /// The heads of all answers, in lower case.
    pub head: String,
    /// The body.
    pub body: String,
    /// How curl ended: 0 if the answer was whole.
    pub exit: i32,
}

impl Answer {
    /// Returns the body as JSON.
    ///
    /// # Errors
    /// When it is none.
    pub fn json(&self) -> Result<Value> {
        serde_json::from_str(&self.body).with_context(|| format!("no JSON: {self:?}"))
    }

    /// Returns a header's value, if there is exactly that header in the last head.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        let start = format!("{name}: ");
        let lines = self.head.lines().rev();
        lines
            .filter_map(|line| line.strip_prefix(&start))
            .next()
            .map(str::trim)
    }
}

/// Runs curl with these arguments and returns what it got.
///
/// # Errors
/// When curl is missing.
pub fn curl(arguments: &[&str]) -> Result<Answer> {
    let folder = tempfile::tempdir()?;
    let heads = folder.path().join("heads");
    let done = Command::new(tools::on_path("curl")?)
        .args(["-s", "--max-time", "60", "-D"])
        .arg(&heads)
        .args(arguments)
        .output()?;
    let head = std::fs::read_to_string(&heads).unwrap_or_default();
    let status = head.lines().rev().find_map(|line| {
        let mut words = line.strip_prefix("HTTP/")?.split(' ');
        words.nth(1)?.parse().ok()
    });
    Ok(Answer {
        status: status.unwrap_or(0),
        head: head.to_lowercase(),
        body: String::from_utf8_lossy(&done.stdout).into_owned(),
        exit: done.status.code().unwrap_or(-1),
    })
}
