//! What is kept of a session.

use std::io::Write as _;
use std::process::Stdio;

use anyhow::{Context as _, Result};
use e2e::journal;
use e2e::ssh::BOX;
use serde_json::Value;

use super::{SshStage, out};

#[test]
fn a_terminal_is_recorded_as_it_was_seen_and_played_as_asciicast() -> Result<()> {
    let stage = SshStage::new("")?;
    let mut command = stage.client.command("ssh", &stage.token)?;
    let done = command
        .args([
            "-tt",
            "-l",
            BOX,
            "gw",
            "tput cols; printf 'gr\\303\\274n'; exit 4",
        ])
        .env("TERM", "xterm")
        .stdin(Stdio::null())
        .output()?;
    assert_eq!(done.status.code(), Some(4), "{done:?}");
    let session = journal::sessions(stage.gateway.home())?.remove(0);
    let home = stage.gateway.stop()?.1;
    let shown = home.command(&["replay", &session]).output()?;
    assert!(out(&shown).contains("exec as"), "{shown:?}");
    assert!(out(&shown).contains("ended with status 4"), "{shown:?}");
    let cast = home.folder().join("session.cast");
    let file = cast.to_string_lossy().into_owned();
    let written = home
        .command(&["replay", &session, "--asciicast", &file])
        .output()?;
    assert!(written.status.success(), "{written:?}");
    let cast = std::fs::read_to_string(&cast)?;
    let lines: Vec<Value> = cast.lines().map(serde_json::from_str).collect::<Result<_, _>>()?;
    assert_eq!(
        (&lines[0]["version"], &lines[0]["term"]["type"]),
        (&3.into(), &"xterm".into())
    );
    let events = &lines[1..];
    let seen: String = events
        .iter()
        .filter(|event| event[1] == "o")
        .filter_map(|event| event[2].as_str())
        .collect();
    assert!(seen.contains("gr\u{fc}n"), "{cast}");
    assert_eq!(
        events.last().map(|event| (&event[1], &event[2])),
        Some((&"x".into(), &"4".into()))
    );
    Ok(())
}

#[test]
fn input_is_recorded_where_the_operator_asks_for_it_alone() -> Result<()> {
    for (lines, recorded) in [("", false), ("record_input = true\n", true)] {
        let stage = SshStage::new(lines)?;
        let mut command = stage.client.command("ssh", &stage.token)?;
        command.args(["-l", BOX, "gw", "cat >/dev/null"]);
        let mut child = command.stdin(Stdio::piped()).spawn()?;
        let mut stdin = child.stdin.take().context("piped")?;
        stdin.write_all(b"typed here\n")?;
        drop(stdin);
        assert!(child.wait()?.success());
        let session = journal::sessions(stage.gateway.home())?.remove(0);
        let home = stage.gateway.stop()?.1;
        let shown = home.command(&["replay", &session]).output()?;
        assert_eq!(out(&shown).contains("in typed here"), recorded, "{shown:?}");
    }
    Ok(())
}
