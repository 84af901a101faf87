//! One instance's store: what its host functions know, and how a call is bounded.

use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};
use wasmtime::component::ResourceTable;
use wasmtime::{CallHook, Engine, Store, StoreContextMut, UpdateDeadline};
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};
use wasmtime_wasi_http::{WasiHttpCtx, WasiHttpCtxView, WasiHttpView};

use crate::config::Kind;
use crate::egress::Hooks;
use crate::engine::TICK;
use crate::host::Patterns;
use crate::limiter::Limiter;
use crate::profile::Profile;
use crate::wasi::{self, Tail};

/// Handles and resources an instance may hold. A guest of ours holds fewer than ten.
const HANDLES_MAX: usize = 1_000;

/// Bytes that one call, or one call back into the host, may move out of the guest, where its
/// own limit is not lower. The largest answer with a limit of its own is a manifest's 256 KiB;
/// the largest argument, 16 MiB for `hmac-sha256`, must fit.
pub(crate) const MOVED_BYTES_MAX: usize = 17 << 20;

/// What headers of one request or response may take, in memory rather than on the wire.
const HEADER_BYTES_MAX: usize = 64 << 10;

/// How long an io guest computes before other tasks of its thread get their turn.
const TURN_TICKS: u64 = 10;

/// How much longer than its budget a compute call may last while its thread gets no processor.
const STARVED_FACTOR: u32 = 10;

/// What the host functions of one instance work with.
pub(crate) struct State {
    pub(crate) profile: Arc<Profile>,
    pub(crate) limiter: Limiter,
    pub(crate) patterns: Patterns,
    pub(crate) tail: Tail,
    pub(crate) deadline: Instant,
    budget: Duration,
    /// The thread's processor time at the first look after half the budget.
    spent_at_half: Option<Duration>,
    host_since: Option<Instant>,
    pub(crate) host_time: Duration,
    wasi: WasiCtx,
    table: ResourceTable,
    http: WasiHttpCtx,
    hooks: Hooks,
}

impl WasiView for State {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView {
            ctx: &mut self.wasi,
            table: &mut self.table,
        }
    }
}

impl WasiHttpView for State {
    fn http(&mut self) -> WasiHttpCtxView<'_> {
        WasiHttpCtxView {
            hooks: &mut self.hooks,
            table: &mut self.table,
            ctx: &mut self.http,
        }
    }
}

/// Makes an empty store for an instance of the plugin.
pub(crate) fn new(engine: &Engine, profile: &Arc<Profile>) -> Store<State> {
    let waits = waits(profile.kind);
    let tail = Tail::default();
    let mut table = ResourceTable::new();
    table.set_max_capacity(HANDLES_MAX);
    let mut http = WasiHttpCtx::new();
    http.set_field_size_limit(HEADER_BYTES_MAX);
    let state = State {
        limiter: Limiter::new(profile.limits.memory_bytes),
        patterns: Patterns::default(),
        deadline: Instant::now(),
        budget: Duration::ZERO,
        spent_at_half: None,
        host_since: None,
        host_time: Duration::ZERO,
        wasi: if waits {
            wasi::living_context(&tail)
        } else {
            wasi::still_context(&tail)
        },
        tail,
        table,
        http,
        hooks: Hooks::new(profile.name.clone(), Arc::clone(&profile.policy)),
        profile: Arc::clone(profile),
    };
    let mut store = Store::new(engine, state);
    store.limiter(|state| &mut state.limiter);
    store.set_max_component_handles(HANDLES_MAX);
    store.set_hostcall_fuel(MOVED_BYTES_MAX);
    if waits {
        store.epoch_deadline_callback(|mut store| Ok(take_turns(store.data_mut())));
        store.call_hook(|mut store, hook| {
            count_host_time(&mut store, hook);
            Ok(())
        });
    } else {
        store.epoch_deadline_callback(|mut store| Ok(hold_to_budget(store.data_mut())));
    }
    store
}

/// Returns whether plugins of this kind run on the io engine.
pub(crate) const fn waits(kind: Kind) -> bool {
    matches!(kind, Kind::Approver | Kind::Exporter)
}

/// Gives the call that follows `budget` from now.
pub(crate) fn begin(store: &mut Store<State>, budget: Duration) {
    let waits = waits(store.data().profile.kind);
    let state = store.data_mut();
    state.deadline = Instant::now() + budget;
    state.budget = budget;
    state.spent_at_half = None;
    state.host_since = None;
    state.host_time = Duration::ZERO;
    state.hooks.set_deadline(state.deadline);
    store.set_epoch_deadline(if waits { TURN_TICKS } else { ticks(budget / 2) });
}

/// Lets an io guest go on after the other tasks had their turn, until its time is spent.
fn take_turns(state: &mut State) -> UpdateDeadline {
    if Instant::now() >= state.deadline {
        return UpdateDeadline::Interrupt;
    }
    UpdateDeadline::Yield(TURN_TICKS)
}

/// Ends a compute guest that has used its budget; called at half of it and at the end.
///
/// The clock on the wall alone would blame a guest for a thread that gets no processor: on a
/// busy machine that takes tens of milliseconds, and every such blame is a refused statement.
/// So the second half counts as spent when the thread has computed for most of it.
fn hold_to_budget(state: &mut State) -> UpdateDeadline {
    let half = state.budget / 2;
    let spent = thread_time();
    let Some(spent_at_half) = state.spent_at_half else {
        state.spent_at_half = Some(spent);
        return UpdateDeadline::Continue(ticks(half));
    };
    let used = spent.saturating_sub(spent_at_half);
    let starved_until = state.deadline + state.budget * (STARVED_FACTOR - 1);
    if used >= half * 3 / 4 || Instant::now() >= starved_until {
        return UpdateDeadline::Interrupt;
    }
    UpdateDeadline::Continue(ticks(half.saturating_sub(used)))
}

fn count_host_time(store: &mut StoreContextMut<'_, State>, hook: CallHook) {
    let state = store.data_mut();
    match hook {
        CallHook::CallingHost => state.host_since = Some(Instant::now()),
        CallHook::ReturningFromHost => {
            if let Some(since) = state.host_since.take() {
                state.host_time += since.elapsed();
            }
        }
        CallHook::CallingWasm | CallHook::ReturningFromWasm => {}
    }
}

fn thread_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(
        time.tv_sec.unsigned_abs(),
        time.tv_nsec.unsigned_abs().try_into().unwrap_or(0),
    )
}

/// Returns the epochs in `time`, at least one.
fn ticks(time: Duration) -> u64 {
    u64::try_from(time.as_nanos().div_ceil(TICK.as_nanos()))
        .unwrap_or(u64::MAX)
        .max(1)
}
