//! The client never learns the upstream's credential or address, whatever goes wrong.

use std::fs;
use std::path::Path;

use anyhow::Result;
use e2e::client::{Client, Target};
use e2e::postgres::Postgres;
use e2e::tools::{Version, is_left_out};

use crate::Stage;

#[test]
fn nothing_a_client_sees_names_the_upstream() -> Result<()> {
    let stage = Stage::new(Version::Packaged)?;
    let agent = stage.agent()?;
    stage.server.query(
        "create table unreadable (id int); create table unowned (id int); grant select on unowned to public",
    )?;
    let mut seen = String::new();
    for sql in PROBES {
        seen.push_str(&agent.psql(sql)?.all());
    }
    for (sql, words) in NAMING {
        let answer = agent.psql(sql)?;
        assert!(answer.errors.contains(words), "{sql}: {}", answer.all());
        seen.push_str(&answer.all());
    }
    for sql in ADDRESSES {
        let answer = agent.psql(sql)?;
        assert!(
            !answer.ok && answer.errors.contains("protocol-refused"),
            "{sql}: {}",
            answer.all()
        );
        seen.push_str(&answer.all());
    }
    // What the database says of its own account is data, which policy permits or not; what the
    // protocol says of the session names the client's own user.
    for sql in ACCOUNTS {
        seen.push_str(&format!("{sql}: {}", agent.psql(sql)?.errors));
    }
    let said = agent.psql("\\echo :USER :HOST :PORT :DBNAME")?;
    seen.push_str(&said.all());
    assert!(said.rows.starts_with("agent localhost"), "{}", said.all());
    for client in [Client::Psycopg, Client::Node]
        .into_iter()
        .filter(|client| !is_left_out(client.name()))
    {
        seen.push_str(&client.run(&agent, &stage.server)?);
    }
    let secrets = secrets(&stage.server);
    assert_clean("what clients saw", &seen, &secrets);

    stop_server(&stage.server)?;
    let refused = agent.psql("select 1")?;
    assert!(!refused.ok, "there is no server: {}", refused.rows);
    assert_clean("the answer without a server", &refused.all(), &secrets);
    Ok(())
}

#[test]
fn a_wrong_stored_password_is_not_the_clients_business() -> Result<()> {
    let stage = Stage::new(Version::Packaged)?;
    stage.server.query(&format!(
        "alter role {} password 'changed'",
        stage.server.login().user
    ))?;
    let answer = stage.agent()?.psql("select 1")?;
    assert!(!answer.ok);
    assert_clean("a failed upstream login", &answer.all(), &secrets(&stage.server));
    Ok(())
}

#[test]
fn nothing_written_holds_the_password_a_token_or_unmasked_data() -> Result<()> {
    let stage = Stage::new(Version::Packaged)?;
    let token = stage.issuer.token("agent-7", &["agents"])?;
    let agent: Target = stage.gateway.target(&token);
    let answer = agent.psql("select id, name, ssn, card from customers where id <= 50")?;
    assert!(answer.ok, "{}", answer.errors);
    for sql in [PROBES, ADDRESSES, ACCOUNTS].concat() {
        agent.psql(sql)?;
    }
    let password = stage.server.login().password.clone();
    let (status, home) = stage.gateway.stop()?;
    assert!(status.success());
    let signature = token.rsplit('.').next().unwrap_or_default().to_owned();
    let never = [
        password,
        signature,
        "103-04-0022".to_owned(),
        "5555555555554444".to_owned(),
    ];
    for file in files(home.folder())? {
        let content = fs::read(&file)?;
        let text = String::from_utf8_lossy(&content);
        assert_clean(&file.display().to_string(), &text, &never);
    }
    for session in e2e::journal::sessions(&home)? {
        let replay = home
            .command(&["replay", &session, "--config", "tidegate.toml"])
            .output()?;
        assert_clean("a replay", &String::from_utf8_lossy(&replay.stdout), &never);
    }
    Ok(())
}

/// What an agent may try to find out where it is. Some of it is refused.
const PROBES: &[&str] = &[
    "select 1 / 0",
    "select pid, datname, query from pg_stat_activity",
    "select current_setting('data_directory')",
    "select name, unit from pg_settings",
    "select * from pg_stat_ssl",
    "select * from pg_hba_file_rules",
    "set role postgres",
    "reset session authorization",
    "create table t (id int)",
    "select * from customers_of_others",
    "copy customers to stdout",
    "select * from dblink('host=localhost', 'select 1') as t (n int)",
];

/// What makes the server name its account, and the words it then says to the client.
const NAMING: &[(&str, &str)] = &[
    ("select current_user::int", "integer: \"agent\""),
    ("select session_user::int", "integer: \"agent\""),
    ("select upper(current_user)::date", "date: \"agent\""),
    ("select session_user::text::uuid", "uuid: \"agent\""),
    (
        "select ('role ' || current_user || '!')::int",
        "integer: \"role agent!\"",
    ),
    (
        r#"select ('{"' || current_user || '"')::json"#,
        "JSON data, line 1: {\"agent\"",
    ),
    (
        "select * from unreadable",
        "permission denied for table unreadable",
    ),
    (
        "alter table unowned add column more int",
        "must be owner of table unowned",
    ),
];

/// What would tell the address.
const ADDRESSES: &[&str] = &[
    "select inet_server_addr(), inet_server_port()",
    "select inet_client_addr(), inet_client_port()",
    "show port",
    "show listen_addresses",
    "show all",
    "select current_setting('port')",
    "select setting from pg_settings where name = 'port'",
    "select * from pg_settings",
];

/// What names the account within rows, and fails or not.
const ACCOUNTS: &[&str] = &[
    "select current_user, session_user",
    "show session_authorization",
    "select * from pg_stat_activity",
    "select usename from pg_user",
    "select rolname from pg_roles",
    "select * from pg_authid",
    "alter role current_user password 'x'",
    "do $$ begin raise notice 'I am %', current_user; end $$",
    "do $$ begin raise exception 'I am %', session_user; end $$",
];

fn secrets(server: &Postgres) -> Vec<String> {
    let login = server.login();
    vec![
        login.user.clone(),
        login.password.clone(),
        server.port().to_string(),
    ]
}

fn assert_clean(place: &str, text: &str, secrets: &[String]) {
    for secret in secrets {
        let found = text.lines().find(|line| line.contains(secret.as_str()));
        assert!(found.is_none(), "{place} holds {secret}: {found:?}");
    }
}

fn stop_server(server: &Postgres) -> Result<()> {
    server.halt()
}

fn files(folder: &Path) -> Result<Vec<std::path::PathBuf>> {
    let mut found = Vec::new();
    for entry in folder.read_dir()? {
        let path = entry?.path();
        match path.is_dir() {
            true => found.extend(files(&path)?),
            false => found.push(path),
        }
    }
    Ok(found)
}
