//! One statement of a stock client waits until a human says yes, and nothing else runs on it.

use std::process::{Child, Output, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use e2e::client::{Answer, Target};
use e2e::tools::{self, Version};
use e2e::{gateway::Gateway, journal};
use serde_json::Value;

use crate::Stage;

/// Agents read; what they write waits for a DBA; guards revoke.
pub(crate) const HOLDING: &str = r#"
permit (principal in Group::"agents", action in [Action::"connect", Action::"request"], resource == Resource::"customers");
permit (principal in Group::"agents", action == Action::"execute", resource == Resource::"customers")
when { ["empty", "session", "transaction", "read"].contains(context.operation.kind) };
permit (principal in Group::"dba", action == Action::"approve", resource == Resource::"customers");
permit (principal in Group::"dba", action == Action::"execute", resource == Resource::"tidegate");
"#;

/// How long anything may take that is waited for here.
const PATIENCE: Duration = Duration::from_secs(30);

/// A stage with holds.
fn holding() -> Result<Stage> {
    Stage::with(Version::Packaged, |configuration| configuration.policy(HOLDING))
}

/// Runs the gateway's own command line as somebody.
pub(crate) fn tidegate(gateway: &Gateway, token: &str, arguments: &[&str]) -> Result<Output> {
    let mut command = gateway.home().command(arguments);
    let url = format!("http://{}", gateway.admin());
    command
        .args(["--url", &url, "--json"])
        .env("TIDEGATE_TOKEN", token);
    Ok(command.output()?)
}

pub(crate) fn json(output: &Output) -> Result<Value> {
    ensure!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(serde_json::from_slice(&output.stdout)?)
}

/// Starts psql on a statement and does not wait for it.
pub(crate) fn begin(target: &Target, sql: &str) -> Result<Child> {
    let mut command = target.command(&tools::postgres_client("psql")?);
    command.args(["-XqAt", "-v", "VERBOSITY=verbose", "-c", sql]);
    Ok(command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?)
}

/// Waits until so many approvals stand like this, and returns them, newest first.
pub(crate) fn approvals(gateway: &Gateway, token: &str, standing: &str, count: usize) -> Result<Vec<Value>> {
    let since = Instant::now();
    loop {
        let listed = json(&tidegate(gateway, token, &["approvals", "--standing", standing])?)?;
        let items = listed["approvals"].as_array().cloned().unwrap_or_default();
        if items.len() == count {
            return Ok(items);
        }
        ensure!(since.elapsed() < PATIENCE, "{standing}: {listed}");
    }
}

pub(crate) fn id(approval: &Value) -> Result<String> {
    Ok(approval["id"].as_str().context("an id")?.to_owned())
}

fn done(child: Child) -> Result<Answer> {
    Ok(Answer::of(&child.wait_with_output()?))
}

#[test]
fn a_statement_waits_for_a_yes_and_then_runs_once() -> Result<()> {
    let stage = holding()?;
    let dba = stage.issuer.person("dana", &["dba"])?;
    let psql = begin(&stage.agent()?, "delete from orders where id <= 3")?;
    let waiting = approvals(&stage.gateway, &dba, "pending", 1)?;
    let before = stage.server.query("select count(*) from orders")?;
    assert_eq!(before.trim(), "5000", "nothing runs while people think");
    let approval = id(&waiting[0])?;
    json(&tidegate(
        &stage.gateway,
        &dba,
        &["approve", &approval, "--comment", "go ahead"],
    )?)?;
    let answer = done(psql)?;
    assert!(answer.ok, "{}", answer.errors);
    assert!(
        answer
            .errors
            .contains(&format!("waiting for approval {approval}")),
        "{}",
        answer.errors
    );
    let after = stage.server.query("select count(*) from orders")?;
    assert_eq!(after.trim(), "4997");
    // The same again is another question.
    let again = begin(&stage.agent()?, "delete from orders where id <= 3")?;
    let other = approvals(&stage.gateway, &dba, "pending", 1)?;
    assert_ne!(id(&other[0])?, approval);
    json(&tidegate(
        &stage.gateway,
        &dba,
        &["deny", &id(&other[0])?, "--reason", "once is enough"],
    )?)?;
    let refused = done(again)?;
    assert!(
        !refused.ok && refused.errors.contains("once is enough"),
        "{}",
        refused.errors
    );
    assert!(
        refused.errors.contains("rule=approval-denied"),
        "{}",
        refused.errors
    );
    let entries = journal::entries(stage.gateway.home())?;
    let released: Vec<_> = journal::of_kind(&entries, "op.intent")
        .into_iter()
        .filter(|intent| intent["approval"] == approval.as_str())
        .collect();
    assert_eq!(released.len(), 1, "{released:?}");
    Ok(())
}

#[test]
fn nobody_approves_their_own_and_agents_never_do() -> Result<()> {
    let stage = holding()?;
    let psql = begin(
        &stage
            .gateway
            .target(&stage.issuer.person("dana", &["dba", "agents"])?),
        "delete from orders where id = 5",
    )?;
    let other = stage.issuer.person("dora", &["dba"])?;
    let approval = id(&approvals(&stage.gateway, &other, "pending", 1)?[0])?;
    for (subject, token) in [
        ("dana", stage.issuer.person("dana", &["dba", "agents"])?),
        ("an agent", stage.issuer.token("agent-9", &["dba"])?),
        ("a stranger", stage.issuer.person("mallory", &["sales"])?),
    ] {
        let answered = tidegate(&stage.gateway, &token, &["approve", &approval])?;
        assert!(!answered.status.success(), "{subject} approved it");
    }
    assert_eq!(
        stage
            .server
            .query("select count(*) from orders where id = 5")?
            .trim(),
        "1"
    );
    json(&tidegate(&stage.gateway, &other, &["approve", &approval])?)?;
    assert!(done(psql)?.ok);
    Ok(())
}

#[test]
fn what_was_approved_after_the_client_gave_up_runs_when_it_is_sent_again_unchanged() -> Result<()> {
    let stage = Stage::with(Version::Packaged, |mut configuration| {
        configuration.resource = "hold_for = \"1s\"".to_owned();
        configuration.policy(HOLDING)
    })?;
    let dba = stage.issuer.person("dana", &["dba"])?;
    let late = stage.agent()?.psql("delete from orders where id = 7")?;
    assert!(
        !late.ok && late.errors.contains("rule=approval-pending"),
        "{}",
        late.errors
    );
    let approval = id(&approvals(&stage.gateway, &dba, "pending", 1)?[0])?;
    assert!(
        late.errors.contains(&format!("approval={approval}")),
        "{}",
        late.errors
    );
    json(&tidegate(&stage.gateway, &dba, &["approve", &approval])?)?;
    // Another value is another operation.
    let changed = stage.agent()?.psql("delete from orders where id = 8")?;
    assert!(!changed.ok, "{}", changed.rows);
    let same = stage.agent()?.psql("delete from orders where id = 7")?;
    assert!(same.ok, "{}", same.errors);
    let twice = stage.agent()?.psql("delete from orders where id = 7")?;
    assert!(!twice.ok, "an approval is used once");
    let left = stage
        .server
        .query("select count(*) from orders where id in (7, 8)")?;
    assert_eq!(left.trim(), "1");
    Ok(())
}

#[test]
fn a_client_that_goes_takes_its_question_along() -> Result<()> {
    let stage = holding()?;
    let dba = stage.issuer.person("dana", &["dba"])?;
    let mut psql = begin(&stage.agent()?, "delete from orders where id = 9")?;
    let approval = id(&approvals(&stage.gateway, &dba, "pending", 1)?[0])?;
    psql.kill()?;
    psql.wait()?;
    let withdrawn = approvals(&stage.gateway, &dba, "withdrawn", 1)?;
    assert_eq!(id(&withdrawn[0])?, approval);
    let answered = tidegate(&stage.gateway, &dba, &["approve", &approval])?;
    assert!(!answered.status.success());
    assert_eq!(
        stage
            .server
            .query("select count(*) from orders where id = 9")?
            .trim(),
        "1"
    );
    Ok(())
}

#[test]
fn a_held_statement_is_cancelled_like_any_other() -> Result<()> {
    let stage = holding()?;
    let dba = stage.issuer.person("dana", &["dba"])?;
    let lines = r#"
import psycopg, threading
with psycopg.connect("") as connection:
    notices = threading.Event()
    connection.add_notice_handler(lambda notice: notices.set())
    def cancel():
        notices.wait(20)
        connection.cancel()
    threading.Thread(target=cancel).start()
    try:
        connection.execute("delete from orders where id = %s", [11])
        print("ran")
    except psycopg.errors.QueryCanceled as error:
        print("cancelled", error.sqlstate)
    connection.rollback()
    print(connection.execute("select 1").fetchone()[0])
"#;
    let answer = Answer::of(&stage.agent()?.python(lines)?.output()?);
    assert_eq!(answer.rows.trim(), "cancelled 57014\n1", "{}", answer.errors);
    approvals(&stage.gateway, &dba, "withdrawn", 1)?;
    Ok(())
}

#[test]
fn bound_values_are_shown_and_bound_to_the_approval() -> Result<()> {
    let stage = holding()?;
    let dba = stage.issuer.person("dana", &["dba"])?;
    let lines = r#"
import psycopg
with psycopg.connect("", autocommit=True) as connection:
    cursor = connection.execute("update orders set total = %b where id = %b", [42, 13], prepare=True)
    print(cursor.rowcount)
"#;
    let mut command = stage.agent()?.python(lines)?;
    let client = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
    let waiting = approvals(&stage.gateway, &dba, "pending", 1)?;
    let shown = json(&tidegate(
        &stage.gateway,
        &dba,
        &["approvals", &id(&waiting[0])?],
    )?)?;
    let text = shown.to_string();
    assert!(text.contains("42") && text.contains("13"), "{shown:#}");
    assert!(text.to_lowercase().contains("update"), "{shown:#}");
    json(&tidegate(&stage.gateway, &dba, &["approve", &id(&waiting[0])?])?)?;
    let answer = done(client)?;
    assert_eq!(answer.rows.trim(), "1", "{}", answer.errors);
    assert_eq!(
        stage
            .server
            .query("select total::int from orders where id = 13")?
            .trim(),
        "42"
    );
    Ok(())
}

#[test]
fn whoever_is_revoked_is_out_within_a_second_and_stays_out() -> Result<()> {
    let stage = holding()?;
    let dba = stage.issuer.person("dana", &["dba"])?;
    let sleeping = begin(&stage.agent()?, "select pg_sleep(60)")?;
    let held = begin(&stage.agent()?, "delete from orders where id = 15")?;
    approvals(&stage.gateway, &dba, "pending", 1)?;
    let since = Instant::now();
    let key = format!("{}|agent-7", e2e::issuer::ISSUER);
    let revoked = json(&tidegate(
        &stage.gateway,
        &dba,
        &["revoke", "--principal", &key, "--reason", "lost laptop"],
    )?)?;
    for client in [sleeping, held] {
        let answer = done(client)?;
        assert!(
            !answer.ok && answer.errors.contains("lost laptop") && answer.errors.contains("rule=locked"),
            "{}",
            answer.errors
        );
    }
    assert!(since.elapsed() < Duration::from_secs(2), "{:?}", since.elapsed());
    let running = "select count(*) from pg_stat_activity where query like '%pg_sleep(60)%' and state = 'active' and pid <> pg_backend_pid()";
    let gone = Instant::now();
    while stage.server.query(running)?.trim() != "0" {
        ensure!(gone.elapsed() < PATIENCE, "it still runs upstream");
    }
    let refused = stage.agent()?.psql("select 1")?;
    assert!(
        !refused.ok && refused.errors.contains("lost laptop"),
        "{}",
        refused.errors
    );
    let lock = revoked["lock"]["id"]
        .as_str()
        .or(revoked["lock"].as_str())
        .context("a lock")?;
    json(&tidegate(&stage.gateway, &dba, &["lift", lock])?)?;
    assert!(stage.agent()?.psql("select 1")?.ok);
    Ok(())
}

#[test]
fn what_waited_when_the_gateway_died_is_withdrawn() -> Result<()> {
    let stage = holding()?;
    let dba = stage.issuer.person("dana", &["dba"])?;
    let psql = begin(&stage.agent()?, "delete from orders where id = 17")?;
    let approval = id(&approvals(&stage.gateway, &dba, "pending", 1)?[0])?;
    let home = stage.gateway.kill()?;
    assert!(!done(psql)?.ok);
    let gateway = home.start()?;
    let withdrawn = approvals(&gateway, &dba, "withdrawn", 1)?;
    assert_eq!(id(&withdrawn[0])?, approval);
    let answered = tidegate(&gateway, &dba, &["approve", &approval])?;
    assert!(!answered.status.success());
    Ok(())
}

#[test]
fn what_is_approved_runs_within_fifty_milliseconds() -> Result<()> {
    let stage = holding()?;
    let dba = stage.issuer.person("dana", &["dba"])?;
    for order in 21..26 {
        let psql = begin(&stage.agent()?, &format!("delete from orders where id = {order}"))?;
        let approval = id(&approvals(&stage.gateway, &dba, "pending", 1)?[0])?;
        json(&tidegate(&stage.gateway, &dba, &["approve", &approval])?)?;
        assert!(done(psql)?.ok);
    }
    let entries = journal::entries(stage.gateway.home())?;
    let at = |kind: &str, approval: &Value| {
        let of_kind = journal::of_kind(&entries, kind).into_iter();
        let mut own = of_kind.filter(|entry| entry["approval"] == *approval);
        own.next().and_then(|entry| entry["t_us"].as_u64())
    };
    // From the vote being written down to the intent of what it lets through.
    let mut took: Vec<u64> = journal::of_kind(&entries, "approval.vote")
        .into_iter()
        .filter_map(|vote| {
            let released = at("op.intent", &vote["approval"])?;
            Some(released.saturating_sub(vote["t_us"].as_u64()?))
        })
        .collect();
    took.sort_unstable();
    assert_eq!(took.len(), 5, "{took:?}");
    eprintln!("from the vote to the intent, in microseconds: {took:?}");
    assert!(took[2] < 50_000, "the median of {took:?} microseconds");
    Ok(())
}
