use std::os::unix::fs::PermissionsExt as _;

use journal::{Journal, Options};
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

use super::*;

fn folder() -> TempDir {
    tempfile::tempdir().expect("a folder")
}

fn path(folder: &TempDir) -> PathBuf {
    folder.path().join("var/state.db")
}

async fn open(folder: &TempDir) -> State {
    State::open(&path(folder)).await.expect("a state database")
}

fn note(log: &str, size: u64) -> Vec<u8> {
    format!("{log}\n{size}\nAAAA\n\n— {log} c2ln\n").into_bytes()
}

#[tokio::test]
async fn a_cursor_begins_at_zero_and_survives_a_restart() {
    let folder = folder();
    let (splunk, other) = (PluginName::new("splunk"), PluginName::new("other"));
    let state = open(&folder).await;
    assert_eq!(state.cursor(&splunk, "log").await.expect("read"), 0);
    state.save_cursor(&splunk, "log", 500).await.expect("saved");
    state.save_cursor(&splunk, "log", 700).await.expect("saved");
    drop(state);

    let state = open(&folder).await;
    assert_eq!(state.cursor(&splunk, "log").await.expect("read"), 700);
    assert_eq!(state.cursor(&splunk, "another log").await.expect("read"), 0);
    assert_eq!(state.cursor(&other, "log").await.expect("read"), 0);
}

#[tokio::test]
async fn a_second_opener_is_refused_until_the_first_has_gone() {
    let folder = folder();
    let first = open(&folder).await;
    let second = State::open(&path(&folder)).await;
    assert!(matches!(second, Err(StateError::InUse { .. })), "{second:?}");
    drop(first);
    open(&folder).await;
}

#[tokio::test]
async fn only_the_owner_can_read_it() {
    let folder = folder();
    let _state = open(&folder).await;
    let mode = path(&folder).metadata().expect("a file").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[test]
fn settings_that_could_lose_a_write_are_refused() {
    assert_eq!(durable("wal", SYNCHRONOUS_FULL), Ok(()));
    assert_eq!(durable("delete", SYNCHRONOUS_FULL), Err("journal_mode=WAL"));
    assert_eq!(durable("memory", SYNCHRONOUS_FULL), Err("journal_mode=WAL"));
    assert_eq!(durable("wal", 1), Err("synchronous=FULL"));
}

#[tokio::test]
async fn the_database_says_that_it_is_durable() {
    let folder = folder();
    let state = open(&folder).await;
    assert!(read_back(&state.pool, &path(&folder)).await.is_ok());
    sqlx::query("PRAGMA synchronous = NORMAL")
        .execute(&state.pool)
        .await
        .expect("set");
    let read = read_back(&state.pool, &path(&folder)).await;
    assert!(
        matches!(
            read,
            Err(StateError::NotDurable {
                setting: "synchronous=FULL",
                ..
            })
        ),
        "{read:?}"
    );
}

#[tokio::test]
async fn a_database_of_a_newer_gateway_is_refused() {
    let folder = folder();
    let state = open(&folder).await;
    sqlx::query(
        "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time)
         VALUES (9999, 'later', TRUE, x'00', 0)",
    )
    .execute(&state.pool)
    .await
    .expect("written");
    drop(state);
    let opened = State::open(&path(&folder)).await;
    assert!(
        matches!(opened, Err(StateError::Newer { version: 9999, .. })),
        "{opened:?}"
    );
}

#[tokio::test]
async fn a_file_that_is_no_database_is_refused() {
    let folder = folder();
    std::fs::create_dir_all(folder.path().join("var")).expect("a folder");
    std::fs::write(path(&folder), [b'x'; 4096]).expect("written");
    let opened = State::open(&path(&folder)).await;
    assert!(matches!(opened, Err(StateError::Database { .. })), "{opened:?}");
}

#[tokio::test]
async fn the_latest_checkpoint_is_remembered() {
    let folder = folder();
    let state = open(&folder).await;
    assert_eq!(state.anchor("log").await.expect("read"), None);
    state.save_anchor(&note("log", 7)).await.expect("saved");
    state.save_anchor(&note("log", 9)).await.expect("saved");
    state
        .save_anchor(&note("log", 8))
        .await
        .expect("an older one changes nothing");
    assert_eq!(state.anchor("log").await.expect("read"), Some(note("log", 9)));
    assert!(matches!(
        state.save_anchor(b"nothing").await,
        Err(StateError::Note)
    ));
}

#[tokio::test]
async fn a_replaced_journal_is_not_taken_for_a_new_one() {
    let folder = folder();
    let state = open(&folder).await;
    state.save_anchor(&note("old", 7)).await.expect("saved");
    let anchor = state.anchor("new").await;
    let Err(StateError::OtherJournal { found, known, size }) = anchor else {
        panic!("{anchor:?}");
    };
    assert_eq!((found.as_str(), known.as_str(), size), ("new", "old", 7));
}

#[tokio::test]
async fn anchors_are_read_beside_the_gateway_and_after_it() {
    let folder = folder();
    let state = open(&folder).await;
    state.save_anchor(&note("log", 7)).await.expect("saved");
    let beside = read_anchors(&path(&folder)).await.expect("read while it is open");
    assert_eq!(
        beside,
        [Anchor {
            log: "log".to_owned(),
            size: 7,
            note: note("log", 7)
        }]
    );
    state.pool.close().await;
    drop(state);
    assert_eq!(read_anchors(&path(&folder)).await.expect("read at rest"), beside);
    assert!(read_anchors(&folder.path().join("none.db")).await.is_err());
}

#[tokio::test]
async fn the_checkpoint_of_a_closed_journal_is_kept_outside_it() {
    let folder = folder();
    let state = open(&folder).await;
    let options = Options::new("log", folder.path().join("key"));
    let (journal, _) = Journal::open(&folder.path().join("journal"), options).expect("a journal");
    let stop = CancellationToken::new();
    let keeping = tokio::spawn(keep_anchor(journal.checkpoints(), state.clone(), stop.clone()));
    journal
        .append(|out| out.extend_from_slice(br#"{"v":1,"kind":"gateway.stop"}"#))
        .expect("appended");
    let closing = journal.clone();
    let last = tokio::task::spawn_blocking(move || closing.close())
        .await
        .expect("closed")
        .expect("in order");
    stop.cancel();
    keeping.await.expect("it ends");
    assert_eq!(state.anchor("log").await.expect("read"), Some(last.note.clone()));
    assert_eq!(last.checkpoint.size, 1);
}
