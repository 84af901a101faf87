//! What the tests of the journal share.

use std::path::{Path, PathBuf};
use std::time::Duration;

use journal::{CommitChoice, CommitMode, Journal, OpenError, Options, Recovery};
use tempfile::TempDir;

/// A folder with a log in it.
pub struct Place {
    folder: TempDir,
}

impl Place {
    pub fn new() -> Self {
        Self {
            folder: tempfile::tempdir().expect("a temporary folder"),
        }
    }

    pub fn log(&self) -> PathBuf {
        self.folder.path().join("log")
    }

    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    pub fn options(&self) -> Options {
        options(self.folder.path())
    }

    pub fn open(&self) -> (Journal, Recovery) {
        self.try_open().expect("opens")
    }

    pub fn try_open(&self) -> Result<(Journal, Recovery), OpenError> {
        Journal::open(&self.log(), self.options())
    }
}

pub fn options(folder: &Path) -> Options {
    let mut options = Options::new("bank/gateway-1", folder.join("key"));
    options.commit = CommitChoice::Fixed(CommitMode::Inline);
    options.segment_bytes = 64 * 1024;
    // Signed when closed or dropped, and at no other time.
    options.checkpoint_every = Duration::from_secs(3600);
    options
}

pub fn entry(n: u64) -> Vec<u8> {
    format!(r#"{{"v":1,"t_us":{n},"kind":"test.entry","n":{n}}}"#).into_bytes()
}

/// Runs a future on this thread.
pub fn wait<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .expect("a runtime")
        .block_on(future)
}

/// Appends entries and waits for them.
pub fn append(journal: &Journal, entries: impl IntoIterator<Item = Vec<u8>>) {
    let mut last = None;
    for entry in entries {
        last = Some(
            journal
                .append(|out| out.extend_from_slice(&entry))
                .expect("appends"),
        );
    }
    if let Some(ticket) = last {
        wait(journal.durable(ticket)).expect("durable");
    }
}

/// A copy of a folder, as a backup would be.
pub fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("makes a folder");
    for item in std::fs::read_dir(from).expect("reads a folder") {
        let item = item.expect("reads a folder");
        let target = to.join(item.file_name());
        if item.file_type().expect("has a type").is_dir() {
            copy(&item.path(), &target);
        } else {
            std::fs::copy(item.path(), target).expect("copies");
        }
    }
}

/// All files below a folder.
pub fn files(folder: &Path) -> Vec<PathBuf> {
    let mut all = Vec::new();
    for item in std::fs::read_dir(folder).expect("reads a folder") {
        let path = item.expect("reads a folder").path();
        if path.is_dir() {
            all.extend(files(&path));
        } else {
            all.push(path);
        }
    }
    all.sort();
    all
}
