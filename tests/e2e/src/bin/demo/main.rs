//! An agent's day: real clients, a real server and the built gateway, told as a story.
//!
//! Every step checks what it claims and ends the demo if that did not happen. Run through
//! `cargo xtask demo`, which builds what this needs.
#![expect(clippy::print_stdout, reason = "the story is what this program is for")]

mod evidence;
mod setting;
mod ssh;
mod story;
mod web;
mod work;

use std::process::ExitCode;

use anyhow::Result;

use setting::Setting;
use story::Story;

fn main() -> ExitCode {
    let once = std::env::args().any(|argument| argument == "--once");
    match play(once) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("\nThe demo did not do what it claims: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn play(once: bool) -> Result<()> {
    let mut story = Story::default();
    let setting = Setting::build(&mut story)?;
    work::agent_reads(&mut story, &setting)?;
    work::agent_is_refused(&mut story, &setting)?;
    work::agent_waits(&mut story, &setting)?;
    web::agent_asks(&mut story, &setting)?;
    web::agent_is_refused(&mut story, &setting)?;
    web::agent_waits(&mut story, &setting)?;
    ssh::agent_logs_in(&mut story, &setting)?;
    ssh::agent_looks(&mut story, &setting)?;
    ssh::agent_is_refused(&mut story, &setting)?;
    let session = evidence::journal_tells(&mut story, &setting)?;
    evidence::exporter_sends(&mut story, &setting)?;
    evidence::session_is_replayed(&mut story, &setting, &session)?;
    evidence::tampering_is_named(&mut story, &setting)?;
    story.end();
    if once {
        return Ok(());
    }
    setting.show_by_hand()?;
    wait_for_interrupt()
}

/// Waits for Ctrl-C or SIGTERM; what was started is stopped and removed by its owners.
fn wait_for_interrupt() -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let mut terminated = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
        tokio::select! {
            interrupted = tokio::signal::ctrl_c() => interrupted?,
            _ = terminated.recv() => {}
        }
        println!("\nStopping, and removing what was made.");
        Ok(())
    })
}
