use std::path::{Path, PathBuf};

use plugin::signature::{sign, signatures_of};
use plugin::{Kind, Trust, TrustedKey, inspect, pack};
use serde_json::json;

use crate::components::{bare, bare_broken, config, first_party, lines, load, sha256, try_load};

/// Packs a component into a folder of its own.
async fn packed(source: &Path, folder: &Path) -> PathBuf {
    let (bytes, _) = pack(source, b"[]").await.unwrap();
    let path = folder.join("packed.wasm");
    std::fs::write(&path, bytes).unwrap();
    path
}

#[tokio::test]
async fn a_packed_component_says_what_it_is_without_being_run_and_loads() {
    let folder = tempfile::tempdir().unwrap();
    let found = inspect(&bare("redact")).unwrap();
    assert_eq!((found.kind, found.frozen), (Kind::Masker, None));

    let path = packed(&bare("redact"), folder.path()).await;
    let found = inspect(&path).unwrap();
    assert_eq!(found.kind, Kind::Masker);
    assert!(found.refused.is_empty(), "{:?}", found.refused);
    let manifest = found.frozen.unwrap().manifest;
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
        let path = packed(&bare(name), folder.path()).await;
        let once = std::fs::read(&path).unwrap();
        assert_eq!(inspect(&path).unwrap().frozen.unwrap().manifest.kind, kind);
        let (twice, _) = pack(&path, b"[]").await.unwrap();
        assert!(once == twice, "{name}");
    }
}

#[tokio::test]
async fn a_guest_that_can_not_say_what_it_is_is_not_packed() {
    for (guest, words) in [("describe_spins", "deadline"), ("describe_traps", "trap")] {
        let error = pack(&bare_broken(guest), b"[]")
            .await
            .map(|_| ())
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("describe failed") && error.contains(words),
            "{error}"
        );
    }
}

#[tokio::test]
async fn a_manifest_of_another_component_is_refused_at_the_load() {
    let folder = tempfile::tempdir().unwrap();
    let redact = std::fs::read(bare("redact")).unwrap();
    let scan = std::fs::read(bare("pii-scan")).unwrap();
    let (packed_scan, _) = pack(&bare("pii-scan"), b"[]").await.unwrap();
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

#[tokio::test]
async fn a_component_that_was_never_packed_is_not_run_to_learn_what_it_is() {
    let spins = config("spins", Kind::Masker, bare_broken("describe_spins"), json!({}));
    let began = std::time::Instant::now();
    let refused = try_load(vec![spins]).await.map(|_| ()).unwrap_err();
    assert!(lines(&refused).contains("was never packed: run `tidegate plugin pack"));
    assert!(began.elapsed() < std::time::Duration::from_secs(60));
}

const KEEPS: &str = r#"[
    {"name": "ssn", "config": {"pii.ssn": "keep-last-4"},
     "mask": {"field": {"name": "ssn", "tags": ["pii.ssn"]}, "plan": "keep-last 4"}},
    {"config": {"pii.ssn": "shout"}, "refuses": ["/pii.ssn"]}
]"#;

#[tokio::test]
async fn vectors_are_held_when_it_is_packed_and_at_each_load() {
    let folder = tempfile::tempdir().unwrap();
    let (bytes, _) = pack(&bare("redact"), KEEPS.as_bytes()).await.unwrap();
    let path = folder.path().join("redact.wasm");
    std::fs::write(&path, &bytes).unwrap();
    assert_eq!(inspect(&path).unwrap().frozen.unwrap().vectors.len(), 2);
    let redact = || config("redact", Kind::Masker, path.clone(), json!({"pii.*": "null"}));
    assert_eq!(load(vec![redact()]).await.loaded()[0].vectors.len(), 2);

    let wrong = KEEPS.replace("keep-last 4", "keep-last 5");
    let refused = pack(&bare("redact"), wrong.as_bytes())
        .await
        .map(|_| ())
        .unwrap_err();
    let told = "self-test vector 1 (ssn): expected the plan `keep-last 5`, got `keep-last 4`";
    assert_eq!(refused.to_string(), told);
    let taken = KEEPS.replace("shout", "null");
    let refused = pack(&bare("redact"), taken.as_bytes())
        .await
        .map(|_| ())
        .unwrap_err();
    assert!(
        refused.to_string().contains("the configuration is taken"),
        "{refused}"
    );

    // What was frozen is part of the file, not of the component: a byte of it can be another.
    let shift = bytes
        .windows(11)
        .position(|window| window == b"keep-last 4")
        .unwrap();
    let mut forged = bytes.clone();
    forged[shift + 10] = b'5';
    std::fs::write(&path, forged).unwrap();
    let refused = try_load(vec![redact()]).await.map(|_| ()).unwrap_err();
    assert!(lines(&refused).contains(told), "{}", lines(&refused));
}

#[tokio::test]
async fn vectors_of_cells_and_of_statements_name_what_came() {
    let cells = |gives: &str| {
        format!(
            r#"[{{"mask": {{"field": {{"name": "note"}}, "cells": ["mail ada@example.com", null], "gives": ["{gives}", null]}}}}]"#
        )
    };
    pack(&bare("pii-scan"), cells("mail [email]").as_bytes())
        .await
        .unwrap();
    let wrong = pack(&bare("pii-scan"), cells("mail x").as_bytes()).await;
    let told = wrong.map(|_| ()).unwrap_err().to_string();
    assert_eq!(
        told,
        r#"self-test vector 1: cell 1: expected "mail x", got "mail [email]""#
    );
    let judged = |score: u8| {
        format!(
            r#"[{{"classify": {{"statement": "select 1", "facts": {{"statements": []}}, "score": {score}}}}}]"#
        )
    };
    let wrong = pack(&bare("sql-risk"), judged(99).as_bytes()).await;
    let told = wrong.map(|_| ()).unwrap_err().to_string();
    assert!(told.contains("expected the score 99, got "), "{told}");
}

#[tokio::test]
async fn what_the_schema_forbids_is_refused_and_the_plugins_own_words_come_first() {
    let redact = config(
        "redact",
        Kind::Masker,
        first_party("redact"),
        json!({"pii.ssn": "shout"}),
    );
    let refused = try_load(vec![redact]).await.map(|_| ()).unwrap_err();
    assert_eq!(refused.len(), 1, "{}", lines(&refused));
    assert!(lines(&refused).contains("not a rule"), "{}", lines(&refused));
    let splunk = json!({"url": "https://siem.example.com", "token": "hunter2"});
    let splunk = config("splunk", Kind::Exporter, first_party("splunk-hec"), splunk);
    let refused = try_load(vec![splunk]).await.map(|_| ()).unwrap_err();
    assert!(lines(&refused).contains("config/token"), "{}", lines(&refused));
    assert!(!lines(&refused).contains("hunter2"), "{}", lines(&refused));
}
