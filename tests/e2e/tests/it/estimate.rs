//! How many rows people are told a held statement would touch, on real servers.

use std::process::Stdio;

use anyhow::Result;
use e2e::gateway::{Configuration, Gateway};
use e2e::journal;
use e2e::service::{START_WAIT_MAX, until};
use e2e::tools::{self, Version};
use serde_json::Value;

use crate::{Stage, ephemeral};

/// Agents ask for everything.
const POLICY: &str = r#"permit (
  principal in Group::"agents", action in [Action::"connect", Action::"request"], resource == Resource::"customers"
);
permit (principal in Group::"dba", action == Action::"approve", resource == Resource::"customers");
"#;

/// What of a question is shown to people: the operation, and the rows it is expected to touch.
fn cases(gateway: &Gateway) -> Result<Vec<(String, Option<u64>)>> {
    let lines = "import json, sqlite3\n\
        state = sqlite3.connect('file:var/tidegate.db?mode=ro', uri=True)\n\
        for (case,) in state.execute('select shown from approval order by id'):\n    print(case)\n";
    let mut python = std::process::Command::new(tools::python()?);
    let text = tools::output(python.args(["-c", lines]).current_dir(gateway.home().folder()))?;
    text.lines()
        .map(|line| {
            let case: Value = serde_json::from_str(line)?;
            let operation = case["operation"].as_str().unwrap_or_default().to_owned();
            Ok((operation, case["estimated_rows"].as_u64()))
        })
        .collect()
}

/// People are asked, nobody answers, and the client is not kept for long.
fn asked<'a>(configuration: Configuration<'a>, lines: &str) -> Configuration<'a> {
    let mut configuration = configuration.policy(POLICY);
    configuration.resource = format!("hold_for = \"2s\"\n{lines}");
    configuration
}

#[test]
fn people_are_told_how_many_rows_a_statement_would_touch() -> Result<()> {
    for version in [Version::Packaged, Version::Eighteen] {
        let stage = Stage::with(version, |configuration| asked(configuration, "estimate = true"))?;
        let agent = stage.agent()?;
        for sql in ["delete from orders", "select name from customers limit 7"] {
            assert!(
                agent.psql(sql)?.errors.contains("approval"),
                "{sql} waits for people"
            );
        }
        // Values in binary, of a type that is declared.
        let bound = "import psycopg\n\
            with psycopg.connect(autocommit=True) as c:\n    \
            try: c.execute('update orders set paid = true where id <= %b', [100])\n    \
            except psycopg.Error as error: print(error.sqlstate)\n";
        assert!(!tools::output(&mut agent.python(bound)?)?.is_empty());
        assert!(!agent.psql("select 1; select 2")?.ok);
        assert!(!agent.psql("select 1 / 0")?.ok);

        let rows: Vec<Option<u64>> = cases(&stage.gateway)?.into_iter().map(|(_, rows)| rows).collect();
        let [all, limited, Some(bound), several, impossible] = rows[..] else {
            anyhow::bail!("{version:?}: {rows:?}");
        };
        assert_eq!((all, limited), (Some(5_000), Some(7)), "{version:?}");
        assert!((50..200).contains(&bound), "{version:?}: {bound}");
        assert_eq!((several, impossible), (None, None), "{version:?}");

        assert_eq!(stage.server.query("select count(*) from orders")?.trim(), "5000");
        let ran = stage.server.log()?;
        assert!(ran.contains("EXPLAIN (FORMAT JSON) delete from orders"));
        assert!(
            !ran.to_lowercase().contains("analyze)"),
            "nothing is ever analysed"
        );
        let entries = journal::entries(stage.gateway.home())?;
        let asked = journal::of_kind(&entries, "op.intent");
        let plans = asked.iter().filter(|intent| {
            let text = intent.to_string();
            text.contains("tidegate.estimate") && text.contains("EXPLAIN (FORMAT JSON)")
        });
        assert_eq!(plans.count(), 4, "each question to the upstream is written down");
    }
    Ok(())
}

#[test]
fn a_table_that_is_locked_keeps_nobody_from_being_asked() -> Result<()> {
    let stage = Stage::with(Version::Packaged, |configuration| {
        asked(configuration, "estimate = true")
    })?;
    // A session before it, so that the catalog is read.
    assert!(!stage.agent()?.psql("select 1")?.ok);
    let mut locker = stage
        .server
        .admin()
        .command(&tools::postgres_client("psql")?)
        .args(["-Xq", "-c", "begin; lock table orders; select pg_sleep(60)"])
        .stdout(Stdio::null())
        .spawn()?;
    let server = &stage.server;
    until(START_WAIT_MAX, "the table to be locked", || {
        let locked = "select count(*) from pg_locks where relation = 'orders'::regclass and granted \
                      and mode = 'AccessExclusiveLock'";
        Ok((server.query(locked)?.trim() == "1").then_some(()))
    })?;
    let answer = stage.agent()?.psql("delete from orders where id = 1")?;
    locker.kill()?;
    locker.wait()?;
    assert!(
        answer.errors.contains("waiting for approval"),
        "{}",
        answer.errors
    );
    let cases = cases(&stage.gateway)?;
    let last = cases
        .last()
        .map(|(operation, rows)| (operation.contains("orders"), *rows));
    assert_eq!(last, Some((true, None)), "{cases:?}");
    Ok(())
}

#[test]
fn nothing_is_planned_where_the_operator_did_not_ask_for_it() -> Result<()> {
    let stage = Stage::with(Version::Packaged, |configuration| asked(configuration, ""))?;
    assert!(!stage.agent()?.psql("delete from orders")?.ok);
    let cases = cases(&stage.gateway)?;
    assert_eq!(cases.len(), 1);
    assert_eq!(cases[0].1, None);
    assert!(!stage.server.log()?.contains("EXPLAIN"));
    Ok(())
}

#[test]
fn a_session_with_a_role_of_its_own_plans_by_that_role() -> Result<()> {
    let stage = ephemeral::Stage::with(Version::Eighteen, |configuration| {
        asked(configuration, "estimate = true")
    })?;
    assert!(!stage.agent()?.psql("select name from customers")?.ok);
    let cases = cases(&stage.gateway)?;
    assert_eq!(cases.len(), 1);
    assert_eq!(cases[0].1, Some(1_000));
    Ok(())
}
