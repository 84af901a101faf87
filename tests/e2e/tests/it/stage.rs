//! The stage itself: a direct run is the measure for everything else, so it must be steady.

use anyhow::Result;
use e2e::client::Client;
use e2e::postgres::Postgres;
use e2e::tools::{Version, is_left_out};

#[test]
fn a_direct_run_repeats_itself_on_the_packaged_server() -> Result<()> {
    repeats_itself(Version::Packaged)
}

#[test]
fn a_direct_run_repeats_itself_on_eighteen() -> Result<()> {
    repeats_itself(Version::Eighteen)
}

fn repeats_itself(version: Version) -> Result<()> {
    let server = Postgres::start(version)?;
    for client in Client::ALL
        .into_iter()
        .filter(|client| !is_left_out(client.name()))
    {
        let first = client.run(&server.direct(), &server)?;
        let second = client.run(&server.direct(), &server)?;
        assert_eq!(first, second, "{client:?} on {version:?}");
        assert!(
            first.contains("103-04-0022") || client == Client::Pgbench,
            "{client:?} saw no SSN: {first}"
        );
    }
    Ok(())
}
