use std::path::{Path, PathBuf};

use plugin::{Kind, inspect, pack};
use serde_json::json;

use crate::components::{broken, config, first_party, lines, load, try_load};

/// Packs a component into a folder of its own.
async fn packed(source: &Path, folder: &Path) -> PathBuf {
    let (bytes, _) = pack(source).await.unwrap();
    let path = folder.join("packed.wasm");
    std::fs::write(&path, bytes).unwrap();
    path
}

#[tokio::test]
async fn a_packed_component_says_what_it_is_without_being_run_and_loads() {
    let folder = tempfile::tempdir().unwrap();
    let bare = inspect(&first_party("redact")).unwrap();
    assert_eq!((bare.kind, bare.manifest), (Kind::Masker, None));

    let path = packed(&first_party("redact"), folder.path()).await;
    let found = inspect(&path).unwrap();
    assert_eq!(found.kind, Kind::Masker);
    assert!(found.refused.is_empty(), "{:?}", found.refused);
    let manifest = found.manifest.unwrap();
    assert_eq!(manifest.name, "redact");

    let redact = config("mine", Kind::Masker, path, json!({"pii.*": "null"}));
    let plugins = load(vec![redact]).await;
    assert_eq!(plugins.loaded()[0].manifest, manifest);
}

#[tokio::test]
async fn all_four_kinds_pack_and_packing_again_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    for (name, kind) in [
        ("pii-scan", Kind::Masker),
        ("sql-risk", Kind::Classifier),
        ("splunk-hec", Kind::Exporter),
        ("slack-approver", Kind::Approver),
    ] {
        let path = packed(&first_party(name), folder.path()).await;
        let once = std::fs::read(&path).unwrap();
        assert_eq!(inspect(&path).unwrap().manifest.unwrap().kind, kind);
        let (twice, _) = pack(&path).await.unwrap();
        assert!(once == twice, "{name}");
    }
}

#[tokio::test]
async fn a_guest_that_can_not_say_what_it_is_is_not_packed() {
    for (guest, words) in [("describe_spins", "deadline"), ("describe_traps", "trap")] {
        let error = pack(&broken(guest)).await.map(|_| ()).unwrap_err().to_string();
        assert!(
            error.contains("describe failed") && error.contains(words),
            "{error}"
        );
    }
}

#[tokio::test]
async fn a_manifest_of_another_component_is_refused_at_the_load() {
    let folder = tempfile::tempdir().unwrap();
    let redact = std::fs::read(first_party("redact")).unwrap();
    let scan = std::fs::read(first_party("pii-scan")).unwrap();
    let (packed_scan, _) = pack(&first_party("pii-scan")).await.unwrap();
    let path = folder.path().join("forged.wasm");
    std::fs::write(&path, [&redact[..], &packed_scan[scan.len()..]].concat()).unwrap();

    let forged = config("forged", Kind::Masker, path, json!({"pii.*": "null"}));
    let errors = try_load(vec![forged]).await.map(|_| ()).unwrap_err();
    let text = lines(&errors);
    assert!(text.contains("made for another component"), "{text}");
}
