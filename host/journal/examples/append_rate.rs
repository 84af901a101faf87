//! Measures the journal: entries per second and nanoseconds per entry.
//!
//! `cargo run -p journal --release --example append_rate [FOLDER]…`; without folders, `/dev/shm`
//! and the present one. A waiter appends an intent, waits until it is durable, and appends an
//! outcome that it does not wait for. In the last two lines each does besides, on the thread it
//! shares with others, about what a gateway does for a statement: who waits then comes one by
//! one and not all at once.

use std::path::Path;
use std::time::{Duration, Instant};

use journal::{CommitChoice, CommitMode, Journal, Options};

const ENTRY: &[u8] = &[b'x'; 480];
const OUTCOME: &[u8] = &[b'y'; 160];
const WORK: Duration = Duration::from_micros(80);
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
            for (threads, waiters, work) in [
                (1, 1, Duration::ZERO),
                (1, 16, Duration::ZERO),
                (2, 16, Duration::ZERO),
                (1, 64, Duration::ZERO),
                (2, 64, Duration::ZERO),
                (2, 16, WORK),
                (2, 64, WORK),
            ] {
                let load = Load {
                    threads,
                    waiters,
                    work,
                };
                let (operations, mode, latency) = measure(Path::new(&folder), choice, load);
                println!(
                    "{folder:10} {choice:?} ({mode:?}) {threads} runtimes {waiters:2} waiters {work:?}: \
                     {:8.0} entries/s, {:7.0} ns/entry, {latency:8.1?} per wait",
                    2.0 * operations / TIME.as_secs_f64(),
                    TIME.as_nanos() as f64 / (2.0 * operations),
                );
            }
        }
    }
}

#[derive(Clone, Copy)]
struct Load {
    threads: usize,
    waiters: usize,
    work: Duration,
}

fn measure(folder: &Path, choice: CommitChoice, load: Load) -> (f64, CommitMode, Duration) {
    let Load {
        threads,
        waiters,
        work,
    } = load;
    let dir = tempfile::tempdir_in(folder).expect("a folder that can be written");
    let mut options = Options::new("rate", dir.path().join("key"));
    options.commit = choice;
    let (journal, _) = Journal::open(&dir.path().join("log"), options).expect("opens");
    let follower = follow(&journal);
    let runs: Vec<_> = (0..threads)
        .map(|_| {
            let journal = journal.clone();
            std::thread::spawn(move || run(&journal, waiters / threads, work))
        })
        .collect();
    let operations: u64 = runs.into_iter().map(|run| run.join().expect("runs")).sum();
    let latency =
        TIME * u32::try_from(waiters).expect("few") / u32::try_from(operations.max(1)).expect("few");
    let mode = journal.commit_mode();
    journal.close().expect("closes");
    drop(journal);
    follower.join().expect("follows");
    (operations as f64, mode, latency)
}

/// Follows the size on a thread of its own, as an exporter does.
fn follow(journal: &Journal) -> std::thread::JoinHandle<()> {
    let mut sizes = journal.subscribe();
    let follow = move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .expect("runtime");
        runtime.block_on(async { while sizes.changed().await.is_ok() {} });
    };
    std::thread::Builder::new()
        .name("follower".to_owned())
        .spawn(follow)
        .expect("starts")
}

fn run(journal: &Journal, waiters: usize, work: Duration) -> u64 {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .expect("runtime");
    runtime.block_on(async {
        let end = Instant::now() + TIME;
        let tasks: Vec<_> = (0..waiters)
            .map(|_| tokio::spawn(wait(journal.clone(), work, end)))
            .collect();
        let mut operations = 0;
        for task in tasks {
            operations += task.await.expect("waits");
        }
        operations
    })
}

async fn wait(journal: Journal, work: Duration, end: Instant) -> u64 {
    let mut operations = 0;
    while Instant::now() < end {
        let worked = Instant::now() + work;
        while Instant::now() < worked {
            std::hint::spin_loop();
        }
        if !work.is_zero() {
            tokio::task::yield_now().await;
        }
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
