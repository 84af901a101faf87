//! Servers of the Model Context Protocol on the stage.

use anyhow::{Context as _, Result};

use crate::tools;
use crate::web::{Script, curl};

/// Starts a server with two tools that answers in `json`, or else as a stream of events.
///
/// # Errors
/// When node or the protocol's library is missing.
pub fn server(answers: &str) -> Result<Script> {
    Script::start("mcp_server.mjs", &[&modules()?, answers])
}

/// Starts a server of the revision 2026-07-28 with the same tools.
///
/// # Errors
/// As [`server`].
pub fn server_2026() -> Result<Script> {
    Script::start("mcp_server_2026.mjs", &[&modules()?])
}

/// Starts a server with everything that the protocol's conformance suite asks for.
///
/// # Errors
/// As [`server`].
pub fn fixtures() -> Result<Script> {
    Script::start("mcp_fixtures.mjs", &[&modules()?])
}

/// Returns the heads of all requests that a [`server`] got, as JSON.
///
/// # Errors
/// When it does not answer.
pub fn seen(server: &Script) -> Result<String> {
    Ok(curl(&[&format!("http://127.0.0.1:{}/seen", server.port())])?.body)
}

fn modules() -> Result<String> {
    let folder = tools::node()?;
    Ok(folder.to_str().context("a path in UTF-8")?.to_owned())
}
