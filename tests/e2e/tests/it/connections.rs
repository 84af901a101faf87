//! How clients reach the gateway, how the gateway reaches the server, and when sessions end.

use std::fs;

use anyhow::Result;
use e2e::certificate::Certificate;
use e2e::client::{Answer, Tls};
use e2e::gateway::{Configuration, Gateway, Home};
use e2e::issuer::Issuer;
use e2e::journal;
use e2e::postgres::{Options, Postgres};
use e2e::tools::Version;

use crate::Stage;

#[test]
fn tls_is_negotiated_or_spoken_from_the_first_byte() -> Result<()> {
    let stage = Stage::new(Version::Packaged)?;
    let lines = r#"
import psycopg
for negotiation in ("postgres", "direct"):
    with psycopg.connect(sslnegotiation=negotiation) as connection:
        ssn = connection.execute("select ssn from customers where id = 3").fetchone()[0]
        print(negotiation, connection.pgconn.ssl_in_use, ssn)
"#;
    let answer = Answer::of(&stage.agent()?.python(lines)?.output()?);
    assert_eq!(
        answer.rows, "postgres True ***-**-0022\ndirect True ***-**-0022\n",
        "{}",
        answer.errors
    );
    Ok(())
}

#[test]
fn tls_for_another_protocol_is_not_answered() -> Result<()> {
    let stage = Stage::new(Version::Packaged)?;
    let lines = r#"
import os, socket, ssl
for protocols in ([], ["http/1.1"]):
    context = ssl.create_default_context(cafile=os.environ["PGSSLROOTCERT"])
    if protocols:
        context.set_alpn_protocols(protocols)
    try:
        plain = socket.create_connection(("localhost", int(os.environ["PGPORT"])), 10)
        with context.wrap_socket(plain, server_hostname="localhost") as secured:
            secured.sendall(bytes.fromhex("00000016000300007573657200610000") + b"\0" * 6)
            print("answered" if secured.recv(1) else "closed")
    except (ssl.SSLError, ConnectionError):
        print("closed")
"#;
    let answer = Answer::of(&stage.agent()?.python(lines)?.output()?);
    assert_eq!(answer.rows, "closed\nclosed\n", "{}", answer.errors);
    assert!(stage.agent()?.psql("select 1")?.ok);
    Ok(())
}

#[test]
fn the_server_is_reached_over_tls_with_a_scram_password() -> Result<()> {
    let mut options = Options::of(Version::Packaged);
    options.settings.push(("log_connections", "on".to_owned()));
    let server = Postgres::start_with(&options)?;
    let issuer = Issuer::new()?;
    let gateway = Gateway::start(&Configuration::new(&server, &issuer))?;
    let agent = gateway.target(&issuer.token("agent-7", &["agents"])?);
    assert!(agent.psql("select 1")?.ok);
    let log = server.log()?;
    let user = &server.login().user;
    let has = |words: &[&str]| {
        log.lines()
            .any(|line| words.iter().all(|word| line.contains(word)))
    };
    assert!(
        has(&["connection authenticated", user, "method=scram-sha-256"]),
        "{log}"
    );
    assert!(has(&["connection authorized", user, "SSL enabled"]), "{log}");
    Ok(())
}

#[test]
fn an_md5_password_still_opens_the_server() -> Result<()> {
    for version in [Version::Packaged, Version::Eighteen] {
        let mut options = Options::of(version);
        options.authentication = "md5";
        options.settings.push(("password_encryption", "md5".to_owned()));
        options.settings.push(("log_connections", "on".to_owned()));
        let server = Postgres::start_with(&options)?;
        let kept = server
            .query("select distinct left(rolpassword, 3) from pg_authid where rolpassword is not null")?;
        assert_eq!(kept.trim(), "md5", "{version:?}");
        let issuer = Issuer::new()?;
        let gateway = Gateway::start(&Configuration::new(&server, &issuer))?;
        let agent = gateway.target(&issuer.token("agent-7", &["agents"])?);
        let answer = agent.psql("select ssn from customers where id = 3")?;
        assert_eq!(
            answer.rows.trim(),
            "***-**-0022",
            "{version:?}: {}",
            answer.errors
        );
    }
    Ok(())
}

#[test]
fn a_server_that_is_not_the_one_meant_gets_no_password() -> Result<()> {
    let mut options = Options::of(Version::Packaged);
    options
        .settings
        .push(("listen_addresses", "127.0.0.1,127.0.0.2".to_owned()));
    let server = Postgres::start_with(&options)?;
    let strangers = tempfile::tempdir()?;
    let stranger = Certificate::write(strangers.path())?.authority;
    let issuer = Issuer::new()?;
    let authority = server.authority().unwrap_or_default();
    let port = server.port();
    let changes = [
        (
            "another authority",
            authority.display().to_string(),
            stranger.display().to_string(),
        ),
        (
            "another name",
            format!("localhost:{port}"),
            format!("127.0.0.2:{port}"),
        ),
    ];
    for (case, from, to) in changes {
        let home = Home::prepare(&Configuration::new(&server, &issuer))?;
        let config = fs::read_to_string(home.config())?;
        assert!(config.contains(&from), "{config}");
        fs::write(home.config(), config.replace(&from, &to))?;
        let gateway = home.start()?;
        let agent = gateway.target(&issuer.token("agent-7", &["agents"])?);
        let answer = agent.psql("select 'never asked'")?;
        assert!(
            !answer.ok && answer.errors.contains("the resource cannot be reached"),
            "{case}: {}",
            answer.all()
        );
        assert!(!answer.errors.contains(&to), "{case}: {}", answer.errors);
        let log = gateway.home().log()?;
        assert!(
            log.contains("certificate"),
            "{case}: the operator is told why: {log}"
        );
    }
    assert!(!server.log()?.contains("never asked"));
    Ok(())
}

#[test]
fn an_idle_session_ends_and_is_told_so() -> Result<()> {
    let stage = Stage::with(Version::Packaged, |mut configuration| {
        configuration.resource = "idle_timeout = \"1s\"".to_owned();
        configuration
    })?;
    let lines = r#"
import select, psycopg
connection = psycopg.connect(autocommit=True)
connection.execute("select pg_sleep(2)")
select.select([connection.fileno()], [], [], 30)
try:
    connection.execute("select 1")
except psycopg.Error as error:
    print(error)
"#;
    let answer = Answer::of(&stage.agent()?.python(lines)?.output()?);
    assert!(answer.rows.contains("idle"), "{}", answer.all());
    let entries = journal::entries(stage.gateway.home())?;
    let ends = journal::of_kind(&entries, "session.end");
    assert!(ends.iter().any(|end| end["reason"] == "idle"), "{ends:?}");
    Ok(())
}

#[test]
fn one_session_too_many_is_told_to_come_back_later() -> Result<()> {
    let stage = Stage::with(Version::Packaged, |mut configuration| {
        configuration.resource = "max_sessions = 1".to_owned();
        configuration
    })?;
    let lines = r#"
import psycopg
with psycopg.connect() as first:
    try:
        psycopg.connect()
    except psycopg.OperationalError as error:
        print("too many sessions" in str(error))
    print(first.execute("select 1").fetchone()[0])
"#;
    let agent = stage.agent()?;
    let answer = Answer::of(&agent.python(lines)?.output()?);
    assert_eq!(answer.rows, "True\n1\n", "{}", answer.errors);
    e2e::service::until(e2e::service::START_WAIT_MAX, "the place to be free again", || {
        Ok(agent.psql("select 1")?.ok.then_some(()))
    })
}

#[test]
fn a_cancel_request_with_a_wrong_key_stops_nothing() -> Result<()> {
    let stage = Stage::new(Version::Packaged)?;
    let lines = r#"
import os, socket, struct, threading, psycopg
def forge(pid):
    context = __import__("ssl").create_default_context(cafile=os.environ["PGSSLROOTCERT"])
    for key in (0, 1, 0xFFFFFFFF):
        plain = socket.create_connection(("localhost", int(os.environ["PGPORT"])), 10)
        plain.sendall(struct.pack("!ii", 8, 80877103))
        assert plain.recv(1) == b"S"
        with context.wrap_socket(plain, server_hostname="localhost") as secured:
            secured.sendall(struct.pack("!iiiI", 16, 80877102, pid, key))
            assert not secured.recv(1)
with psycopg.connect(autocommit=True) as connection:
    other = threading.Thread(target=forge, args=(connection.info.backend_pid,))
    other.start()
    print(connection.execute("select 'undisturbed' from pg_sleep(1)").fetchone()[0])
    other.join()
    print(connection.execute("select 'well'").fetchone()[0])
"#;
    let answer = Answer::of(&stage.agent()?.python(lines)?.output()?);
    assert_eq!(answer.rows, "undisturbed\nwell\n", "{}", answer.errors);
    Ok(())
}

#[test]
fn a_client_that_does_not_check_certificates_still_speaks_tls() -> Result<()> {
    let stage = Stage::new(Version::Packaged)?;
    let mut agent = stage.agent()?;
    agent.tls = Tls::Off;
    let mut psql = agent.command(&e2e::tools::postgres_client("psql")?);
    let done = psql
        .env("PGSSLMODE", "require")
        .args(["-XqAt", "-c", "select ssn from customers where id = 3"])
        .output()?;
    let answer = Answer::of(&done);
    assert_eq!(answer.rows.trim(), "***-**-0022", "{}", answer.errors);
    Ok(())
}
