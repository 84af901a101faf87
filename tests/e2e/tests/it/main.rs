//! The built gateway, judged from outside by real clients and real servers.

mod authoring;
mod binding;
mod clients;
mod connections;
mod console;
mod distribution;
mod ephemeral;
mod estimate;
mod evidence;
mod grants;
mod holds;
mod http;
mod kills;
mod languages;
mod leaks;
mod lifecycle;
mod pins;
mod plugins;
mod providers;
mod races;
mod recordings;
mod refusals;
mod reloading;
mod revocations;
mod ssh;
mod stage;
mod tokens;

use anyhow::Result;
use e2e::client::Target;
use e2e::gateway::{Configuration, Gateway};
use e2e::issuer::Issuer;
use e2e::postgres::Postgres;
use e2e::tools::Version;

/// A server, an issuer and a gateway between them, with one agent let in.
struct Stage {
    gateway: Gateway,
    issuer: Issuer,
    server: Postgres,
}

impl Stage {
    fn new(version: Version) -> Result<Self> {
        Self::with(version, |configuration| configuration)
    }

    fn with(version: Version, change: impl FnOnce(Configuration<'_>) -> Configuration<'_>) -> Result<Self> {
        let server = Postgres::start(version)?;
        let issuer = Issuer::new()?;
        let gateway = Gateway::start(&change(Configuration::new(&server, &issuer)))?;
        Ok(Self {
            gateway,
            issuer,
            server,
        })
    }

    /// Returns how an ordinary agent reaches the resource.
    fn agent(&self) -> Result<Target> {
        Ok(self.gateway.target(&self.issuer.token("agent-7", &["agents"])?))
    }
}
