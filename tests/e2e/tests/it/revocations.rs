//! Access that is taken back is gone everywhere at once.

use std::io::{BufRead as _, BufReader};
use std::process::Stdio;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, Result, ensure};
use e2e::issuer::ISSUER;
use e2e::tools::Version;

use crate::Stage;
use crate::holds::{HOLDING, json, tidegate};

/// How many sessions are live when access is revoked.
const SESSIONS: usize = 500;

/// How long the last of them may live on, in seconds. The promise is one second; a build without
/// optimisations, which tests run, takes up to twice as long on two slow cores.
const GONE_WITHIN_S: f64 = if cfg!(debug_assertions) { 2.0 } else { 1.0 };

#[test]
fn five_hundred_sessions_end_within_a_second() -> Result<()> {
    let stage = Stage::with(Version::Packaged, |configuration| configuration.policy(HOLDING))?;
    let dba = stage.issuer.person("dana", &["dba"])?;
    let lines = format!(
        r#"
import asyncio, asyncpg, os, ssl, time
context = ssl.create_default_context(cafile=os.environ["PGSSLROOTCERT"])
gate = asyncio.Semaphore(20)
ends = []
async def connect():
    async with gate:
        connection = await asyncpg.connect(ssl=context, statement_cache_size=0, timeout=60)
    connection.add_termination_listener(lambda _: ends.append(time.time()))
    return connection
async def main():
    connections = await asyncio.gather(*(connect() for _ in range({SESSIONS})))
    print("ready", flush=True)
    while len(ends) < len(connections):
        await asyncio.sleep(0.005)
    print(max(ends), flush=True)
asyncio.run(main())
"#
    );
    let mut client = stage
        .agent()?
        .python(&lines)?
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()?;
    let mut told = BufReader::new(client.stdout.take().context("its output")?).lines();
    ensure!(
        told.next().context("it says that it is ready")?? == "ready",
        "all are connected"
    );
    let before = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs_f64();
    let key = format!("{ISSUER}|agent-7");
    let revoked = json(&tidegate(
        &stage.gateway,
        &dba,
        &["revoke", "--principal", &key, "--reason", "lost laptop"],
    )?)?;
    let last: f64 = told.next().context("it says when the last one ended")??.parse()?;
    client.wait()?;
    assert_eq!(revoked["sessions_ended"], SESSIONS, "{revoked}");
    let took = last - before;
    eprintln!("{SESSIONS} sessions were gone {took:.3} s after access was revoked");
    assert!(took < GONE_WITHIN_S, "it took {took:.3} s");
    Ok(())
}
