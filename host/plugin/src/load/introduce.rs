//! What a plugin says of itself and of its configuration, each on an instance of its own.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::spawn_blocking;
use tokio::time::timeout;
use wasmtime::Store;
use wasmtime::component::InstancePre;

use super::LoadProblem;
use crate::bindings::{plugin, plugin_async};
use crate::fault::{self, FaultKind};
use crate::manifest::{ISSUES_MAX, Issue, MANIFEST_BYTES_MAX, Manifest};
use crate::pool::CONFIGURE_TIME;
use crate::profile::Profile;
use crate::store::{self, MOVED_BYTES_MAX, State};

use plugin::exports::tidegate::base::plugin as wit;
use plugin_async::exports::tidegate::base::plugin as wit_async;

/// How long `describe` may take. The contract says so.
const DESCRIBE_TIME: Duration = Duration::from_millis(250);

/// Asks a plugin what it is. Done once, when it is packed.
pub(super) async fn describe(
    profile: &Arc<Profile>,
    pre: &InstancePre<State>,
) -> Result<Manifest, LoadProblem> {
    let kind = profile.kind;
    let manifest = if store::waits(kind) {
        let (mut store, guest) = started_async(profile, pre, DESCRIBE_TIME, "describe").await?;
        store.set_hostcall_fuel(MANIFEST_BYTES_MAX);
        let described = timeout(DESCRIBE_TIME, guest.call_describe(&mut store)).await;
        let described = described.map_err(|_| late("describe", DESCRIBE_TIME))?;
        let described = described.map_err(|error| failed(&store, "describe", &error, DESCRIBE_TIME))?;
        Manifest::plugin_async(kind, described)
    } else {
        let described = blocking(profile, pre, move |profile, pre| {
            let (mut store, guest) = started(profile, pre, DESCRIBE_TIME, "describe")?;
            store.set_hostcall_fuel(MANIFEST_BYTES_MAX);
            let described = guest.call_describe(&mut store);
            described.map_err(|error| failed(&store, "describe", &error, DESCRIBE_TIME))
        });
        Manifest::plugin(kind, described.await?)
    };
    manifest.check().map_err(|rule| LoadProblem::Failed {
        function: "describe",
        kind: FaultKind::Contract(rule),
    })?;
    Ok(manifest)
}

/// Lets a plugin check its configuration.
pub(super) async fn configure(
    profile: &Arc<Profile>,
    pre: &InstancePre<State>,
) -> Result<(), Vec<LoadProblem>> {
    let issues: Vec<Issue> = if store::waits(profile.kind) {
        configure_async(profile, pre).await
    } else {
        blocking(profile, pre, move |profile, pre| {
            let (mut store, guest) = started(profile, pre, CONFIGURE_TIME, "configure")?;
            store.set_hostcall_fuel(MOVED_BYTES_MAX);
            let configured = guest.call_configure(&mut store, &profile.config);
            let configured =
                configured.map_err(|error| failed(&store, "configure", &error, CONFIGURE_TIME))?;
            let issues = configured.err().unwrap_or_default();
            Ok(issues.into_iter().map(Issue::from).collect())
        })
        .await
    }
    .map_err(|problem| vec![problem])?;
    if issues.is_empty() {
        return Ok(());
    }
    let issues = issues.into_iter().take(ISSUES_MAX);
    Err(issues.map(LoadProblem::Config).collect())
}

async fn configure_async(
    profile: &Arc<Profile>,
    pre: &InstancePre<State>,
) -> Result<Vec<Issue>, LoadProblem> {
    let (mut store, guest) = started_async(profile, pre, CONFIGURE_TIME, "configure").await?;
    store.set_hostcall_fuel(MOVED_BYTES_MAX);
    let configured = timeout(CONFIGURE_TIME, guest.call_configure(&mut store, &profile.config)).await;
    let configured = configured.map_err(|_| late("configure", CONFIGURE_TIME))?;
    let configured = configured.map_err(|error| failed(&store, "configure", &error, CONFIGURE_TIME))?;
    let issues = configured.err().unwrap_or_default();
    Ok(issues.into_iter().map(Issue::from).collect())
}

/// Runs what may take a while on a thread that may block.
async fn blocking<T: Send + 'static>(
    profile: &Arc<Profile>,
    pre: &InstancePre<State>,
    act: impl FnOnce(&Arc<Profile>, &InstancePre<State>) -> Result<T, LoadProblem> + Send + 'static,
) -> Result<T, LoadProblem> {
    let (profile, pre) = (Arc::clone(profile), pre.clone());
    spawn_blocking(move || act(&profile, &pre))
        .await
        .map_err(|_| LoadProblem::Unfit("asking it failed".to_owned()))?
}

fn started(
    profile: &Arc<Profile>,
    pre: &InstancePre<State>,
    budget: Duration,
    function: &'static str,
) -> Result<(Store<State>, wit::Guest), LoadProblem> {
    let indices = wit::GuestIndices::new(pre).map_err(unfit)?;
    let mut store = store::new(pre.engine(), profile);
    store::begin(&mut store, budget);
    let linked = pre.instantiate(&mut store);
    let linked = linked.map_err(|error| failed(&store, function, &error, budget))?;
    let guest = indices.load(&mut store, &linked).map_err(unfit)?;
    Ok((store, guest))
}

async fn started_async(
    profile: &Arc<Profile>,
    pre: &InstancePre<State>,
    budget: Duration,
    function: &'static str,
) -> Result<(Store<State>, wit_async::Guest), LoadProblem> {
    let indices = wit_async::GuestIndices::new(pre).map_err(unfit)?;
    let mut store = store::new(pre.engine(), profile);
    store::begin(&mut store, budget);
    let linked = pre.instantiate_async(&mut store).await;
    let linked = linked.map_err(|error| failed(&store, function, &error, budget))?;
    let guest = indices.load(&mut store, &linked).map_err(unfit)?;
    Ok((store, guest))
}

fn unfit(error: wasmtime::Error) -> LoadProblem {
    LoadProblem::Unfit(format!("{error:#}"))
}

const fn late(function: &'static str, budget: Duration) -> LoadProblem {
    LoadProblem::Failed {
        function,
        kind: FaultKind::Deadline(budget),
    }
}

fn failed(
    store: &Store<State>,
    function: &'static str,
    error: &wasmtime::Error,
    budget: Duration,
) -> LoadProblem {
    let profile = &store.data().profile;
    // Nothing but the operator's own configuration has been in the guest yet.
    let output = store.data().tail.take();
    tracing::warn!(
        plugin = profile.name.as_str(),
        function,
        error = format!("{error:#}"),
        output,
        "plugin failed"
    );
    LoadProblem::Failed {
        function,
        kind: fault::of_call(error, budget),
    }
}
