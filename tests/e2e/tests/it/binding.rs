//! The login upstream is bound to the server's certificate (SCRAM-SHA-256-PLUS).
//!
//! No server can be told to demand the binding, but every one that speaks TLS offers it and
//! checks it where it is used.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result};
use e2e::certificate::Certificate;
use e2e::client::Target;
use e2e::gateway::{Configuration, Home};
use e2e::issuer::Issuer;
use e2e::postgres::Postgres;
use e2e::service::{Account, Service};
use e2e::tools::{self, Version};
use rustix::process::Signal;
use serde_json::Value;

use crate::Stage;

#[test]
fn the_strongest_mechanism_that_the_server_offers_is_used() -> Result<()> {
    for (version, method) in [
        (Version::Packaged, "SCRAM-SHA-256-PLUS"),
        (Version::Eighteen, "SCRAM-SHA-256"),
    ] {
        let stage = Stage::with(version, |configuration| Configuration {
            log_level: "debug",
            ..configuration
        })?;
        assert!(stage.agent()?.psql("select 1")?.ok);
        let log = stage.gateway.home().log()?;
        let lines = log
            .lines()
            .filter_map(|line| serde_json::from_str::<Value>(line).ok());
        let methods: Vec<_> = lines
            .filter(|line| line["message"] == "logged in upstream")
            .map(|line| line["method"].as_str().unwrap_or_default().to_owned())
            .collect();
        // The catalog's connection, and the agent's.
        assert_eq!(methods, [method, method], "{version:?}: {log}");
    }
    Ok(())
}

#[test]
fn a_middleman_whose_certificate_is_trusted_gets_no_session() -> Result<()> {
    let server = Postgres::start(Version::Packaged)?;
    let issuer = Issuer::new()?;
    let authority = server.authority().context("the server speaks TLS")?;
    for offer in ["passed on", "strip"] {
        let folder = tempfile::tempdir()?;
        let own = Certificate::write(folder.path())?;
        let (_middleman, port) = middleman(&server, &own, offer, folder.path())?;
        let unbound = Target {
            port,
            tls: e2e::client::Tls::Verify(own.authority.clone()),
            ..server.direct()
        };
        let mut psql = unbound.command(&tools::postgres_client("psql")?);
        psql.env("PGCHANNELBINDING", "disable");
        let heard = tools::output(psql.args(["-XqAt", "-c", "select 'unbound'"]))?;
        assert_eq!(heard, "unbound\n", "{offer}: the middleman relays");

        let home = Home::prepare(&Configuration::new(&server, &issuer))?;
        let config = fs::read_to_string(home.config())?
            .replace(
                &format!("localhost:{}", server.port()),
                &format!("localhost:{port}"),
            )
            .replace(
                &authority.display().to_string(),
                &own.authority.display().to_string(),
            );
        fs::write(home.config(), config)?;
        let gateway = home.start()?;
        let agent = gateway.target(&issuer.token("agent-7", &["agents"])?);
        let answer = agent.psql("select 'never asked'")?;
        assert!(
            !answer.ok && answer.errors.contains("the resource cannot be reached"),
            "{offer}: {}",
            answer.all()
        );
        let log = gateway.home().log()?;
        assert!(log.contains("SCRAM channel binding"), "{offer}: {log}");
    }
    assert!(!server.log()?.contains("never asked"));
    Ok(())
}

/// Starts a middleman before a server; returns its port.
fn middleman(server: &Postgres, own: &Certificate, offer: &str, folder: &Path) -> Result<(Service, u16)> {
    let mut command = Account::Own.command(&tools::python()?)?;
    command
        .arg(tools::repository().join("tests/e2e/clients/middleman.py"))
        .arg(server.port().to_string())
        .arg(server.authority().context("the server speaks TLS")?)
        .args([&own.certificate, &own.key]);
    if offer == "strip" {
        command.arg(offer);
    }
    let mut service = Service::start("the middleman", &mut command, &folder.join("log"), Signal::TERM)?;
    let port = service.wait_for(0, "the middleman to listen", |log| {
        let (port, _) = log.strip_prefix("listening on ")?.split_once('\n')?;
        port.parse().ok()
    })?;
    Ok((service, port))
}
