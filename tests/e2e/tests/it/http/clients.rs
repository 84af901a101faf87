//! Each client sees through the gateway what it sees directly.

use std::process::Command;

use anyhow::Result;
use e2e::tools;

use super::WebStage;

/// Runs one of the clients against a service, and returns what it saw.
fn transcript(client: &str, base: &str, token: &str, authority: &str) -> Result<String> {
    let scripts = tools::repository().join("tests/e2e/clients");
    let mut command = if client == "fetch" {
        let mut command = Command::new(tools::on_path("node")?);
        command.arg(scripts.join("fetch_client.mjs")).args([base, token]);
        command.env("NODE_EXTRA_CA_CERTS", authority);
        command
    } else {
        let mut command = Command::new(tools::python()?);
        command.arg(scripts.join("python_http.py"));
        command.args([client, base, token, authority]);
        command
    };
    tools::output(&mut command)
}

fn directly(stage: &WebStage, client: &str) -> Result<String> {
    let base = format!("http://127.0.0.1:{}", stage.service.port());
    transcript(client, &base, "", "")
}

fn through(stage: &WebStage, client: &str) -> Result<String> {
    let authority = stage.gateway.authority().map(|path| path.display().to_string());
    let authority = authority.unwrap_or_default();
    transcript(client, &stage.gateway.web(""), &stage.token, &authority)
}

fn sees_no_difference(client: &str, directly_by: &str) -> Result<()> {
    let stage = WebStage::new("")?;
    let direct = directly(&stage, directly_by)?;
    assert!(direct.lines().count() > 15, "{direct}");
    let through = through(&stage, client)?;
    for (direct, through) in direct.lines().zip(through.lines()) {
        assert_eq!(direct, through, "{client}");
    }
    assert_eq!(direct.lines().count(), through.lines().count());
    Ok(())
}

#[test]
fn requests_sees_no_difference() -> Result<()> {
    sees_no_difference("requests", "requests")
}

#[test]
fn httpx_sees_no_difference() -> Result<()> {
    sees_no_difference("httpx", "httpx")
}

#[test]
fn httpx_sees_no_difference_in_http_2() -> Result<()> {
    sees_no_difference("httpx2", "httpx")
}

#[test]
fn nodes_fetch_sees_no_difference() -> Result<()> {
    sees_no_difference("fetch", "fetch")
}

#[test]
fn each_of_them_sees_masked_what_is_to_be_masked() -> Result<()> {
    let stage = WebStage::masking("scan_untagged = true")?;
    for client in ["requests", "httpx", "httpx2", "fetch"] {
        let seen = through(&stage, client)?;
        assert!(seen.contains("***-**-0001"), "{client}: {seen}");
        for secret in ["103-04", "ada@example.com"] {
            assert!(!seen.contains(secret), "{client}: {seen}");
        }
        // What has nothing to be masked comes as it is.
        assert!(seen.contains("downloaded | 8388609"), "{client}: {seen}");
    }
    Ok(())
}
