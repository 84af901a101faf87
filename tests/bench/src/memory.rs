//! How far a process's memory rises while something runs.

use std::fs;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result};

/// How often the memory is looked at: many times in the shortest of the selects.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// Runs `body`; returns what it returned, and by how many MiB the process's resident memory
/// rose above where it stood before, if a process is given.
pub(crate) fn rise_while<T>(pid: Option<u32>, body: impl FnOnce() -> Result<T>) -> Result<(T, Option<f64>)> {
    let Some(pid) = pid else {
        return Ok((body()?, None));
    };
    let before = resident_kib(pid)?;
    let is_over = AtomicBool::new(false);
    let (done, most) = thread::scope(|scope| {
        let watcher = scope.spawn(|| {
            let mut most = before;
            while !is_over.load(Ordering::Relaxed) {
                most = resident_kib(pid).unwrap_or(before).max(most);
                thread::sleep(LOOK_EVERY);
            }
            most
        });
        let done = body();
        is_over.store(true, Ordering::Relaxed);
        (done, watcher.join().unwrap_or(u32::MAX))
    });
    Ok((done?, Some(f64::from(most - before) / 1_024.0)))
}

fn resident_kib(pid: u32) -> Result<u32> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))
        .context("no VmRSS")?;
    Ok(line.trim().trim_end_matches(" kB").parse()?)
}
