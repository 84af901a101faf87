//! What a language's run time wants of WASI 0.2, and no more.
//!
//! Both engines offer an empty environment, an empty standard input, output of which the last
//! few kilobytes are kept, clocks and random numbers. Files and sockets are never linked.
//! On the compute engine nothing may wait and nothing differs from run to run: the clocks stand
//! still, the random numbers are always the same, and waiting ends the guest.

mod output;
mod still;

use std::time::Duration;

use wasmtime::component::{HasData, Linker, ResourceTable};
use wasmtime_wasi::cli::{WasiCli, WasiCliView};
use wasmtime_wasi::p2::bindings;
use wasmtime_wasi::random::{Deterministic, WasiRandom};
use wasmtime_wasi::{HostWallClock, WasiCtx, WasiCtxBuilder, WasiView};

pub(crate) use output::Tail;

use crate::store::State;

/// The most random bytes one call may ask for. Keys and seeds need tens.
const RANDOM_BYTES_MAX: u64 = 64 << 10;

/// The moment at which the clocks of compute guests stand: 2020-01-01, so that code which
/// rejects a clock before its own birth still runs.
const STILL: Duration = Duration::from_secs(1_577_836_800);

/// Interfaces of WASI that every kind may import.
pub(crate) const INTERFACES: [&str; 18] = [
    "wasi:cli/environment",
    "wasi:cli/exit",
    "wasi:cli/stderr",
    "wasi:cli/stdin",
    "wasi:cli/stdout",
    "wasi:cli/terminal-input",
    "wasi:cli/terminal-output",
    "wasi:cli/terminal-stderr",
    "wasi:cli/terminal-stdin",
    "wasi:cli/terminal-stdout",
    "wasi:clocks/monotonic-clock",
    "wasi:clocks/wall-clock",
    "wasi:io/error",
    "wasi:io/poll",
    "wasi:io/streams",
    "wasi:random/insecure",
    "wasi:random/insecure-seed",
    "wasi:random/random",
];

/// Makes the context of an instance on the compute engine.
pub(crate) fn still_context(tail: &Tail) -> WasiCtx {
    let mut builder = context(tail);
    builder
        .secure_random(Deterministic::new(vec![0x5A, 0xA5, 0x3C, 0xC3]))
        .insecure_random(Deterministic::new(vec![0x5A, 0xA5, 0x3C, 0xC3]))
        .insecure_random_seed(0x5AA5_3CC3)
        .wall_clock(StillClock);
    builder.build()
}

/// Makes the context of an instance on the io engine.
pub(crate) fn living_context(tail: &Tail) -> WasiCtx {
    context(tail).build()
}

fn context(tail: &Tail) -> WasiCtxBuilder {
    let mut builder = WasiCtx::builder();
    builder
        .stdout(tail.clone())
        .stderr(tail.clone())
        .max_random_size(RANDOM_BYTES_MAX)
        .allow_tcp(false)
        .allow_udp(false);
    builder
}

/// Links WASI for the compute engine.
pub(crate) fn link_still(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    link_common(linker)?;
    bindings::clocks::monotonic_clock::add_to_linker::<_, still::Still>(linker, still::of)?;
    bindings::sync::io::poll::add_to_linker::<_, still::Still>(linker, still::of)?;
    bindings::sync::io::streams::add_to_linker::<_, still::Still>(linker, still::of)
}

/// Links WASI for the io engine.
pub(crate) fn link_living(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    use wasmtime_wasi::clocks::{WasiClocks, WasiClocksView};
    link_common(linker)?;
    bindings::clocks::monotonic_clock::add_to_linker::<_, WasiClocks>(linker, State::clocks)?;
    bindings::io::poll::add_to_linker::<_, HasTable>(linker, table)?;
    bindings::io::streams::add_to_linker::<_, HasTable>(linker, table)
}

fn link_common(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    use bindings::{cli, clocks, io, random};
    use wasmtime_wasi::clocks::{WasiClocks, WasiClocksView};
    cli::environment::add_to_linker::<_, WasiCli>(linker, State::cli)?;
    cli::exit::add_to_linker::<_, WasiCli>(linker, State::cli)?;
    cli::stdin::add_to_linker::<_, WasiCli>(linker, State::cli)?;
    cli::stdout::add_to_linker::<_, WasiCli>(linker, State::cli)?;
    cli::stderr::add_to_linker::<_, WasiCli>(linker, State::cli)?;
    cli::terminal_input::add_to_linker::<_, WasiCli>(linker, State::cli)?;
    cli::terminal_output::add_to_linker::<_, WasiCli>(linker, State::cli)?;
    cli::terminal_stdin::add_to_linker::<_, WasiCli>(linker, State::cli)?;
    cli::terminal_stdout::add_to_linker::<_, WasiCli>(linker, State::cli)?;
    cli::terminal_stderr::add_to_linker::<_, WasiCli>(linker, State::cli)?;
    clocks::wall_clock::add_to_linker::<_, WasiClocks>(linker, State::clocks)?;
    io::error::add_to_linker::<_, HasTable>(linker, table)?;
    random::random::add_to_linker::<_, WasiRandom>(linker, |state| state.ctx().ctx.random())?;
    random::insecure::add_to_linker::<_, WasiRandom>(linker, |state| state.ctx().ctx.random())?;
    random::insecure_seed::add_to_linker::<_, WasiRandom>(linker, |state| state.ctx().ctx.random())
}

struct HasTable;

impl HasData for HasTable {
    type Data<'a> = &'a mut ResourceTable;
}

fn table(state: &mut State) -> &mut ResourceTable {
    state.ctx().table
}

struct StillClock;

impl HostWallClock for StillClock {
    fn resolution(&self) -> Duration {
        Duration::from_secs(1)
    }

    fn now(&self) -> Duration {
        STILL
    }
}
