//! Ways round a mask or a judgement that were once open. Each stays shut.

use anyhow::Result;
use e2e::client::Answer;
use e2e::tools::Version;

use crate::Stage;

/// Agents may read; writing needs a group of its own.
const POLICY: &str = r#"permit (
  principal in Group::"agents", action == Action::"connect", resource == Resource::"customers"
);
permit (
  principal in Group::"agents", action == Action::"execute", resource == Resource::"customers"
)
when { ["empty", "session", "transaction", "read"].contains(context.operation.kind) };
permit (
  principal in Group::"builders", action == Action::"execute", resource == Resource::"customers"
)
when { ["write", "schema"].contains(context.operation.kind) };
"#;

/// Runs each statement of a list in one session and prints what came of it.
const SESSION: &str = r#"
import psycopg, sys
with psycopg.connect(autocommit=True) as connection:
    for sql in sys.stdin.read().split("\n"):
        if not sql:
            continue
        try:
            cursor = connection.execute(sql, prepare=False)
            print("ran", cursor.fetchall() if cursor.description else "")
        except psycopg.Error as error:
            print("refused" if "refused:" in str(error) else "failed", error.sqlstate)
"#;

fn session(stage: &Stage, groups: &[&str], statements: &[&str]) -> Result<Vec<String>> {
    use std::io::Write as _;
    use std::process::Stdio;

    let token = stage.issuer.token("agent-7", groups)?;
    let mut child = stage
        .gateway
        .target(&token)
        .python(SESSION)?
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    if let Some(mut stdin) = child.stdin.take() {
        stdin.write_all(statements.join("\n").as_bytes())?;
    }
    let answer = Answer::of(&child.wait_with_output()?);
    assert!(answer.ok, "{}", answer.errors);
    Ok(answer.rows.lines().map(str::to_owned).collect())
}

#[test]
fn preparing_a_statement_does_not_launder_it() -> Result<()> {
    let stage = Stage::with(Version::Packaged, |configuration| configuration.policy(POLICY))?;
    let lines = session(
        &stage,
        &["agents"],
        &[
            "prepare d as delete from orders returning id",
            "execute d",
            "explain analyze execute d",
            "prepare s as select id from customers where id = $1",
            "execute s(3)",
        ],
    )?;
    assert_eq!(lines[1], "refused 42501", "{lines:?}");
    assert_eq!(lines[2], "refused 42501", "{lines:?}");
    assert_eq!(lines[4], "ran [(3,)]", "{lines:?}");
    assert_eq!(stage.server.query("select count(*) from orders")?.trim(), "5000");
    Ok(())
}

#[test]
fn a_refused_statement_has_no_second_door() -> Result<()> {
    let stage = Stage::with(Version::Packaged, |configuration| configuration.policy(POLICY))?;
    let lines = r#"
import psycopg
with psycopg.connect(autocommit=True) as connection:
    raw = connection.pgconn
    for sql in (b"select c::text from customers c", b"select upper(ssn) from customers"):
        raw.prepare(b"n", sql)
        bound = raw.exec_prepared(b"n", [])
        executed = raw.exec_(b"execute n")
        print(bound.ntuples, executed.ntuples, b"refused" in executed.error_message)
        raw.exec_(b"deallocate n")
"#;
    let answer = Answer::of(&stage.agent()?.python(lines)?.output()?);
    assert_eq!(answer.rows, "0 0 True\n0 0 True\n", "{}", answer.errors);
    Ok(())
}

#[test]
fn a_session_sees_what_others_do_to_a_view() -> Result<()> {
    let stage = Stage::with(Version::Packaged, |configuration| configuration.policy(POLICY))?;
    stage
        .server
        .query("create view shown as select id, name as x from customers; grant all on shown to public")?;
    let lines = r#"
import os, psycopg, sys
with psycopg.connect(autocommit=True) as mine:
    print(mine.execute("select x from shown where id = 3").fetchone()[0])
    sys.stdout.flush()
    sys.stdin.readline()
    # Another session's unknown name makes the gateway read the catalog again.
    with psycopg.connect(autocommit=True) as other:
        try:
            other.execute("select x from nowhere")
        except psycopg.Error:
            pass
    print(mine.execute("select x from shown where id = 3").fetchone()[0])
"#;
    use std::io::{BufRead as _, BufReader, Write as _};
    use std::process::Stdio;
    let mut child = stage
        .agent()?
        .python(lines)?
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()?;
    let mut out = BufReader::new(child.stdout.take().expect("piped"));
    let mut line = String::new();
    out.read_line(&mut line)?;
    assert_eq!(line.trim(), "Dan Sample 3");
    stage
        .server
        .query("create or replace view shown as select id, ssn as x from customers")?;
    child.stdin.take().expect("piped").write_all(b"\n")?;
    line.clear();
    out.read_line(&mut line)?;
    child.wait()?;
    assert_eq!(line.trim(), "***-**-0022");
    Ok(())
}

#[test]
fn a_violated_constraint_quotes_no_row() -> Result<()> {
    let stage = Stage::with(Version::Packaged, |configuration| configuration.policy(POLICY))?;
    stage
        .server
        .query("create view narrow as select id, name from customers; grant all on narrow to public")?;
    let token = stage.issuer.token("builder", &["agents", "builders"])?;
    let answer = stage
        .gateway
        .target(&token)
        .psql("update narrow set id = null where id = 3")?;
    assert!(
        !answer.ok && !answer.errors.contains("103-04"),
        "{}",
        answer.all()
    );
    assert!(answer.errors.contains("23502"), "{}", answer.errors);
    Ok(())
}
