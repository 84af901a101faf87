//! An identity provider for people: the npm package `oidc-provider`, which nobody here wrote.

use std::path::PathBuf;

use anyhow::Result;
use rustix::process::Signal;
use tempfile::TempDir;

use crate::service::{Account, Service};
use crate::tools;

/// The console's secret at the provider.
pub const CONSOLE_SECRET: &str = "console-secret";

/// A running provider: alice is in `dba`, and whoever comes is alice.
#[derive(Debug)]
pub struct Provider {
    issuer: String,
    _service: Service,
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
        Ok(Self {
            issuer,
            _service: service,
            _folder: folder,
        })
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
