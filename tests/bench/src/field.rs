//! What is measured against each other: one server, and the ways to it.

use anyhow::{Context as _, Result};
use e2e::client::Target;
use e2e::gateway::{Configuration, Gateway, Plugin};
use e2e::issuer::Issuer;
use e2e::pgbouncer::Pgbouncer;
use e2e::postgres::{DATABASE, Options, Postgres};
use e2e::tools::{self, Version};
use tempfile::TempDir;

use crate::Effort;

/// The ways to the server.
#[derive(Debug)]
pub(crate) struct Field {
    /// Journal on a tmpfs: what the gateway costs but for durability.
    pub(crate) on_tmpfs: Gateway,
    /// Journal on a disk: what it costs in earnest.
    pub(crate) on_disk: Gateway,
    /// Journal on a tmpfs, and untagged text searched by pii-scan.
    pub(crate) scanning: Gateway,
    token: String,
    pgbouncer: Pgbouncer,
    server: Postgres,
    /// Held for their end: removed when dropped.
    _journals: [TempDir; 3],
}

/// One way to the server, as the report calls it.
#[derive(Clone, Debug)]
pub(crate) struct Way {
    pub(crate) name: &'static str,
    pub(crate) target: Target,
}

/// The way without anything between.
pub(crate) const DIRECT: &str = "direct";
/// The measure for a relay.
pub(crate) const PGBOUNCER: &str = "pgbouncer";
/// The gateway with its journal on a tmpfs.
pub(crate) const ON_TMPFS: &str = "gateway, journal on tmpfs";
/// The gateway with its journal on a disk.
pub(crate) const ON_DISK: &str = "gateway, journal on disk";

impl Field {
    /// Starts the server, fills it, and starts the ways to it.
    pub(crate) fn start(effort: Effort) -> Result<Self> {
        let server = Postgres::start_with(&Options {
            version: Version::any(),
            tls: false,
            log_statements: false,
            authentication: "scram-sha-256",
            settings: vec![
                ("shared_buffers", "512MB".to_owned()),
                ("max_wal_size", "4GB".to_owned()),
            ],
        })?;
        fill(&server, effort.rows)?;
        let issuer = Issuer::new()?;
        let journals = [
            tempfile::tempdir_in("/dev/shm").context("a tmpfs at /dev/shm")?,
            tempfile::tempdir_in(tools::target()?)?,
            tempfile::tempdir_in("/dev/shm")?,
        ];
        let gateway = |journal: &TempDir, is_scanning: bool| {
            let mut configuration = Configuration::new(&server, &issuer);
            configuration.plaintext = true;
            configuration.journal = Some(journal.path().join("journal"));
            configuration.tags = vec![
                ("pii.ssn", vec!["public.bulk.ssn"]),
                ("pii.card", vec!["public.bulk.card"]),
            ];
            if is_scanning {
                configuration
                    .plugins
                    .insert(1, Plugin::new("pii-scan", "masker", "{}"));
                configuration.resource = "scan_untagged = true".to_owned();
            }
            Gateway::start(&configuration)
        };
        let token = issuer.token("bench", &["agents"])?;
        Ok(Self {
            on_tmpfs: gateway(&journals[0], false)?,
            on_disk: gateway(&journals[1], false)?,
            scanning: gateway(&journals[2], true)?,
            token,
            pgbouncer: Pgbouncer::start(&server)?,
            server,
            _journals: journals,
        })
    }

    /// Returns how the server is reached directly.
    pub(crate) fn direct(&self) -> Way {
        let target = Target {
            host: "127.0.0.1".to_owned(),
            ..self.server.direct()
        };
        Way { name: DIRECT, target }
    }

    /// Returns how it is reached through pgbouncer.
    pub(crate) fn pgbouncer(&self) -> Way {
        Way {
            name: PGBOUNCER,
            target: self.pgbouncer.target().clone(),
        }
    }

    /// Returns how it is reached through one of the gateways.
    pub(crate) fn through(&self, name: &'static str, gateway: &Gateway) -> Way {
        Way {
            name,
            target: gateway.target(&self.token),
        }
    }
}

fn fill(server: &Postgres, rows: u32) -> Result<()> {
    let mut pgbench = server.admin().command(&tools::postgres_client("pgbench")?);
    tools::output(pgbench.args(["-i", "-q", "-s", "10", DATABASE]))?;
    let user = &server.login().user;
    server.query(&format!("grant select on all tables in schema public to {user}"))?;
    server.query(&format!(
        "create table bulk as
         select n as id, 'Sample ' || n as name,
                format('%s-%s-%s', 100 + n % 500, lpad((1 + n % 99)::text, 2, '0'), lpad((1 + n % 9999)::text, 4, '0')) as ssn,
                '4111111111111111' as card, (n % 100000) / 100.0 as amount,
                case n % 4 when 0 then 'Gave SSN 123-45-6789 on the phone, invoice ' || n
                           else 'Prefers to be called in the morning, invoice ' || n end as notes
         from generate_series(1, {rows}) n"
    ))?;
    server.query(&format!("grant select on bulk to {user}"))?;
    server.query("vacuum analyze")?;
    Ok(())
}
