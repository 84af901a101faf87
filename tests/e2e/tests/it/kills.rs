//! kill -9 at any moment: whatever the server ran, the journal holds an intent of it.

use std::collections::HashMap;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use e2e::client::Target;
use e2e::gateway::{Configuration, Home};
use e2e::issuer::Issuer;
use e2e::journal;
use e2e::postgres::{Options, Postgres};
use e2e::service::{START_WAIT_MAX, until};
use e2e::tools::{self, Version};
use serde_json::Value;

/// How many times the gateway is killed.
const KILLS: u32 = 200;

/// How many clients send statements while it is.
const CLIENTS: u32 = 3;

/// The variable with the seed of a run that is to be repeated.
const SEED: &str = "TIDEGATE_KILLS_SEED";

#[test]
fn two_hundred_kills_lose_no_intent_of_anything_the_server_ran() -> Result<()> {
    let seed = seed()?;
    let again = format!("the moments came from {SEED}={seed}");
    eprintln!("{again}");
    let mut options = Options::of(Version::any());
    options
        .settings
        .push(("log_line_prefix", "%m [%p] %u ".to_owned()));
    let server = Postgres::start_with(&options)?;
    let issuer = Issuer::new()?;
    let token = issuer.token("agent-7", &["agents"])?;
    let mut home = Home::prepare(&Configuration::new(&server, &issuer))?;
    let mut kills = Kills::new(seed);
    for kill in 0..KILLS {
        home = kills
            .strike(kill, home, &server, &token)
            .with_context(|| format!("kill {kill}: {again}"))?;
        if kill % COMPARE_EVERY == COMPARE_EVERY - 1 {
            compare(&server, &home).with_context(|| again.clone())?;
        }
    }
    eprintln!("{kills:?}");
    kills.met_every_moment().with_context(|| again.clone())?;
    settle(home, &server, &token).context(again)
}

/// The last start: everything is accounted for, and the gateway works.
fn settle(home: Home, server: &Postgres, token: &str) -> Result<()> {
    let gateway = home.start().context("the start after the last kill")?;
    ensure!(
        gateway.target(token).psql("select 1")?.ok,
        "the gateway no longer works"
    );
    let (status, home) = gateway.stop()?;
    ensure!(status.success(), "the gateway ended with {status}");
    let ran = compare(server, &home)?;
    ensure!(
        ran > KILLS as usize,
        "only {ran} statements ran: the kills met nothing"
    );
    let entries = journal::entries(&home)?;
    each_intent_has_one_end(&entries)?;
    let verified = journal::verify(home.binary(), &home.journal())?;
    ensure!(
        verified.status.success(),
        "{}",
        String::from_utf8_lossy(&verified.stderr)
    );
    Ok(())
}

/// When in its life a gateway is killed.
#[derive(Clone, Copy, Eq, PartialEq)]
enum Moment {
    /// While it starts: loads plugins, recovers the journal, closes what the last kill left open.
    Starting,
    /// While clients arrive: TLS, tokens, the catalog, the first statements.
    Arriving,
    /// While statements run.
    Busy,
}

/// The moments of the kills, and what they met.
#[derive(Debug)]
struct Kills {
    seed: u64,
    /// How long the last start took that was let come to its end.
    start: Duration,
    /// Kills before the gateway listened.
    unready: u32,
    /// Those of them that followed another one of them.
    twice: u32,
    arriving: u32,
    busy: u32,
    last_was_unready: bool,
}

impl Kills {
    fn new(seed: u64) -> Self {
        Self {
            seed,
            start: FIRST_START,
            unready: 0,
            twice: 0,
            arriving: 0,
            busy: 0,
            last_was_unready: false,
        }
    }

    fn strike(&mut self, kill: u32, home: Home, server: &Postgres, token: &str) -> Result<Home> {
        let moment = match self.next() % 5 {
            0 | 1 => Moment::Starting,
            2 => Moment::Arriving,
            _ => Moment::Busy,
        };
        if moment == Moment::Starting {
            let after = self.within(self.start);
            let listened = home.kill_after(after)?;
            self.twice += u32::from(!listened && self.last_was_unready);
            self.unready += u32::from(!listened);
            self.last_was_unready = !listened;
            return Ok(home);
        }
        let began = Instant::now();
        let gateway = home.start()?;
        self.start = began.elapsed();
        self.last_was_unready = false;
        let from = server.log_bytes()?;
        let clients = start_clients(&gateway.target(token), kill)?;
        let after = if moment == Moment::Busy {
            // The clients have connected when the server runs the first of their statements.
            let mark = format!("'k{kill}_");
            until(START_WAIT_MAX, "a statement of this round", || {
                Ok(server.log_from(from)?.contains(&mark).then_some(()))
            })?;
            self.busy += 1;
            self.within(BUSY_WITHIN)
        } else {
            self.arriving += 1;
            self.within(ARRIVING_WITHIN)
        };
        // The moment is what is tested; nothing waits for anything here.
        std::thread::sleep(after);
        let home = gateway.kill()?;
        for mut client in clients {
            let _ = client.kill();
            client.wait()?;
        }
        Ok(home)
    }

    fn met_every_moment(&self) -> Result<()> {
        let met = [self.unready, self.twice, self.arriving, self.busy];
        ensure!(
            met.iter().all(|count| *count > 0),
            "not every moment was met: {self:?}"
        );
        Ok(())
    }

    fn within(&mut self, limit: Duration) -> Duration {
        let limit_us = u64::try_from(limit.as_micros()).unwrap_or(u64::MAX);
        Duration::from_micros(self.next() % limit_us.max(1))
    }

    /// A step of splitmix64.
    fn next(&mut self) -> u64 {
        self.seed = self.seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.seed;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}

/// The seed: the one that was asked for, else another one in each run.
fn seed() -> Result<u64> {
    if let Ok(seed) = std::env::var(SEED) {
        return seed.parse().with_context(|| format!("{SEED}={seed}"));
    }
    let mut bytes = [0; 8];
    aws_lc_rs::rand::fill(&mut bytes).ok().context("no randomness")?;
    Ok(u64::from_le_bytes(bytes))
}

/// Clients that send statements without a pause, each statement with a mark of its own.
fn start_clients(target: &Target, kill: u32) -> Result<Vec<Child>> {
    let psql = tools::postgres_client("psql")?;
    let start = |client: u32| -> Result<Child> {
        let mut command = target.command(&psql);
        command.arg("-XqAt");
        for n in 0..STATEMENTS {
            command.args(["-c", &format!("select 'k{kill}_{client}_{n}'")]);
        }
        Ok(command
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .stdin(Stdio::null())
            .spawn()?)
    };
    (0..CLIENTS).map(start).collect()
}

/// Checks that whatever ran under the stored credential, the gateway's own statements too, has
/// as many intents as the server's log shows runs of it; returns how many statements ran.
fn compare(server: &Postgres, home: &Home) -> Result<usize> {
    let log = server.log_from(0)?;
    let ran = statements(&log, &server.login().user);
    let entries = journal::entries(home)?;
    let mut intents: HashMap<&str, usize> = HashMap::new();
    for entry in journal::of_kind(&entries, "op.intent") {
        let statement = entry["statement"].as_str().context("an intent's statement")?;
        *intents.entry(statement).or_default() += 1;
    }
    let mut lost: Vec<_> = ran
        .iter()
        .filter(|(statement, count)| intents.get(*statement).is_none_or(|intents| intents < *count))
        .collect();
    lost.sort_unstable();
    ensure!(
        lost.is_empty(),
        "the server ran {} statements without an intent: {lost:?}",
        lost.len()
    );
    Ok(ran.values().sum())
}

/// What a user ran according to a server's log, and how often.
fn statements<'a>(log: &'a str, user: &str) -> HashMap<&'a str, usize> {
    let simple = format!(" {user} LOG:  statement: ");
    let mut ran = HashMap::new();
    for line in log.lines() {
        if let Some((_, statement)) = line.split_once(&simple) {
            *ran.entry(statement).or_default() += 1;
        }
    }
    ran
}

/// Checks that recovery, however often it was cut off, closed each operation once.
fn each_intent_has_one_end(entries: &[Value]) -> Result<()> {
    let mut ends: HashMap<&str, u32> = HashMap::new();
    for kind in ["op.outcome", "op.outcome-unknown"] {
        for entry in journal::of_kind(entries, kind) {
            *ends
                .entry(entry["operation"].as_str().unwrap_or_default())
                .or_default() += 1;
        }
    }
    let intents = journal::of_kind(entries, "op.intent");
    let odd: Vec<_> = intents
        .iter()
        .filter_map(|entry| entry["operation"].as_str())
        .filter(|operation| ends.get(operation) != Some(&1))
        .collect();
    ensure!(odd.is_empty(), "operations with no end or several: {odd:?}");
    Ok(())
}

/// How long a start may take before one was seen: plugins are compiled once.
const FIRST_START: Duration = Duration::from_secs(2);

/// How many statements a client sends: more than run before the kill.
const STATEMENTS: u32 = 400;

/// Within what time after the clients' start they have connected, more or less.
const ARRIVING_WITHIN: Duration = Duration::from_millis(250);

/// Within what time after the first statement the kill comes.
const BUSY_WITHIN: Duration = Duration::from_millis(60);

/// After how many kills the log and the journal are compared in between.
const COMPARE_EVERY: u32 = 50;
