use std::path::{Path, PathBuf};

use plugin::signature::{sign, signatures_of};
use plugin::{Kind, Trust, TrustedKey, inspect, pack};
use serde_json::json;

use crate::components::{broken, config, first_party, lines, load, sha256, try_load};

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

#[tokio::test]
async fn where_a_signature_is_required_only_a_signed_component_loads() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("redact.wasm");
    std::fs::copy(first_party("redact"), &path).unwrap();
    let pair = rcgen::KeyPair::generate_for(&rcgen::PKCS_ED25519).unwrap();
    let key = TrustedKey::from_pem(pair.public_key_pem().as_bytes()).unwrap();
    let mut redact = config("redact", Kind::Masker, path.clone(), json!({"pii.*": "null"}));
    redact.trust = Trust {
        keys: vec![key],
        required: true,
    };
    let refused = try_load(vec![redact.clone()]).await.map(|_| ()).unwrap_err();
    assert!(lines(&refused).contains("a signature is required"));

    let signed = sign(pair.serialize_pem().as_bytes(), &sha256(&path), None).unwrap();
    std::fs::write(signatures_of(&path), signed).unwrap();
    load(vec![redact.clone()]).await;

    let mut bytes = std::fs::read(&path).unwrap();
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    std::fs::write(&path, bytes).unwrap();
    let refused = try_load(vec![redact]).await.map(|_| ()).unwrap_err();
    assert!(lines(&refused).contains("no signature of a trusted key"));
}
