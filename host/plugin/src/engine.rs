//! The two engines and the clock that interrupts them.
//!
//! *compute* runs maskers and classifiers: synchronous calls, no network, nothing that could
//! wait. *io* runs exporters and approvers: asynchronous calls whose host side may wait. Both
//! are shared by all plugins of the process, since the slots of a pool are reserved up front
//! and type indices must never cross engines of one kind.

use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::thread;
use std::time::Duration;

use wasmtime::{
    Config, Enabled, Engine, EngineWeak, InstanceAllocationStrategy, OptLevel, PoolingAllocationConfig,
    WasmBacktraceDetails,
};

use crate::config::{Kind, MEMORY_BYTES_MAX};
use crate::store;

/// The length of one epoch. Deadlines are set in milliseconds, so finer would buy nothing, and
/// a thousand wake-ups a second cost well under one per cent of a core.
pub(crate) const TICK: Duration = Duration::from_millis(1);

/// Instances alive at once in each engine. 256 slots of 4 GiB are 1 TiB of address space, of
/// which nothing is memory until a guest touches it; INSTANCES_MAX is a quarter of it.
const SLOTS: u32 = 256;

/// Core instances of one component. A Rust guest has up to 4, Python with stubbed WASI 38.
const CORE_INSTANCES_PER_COMPONENT: u32 = 64;

/// Memories and tables of one component. Python has 1 and 2, QuickJS 3 and 3.
const MEMORIES_PER_COMPONENT: u32 = 4;

/// Memory kept resident in a freed slot, cleared by writing zeros: about what a Rust guest
/// touches, so that most instances never go back to the kernel.
const KEEP_RESIDENT_BYTES: usize = 1 << 20;

/// Wasm stack of one call. What Rust guests use is far below; it must leave the host room on
/// the fiber stack of the io engine, which is 2 MiB.
const WASM_STACK_BYTES: usize = 512 << 10;

/// Frames in a trap's backtrace. It is for the log: ten name the place.
const BACKTRACE_FRAMES: usize = 10;

/// The engines of this process.
pub(crate) struct Engines {
    pub(crate) compute: Engine,
    pub(crate) io: Engine,
}

impl Engines {
    /// Returns the process's engines, making them if no one holds them.
    ///
    /// # Errors
    /// When the machine gives no address space for the pools or no thread for the ticker.
    pub(crate) fn shared() -> wasmtime::Result<Arc<Self>> {
        static SHARED: Mutex<Weak<Engines>> = Mutex::new(Weak::new());
        let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(engines) = shared.upgrade() {
            return Ok(engines);
        }
        let engines = Arc::new(Self::new()?);
        *shared = Arc::downgrade(&engines);
        Ok(engines)
    }

    /// Returns the engine that runs plugins of this kind.
    pub(crate) const fn of(&self, kind: Kind) -> &Engine {
        if store::waits(kind) {
            &self.io
        } else {
            &self.compute
        }
    }

    fn new() -> wasmtime::Result<Self> {
        let compute = Engine::new(&base())?;
        let mut io = base();
        // Fibers are few here and carry secrets on their stacks.
        io.async_stack_zeroing(true);
        let io = Engine::new(&io)?;
        start_ticker(vec![compute.weak(), io.weak()])?;
        Ok(Self { compute, io })
    }
}

fn base() -> Config {
    let mut config = Config::new();
    config
        .allocation_strategy(InstanceAllocationStrategy::Pooling(pool()))
        .concurrency_support(false)
        .epoch_interruption(true)
        // Off because no guest needs it, and each has had advisories.
        .wasm_memory64(false)
        .wasm_relaxed_simd(false)
        // The same plan and cells give the same output on every machine.
        .cranelift_nan_canonicalization(true)
        .cranelift_opt_level(OptLevel::Speed)
        // Otherwise an environment variable decides.
        .wasm_backtrace_details(WasmBacktraceDetails::Disable)
        .wasm_backtrace_max_frames(std::num::NonZeroUsize::new(BACKTRACE_FRAMES))
        .max_wasm_stack(WASM_STACK_BYTES);
    config
}

fn pool() -> PoolingAllocationConfig {
    let mut pool = PoolingAllocationConfig::new();
    pool.total_component_instances(SLOTS)
        .total_core_instances(SLOTS * CORE_INSTANCES_PER_COMPONENT)
        .max_core_instances_per_component(CORE_INSTANCES_PER_COMPONENT)
        .total_memories(SLOTS)
        .max_memories_per_component(MEMORIES_PER_COMPONENT)
        .total_tables(SLOTS * MEMORIES_PER_COMPONENT)
        .max_tables_per_component(MEMORIES_PER_COMPONENT)
        .total_stacks(SLOTS)
        .max_memory_size(MEMORY_BYTES_MAX)
        .linear_memory_keep_resident(KEEP_RESIDENT_BYTES)
        .table_keep_resident(64 << 10)
        // Freed slots hold what guests saw: they go back to the kernel at once.
        .decommit_batch_size(1)
        .max_unused_warm_slots(SLOTS / 4)
        .pagemap_scan(Enabled::Auto);
    pool
}

/// Starts the thread that moves the epochs on until the engines are gone.
///
/// A thread of its own, because a runtime's timer stands still exactly when a guest spins.
fn start_ticker(engines: Vec<EngineWeak>) -> wasmtime::Result<()> {
    thread::Builder::new()
        .name("plugin-ticker".to_owned())
        .spawn(move || {
            loop {
                thread::sleep(TICK);
                let mut alive = false;
                for engine in engines.iter().filter_map(EngineWeak::upgrade) {
                    engine.increment_epoch();
                    alive = true;
                }
                if !alive {
                    return;
                }
            }
        })?;
    Ok(())
}
