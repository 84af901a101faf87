//! Answers, cancels and goodbyes that race on a real server: exactly one of them counts.

use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use e2e::client::Answer;
use e2e::journal;
use e2e::tools::Version;
use serde_json::Value;

use crate::Stage;
use crate::holds::{HOLDING, approvals, begin, id, json, tidegate};

/// How often each pair of events races.
const ROUNDS: usize = 4;

/// What races with a yes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Rival {
    /// Another person's no.
    Deny,
    /// The client goes.
    Disconnect,
    /// The client's time for waiting ends.
    TimeOut,
    /// The session is revoked.
    Revoke,
}

/// A client that deletes one order in a transaction of its own, by the extended protocol.
fn extended(stage: &Stage, order: usize) -> Result<Child> {
    let lines = format!(
        r#"
import psycopg
with psycopg.connect("") as connection:
    connection.execute("delete from orders where id = %s", [{order}], prepare=True)
"#
    );
    let mut command = stage.agent()?.python(&lines)?;
    Ok(command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?)
}

#[test]
fn of_a_yes_and_whatever_races_with_it_exactly_one_counts() -> Result<()> {
    let stage = Stage::with(Version::Packaged, |mut configuration| {
        configuration.resource = "hold_for = \"3s\"".to_owned();
        configuration.policy(HOLDING)
    })?;
    let dba = stage.issuer.person("dana", &["dba"])?;
    let other = stage.issuer.person("dora", &["dba"])?;
    let (mut order, mut asked) = (100, Vec::new());
    for round in 0..ROUNDS {
        for rival in [Rival::Deny, Rival::Disconnect, Rival::TimeOut, Rival::Revoke] {
            order += 1;
            let client = match (round + order) % 2 {
                0 => begin(&stage.agent()?, &format!("delete from orders where id = {order}"))?,
                _ => extended(&stage, order)?,
            };
            let approval = race(&stage, rival, round, client, [&dba, &other])
                .with_context(|| format!("round {round}, {rival:?}, order {order}"))?;
            asked.push((order, approval));
        }
    }
    let entries = journal::entries(stage.gateway.home())?;
    for (order, approval) in asked {
        let left = stage
            .server
            .query(&format!("select count(*) from orders where id = {order}"))?;
        agrees(&entries, &approval, left.trim() == "0")
            .with_context(|| format!("order {order}, approval {approval}"))?;
    }
    Ok(())
}

/// Lets a yes and its rival go off at once, in either order, and waits for the client's end.
fn race(stage: &Stage, rival: Rival, round: usize, mut client: Child, people: [&str; 2]) -> Result<String> {
    let waiting = approvals(&stage.gateway, people[0], "pending", 1)?;
    let approval = id(&waiting[0])?;
    let session = waiting[0]["session"].as_str().unwrap_or_default().to_owned();
    std::thread::scope(|scope| {
        let yes = scope.spawn(|| tidegate(&stage.gateway, people[0], &["approve", &approval]));
        // Each round the rival is a little later.
        let late = Duration::from_millis(u64::try_from(round).unwrap_or(0) * 15);
        let since = Instant::now();
        while since.elapsed() < late {
            std::thread::yield_now();
        }
        match rival {
            Rival::Deny => drop(tidegate(
                &stage.gateway,
                people[1],
                &["deny", &approval, "--reason", "no"],
            )?),
            Rival::Disconnect => client.kill()?,
            Rival::TimeOut => {}
            Rival::Revoke => drop(tidegate(
                &stage.gateway,
                people[1],
                &["revoke", "--session", &session, "--reason", "race"],
            )?),
        }
        yes.join().map_err(|_| anyhow::anyhow!("the yes panicked"))??;
        anyhow::Ok(())
    })?;
    let _ = Answer::of(&client.wait_with_output()?);
    settled(stage, people[0], &approval)?;
    Ok(approval)
}

/// Waits until nothing can change the approval any more, or it waits only to be used again.
fn settled(stage: &Stage, token: &str, approval: &str) -> Result<()> {
    let since = Instant::now();
    loop {
        let shown = json(&tidegate(&stage.gateway, token, &["approvals", approval])?)?;
        let standing = shown["standing"].as_str().unwrap_or_default();
        let waits = shown["session"].is_string();
        if standing != "pending" && !waits {
            return Ok(());
        }
        ensure!(since.elapsed() < Duration::from_secs(30), "{shown}");
    }
}

/// The journal says of an approval what the server says: it let one operation through, or none.
fn agrees(entries: &[Value], approval: &str, gone: bool) -> Result<()> {
    let with = |kind: &str| -> Vec<&Value> {
        let of_kind = journal::of_kind(entries, kind).into_iter();
        of_kind.filter(|entry| entry["approval"] == approval).collect()
    };
    let used = with("approval.used");
    ensure!(used.len() <= 1, "it was used more than once: {used:?}");
    let ran = with("op.intent").into_iter().filter(|intent| {
        let outcomes = journal::of_kind(entries, "op.outcome");
        let own = outcomes
            .iter()
            .find(|outcome| outcome["operation"] == intent["operation"]);
        own.is_some_and(|outcome| !matches!(outcome["result"].as_str(), Some("refused" | "skipped")))
    });
    let ran = ran.count();
    ensure!(
        ran <= used.len(),
        "{ran} ran under it, though it was used {} times",
        used.len()
    );
    ensure!(
        !gone || ran == 1,
        "the row is gone, and nothing ran under the approval"
    );
    Ok(())
}
