//! The stage itself: a direct run is the measure for everything else, so it must be steady.

use std::net::TcpStream;

use anyhow::Result;
use e2e::client::Client;
use e2e::pgbouncer::Pgbouncer;
use e2e::postgres::Postgres;
use e2e::receiver::Receiver;
use e2e::service::{START_WAIT_MAX, until};
use e2e::tools::{Version, is_left_out};

#[test]
fn a_direct_run_repeats_itself_on_the_packaged_server() -> Result<()> {
    repeats_itself(Version::Packaged)
}

#[test]
fn a_direct_run_repeats_itself_on_eighteen() -> Result<()> {
    repeats_itself(Version::Eighteen)
}

#[test]
fn pgbouncer_relays_to_either_server() -> Result<()> {
    if is_left_out("pgbouncer") {
        eprintln!("pgbouncer is not on this machine, as set-up said: nothing was relayed");
        return Ok(());
    }
    for version in [Version::Packaged, Version::Eighteen] {
        let server = Postgres::start(version)?;
        let relay = Pgbouncer::start(&server)?;
        let answer = relay.target().psql("select ssn from customers where id = 3")?;
        assert_eq!(answer.rows.trim(), "103-04-0022", "{}", answer.errors);
    }
    Ok(())
}

#[test]
fn a_receiver_keeps_what_it_is_sent() -> Result<()> {
    use std::io::Write as _;

    let receiver = Receiver::start()?;
    let mut sender = TcpStream::connect(receiver.address())?;
    write!(
        sender,
        "POST /a HTTP/1.1\r\nAuthorization: Splunk x\r\nContent-Length: 2\r\n\r\n{{}}"
    )?;
    write!(
        sender,
        "POST /b HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"
    )?;
    let posts = until(START_WAIT_MAX, "two posts", || {
        let posts = receiver.posts();
        Ok((posts.len() == 2).then_some(posts))
    })?;
    assert_eq!(
        (
            posts[0].path.as_str(),
            posts[0].authorization.as_str(),
            posts[0].body.as_str()
        ),
        ("/a", "Splunk x", "{}")
    );
    assert_eq!((posts[1].path.as_str(), posts[1].body.as_str()), ("/b", "abc"));
    Ok(())
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
