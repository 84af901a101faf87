//! The Model Context Protocol through the gateway, with the protocol's own library on both sides.

use std::process::Command;

use anyhow::{Context as _, Result};
use e2e::gateway::{Configuration, Gateway, Plugin};
use e2e::issuer::Issuer;
use e2e::mcp;
use e2e::tools;
use e2e::web::{Script, curl};
use serde_json::Value;

const POLICY: &str = r#"
permit (principal in Group::"agents", action == Action::"connect", resource == Resource::"tools");
permit (principal in Group::"agents", action == Action::"execute", resource == Resource::"tools")
when { context.operation.kind == "session" || context.operation.kind == "read" };
permit (principal in Group::"agents", action == Action::"execute", resource == Resource::"tools")
when { context.operation has request && context.operation.request has call
  && context.operation.request.call has name && context.operation.request.call.name == "look" };
"#;

struct McpStage {
    gateway: Gateway,
    server: Script,
    issuer: Issuer,
}

impl McpStage {
    fn new(answers: &str) -> Result<Self> {
        Self::before(mcp::server(answers)?)
    }

    fn before(server: Script) -> Result<Self> {
        let issuer = Issuer::new()?;
        let mut configuration = Configuration::web(server.port(), &issuer, "").policy(POLICY);
        configuration.web = None;
        configuration.plaintext = true;
        configuration.plugins = vec![
            Plugin::new("redact", "masker", r#"{ "pii.ssn" = "keep-last-4" }"#),
            Plugin::new("pii-scan", "masker", "{}"),
        ];
        configuration.further = format!(
            r#"[[resource]]
name = "tools"
kind = "mcp"
upstream = "http://127.0.0.1:{}"
maskers = ["redact", "pii-scan"]
scan_untagged = true

[[tag]]
name = "pii.ssn"
paths = ["tools:$..ssn"]
"#,
            server.port()
        );
        configuration.listens_http = true;
        Ok(Self {
            gateway: Gateway::start(&configuration)?,
            server,
            issuer,
        })
    }

    fn address(&self) -> Result<String> {
        let address = self.gateway.http().context("an HTTP listener")?;
        Ok(format!("http://{address}/tools/mcp"))
    }

    /// Runs a client and returns what it got.
    fn client(&self, script: &str) -> Result<Value> {
        let script = tools::repository().join("tests/e2e/clients").join(script);
        let token = self.issuer.token("agent-7", &["agents"])?;
        let mut command = Command::new(tools::on_path("node")?);
        command
            .arg(script)
            .arg(tools::node()?)
            .args([self.address()?, token]);
        Ok(serde_json::from_str(&tools::output(&mut command)?)?)
    }
}

#[test]
fn tools_are_listed_called_and_masked_as_policy_says() -> Result<()> {
    for answers in ["stream", "json"] {
        let stage = McpStage::new(answers)?;
        let got = stage.client("mcp_client.mjs")?;
        assert_eq!(got["tools"], serde_json::json!(["look"]), "{got}");
        let seen = got["look"].to_string();
        assert!(seen.contains("***-**-0001") && !seen.contains("103-04"), "{got}");
        assert_eq!(got["refused"]["code"], 40_301, "{got}");
        assert_eq!(got["refused"]["data"]["rule"], "policy-denied", "{got}");
        let session = got["session"].as_str().context("a session")?;
        assert!(!session.contains("upstream-"), "{session}");
        let heard = mcp::seen(&stage.server)?;
        assert!(
            !heard.contains("Bearer") && heard.contains("upstream-"),
            "{heard}"
        );
    }
    Ok(())
}

#[test]
fn the_revision_without_sessions_is_spoken_too() -> Result<()> {
    let stage = McpStage::before(mcp::server_2026()?)?;
    let got = stage.client("mcp_client_2026.mjs")?;
    assert_eq!(got["version"], "2026-07-28", "{got}");
    assert_eq!(got["tools"], serde_json::json!(["look"]), "{got}");
    let seen = got["look"].to_string();
    assert!(seen.contains("***-**-0001") && !seen.contains("103-04"), "{got}");
    assert_eq!(got["refused"]["code"], 40_301, "{got}");
    assert_eq!(got["refused"]["data"]["rule"], "policy-denied", "{got}");
    let heard = mcp::seen(&stage.server)?;
    assert!(
        heard.contains("server/discover") && !heard.contains("mcp-session-id"),
        "{heard}"
    );
    Ok(())
}

#[test]
fn a_session_is_nobody_elses_and_what_means_nothing_is_refused() -> Result<()> {
    let stage = McpStage::new("json")?;
    let got = stage.client("mcp_client.mjs")?;
    let session = format!("Mcp-Session-Id: {}", got["session"].as_str().unwrap_or_default());
    let list = r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#;
    let send = |subject: &str, body: &str, further: &[&str]| -> Result<e2e::web::Answer> {
        let bearer = format!(
            "Authorization: Bearer {}",
            stage.issuer.token(subject, &["agents"])?
        );
        let address = stage.address()?;
        let accept = "Accept: application/json, text/event-stream";
        let mut arguments = vec![
            "-H",
            bearer.as_str(),
            "-H",
            accept,
            "-H",
            "Content-Type: application/json",
        ];
        arguments.extend(further);
        arguments.extend(["-d", body, address.as_str()]);
        curl(&arguments)
    };
    assert_eq!(send("agent-7", list, &["-H", &session])?.status, 200);
    assert_eq!(send("agent-8", list, &["-H", &session])?.status, 404);
    assert_eq!(
        send("agent-7", list, &["-H", "Mcp-Session-Id: upstream-1"])?.status,
        404
    );
    let page = send("agent-7", list, &["-H", "Origin: https://evil.example"])?;
    assert_eq!(page.status, 403, "{page:?}");
    for body in [
        "[]",
        r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","method":"tools/list"}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":"debug/run"}"#,
        r#"{"jsonrpc":"2.0","id":1,"result":{}}"#,
    ] {
        let answer = send("agent-7", body, &["-H", &session])?;
        assert_eq!(answer.json()?["rule"], "unparsable", "{body}: {answer:?}");
    }
    let other = send("agent-7", list, &["-H", &session, "-H", "Mcp-Method: ping"])?;
    assert_eq!(other.json()?["rule"], "unparsable", "{other:?}");
    Ok(())
}
