//! Maskers: a plan for each shape of result, then batches of cells.
//!
//! The host never believes a guest: every answer is checked before a byte of it is used, and an
//! answer that breaks a rule counts as a fault like a trap. A fault ends the result, or turns
//! the plugin's columns into NULL where the operator chose `redact`; it never lets a cell pass.

mod cells;
mod check;
mod plan;

use std::collections::{HashMap, VecDeque};
use std::hash::{Hash, Hasher};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use model::PluginName;
use model::mask::{Action, MaskFault, Plan, Planned, Shape};
use quick_cache::Equivalent;
use quick_cache::sync::Cache;
use wasmtime::Store;
use wasmtime::component::{ComponentType, Func, Instance as Linked, InstancePre, Lift, Lower};

use crate::bindings::masker::exports::tidegate::masker::masker as wit;
use crate::bindings::masker::tidegate::base::types::Error as WireError;
use crate::config::OnFailure;
use crate::fault::{FaultKind, GuestError, PluginFault};
use crate::pool::{Lease, Pool, World};
use crate::store::{MOVED_BYTES_MAX, State};

/// How long `make-plan` and `load-plan` may take each. The contract says so.
const PLAN_TIME: Duration = Duration::from_millis(250);

/// Plans loaded on one instance. The contract says so.
const PLANS_LOADED_MAX: usize = 256;

/// Plans kept. One takes a few kilobytes; an application has hundreds of statements.
const PLANS_KEPT: usize = 4096;

/// All loaded maskers, and the plans they made.
pub struct Maskers {
    plugins: HashMap<PluginName, Arc<Masker>>,
    plans: Cache<PlanKey, Arc<ActivePlan>>,
}

/// One masker.
pub(crate) struct Masker {
    pub(crate) pool: Pool<MaskerWorld>,
    pub(crate) on_failure: OnFailure,
}

/// What is called in an instance of a masker.
pub(crate) struct MaskerWorld {
    guest: wit::Guest,
    mask: Func,
    /// The plans it can execute, the last loaded last.
    loaded: VecDeque<u64>,
}

impl World for MaskerWorld {
    type Indices = (wit::GuestIndices, wasmtime::component::ComponentExportIndex);

    fn find(pre: &InstancePre<State>) -> wasmtime::Result<Self::Indices> {
        let absent = || wasmtime::format_err!("no function `mask` in `tidegate:masker/masker@0.1.0`");
        let component = pre.component();
        let interface = component
            .get_export_index(None, "tidegate:masker/masker@0.1.0")
            .ok_or_else(absent)?;
        let mask = component
            .get_export_index(Some(&interface), "mask")
            .ok_or_else(absent)?;
        Ok((wit::GuestIndices::new(pre)?, mask))
    }

    fn bind(
        (guest, mask): &Self::Indices,
        store: &mut Store<State>,
        linked: &Linked,
    ) -> wasmtime::Result<Self> {
        let mask = linked
            .get_func(&mut *store, mask)
            .ok_or_else(|| wasmtime::format_err!("`mask` is not a function"))?;
        Ok(Self {
            guest: guest.load(&mut *store, linked)?,
            mask,
            loaded: VecDeque::new(),
        })
    }
}

/// A plan for one shape: what the protocol does with each field, and whom it calls.
pub struct ActivePlan {
    /// What happens to each field.
    pub plan: Plan,
    /// The plugins with `call` fields, in configured order.
    callers: Vec<Caller>,
    /// How many fields are planned as `call`.
    calls: usize,
}

/// One plugin's part in a plan.
struct Caller {
    masker: Arc<Masker>,
    plan_id: u64,
    state: Vec<u8>,
    /// What the plugin gets, in the order of its own `call` fields.
    columns: Vec<Source>,
}

/// Where a plugin's column comes from.
#[derive(Clone, Copy, Debug)]
struct Source {
    /// The column among the `call` columns of the whole plan. `None`: another masker decides
    /// this field, and the plugin sees NULLs instead of its cells.
    column: Option<usize>,
    /// Whether new cells must be UTF-8.
    text: bool,
}

impl Maskers {
    pub(crate) fn new(plugins: HashMap<PluginName, Arc<Masker>>) -> Self {
        Self {
            plugins,
            plans: Cache::new(PLANS_KEPT),
        }
    }

    /// Returns the plan of these maskers, in configured order, for results of this shape.
    ///
    /// The strictest action stands for each field: deny, suppress, native, call, keep; among
    /// equals the first configured. A field with tags that ends up as keep is suppressed. Plans
    /// are kept, so this is cheap for a shape seen before; otherwise each masker is asked, for
    /// at most a quarter of a second.
    ///
    /// # Errors
    /// When a masker is not loaded, or fails and its operator chose `close`.
    pub fn plan(&self, names: &[PluginName], shape: &Shape) -> Result<Arc<ActivePlan>, MaskFault> {
        if let Some(plan) = self.plans.get(&PlanRef { names, shape }) {
            return Ok(plan);
        }
        let mut whole = true;
        let mut proposals = Vec::with_capacity(names.len());
        for name in names {
            let masker = self
                .plugins
                .get(name)
                .ok_or_else(|| mask_fault(&PluginFault::missing(name)))?;
            let proposal = masker.propose(shape);
            proposals.push(match (proposal, masker.on_failure) {
                (Ok(proposal), _) => (Arc::clone(masker), proposal),
                (Err(fault), OnFailure::Close) => return Err(mask_fault(&fault)),
                (Err(_), OnFailure::Redact) => {
                    whole = false;
                    (Arc::clone(masker), plan::Proposal::suppress_all(shape))
                }
            });
        }
        let plan = Arc::new(plan::combine(shape, proposals));
        if whole {
            let key = PlanKey {
                names: names.to_vec(),
                shape: shape.clone(),
            };
            self.plans.insert(key, Arc::clone(&plan));
        }
        Ok(plan)
    }
}

impl Masker {
    fn propose(&self, shape: &Shape) -> Result<plan::Proposal, PluginFault> {
        let mut lease = self.pool.take(PLAN_TIME)?;
        lease.begin(PLAN_TIME);
        let instance = &mut *lease;
        instance.store.set_hostcall_fuel(MOVED_BYTES_MAX);
        let answer = instance
            .world
            .guest
            .call_make_plan(&mut instance.store, &plan::to_wit(shape));
        let answer = lease.end(answer)?;
        match answer {
            Err(error) => Err(lease.fail(refused(error))),
            Ok(plan) => match plan::Proposal::read(plan, shape) {
                Err(rule) => Err(lease.fail(FaultKind::Contract(rule))),
                Ok(proposal) => {
                    lease.give_back();
                    Ok(proposal)
                }
            },
        }
    }

    /// Masks a batch. `bytes_out_max` bounds what the guest may move out.
    fn mask(
        &self,
        caller: &Caller,
        rows: u32,
        columns: &[WireColumn<'_>],
        bytes_out_max: usize,
    ) -> Result<(Lease<'_, MaskerWorld>, Vec<WireChange>), PluginFault> {
        let budget = self.pool.profile.limits.deadline;
        let mut lease = self.pool.take(budget)?;
        load(&mut lease, caller)?;
        lease.begin(budget);
        let instance = &mut *lease;
        // The same allowance holds for calls back into the host, e.g. its log.
        instance
            .store
            .set_hostcall_fuel(bytes_out_max.max(MOVED_BYTES_MAX));
        type Arguments<'a> = (u64, u32, &'a [WireColumn<'a>]);
        type Answer = (Result<Vec<WireChange>, WireError>,);
        let answer = instance
            .world
            .mask
            .typed::<Arguments<'_>, Answer>(&instance.store)
            .and_then(|mask| mask.call(&mut instance.store, (caller.plan_id, rows, columns)));
        match lease.end(answer)? {
            (Ok(changes),) => Ok((lease, changes)),
            (Err(error),) => Err(lease.fail(refused(error))),
        }
    }
}

/// Makes a plan ready on an instance, dropping the oldest one there if there are too many.
fn load(lease: &mut Lease<'_, MaskerWorld>, caller: &Caller) -> Result<(), PluginFault> {
    if lease.world.loaded.contains(&caller.plan_id) {
        return Ok(());
    }
    if lease.world.loaded.len() >= PLANS_LOADED_MAX
        && let Some(oldest) = lease.world.loaded.pop_front()
    {
        lease.begin(PLAN_TIME);
        let instance = &mut **lease;
        let dropped = instance.world.guest.call_drop_plan(&mut instance.store, oldest);
        lease.end(dropped)?;
    }
    lease.begin(PLAN_TIME);
    let instance = &mut **lease;
    let loaded = instance
        .world
        .guest
        .call_load_plan(&mut instance.store, caller.plan_id, &caller.state);
    if lease.end(loaded)?.is_err() {
        return Err(caller
            .masker
            .pool
            .blame(FaultKind::Contract("load-plan refused the plugin's own state")));
    }
    lease.world.loaded.push_back(caller.plan_id);
    Ok(())
}

/// A masker's error without its words: it sees what the log's readers may not.
fn refused(error: WireError) -> FaultKind {
    FaultKind::Refused(GuestError::from(error).without_words())
}

fn mask_fault(fault: &PluginFault) -> MaskFault {
    MaskFault {
        plugin: fault.plugin.clone(),
        reason: fault.kind.to_string(),
    }
}

fn next_plan_id() -> u64 {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    NEXT.fetch_add(1, Ordering::Relaxed)
}

/// A column on its way to a guest: lowered straight from the batch, without a copy of ours.
#[derive(Clone, Copy, ComponentType, Lower)]
#[component(record)]
struct WireColumn<'a> {
    data: &'a [u8],
    ends: &'a [u32],
    nulls: &'a [u8],
}

/// A column on its way back.
#[derive(ComponentType, Lift)]
#[component(record)]
struct WireCells {
    data: Vec<u8>,
    ends: Vec<u32>,
    nulls: Vec<u8>,
}

#[derive(ComponentType, Lift)]
#[component(record)]
struct WirePatch {
    rows: Vec<u32>,
    values: WireCells,
}

#[derive(ComponentType, Lift)]
#[component(variant)]
enum WireChange {
    #[component(name = "none")]
    None,
    #[component(name = "dense")]
    Dense(WireCells),
    #[component(name = "sparse")]
    Sparse(WirePatch),
    #[component(name = "all")]
    All(Vec<u8>),
    #[component(name = "all-null")]
    AllNull,
}

/// Under what a plan is kept: it depends on the maskers, which never change while they are
/// loaded, and on the shape alone.
#[derive(Clone, Eq, Hash, PartialEq)]
struct PlanKey {
    names: Vec<PluginName>,
    shape: Shape,
}

/// A key that is only looked up.
struct PlanRef<'a> {
    names: &'a [PluginName],
    shape: &'a Shape,
}

impl Hash for PlanRef<'_> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.names.hash(state);
        self.shape.hash(state);
    }
}

impl Equivalent<PlanKey> for PlanRef<'_> {
    fn equivalent(&self, key: &PlanKey) -> bool {
        self.names == key.names && *self.shape == key.shape
    }
}
