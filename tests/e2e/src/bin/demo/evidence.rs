//! What is left behind: the journal, the export, the recording, and the proof.

use std::fs;

use anyhow::{Context as _, Result};
use e2e::journal;
use e2e::service::{START_WAIT_MAX, until};
use e2e::tools;
use serde_json::Value;

use crate::setting::Setting;
use crate::story::Story;

/// Shows the entries of the day; returns the session that read the customer.
pub(crate) fn journal_tells(story: &mut Story, setting: &Setting) -> Result<String> {
    story.step("Before each statement ran, and for each that did not, the journal had it, durably");
    let entries = journal::entries(setting.gateway.home())?;
    let intents = journal::of_kind(&entries, "op.intent");
    let text = |entry: &Value, key: &str| entry[key].as_str().unwrap_or_default().to_owned();
    let starts = journal::of_kind(&entries, "session.start");
    let (agents, own): (Vec<_>, Vec<_>) = intents
        .iter()
        .partition(|intent| starts.iter().any(|start| start["session"] == intent["session"]));
    for intent in agents {
        let (verdict, risk) = (text(intent, "verdict"), &intent["risk"]);
        story.journaled(&format!(
            "{verdict:7} risk {risk:>3}  {}",
            text(intent, "statement")
        ));
    }
    story.note(&format!(
        "and {} of the gateway's own, which read what columns and views there are",
        own.len()
    ));
    let verdict_of = |sql: &str| {
        let found = intents
            .iter()
            .find(|intent| text(intent, "statement").starts_with(sql));
        found.map(|intent| text(intent, "verdict")).unwrap_or_default()
    };
    story.claim(
        "the lookup is there, as run",
        verdict_of("select name, ssn, card") == "run",
    )?;
    story.claim(
        "the deletion is there, as refused",
        verdict_of("delete from orders") == "refuse",
    )?;
    let start = starts.first().context("a session")?;
    story.note(&format!("who: {}", start["principal"]));
    story.claim("and who asked, for whom", {
        let who = start["principal"].to_string();
        who.contains("support-bot-7") && who.contains("maria@example.com")
    })?;
    let lookup = intents
        .iter()
        .find(|intent| text(intent, "statement").starts_with("select name, ssn, card"));
    Ok(text(lookup.context("the lookup")?, "session"))
}

/// Shows what the exporter delivered.
pub(crate) fn exporter_sends(story: &mut Story, setting: &Setting) -> Result<()> {
    story.step("An exporter plugin has sent the same evidence to a SIEM (here: a small local receiver)");
    let delivered = || {
        setting
            .receiver
            .posts()
            .iter()
            .map(|post| post.body.clone())
            .collect::<String>()
    };
    let body = until(START_WAIT_MAX, "the export of the last statement", || {
        let body = delivered();
        Ok(body.contains("update orders set remark").then_some(body))
    })?;
    let posts = setting.receiver.posts();
    story.note(&format!("{} posts to {}, e.g.:", posts.len(), posts[0].path));
    story.note(&shortened(&body));
    story.claim(
        "the refused deletion arrived too",
        body.contains("delete from orders"),
    )?;
    story.claim("no unmasked value did", !body.contains("103-04-0022"))
}

/// Replays the session that read the customer.
pub(crate) fn session_is_replayed(story: &mut Story, setting: &Setting, session: &str) -> Result<()> {
    story.step("The session can be replayed: what the agent sent, and what it saw");
    let home = setting.gateway.home();
    let replay = tools::output(&mut home.command(&["replay", session, "--config", "tidegate.toml"]))?;
    story.ran(&format!("tidegate replay {session}"), &replay);
    story.claim("it shows the statement and the masked row", {
        replay.contains("select name, ssn, card") && replay.contains("***-**-0022")
    })?;
    story.claim(
        "the recording never held the SSN",
        !replay.contains("103-04-0022"),
    )
}

/// Verifies the journal, then a copy of it with one byte changed.
pub(crate) fn tampering_is_named(story: &mut Story, setting: &Setting) -> Result<()> {
    story.step("The journal is a Merkle log: anyone can verify it, offline");
    let home = setting.gateway.home();
    journal::wait_until_signed(home)?;
    let copy = journal::copy(home)?;
    let whole = journal::verify(home.binary(), copy.path())?;
    story.ran("tidegate journal verify --dir COPY", &said(&whole));
    story.claim("the copy holds", whole.status.success())?;

    story.step("Somebody changes one byte of the copy");
    let entries = journal::largest_of_entries(copy.path())?;
    let mut content = fs::read(&entries)?;
    let middle = content.len() / 2;
    content[middle] ^= 1;
    fs::write(&entries, content)?;
    let broken = journal::verify(home.binary(), copy.path())?;
    story.ran("tidegate journal verify --dir COPY", &said(&broken));
    story.claim(
        "verification names it and ends with an error",
        !broken.status.success(),
    )
}

fn said(output: &std::process::Output) -> String {
    format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
}

fn shortened(text: &str) -> String {
    let end = text.floor_char_boundary(SHOWN_BYTES.min(text.len()));
    format!("{}…", &text[..end])
}

/// How much of an exported event is shown.
const SHOWN_BYTES: usize = 400;
