use plugin::{ClassifyRequest, FaultKind, Kind, PluginConfig, Plugins};
use serde_json::json;

use crate::components::{broken, config, load, name, session};

fn three_faults() -> Vec<PluginConfig> {
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
    vec![traps, calm]
}

async fn with_three_faults() -> Plugins {
    load(three_faults()).await
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

#[tokio::test]
async fn a_reload_takes_over_what_is_the_same_and_gives_the_quarantined_a_new_start() {
    let plugins = with_three_faults().await;
    for _ in 0..4 {
        assert!(outcome(&plugins, "traps").is_err());
    }
    let again = plugins.reload(three_faults(), None).await.unwrap();
    let kept: Vec<bool> = again.loaded().iter().map(|plugin| plugin.kept).collect();
    assert_eq!(kept, [false, true]);
    assert!(matches!(outcome(&again, "traps"), Err(FaultKind::Trap(_))));
    assert_eq!(
        outcome(&plugins, "traps"),
        Err(FaultKind::Quarantined),
        "the old set is as it was"
    );
}
