//! A server of the Model Context Protocol on the stage.

use anyhow::Result;
use rustix::process::Signal;
use tempfile::TempDir;

use crate::service::{Account, Service};
use crate::tools;
use crate::web::curl;

/// A running server (`clients/mcp_server.mjs`).
#[derive(Debug)]
pub struct McpServer {
    port: u16,
    _service: Service,
    _folder: TempDir,
}

impl McpServer {
    /// Starts a server that answers in `json`, or else as a stream of events.
    ///
    /// # Errors
    /// When node or the protocol's library is missing.
    pub fn start(answers: &str) -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("tidegate-mcp-").tempdir()?;
        let script = tools::repository().join("tests/e2e/clients/mcp_server.mjs");
        let mut command = Account::Own.command(&tools::on_path("node")?)?;
        command.arg(script).arg(tools::node()?).arg(answers);
        let log = folder.path().join("mcp.log");
        let mut service = Service::start("the MCP server", &mut command, &log, Signal::TERM)?;
        let port = service.wait_for(0, "the MCP server", |log| {
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

    /// Returns the heads of all requests it got, as JSON.
    ///
    /// # Errors
    /// When it does not answer.
    pub fn seen(&self) -> Result<String> {
        Ok(curl(&[&format!("http://127.0.0.1:{}/seen", self.port)])?.body)
    }
}
