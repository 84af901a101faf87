//! The instances of one plugin, kept warm and handed out one call at a time.
//!
//! An instance that is out counts as poisoned: only a call that ended well, with an answer that
//! was checked, brings it back. Whatever else happens (a trap, a deadline, a dropped future, a
//! panic of ours) drops it with its store, and the next call makes a new one.

use std::ops::{Deref, DerefMut};
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::timeout_at;
use wasmtime::Store;
use wasmtime::component::{Instance as Linked, InstancePre};

use crate::bindings::{plugin, plugin_async};
use crate::fault::{self, FaultKind, PluginFault};
use crate::profile::Profile;
use crate::quarantine::Quarantine;
use crate::store::{self, State};

/// How long `configure` may take. The contract says so.
pub(crate) const CONFIGURE_TIME: Duration = Duration::from_secs(2);

/// Recycled when its memory passed this share of the limit: some run times never give back what
/// they returned, and a replacement costs microseconds where the limit costs a refused call.
const MEMORY_HIGH_WATER_PERCENT: usize = 75;

/// How far the number of calls before a recycling varies, so that the instances of a pool are
/// not all replaced at once.
const RECYCLE_JITTER_PERCENT: u64 = 20;

/// What a kind of plugin binds in each instance.
pub(crate) trait World: Sized + Send + 'static {
    /// Where its exports are in the component.
    type Indices: Send + Sync + 'static;

    /// Finds the exports.
    fn find(pre: &InstancePre<State>) -> wasmtime::Result<Self::Indices>;

    /// Binds them in an instance.
    fn bind(indices: &Self::Indices, store: &mut Store<State>, linked: &Linked) -> wasmtime::Result<Self>;
}

/// One live instance.
pub(crate) struct Instance<W> {
    pub(crate) store: Store<State>,
    pub(crate) world: W,
    calls: u64,
    calls_max: u64,
    _counted: Counted,
}

/// Counts an instance among the living as long as it is.
struct Counted(Arc<Profile>);

impl Counted {
    fn new(profile: &Arc<Profile>) -> Self {
        profile.meter.instances.increment(1);
        profile.meter.instances_made.increment(1);
        Self(Arc::clone(profile))
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.meter.instances.decrement(1);
    }
}

/// All instances of one plugin.
pub(crate) struct Pool<W: World> {
    pub(crate) profile: Arc<Profile>,
    pre: InstancePre<State>,
    indices: W::Indices,
    configure: Configure,
    slots: Mutex<Slots<W>>,
    freed: Condvar,
    quarantine: Quarantine,
    /// Who waits without blocking a thread: callers on the io engine.
    turns: Semaphore,
}

struct Slots<W> {
    idle: Vec<Instance<W>>,
    live: usize,
}

enum Configure {
    Sync(plugin::exports::tidegate::base::plugin::GuestIndices),
    Async(plugin_async::exports::tidegate::base::plugin::GuestIndices),
}

impl<W: World> Pool<W> {
    /// Makes an empty pool.
    ///
    /// # Errors
    /// When the component's exports have other types than the kind's world.
    pub(crate) fn new(profile: Arc<Profile>, pre: InstancePre<State>) -> wasmtime::Result<Self> {
        let configure = if store::waits(profile.kind) {
            Configure::Async(plugin_async::exports::tidegate::base::plugin::GuestIndices::new(
                &pre,
            )?)
        } else {
            Configure::Sync(plugin::exports::tidegate::base::plugin::GuestIndices::new(&pre)?)
        };
        // What was loaded before under this name may have been in quarantine.
        profile.meter.quarantined.set(0.0);
        Ok(Self {
            indices: W::find(&pre)?,
            configure,
            slots: Mutex::new(Slots {
                idle: Vec::new(),
                live: 0,
            }),
            freed: Condvar::new(),
            quarantine: Quarantine::new(profile.limits.faults, profile.limits.faults_within),
            turns: Semaphore::new(profile.limits.instances),
            profile,
            pre,
        })
    }

    /// Takes an instance for a call on the compute engine, the last one used first. Blocks the
    /// thread while all are out, at most for `wait`.
    pub(crate) fn take(&self, wait: Duration) -> Result<Lease<'_, W>, PluginFault> {
        self.admit()?;
        let until = Instant::now() + wait;
        let mut slots = self.slots.lock();
        let mut late = false;
        loop {
            if let Some(instance) = slots.idle.pop() {
                drop(slots);
                return Ok(Lease::new(self, instance, None));
            }
            if slots.live < self.profile.limits.instances {
                break;
            }
            if late {
                return Err(self.fault(FaultKind::Busy));
            }
            late = self.freed.wait_until(&mut slots, until).timed_out();
        }
        slots.live += 1;
        drop(slots);
        let slot = Slot(self);
        let instance = self.make()?;
        std::mem::forget(slot);
        Ok(Lease::new(self, instance, None))
    }

    /// Takes an instance for a call on the io engine; waits while all are out.
    pub(crate) async fn take_async(&self, wait: Duration) -> Result<Lease<'_, W>, PluginFault> {
        self.admit()?;
        let until = tokio::time::Instant::now() + wait;
        let turn = timeout_at(until, self.turns.acquire()).await;
        let Ok(Ok(turn)) = turn else {
            return Err(self.fault(FaultKind::Busy));
        };
        {
            let mut slots = self.slots.lock();
            if let Some(instance) = slots.idle.pop() {
                return Ok(Lease::new(self, instance, Some(turn)));
            }
            slots.live += 1;
        }
        let slot = Slot(self);
        let instance = self.make_async().await?;
        std::mem::forget(slot);
        Ok(Lease::new(self, instance, Some(turn)))
    }

    fn admit(&self) -> Result<(), PluginFault> {
        if self.quarantine.admits(Instant::now) {
            return Ok(());
        }
        Err(self.fault(FaultKind::Quarantined))
    }

    fn make(&self) -> Result<Instance<W>, PluginFault> {
        let Configure::Sync(configure) = &self.configure else {
            return Err(self.fault(FaultKind::Instantiate));
        };
        let mut store = store::new(self.pre.engine(), &self.profile);
        store::begin(&mut store, CONFIGURE_TIME);
        let (world, configure) = self
            .pre
            .instantiate(&mut store)
            .and_then(|linked| {
                let world = W::bind(&self.indices, &mut store, &linked)?;
                Ok((world, configure.load(&mut store, &linked)?))
            })
            .map_err(|error| self.not_made(&store, &error))?;
        let configured = configure.call_configure(&mut store, &self.profile.config);
        self.check_configured(&store, configured.map(|answer| answer.is_ok()))?;
        Ok(self.instance(store, world))
    }

    async fn make_async(&self) -> Result<Instance<W>, PluginFault> {
        let Configure::Async(configure) = &self.configure else {
            return Err(self.fault(FaultKind::Instantiate));
        };
        let mut store = store::new(self.pre.engine(), &self.profile);
        store::begin(&mut store, CONFIGURE_TIME);
        let (world, configure) = self
            .pre
            .instantiate_async(&mut store)
            .await
            .and_then(|linked| {
                let world = W::bind(&self.indices, &mut store, &linked)?;
                Ok((world, configure.load(&mut store, &linked)?))
            })
            .map_err(|error| self.not_made(&store, &error))?;
        let calling = configure.call_configure(&mut store, &self.profile.config);
        let Ok(configured) = tokio::time::timeout(CONFIGURE_TIME, calling).await else {
            return Err(self.blame(FaultKind::Deadline(CONFIGURE_TIME)));
        };
        self.check_configured(&store, configured.map(|answer| answer.is_ok()))?;
        Ok(self.instance(store, world))
    }

    fn instance(&self, store: Store<State>, world: W) -> Instance<W> {
        Instance {
            store,
            world,
            calls: 0,
            calls_max: jittered(self.profile.limits.invocations),
            _counted: Counted::new(&self.profile),
        }
    }

    fn check_configured(
        &self,
        store: &Store<State>,
        configured: wasmtime::Result<bool>,
    ) -> Result<(), PluginFault> {
        match configured {
            Ok(true) => Ok(()),
            Ok(false) => Err(self.blame(FaultKind::Contract("configure refused what it took before"))),
            Err(error) => Err(self.explain(store, &error, CONFIGURE_TIME)),
        }
    }

    fn not_made(&self, store: &Store<State>, error: &wasmtime::Error) -> PluginFault {
        match self.explain(store, error, CONFIGURE_TIME).kind {
            FaultKind::Contract(_) => self.fault(FaultKind::Instantiate),
            kind => PluginFault {
                plugin: self.profile.name.clone(),
                kind,
            },
        }
    }

    /// Makes a fault of wasmtime's error, and writes what is known of it into the log: nobody
    /// above has it.
    fn explain(&self, store: &Store<State>, error: &wasmtime::Error, budget: Duration) -> PluginFault {
        let kind = fault::of_call(error, budget);
        if self.profile.voice.may_speak(self.profile.limits.log_lines) {
            let plugin = self.profile.name.as_str();
            let output = if self.profile.words {
                store.data().tail.take()
            } else {
                String::new()
            };
            tracing::warn!(plugin, fault = %kind, error = format!("{error:#}"), output, "plugin failed");
        }
        self.blame(kind)
    }

    /// Makes a fault of the guest's, counts it, and leaves the plugin alone after too many.
    pub(crate) fn blame(&self, kind: FaultKind) -> PluginFault {
        if kind.is_the_guests() && self.quarantine.faulted(Instant::now()) {
            self.profile.meter.quarantined.set(1.0);
            let plugin = self.profile.name.as_str();
            let (faults, within) = (self.profile.limits.faults, self.profile.limits.faults_within);
            tracing::error!(plugin, faults, ?within, last = %kind, "plugin quarantined: it failed too often");
        }
        self.fault(kind)
    }

    fn recovered(&self) {
        if self.quarantine.recovered() {
            self.profile.meter.quarantined.set(0.0);
            tracing::info!(
                plugin = self.profile.name.as_str(),
                "plugin is back from quarantine"
            );
        }
    }

    /// Returns whether the plugin failed too often and is not called for a while.
    pub(crate) fn is_quarantined(&self) -> bool {
        self.quarantine.is_closed()
    }

    /// Makes a fault and counts it.
    pub(crate) fn fault(&self, kind: FaultKind) -> PluginFault {
        self.profile.meter.faulted(&kind);
        PluginFault {
            plugin: self.profile.name.clone(),
            kind,
        }
    }

    fn put(&self, instance: Instance<W>) {
        let memory = instance.store.data().limiter.bytes();
        let worn = instance.calls >= instance.calls_max
            || memory > self.profile.limits.memory_bytes / 100 * MEMORY_HIGH_WATER_PERCENT;
        self.profile.meter.holds(memory);
        if worn {
            self.profile.meter.instances_recycled.increment(1);
            drop(instance);
            self.lost();
            return;
        }
        self.slots.lock().idle.push(instance);
        self.freed.notify_one();
    }

    fn lost(&self) {
        self.slots.lock().live -= 1;
        self.freed.notify_one();
    }
}

/// Gives back the place of an instance that could not be made.
struct Slot<'p, W: World>(&'p Pool<W>);

impl<W: World> Drop for Slot<'_, W> {
    fn drop(&mut self) {
        self.0.lost();
    }
}

/// An instance that is out for one call or a few that belong together.
pub(crate) struct Lease<'p, W: World> {
    pool: &'p Pool<W>,
    /// There until the lease ends.
    instance: Option<Instance<W>>,
    began: Instant,
    budget: Duration,
    _turn: Option<SemaphorePermit<'p>>,
}

impl<'p, W: World> Lease<'p, W> {
    fn new(pool: &'p Pool<W>, instance: Instance<W>, turn: Option<SemaphorePermit<'p>>) -> Self {
        Self {
            pool,
            instance: Some(instance),
            began: Instant::now(),
            budget: Duration::ZERO,
            _turn: turn,
        }
    }

    /// Starts a call of at most `budget`.
    pub(crate) fn begin(&mut self, budget: Duration) {
        self.budget = budget;
        self.began = Instant::now();
        store::begin(&mut self.store, budget);
    }

    /// Ends the call with what wasmtime returned.
    ///
    /// # Errors
    /// When the guest did not return. The instance must then not be given back.
    pub(crate) fn end<R>(&mut self, returned: wasmtime::Result<R>) -> Result<R, PluginFault> {
        let profile = &self.pool.profile;
        profile.meter.called(self.began.elapsed());
        let budget = self.budget;
        if store::waits(profile.kind) {
            profile.meter.host_seconds.record(self.store.data().host_time);
        }
        self.calls += 1;
        returned.map_err(|error| self.pool.explain(&self.store, &error, budget))
    }

    /// Ends a call on the io engine that did not return in time.
    pub(crate) fn late(&self) -> PluginFault {
        self.pool.profile.meter.called(self.began.elapsed());
        self.pool.blame(FaultKind::Deadline(self.budget))
    }

    /// Makes a fault of this call; the instance goes back if it may.
    pub(crate) fn fail(mut self, kind: FaultKind) -> PluginFault {
        let fault = self.pool.blame(kind);
        if !fault.kind.is_fatal()
            && let Some(instance) = self.instance.take()
        {
            self.pool.put(instance);
        }
        fault
    }

    /// Gives the instance back after a call that ended well.
    pub(crate) fn give_back(mut self) {
        if let Some(instance) = self.instance.take() {
            self.pool.put(instance);
            self.pool.recovered();
        }
    }
}

impl<W: World> Deref for Lease<'_, W> {
    type Target = Instance<W>;

    fn deref(&self) -> &Instance<W> {
        self.instance
            .as_ref()
            .expect("an instance is there until the lease ends")
    }
}

impl<W: World> DerefMut for Lease<'_, W> {
    fn deref_mut(&mut self) -> &mut Instance<W> {
        self.instance
            .as_mut()
            .expect("an instance is there until the lease ends")
    }
}

impl<W: World> Drop for Lease<'_, W> {
    fn drop(&mut self) {
        if self.instance.take().is_some() {
            self.pool.lost();
        }
    }
}

fn jittered(calls: u64) -> u64 {
    let mut byte = [0];
    // Without randomness all pools recycle in step, which is slow and nothing worse.
    let _ = getrandom::fill(&mut byte);
    let spread = calls / 100 * RECYCLE_JITTER_PERCENT;
    (calls - spread + spread * 2 * u64::from(byte[0]) / 255).max(1)
}
