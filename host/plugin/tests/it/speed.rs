//! What calls cost. The bounds are far above what was measured: they catch a lost cache or a
//! copy per cell, not a busy machine. Run with `--nocapture` to see the figures.

use std::time::{Duration, Instant};

use model::mask::Column;
use plugin::{ClassifyRequest, Kind, Plugins};
use serde_json::json;

use crate::classifying::facts;
use crate::components::{broken, cache, config, first_party, name, session, shape};

/// Returns the least time of a run of calls, per call.
fn least(runs: u32, calls: u32, mut call: impl FnMut()) -> Duration {
    let run = |call: &mut dyn FnMut()| {
        let began = Instant::now();
        (0..calls).for_each(|_| call());
        began.elapsed() / calls
    };
    (0..runs).map(|_| run(&mut call)).min().unwrap()
}

fn show(what: &str, took: Duration, bound: Duration) {
    std::io::Write::write_all(&mut std::io::stdout(), format!("{what}: {took:?}\n").as_bytes()).unwrap();
    assert!(took < bound, "{what} took {took:?}");
}

#[tokio::test]
async fn calls_cost_microseconds() {
    let configs = || {
        vec![
            config(
                "redact",
                Kind::Masker,
                first_party("redact"),
                json!({"pii.ssn": "keep-last-4"}),
            ),
            config(
                "upper",
                Kind::Masker,
                broken("masker"),
                json!({"behaviour": "upper"}),
            ),
            config("scan", Kind::Masker, first_party("pii-scan"), json!({})),
            config("risk", Kind::Classifier, first_party("sql-risk"), json!({})),
            config(
                "calm",
                Kind::Classifier,
                broken("classifier"),
                json!({"behaviour": "calm"}),
            ),
        ]
    };
    Plugins::load(configs(), Some(&cache())).await.unwrap();
    let began = Instant::now();
    let plugins = Plugins::load(configs(), Some(&cache())).await.unwrap();
    assert!(plugins.loaded().iter().all(|loaded| loaded.cached));
    show(
        "load of five plugins from the cache",
        began.elapsed(),
        Duration::from_secs(2),
    );

    let session = session();
    let facts = facts("select", model::OperationKind::Read, true);
    let request = ClassifyRequest {
        session: &session,
        statement: "select name, ssn from customers where id = $1",
        facts: &facts,
    };
    for classifier in ["calm", "risk"] {
        let names = [name(classifier)];
        let took = least(20, 500, || {
            plugins.classifiers().classify(&names, &request).unwrap();
        });
        show(&format!("classify, {classifier}"), took, Duration::from_millis(1));
    }

    let mut column = Column::default();
    (0..1000).for_each(|_| column.push(Some(b"078-05-1120")));
    for (masker, bound) in [("upper", 1), ("scan", 20)] {
        let active = plugins.maskers().plan(&[name(masker)], &shape(&[""])).unwrap();
        let mut cells = active.cells();
        let took = least(20, 50, || {
            cells.mask(1000, std::slice::from_ref(&column)).unwrap();
        });
        show(
            &format!("mask 1,000 cells, {masker}"),
            took,
            Duration::from_millis(bound),
        );
    }

    let names = [name("redact")];
    let mut seen = 0_u32;
    let took = least(10, 20, || {
        seen += 1;
        plugins
            .maskers()
            .plan(&names, &shape(&["pii.ssn", &format!("t{seen}")]))
            .unwrap();
    });
    show("plan of a new shape", took, Duration::from_millis(5));
    let known = shape(&["pii.ssn", ""]);
    let took = least(20, 500, || {
        plugins.maskers().plan(&names, &known).unwrap();
    });
    show("plan of a known shape", took, Duration::from_millis(1));
}
