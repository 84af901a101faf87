use plugin::{ClassifyRequest, FaultKind, Kind, Plugins};
use serde_json::json;

use crate::components::{broken, config, load, name, session};

async fn with_three_faults() -> Plugins {
    let mut traps = config(
        "traps",
        Kind::Classifier,
        broken("classifier"),
        json!({"behaviour": "traps"}),
    );
    traps.limits.faults = 3;
    let calm = config(
        "calm",
        Kind::Classifier,
        broken("classifier"),
        json!({"behaviour": "calm"}),
    );
    load(vec![traps, calm]).await
}

fn outcome(plugins: &Plugins, plugin: &str) -> Result<u8, FaultKind> {
    let session = session();
    let request = ClassifyRequest {
        session: &session,
        statement: "select 1",
        facts: r#"{"statements": []}"#,
    };
    plugins
        .classifiers()
        .classify(&[name(plugin)], &request)
        .map(|assessment| assessment.score)
        .map_err(|fault| fault.kind)
}

#[tokio::test]
async fn a_plugin_that_keeps_failing_is_left_alone_and_still_fails_closed() {
    let plugins = with_three_faults().await;
    for call in 0..3 {
        let fault = outcome(&plugins, "traps").unwrap_err();
        assert!(matches!(fault, FaultKind::Trap(_)), "{call}: {fault}");
    }
    for _ in 0..100 {
        assert_eq!(outcome(&plugins, "traps"), Err(FaultKind::Quarantined));
    }
    assert!(outcome(&plugins, "calm").is_ok(), "others are not touched");
}

#[tokio::test]
async fn a_new_load_begins_without_a_quarantine() {
    let plugins = with_three_faults().await;
    for _ in 0..4 {
        assert!(outcome(&plugins, "traps").is_err());
    }
    drop(plugins);
    let plugins = with_three_faults().await;
    assert!(matches!(outcome(&plugins, "traps"), Err(FaultKind::Trap(_))));
}
