//! Conformance suites: what fails is what `tests/e2e/CONFORMANCE.md` lists, with the reason.

use std::collections::BTreeSet;
use std::process::Command;

use anyhow::{Context as _, Result};
use e2e::gateway::{Configuration, Gateway};
use e2e::issuer::Issuer;
use e2e::mcp;
use e2e::nginx::Nginx;
use e2e::tools;
use e2e::web::Script;

use super::WebStage;

/// Returns the cases that are listed below a heading.
fn listed(heading: &str) -> Result<BTreeSet<String>> {
    let list = std::fs::read_to_string(tools::repository().join("tests/e2e/CONFORMANCE.md"))?;
    let part = list.split("\n## ").find(|part| part.starts_with(heading));
    let rows = part.context("the heading")?.lines();
    let cases = rows.filter_map(|row| Some(row.strip_prefix("| `")?.split_once('`')?.0.to_owned()));
    Ok(cases.collect())
}

#[test]
fn http_2_is_spoken_as_its_rfc_says() -> Result<()> {
    let stage = WebStage::with("", |mut configuration| {
        configuration.plaintext = true;
        configuration
    })?;
    let port = stage.gateway.http().context("a listener")?.port().to_string();
    let script = tools::repository().join("tests/e2e/clients/h2_cases.py");
    let mut command = Command::new(tools::python()?);
    command
        .arg(script)
        .args([port.as_str(), "/web/customers", &stage.token]);
    let said = tools::output(&mut command)?;
    let failed = said.lines().filter_map(|line| line.strip_prefix("not ok "));
    let failed: BTreeSet<String> = failed
        .map(|line| line.split_once(": ").map_or(line, |(name, _)| name).to_owned())
        .collect();
    assert!(said.matches("ok ").count() > 70, "{said}");
    assert_eq!(failed, listed("HTTP/2")?, "{said}");
    assert_eq!(stage.ask("/customers", &[])?.status, 200, "it lives");
    Ok(())
}

/// Returns what REDbot notes of an address. Numbers are left aside, since they tell of sizes,
/// and so is how long ago the file changed: the two requests are not made in one second.
fn noted(url: &str) -> Result<BTreeSet<String>> {
    let program = tools::cache()?.join("python/bin/redbot");
    let said = tools::output(Command::new(program).args(["-o", "text", url]))?;
    let notes = said.lines().filter_map(|line| line.trim().strip_prefix("* "));
    let bare = notes.map(|note| note.chars().filter(|c| !c.is_ascii_digit()).collect::<String>());
    let bare: BTreeSet<String> = bare
        .filter(|note| !note.starts_with("The resource last changed"))
        .collect();
    anyhow::ensure!(bare.len() > 5, "{said}");
    Ok(bare)
}

#[test]
fn http_1_1_answers_are_as_good_as_the_servers_own() -> Result<()> {
    if tools::is_left_out("nginx") {
        eprintln!("nginx is not on this machine, as set-up said: nothing was asked of it");
        return Ok(());
    }
    let nginx = Nginx::with_files()?;
    std::fs::write(nginx.file("text.txt"), "A line of a file.\n".repeat(1_000))?;
    let issuer = Issuer::new()?;
    let mut configuration = Configuration::web(nginx.port(), &issuer, "");
    configuration.plaintext = true;
    let gateway = Gateway::start(&configuration)?;
    let token = issuer.token("agent-7", &["agents"])?;
    let forwarder = Script::start("bearer.mjs", &[&gateway.web(""), &token])?;
    let direct = noted(&format!("http://127.0.0.1:{}/text.txt", nginx.port()))?;
    let through = noted(&format!("http://127.0.0.1:{}/text.txt", forwarder.port()))?;
    let differ: BTreeSet<String> = direct.symmetric_difference(&through).cloned().collect();
    assert_eq!(differ, listed("HTTP/1.1")?, "{direct:#?} {through:#?}");
    Ok(())
}

#[test]
fn the_model_context_protocol_is_spoken_as_its_authors_suite_wants() -> Result<()> {
    let server = mcp::fixtures()?;
    let issuer = Issuer::new()?;
    let policy = r#"permit (principal in Group::"agents",
  action in [Action::"connect", Action::"execute"], resource == Resource::"tools");"#;
    let mut configuration = Configuration::web(server.port(), &issuer, "").policy(policy);
    configuration.web = None;
    configuration.plaintext = true;
    configuration.listens_http = true;
    configuration.further = format!(
        "[[resource]]\nname = \"tools\"\nkind = \"mcp\"\nupstream = \"http://127.0.0.1:{}\"\n",
        server.port()
    );
    let gateway = Gateway::start(&configuration)?;
    let base = format!("http://{}/tools", gateway.http().context("a listener")?);
    let token = issuer.token("agent-7", &["agents"])?;
    let forwarder = Script::start("bearer.mjs", &[&base, &token])?;
    let suite = tools::node()?.join("node_modules/@modelcontextprotocol/conformance/dist/index.js");
    let results = tempfile::tempdir()?;
    let done = Command::new(tools::on_path("node")?)
        .arg(suite)
        .args(["server", "--suite", "all", "--url"])
        .arg(format!("http://localhost:{}/mcp", forwarder.port()))
        .current_dir(results.path())
        .output()?;
    let said = String::from_utf8_lossy(&done.stdout).into_owned();
    let named = |mark: &str| -> BTreeSet<String> {
        let lines = said.lines().filter_map(|line| line.strip_prefix(mark));
        lines
            .filter_map(|line| Some(line.split_once(':')?.0.trim().to_owned()))
            .collect()
    };
    assert!(named("✓ ").len() > 20, "{said}");
    assert_eq!(named("✗ "), listed("MCP")?, "{said}");
    Ok(())
}
