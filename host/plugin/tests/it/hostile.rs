//! Every guest of `tests/guests` is stopped where its list says, with a clear fault, within its
//! time; an honest plugin beside it does not notice, and no cell gets out.

use std::time::{Duration, Instant};

use guests::{Expected, GUESTS, Guest};
use model::PluginName;
use model::mask::{Change, Column};
use plugin::{Ask, Batch, ClassifyRequest, Kind, Message, OnFailure, PluginConfig, Plugins};
use rustix::time::{ClockId, clock_gettime};
use serde_json::json;

use crate::components::{broken, column, config, lines, load, name, session, shape, try_load};

/// Time for one call of a compute guest.
const COMPUTE_TIME: Duration = Duration::from_millis(100);

/// Time for one call of an io guest.
const IO_TIME: Duration = Duration::from_millis(500);

/// What else a compute call may need: loading a plan is bounded by itself.
const LOAD_TIME: Duration = Duration::from_millis(250);

const CELL: &str = "078-05-1120";

/// More rows than fit two bytes of bits for NULL.
const ROWS: u32 = 20;

fn kind(guest: &Guest) -> Kind {
    match guest.kind {
        guests::Kind::Approver => Kind::Approver,
        guests::Kind::Classifier => Kind::Classifier,
        guests::Kind::Exporter => Kind::Exporter,
        guests::Kind::Masker => Kind::Masker,
    }
}

fn configured(guest: &Guest) -> PluginConfig {
    let json = serde_json::from_str(&guest.config()).unwrap();
    let mut config = config("guest", kind(guest), broken(guest.component), json);
    match config.kind {
        Kind::Masker | Kind::Classifier => config.limits.deadline = COMPUTE_TIME,
        Kind::Exporter | Kind::Approver => {
            config.limits.deadline = IO_TIME;
            config.grants.kv_bytes = Some(1 << 20);
        }
    }
    config
}

/// The honest plugins that stand beside each guest.
fn honest() -> Vec<PluginConfig> {
    let behaving = |kind, component: &str, behaviour: &str| {
        config(
            component,
            kind,
            broken(component),
            json!({"behaviour": behaviour}),
        )
    };
    vec![
        behaving(Kind::Masker, "masker", "upper"),
        behaving(Kind::Classifier, "classifier", "calm"),
        behaving(Kind::Exporter, "exporter", "sink"),
        behaving(Kind::Approver, "approver", "patient"),
    ]
}

fn stopped_at(expected: Expected) -> impl Iterator<Item = &'static Guest> {
    GUESTS.iter().filter(move |guest| guest.expected == expected)
}

fn cells() -> Column {
    column(&[Some(CELL); ROWS as usize])
}

fn batch() -> Batch {
    Batch {
        log: "journal".to_owned(),
        first_seq: 7,
        data: b"{\"v\":1}\n{\"v\":1}\n".to_vec(),
        ends: vec![8, 16],
        attempt: 0,
    }
}

/// Makes one call of the kind's work and returns what went wrong, in words.
async fn call(plugins: &Plugins, kind: Kind, plugin: &PluginName) -> Result<(), String> {
    let session = session();
    match kind {
        Kind::Masker => {
            let active = plugins
                .maskers()
                .plan(std::slice::from_ref(plugin), &shape(&["pii.ssn"]))
                .unwrap();
            let changes = active
                .cells()
                .mask(ROWS, &[cells()])
                .map_err(|fault| fault.to_string())?;
            let unmasked = |change: &Change| *change == Change::None;
            assert!(!changes.iter().any(unmasked), "nothing unmasked leaves");
            Ok(())
        }
        Kind::Classifier => {
            let request = ClassifyRequest {
                session: &session,
                statement: "select 1",
                facts: "{\"statements\": []}",
            };
            let judged = plugins
                .classifiers()
                .classify(std::slice::from_ref(plugin), &request);
            let assessment = judged.map_err(|fault| fault.to_string())?;
            assert!(
                assessment
                    .findings
                    .iter()
                    .all(|finding| finding.message.len() <= 500)
            );
            Ok(())
        }
        Kind::Exporter => {
            let exporter = plugins.exporter(plugin).unwrap();
            exporter
                .deliver(&batch())
                .await
                .map(|_| ())
                .map_err(|fault| fault.to_string())
        }
        Kind::Approver => {
            let approver = plugins.approver(plugin).unwrap();
            let ask = Ask {
                approval_id: "a-1",
                session: &session,
                title: "t",
                body_markdown: "b",
                score: 50,
                reviewers: &[],
                expires_ms: 1,
                url: "",
                callback_url: "",
            };
            approver.submit(&ask).await.map_err(|fault| fault.to_string())?;
            let message = Message {
                method: "POST".to_owned(),
                path: String::new(),
                headers: Vec::new(),
                body: Vec::new(),
            };
            approver
                .callback(&message)
                .await
                .map(|_| ())
                .map_err(|fault| fault.to_string())
        }
    }
}

async fn honest_ones_work(plugins: &Plugins) {
    for (kind, plugin) in [
        (Kind::Masker, "masker"),
        (Kind::Classifier, "classifier"),
        (Kind::Exporter, "exporter"),
        (Kind::Approver, "approver"),
    ] {
        assert_eq!(call(plugins, kind, &name(plugin)).await, Ok(()), "{plugin}");
    }
}

/// What the fault of a behaviour must be; others are violations of the contract.
fn fault_of(guest: &Guest) -> &'static str {
    match guest.behaviour {
        "spins" | "spins_in_load" | "spins_in_mask" | "log_flood" | "stderr_flood" => "deadline of ",
        "sleeps" if guest.kind == guests::Kind::Exporter => "deadline of ",
        "sleeps" => "wait",
        "grows_memory" => "memory",
        "exits_in_mask" => "trap: exit",
        "traps" | "traps_in_mask" | "recurses" | "whispers" => "trap: ",
        "fails" | "fails_in_mask" => "error internal",
        "scan_greedy" | "scan_without_end" => "error invalid-config",
        "steals_secrets" => "error unauthorized",
        "hoards" => "error invalid-input",
        "calls_out" => "error ",
        _ => "contract: ",
    }
}

/// The processor time of this thread: the clock on the wall also counts what a busy machine
/// gives to others.
fn thread_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec.unsigned_abs(), u32::try_from(time.tv_nsec).unwrap())
}

#[tokio::test]
async fn imports_beyond_the_world_refuse_the_load_and_are_named() {
    for guest in GUESTS {
        let Expected::Import(import) = guest.expected else {
            continue;
        };
        let Err(errors) = try_load(vec![configured(guest)]).await else {
            panic!("{} loaded", guest.component)
        };
        let text = lines(&errors);
        assert!(
            text.contains(&format!(" imports {import}")),
            "{}: {text}",
            guest.component
        );
    }
}

#[tokio::test]
async fn guests_that_fail_at_the_start_do_not_start() {
    for guest in stopped_at(Expected::Start) {
        let Err(errors) = try_load(vec![configured(guest)]).await else {
            panic!("{} {} started", guest.component, guest.behaviour)
        };
        let text = lines(&errors);
        // One that can't say what it is was never packed, and is not asked again.
        let why = if guest.component.starts_with("describe") {
            "was never packed"
        } else {
            "configure failed: "
        };
        assert!(
            text.contains(why),
            "{} {}: {text}",
            guest.component,
            guest.behaviour
        );
    }
}

#[tokio::test]
async fn guests_that_fail_at_a_plan_give_none() {
    for guest in stopped_at(Expected::Plan) {
        let mut redacting = configured(guest);
        redacting.name = name("redacting");
        redacting.on_failure = OnFailure::Redact;
        let plugins = load(
            honest()
                .into_iter()
                .chain([configured(guest), redacting])
                .collect(),
        )
        .await;
        let shape = shape(&["pii.ssn", ""]);
        let spent = thread_time();
        let fault = plugins
            .maskers()
            .plan(&[name("guest")], &shape)
            .map(|_| ())
            .expect_err(guest.behaviour);
        assert!(thread_time() - spent < 2 * LOAD_TIME, "{}", guest.behaviour);
        assert_eq!(fault.plugin, name("guest"));

        let active = plugins.maskers().plan(&[name("redacting")], &shape).unwrap();
        let suppressed = |planned: &model::mask::Planned| planned.action == model::mask::Action::Suppress;
        assert!(active.plan.actions.iter().all(suppressed), "{}", guest.behaviour);
        honest_ones_work(&plugins).await;
    }
}

#[tokio::test]
async fn guests_that_fail_in_a_call_are_contained() {
    for guest in stopped_at(Expected::Call) {
        let label = format!("{} {}", guest.component, guest.behaviour);
        let config = configured(guest);
        let (kind, deadline) = (config.kind, config.limits.deadline);
        let plugins = load(honest().into_iter().chain([config]).collect()).await;
        // Twice: a fault must not be what the next call suffers from.
        for _ in 0..2 {
            let (began, spent) = (Instant::now(), thread_time());
            let fault = call(&plugins, kind, &name("guest")).await.expect_err(&label);
            let spent = thread_time() - spent;
            assert!(spent < 2 * deadline + LOAD_TIME, "{label} computed for {spent:?}");
            assert!(
                began.elapsed() < 20 * deadline,
                "{label} took {:?}",
                began.elapsed()
            );
            assert!(fault.contains(fault_of(guest)), "{label}: {fault}");
            assert!(!fault.contains(CELL), "{label}: {fault}");
        }
        honest_ones_work(&plugins).await;
    }
}

#[tokio::test]
async fn a_redacting_masker_that_fails_shows_nulls_only() {
    for guest in stopped_at(Expected::Call).filter(|guest| guest.kind == guests::Kind::Masker) {
        let mut config = configured(guest);
        config.on_failure = OnFailure::Redact;
        let plugins = load(vec![config]).await;
        let active = plugins
            .maskers()
            .plan(&[name("guest")], &shape(&["pii.ssn"]))
            .unwrap();
        let changes = active.cells().mask(ROWS, &[cells()]).unwrap();
        assert_eq!(
            changes,
            [Change::AllNull],
            "{} {}",
            guest.component,
            guest.behaviour
        );
    }
}

#[tokio::test]
async fn guests_that_are_only_strange_work() {
    for guest in stopped_at(Expected::Works) {
        let config = configured(guest);
        let kind = config.kind;
        let plugins = load(vec![config]).await;
        // Often enough for one that never gives memory back to pass its limit several times.
        for _ in 0..200 {
            let done = call(&plugins, kind, &name("guest")).await;
            assert_eq!(done, Ok(()), "{} {}", guest.component, guest.behaviour);
        }
    }
}

#[tokio::test]
async fn what_a_guest_makes_of_its_configuration_ends_with_its_instance() {
    for guest in stopped_at(Expected::Instance) {
        let mut config = configured(guest);
        config.limits.invocations = 1;
        let plugins = load(vec![config]).await;
        for _ in 0..20 {
            let done = call(&plugins, Kind::Masker, &name("guest")).await;
            assert_eq!(done, Ok(()), "{}", guest.behaviour);
        }
    }
}

#[tokio::test]
async fn a_spinning_guest_holds_up_its_own_thread_only() {
    let spinning = config(
        "spins",
        Kind::Masker,
        broken("masker"),
        json!({"behaviour": "spins_in_mask"}),
    );
    let plugins = load(honest().into_iter().chain([spinning]).collect()).await;
    let plugins = std::sync::Arc::new(plugins);
    let beside = std::sync::Arc::clone(&plugins);
    let spinner = tokio::task::spawn_blocking(move || {
        let active = beside
            .maskers()
            .plan(&[name("spins")], &shape(&["pii.ssn"]))
            .unwrap();
        active
            .cells()
            .mask(ROWS, &[cells()])
            .map(|_| ())
            .unwrap_err()
            .reason
    });
    let mut calls = 0;
    while !spinner.is_finished() {
        assert_eq!(call(&plugins, Kind::Masker, &name("masker")).await, Ok(()));
        calls += 1;
        tokio::task::yield_now().await;
    }
    assert!(calls > 100, "{calls} calls while another guest was spinning");
    assert!(spinner.await.unwrap().starts_with("deadline"));
}
