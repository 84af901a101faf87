//! Each client sees through the gateway what it sees directly, but for the masked cells.

use anyhow::Result;
use e2e::client::Client;
use e2e::gateway::Configuration;
use e2e::tools::{Version, is_left_out};

use crate::Stage;

#[test]
fn asyncpg_sees_no_difference_but_the_masks_on_the_packaged_server() -> Result<()> {
    same_but_masked(Client::Asyncpg, Version::Packaged)
}

#[test]
fn asyncpg_sees_no_difference_but_the_masks_on_eighteen() -> Result<()> {
    same_but_masked(Client::Asyncpg, Version::Eighteen)
}

#[test]
fn jdbc_sees_no_difference_but_the_masks_on_the_packaged_server() -> Result<()> {
    same_but_masked(Client::Jdbc, Version::Packaged)
}

#[test]
fn jdbc_sees_no_difference_but_the_masks_on_eighteen() -> Result<()> {
    same_but_masked(Client::Jdbc, Version::Eighteen)
}

#[test]
fn node_sees_no_difference_but_the_masks_on_the_packaged_server() -> Result<()> {
    same_but_masked(Client::Node, Version::Packaged)
}

#[test]
fn node_sees_no_difference_but_the_masks_on_eighteen() -> Result<()> {
    same_but_masked(Client::Node, Version::Eighteen)
}

#[test]
fn pgbench_sees_no_difference_on_the_packaged_server() -> Result<()> {
    same_but_masked(Client::Pgbench, Version::Packaged)
}

#[test]
fn pgbench_sees_no_difference_on_eighteen() -> Result<()> {
    same_but_masked(Client::Pgbench, Version::Eighteen)
}

#[test]
fn psql_sees_no_difference_but_the_masks_on_the_packaged_server() -> Result<()> {
    same_but_masked(Client::Psql, Version::Packaged)
}

#[test]
fn psql_sees_no_difference_but_the_masks_on_eighteen() -> Result<()> {
    same_but_masked(Client::Psql, Version::Eighteen)
}

#[test]
fn psycopg_sees_no_difference_but_the_masks_on_the_packaged_server() -> Result<()> {
    same_but_masked(Client::Psycopg, Version::Packaged)
}

#[test]
fn psycopg_sees_no_difference_but_the_masks_on_eighteen() -> Result<()> {
    same_but_masked(Client::Psycopg, Version::Eighteen)
}

#[test]
fn pgbench_of_eighteen_sees_no_difference_in_protocol_3_2() -> Result<()> {
    same_but_masked(Client::PgbenchEighteen, Version::Eighteen)
}

#[test]
fn psql_of_eighteen_sees_no_difference_but_the_masks_in_protocol_3_2() -> Result<()> {
    same_but_masked(Client::PsqlEighteen, Version::Eighteen)
}

#[test]
fn psycopg_sees_no_difference_but_the_masks_in_protocol_3_2() -> Result<()> {
    same_but_masked(Client::PsycopgLatest, Version::Eighteen)
}

fn same_but_masked(client: Client, version: Version) -> Result<()> {
    if is_left_out(client.name()) {
        eprintln!("{client:?} is not on this machine, as set-up said: nothing was compared");
        return Ok(());
    }
    let stage = Stage::with(version, |configuration| Configuration {
        plaintext: !client.speaks_tls(),
        ..configuration
    })?;
    let direct = client.run(&stage.server.direct(), &stage.server)?;
    let through = client.run(&stage.agent()?, &stage.server)?;
    for transcript in [&direct, &through] {
        if let Some(protocol) = client.protocol_line() {
            assert!(
                transcript.contains(protocol),
                "{client:?} spoke another protocol: {transcript}"
            );
        }
    }
    let (direct_masked, direct): (Vec<_>, Vec<_>) = direct.lines().partition(|line| is_masked(line));
    let (masked, through): (Vec<_>, Vec<_>) = through.lines().partition(|line| is_masked(line));
    assert_eq!(direct, through, "{client:?} on {version:?}");
    assert_eq!(
        direct_masked.len(),
        masked.len(),
        "{client:?} on {version:?} lost a masked row"
    );
    for (plain, masked) in direct_masked.iter().zip(&masked) {
        assert_eq!(hide_ssn(plain), **masked, "{client:?} on {version:?}");
    }
    Ok(())
}

fn is_masked(line: &str) -> bool {
    line.starts_with("masked")
}

/// What `keep-last-4` makes of the SSN in a line: `103-04-0022` becomes `***-**-0022`.
fn hide_ssn(line: &str) -> String {
    let bytes = line.as_bytes();
    let is_ssn = |window: &[u8]| {
        window.iter().enumerate().all(|(at, byte)| match at {
            3 | 6 => *byte == b'-',
            _ => byte.is_ascii_digit(),
        })
    };
    match bytes.windows(SSN_BYTES).position(is_ssn) {
        Some(at) => format!("{}***-**{}", &line[..at], &line[at + 6..]),
        None => line.to_owned(),
    }
}

/// `123-45-6789`.
const SSN_BYTES: usize = 11;
