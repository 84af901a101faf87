//! What crosses is recorded within bounds, and what cannot be recorded does not cross.

use anyhow::{Context as _, Result, ensure};
use e2e::client::Answer;
use e2e::journal;
use e2e::tools::{self, Version};

use super::Stage;

/// Sends more copy data than may wait to be stored, none of it worth compressing.
const FLOOD: &str = r#"
import os, psycopg
block = b"".join(os.urandom(500).hex().encode() + b"\n" for _ in range(1000))
with psycopg.connect(autocommit=True) as connection:
    cursor = connection.cursor()
    with cursor.copy("copy flood from stdin") as copy:
        for _ in range(150):
            copy.write(block)
    print(cursor.rowcount)
"#;

/// Puts a file where recordings are stored, and goes on until the session ends. `WORK` is one
/// step of it.
const BREAK: &str = r#"
import os, psycopg, shutil
folder = os.environ["RECORDINGS"]
with psycopg.connect(autocommit=True) as connection:
    cursor = connection.cursor()
    cursor.execute("select 1")
    shutil.rmtree(folder)
    open(folder, "w").close()
    try:
        WORK
    except psycopg.Error as error:
        print(error.sqlstate, error)
"#;

#[test]
fn a_flood_of_copy_data_is_recorded_in_part_and_accounted_for() -> Result<()> {
    let stage = Stage::new(Version::Packaged)?;
    stage
        .server
        .query("create table flood (line text); grant all on flood to public")?;
    let answer = Answer::of(&stage.agent()?.python(FLOOD)?.output()?);
    ensure!(answer.ok && answer.rows.trim() == "150000", "{}", answer.all());
    let (_, home) = stage.gateway.stop()?;
    let entries = journal::entries(&home)?;
    let ended = journal::of_kind(&entries, "session.end");
    let session = ended.first().and_then(|entry| entry["session"].as_str());
    let session = session.context("the session is in the journal")?;
    let mut replay = home.command(&["replay", session, "--config", "tidegate.toml"]);
    let replay = tools::output(&mut replay)?;
    assert!(replay.contains("bytes of copy data, and "), "{replay}");
    assert!(replay.contains("more that were not kept"), "{replay}");
    assert!(replay.contains("COPY 150000"), "{replay}");
    Ok(())
}

#[test]
fn a_session_that_cannot_be_recorded_is_told_so() -> Result<()> {
    // Rows that come in one piece: in the middle of one there is no room for a last word.
    let answering = "while True: cursor.execute(\"select repeat('x', 2000)\")";
    let copying = "
        while True:
          with cursor.copy('copy flood from stdin') as copy:
            for _ in range(300): copy.write(b'x' * 100000 + b'\\n')";
    for work in [answering, copying] {
        let stage = Stage::new(Version::Packaged)?;
        stage
            .server
            .query("create table flood (line text); grant all on flood to public")?;
        let mut client = stage.agent()?.python(&BREAK.replace("WORK", work))?;
        let recordings = stage.gateway.home().folder().join("var/recordings");
        let answer = Answer::of(&client.env("RECORDINGS", recordings).output()?);
        assert!(
            answer.rows.contains("the session cannot be recorded and ends")
                && answer.rows.contains("rule=recording-failed fault=operator"),
            "{}",
            answer.all()
        );
    }
    Ok(())
}
