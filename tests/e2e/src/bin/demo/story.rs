//! How the story is told on a terminal.

use anyhow::{Result, ensure};
use e2e::client::Answer;

/// The story so far.
#[derive(Debug, Default)]
pub(crate) struct Story {
    steps: u32,
}

impl Story {
    /// Begins a step: what happens, in one sentence.
    pub(crate) fn step(&mut self, what: &str) {
        self.steps += 1;
        println!("\n{}. {what}", self.steps);
    }

    /// Tells something by the way.
    pub(crate) fn note(&self, text: &str) {
        text.lines().for_each(|line| println!("   {line}"));
    }

    /// Shows what the agent sent.
    pub(crate) fn sent(&self, text: &str) {
        println!("   agent sends    {text}");
    }

    /// Shows what the agent got.
    pub(crate) fn got(&self, answer: &Answer) {
        let lines = answer
            .rows
            .lines()
            .chain(answer.errors.lines().filter(|line| !line.starts_with("LOCATION")));
        lines.for_each(|line| println!("   agent gets     {line}"));
    }

    /// Shows what the journal holds.
    pub(crate) fn journaled(&self, text: &str) {
        println!("   journal        {text}");
    }

    /// Shows a command and what it printed, its first lines only.
    pub(crate) fn ran(&self, command: &str, printed: &str) {
        println!("   $ {command}");
        let mut lines = printed.lines().filter(|line| !line.trim().is_empty());
        lines
            .by_ref()
            .take(SHOWN_LINES_MAX)
            .for_each(|line| println!("     {line}"));
        let more = lines.count();
        if more > 0 {
            println!("     … and {more} lines more");
        }
    }

    /// Checks what the step claims.
    ///
    /// # Errors
    /// When it does not hold.
    pub(crate) fn claim(&self, claim: &str, holds: bool) -> Result<()> {
        ensure!(holds, "step {}: not so: {claim}", self.steps);
        println!("   ✓ {claim}");
        Ok(())
    }

    /// Ends the story.
    pub(crate) fn end(&self) {
        println!("\nAll {} steps did what they claim.", self.steps);
    }
}

/// How much of a command's output is shown: the story stays readable on one screen a step.
const SHOWN_LINES_MAX: usize = 12;
