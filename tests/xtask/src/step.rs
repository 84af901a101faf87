//! Running one command of a task, and telling what runs and how long it took.

use std::process::Command;
use std::time::Instant;

use anyhow::{Context as _, Result, bail};

/// Announces a command, runs it with its output shown, and says how long it took.
///
/// # Errors
/// When it cannot be started or fails.
pub(crate) fn run(what: &str, command: &mut Command) -> Result<()> {
    eprintln!("\n==> {what}");
    let begun = Instant::now();
    let status = command
        .status()
        .with_context(|| format!("could not start {:?}", command.get_program()))?;
    if !status.success() {
        bail!("{what}: {status}");
    }
    eprintln!("    done in {} s", begun.elapsed().as_secs());
    Ok(())
}

/// Runs a command in silence and returns whether it succeeded.
pub(crate) fn holds(command: &mut Command) -> bool {
    command.output().is_ok_and(|done| done.status.success())
}

/// Runs a command in silence and returns the first line it wrote, if it succeeded.
pub(crate) fn line(command: &mut Command) -> Option<String> {
    let done = command.output().ok().filter(|done| done.status.success())?;
    Some(
        String::from_utf8_lossy(&done.stdout)
            .lines()
            .next()?
            .trim()
            .to_owned(),
    )
}
