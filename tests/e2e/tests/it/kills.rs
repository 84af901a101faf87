//! kill -9 at any moment: whatever the server ran, the journal holds an intent of it.

use std::collections::HashSet;
use std::process::{Child, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use e2e::client::Target;
use e2e::gateway::{Configuration, Gateway, Home};
use e2e::issuer::Issuer;
use e2e::journal;
use e2e::postgres::Postgres;
use e2e::service::{START_WAIT_MAX, until};
use e2e::tools::{self, Version};

/// How many times the gateway is killed.
const KILLS: u32 = 200;

/// How many clients send statements while it is.
const CLIENTS: u32 = 3;

#[test]
fn two_hundred_kills_lose_no_intent_of_anything_the_server_ran() -> Result<()> {
    let server = Postgres::start(Version::Packaged)?;
    let issuer = Issuer::new()?;
    let token = issuer.token("agent-7", &["agents"])?;
    let mut home = Home::prepare(&Configuration::new(&server, &issuer))?;
    let mut seed = 0x9e37_79b9_7f4a_7c15_u64;
    let mut ran = 0;
    for kill in 0..KILLS {
        let gateway = home
            .start()
            .with_context(|| format!("start after {kill} kills"))?;
        let clients = start_clients(&gateway.target(&token), kill)?;
        // The clients have connected when the server runs the first of their statements.
        let mark = format!("k{kill}_");
        until(START_WAIT_MAX, "a statement of this round", || {
            Ok(server.log()?.contains(&mark).then_some(()))
        })?;
        std::thread::sleep(Duration::from_micros(next(&mut seed) % KILL_WITHIN_US));
        home = gateway.kill()?;
        for mut client in clients {
            let _ = client.kill();
            client.wait()?;
        }
        if kill % COMPARE_EVERY == COMPARE_EVERY - 1 {
            ran = compare(&server, &home)?;
        }
    }
    ran = ran.max(compare(&server, &home)?);
    ensure!(
        ran > KILLS as usize,
        "only {ran} statements ran: the kills met nothing"
    );
    let journal = home.journal();
    let verified = journal::verify(home.binary(), &journal)?;
    ensure!(
        verified.status.success(),
        "{}",
        String::from_utf8_lossy(&verified.stderr)
    );
    let gateway: Gateway = home.start()?;
    ensure!(
        gateway.target(&token).psql("select 1")?.ok,
        "the gateway still works"
    );
    Ok(())
}

/// Clients that send statements without a pause, each statement with a mark of its own.
fn start_clients(target: &Target, kill: u32) -> Result<Vec<Child>> {
    let psql = tools::postgres_client("psql")?;
    let start = |client: u32| -> Result<Child> {
        let statements: Vec<String> = (0..STATEMENTS)
            .map(|n| format!("select 'k{kill}_{client}_{n}'"))
            .collect();
        let mut command = target.command(&psql);
        command.arg("-XqAt");
        for statement in &statements {
            command.args(["-c", statement]);
        }
        Ok(command
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .stdin(Stdio::null())
            .spawn()?)
    };
    (0..CLIENTS).map(start).collect()
}

/// Checks that each statement in the server's log has an intent; returns how many there are.
fn compare(server: &Postgres, home: &Home) -> Result<usize> {
    let log = server.log()?;
    let ran: HashSet<&str> = log
        .split("select 'k")
        .skip(1)
        .filter_map(|rest| rest.split('\'').next())
        .collect();
    let entries = journal::entries(home)?;
    let intents = journal::of_kind(&entries, "op.intent");
    let journaled: HashSet<&str> = intents
        .iter()
        .filter_map(|entry| {
            entry["statement"]
                .as_str()?
                .strip_prefix("select 'k")?
                .split('\'')
                .next()
        })
        .collect();
    let mut lost: Vec<_> = ran.difference(&journaled).collect();
    lost.sort_unstable();
    ensure!(
        lost.is_empty(),
        "the server ran {} statements without an intent: {lost:?}",
        lost.len()
    );
    Ok(ran.len())
}

/// A step of splitmix64: the moments of the kills, the same in every run.
fn next(seed: &mut u64) -> u64 {
    *seed = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut z = *seed;
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// How many statements a client sends: more than run before the kill.
const STATEMENTS: u32 = 400;

/// Within what time after the first statement the kill comes, in microseconds.
const KILL_WITHIN_US: u64 = 60_000;

/// After how many kills the log and the journal are compared in between.
const COMPARE_EVERY: u32 = 50;
