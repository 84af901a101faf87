//! Measures the journal: entries per second and nanoseconds per entry.
//!
//! `cargo run -p journal --release --example append_rate [FOLDER]…`; without folders, `/dev/shm`
//! and the present one. A waiter appends an intent, waits until it is durable, and appends an
//! outcome that it does not wait for.

use std::path::Path;
use std::time::{Duration, Instant};

use journal::{CommitChoice, CommitMode, Journal, Options};

const ENTRY: &[u8] = &[b'x'; 480];
const OUTCOME: &[u8] = &[b'y'; 160];
const TIME: Duration = Duration::from_secs(2);

#[expect(clippy::print_stdout, reason = "its purpose")]
fn main() {
    let folders: Vec<_> = std::env::args().skip(1).collect();
    let folders = if folders.is_empty() {
        vec!["/dev/shm".to_owned(), ".".to_owned()]
    } else {
        folders
    };
    for folder in folders {
        for choice in [
            CommitChoice::Measured,
            CommitChoice::Fixed(CommitMode::Inline),
            CommitChoice::Fixed(CommitMode::Thread),
        ] {
            for (threads, waiters) in [(1, 1), (1, 16), (2, 16), (1, 64), (2, 64)] {
                let (operations, mode, latency) = measure(Path::new(&folder), choice, threads, waiters);
                println!(
                    "{folder:10} {choice:?} ({mode:?}) {threads} runtimes {waiters:2} waiters: \
                     {:8.0} entries/s, {:7.0} ns/entry, {latency:8.1?} per wait",
                    2.0 * operations / TIME.as_secs_f64(),
                    TIME.as_nanos() as f64 / (2.0 * operations),
                );
            }
        }
    }
}

fn measure(
    folder: &Path,
    choice: CommitChoice,
    threads: usize,
    waiters: usize,
) -> (f64, CommitMode, Duration) {
    let dir = tempfile::tempdir_in(folder).expect("a folder that can be written");
    let mut options = Options::new("rate", dir.path().join("key"));
    options.commit = choice;
    let (journal, _) = Journal::open(&dir.path().join("log"), options).expect("opens");
    let runs: Vec<_> = (0..threads)
        .map(|_| {
            let journal = journal.clone();
            std::thread::spawn(move || run(&journal, waiters / threads))
        })
        .collect();
    let operations: u64 = runs.into_iter().map(|run| run.join().expect("runs")).sum();
    let latency =
        TIME * u32::try_from(waiters).expect("few") / u32::try_from(operations.max(1)).expect("few");
    let mode = journal.commit_mode();
    journal.close().expect("closes");
    (operations as f64, mode, latency)
}

fn run(journal: &Journal, waiters: usize) -> u64 {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .expect("runtime");
    let local = tokio::task::LocalSet::new();
    local.block_on(&runtime, async {
        let end = Instant::now() + TIME;
        let tasks: Vec<_> = (0..waiters)
            .map(|_| tokio::task::spawn_local(wait(journal.clone(), end)))
            .collect();
        let mut operations = 0;
        for task in tasks {
            operations += task.await.expect("waits");
        }
        operations
    })
}

async fn wait(journal: Journal, end: Instant) -> u64 {
    let mut operations = 0;
    while Instant::now() < end {
        let ticket = journal
            .append(|out| out.extend_from_slice(ENTRY))
            .expect("appends");
        journal.durable(ticket).await.expect("durable");
        journal
            .append(|out| out.extend_from_slice(OUTCOME))
            .expect("appends");
        operations += 1;
    }
    operations
}
