//! Long, slow and many streams.

use std::io::{Read as _, Write as _};
use std::process::Stdio;
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result};
use e2e::service::until;
use e2e::ssh::BOX;

use super::{SshStage, err, out};

#[test]
fn two_hundred_megabytes_go_both_ways_at_once() -> Result<()> {
    const BYTES: u64 = 200 << 20;
    let stage = SshStage::new("")?;
    let mut command = stage.client.command("ssh", &stage.token)?;
    let mut child = command
        .args(["-l", BOX, "gw", "cat"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()?;
    let (mut input, mut output) = (
        child.stdin.take().context("in")?,
        child.stdout.take().context("out")?,
    );
    let fed = thread::spawn(move || std::io::copy(&mut std::io::repeat(b'x').take(BYTES), &mut input));
    // The other end does not read for a while: nothing may be lost, and nothing stand still.
    thread::sleep(Duration::from_secs(2));
    let read = std::io::copy(&mut output, &mut std::io::sink())?;
    fed.join().map_err(|_| anyhow::anyhow!("it panicked"))??;
    assert_eq!((read, child.wait()?.code()), (BYTES, Some(0)));
    Ok(())
}

#[test]
fn a_client_that_does_not_read_costs_no_memory() -> Result<()> {
    let stage = SshStage::new("")?;
    stage.ssh(&["true"])?;
    let before = stage.gateway.memory()?;
    let mut command = stage.client.command("ssh", &stage.token)?;
    let mut child = command
        .args(["-l", BOX, "gw", "head -c 400000000 /dev/zero"])
        .stdout(Stdio::piped())
        .spawn()?;
    thread::sleep(Duration::from_secs(3));
    let grown = stage.gateway.memory()?.saturating_sub(before);
    assert!(grown < 24 << 20, "grew by {grown} bytes");
    let mut output = child.stdout.take().context("out")?;
    assert_eq!(std::io::copy(&mut output, &mut std::io::sink())?, 400_000_000);
    assert!(child.wait()?.success());
    Ok(())
}

#[test]
fn an_end_of_input_is_not_the_end() -> Result<()> {
    let stage = SshStage::new("")?;
    let mut command = stage.client.command("ssh", &stage.token)?;
    let mut child = command
        .args(["-l", BOX, "gw", "sort; echo after; exit 3"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()?;
    child.stdin.take().context("in")?.write_all(b"b\na\n")?;
    let done = child.wait_with_output()?;
    assert_eq!(
        (out(&done).as_str(), done.status.code()),
        ("a\nb\nafter\n", Some(3))
    );
    Ok(())
}

#[test]
fn one_connection_carries_many_commands() -> Result<()> {
    let stage = SshStage::new("")?;
    let mut command = stage.client.command("ssh", &stage.token)?;
    let mut master = command.args(["-M", "-N", "-l", BOX, "gw"]).spawn()?;
    let check = || {
        let done = stage.client.ssh("none", &["-O", "check", "-l", BOX, "gw"])?;
        Ok(done.status.success().then_some(()))
    };
    until(Duration::from_secs(20), "the master connection", check)?;
    let done = thread::scope(|scope| {
        let run = |n: usize| {
            let stage = &stage;
            scope.spawn(move || {
                // Without a token of its own: over the connection that is there.
                let line = format!("echo {n}; sleep 0.2");
                stage.client.ssh("none", &["-l", BOX, "gw", &line])
            })
        };
        let running: Vec<_> = (0..8).map(run).collect();
        let done = running.into_iter().map(|one| one.join().expect("no panic"));
        done.collect::<Result<Vec<_>>>()
    })?;
    for (n, done) in done.iter().enumerate() {
        assert_eq!(out(done), format!("{n}\n"), "{done:?}");
    }
    master.kill()?;
    master.wait()?;
    Ok(())
}

#[test]
fn a_host_that_dies_ends_the_command_with_255() -> Result<()> {
    let mut stage = SshStage::new("")?;
    let marker = stage.host.file("begun");
    let mut command = stage.client.command("ssh", &stage.token)?;
    let line = format!("touch {}; sleep 100", marker.display());
    let mut child = command
        .args(["-l", BOX, "gw", &line])
        .stderr(Stdio::piped())
        .spawn()?;
    until(Duration::from_secs(20), "the command to begin", || {
        Ok(marker.exists().then_some(()))
    })?;
    stage.host.kill()?;
    let mut told = String::new();
    child.stderr.take().context("err")?.read_to_string(&mut told)?;
    assert_eq!(child.wait()?.code(), Some(255), "{told}");
    assert!(told.contains("connection to the host was lost"), "{told}");
    Ok(())
}

#[test]
fn who_does_nothing_for_long_is_told_so_and_leaves_and_a_command_at_work_stays() -> Result<()> {
    let stage = SshStage::new("idle_timeout = \"1s\"\n")?;
    let done = stage.ssh(&["sleep 2; echo done"])?;
    assert_eq!(out(&done), "done\n", "{done:?}");
    let mut command = stage.client.command("ssh", &stage.token)?;
    command.args(["-tt", "-l", BOX, "gw"]);
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    let stdin = child.stdin.take();
    let done = child.wait_with_output()?;
    drop(stdin);
    assert_eq!(done.status.code(), Some(255), "{done:?}");
    assert!(
        format!("{}{}", out(&done), err(&done)).contains("idle for too long"),
        "{done:?}"
    );
    Ok(())
}
