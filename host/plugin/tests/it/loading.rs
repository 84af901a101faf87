use std::os::unix::fs::PermissionsExt;

use plugin::{Kind, Secret};
use serde_json::json;

use crate::components::{bare, broken, cache, config, first_party, lines, load, name, sha256, try_load};

async fn refusal(configs: Vec<plugin::PluginConfig>) -> String {
    match try_load(configs).await {
        Ok(_) => panic!("it loaded"),
        Err(errors) => lines(&errors),
    }
}

#[tokio::test]
async fn every_first_party_plugin_loads_and_describes_itself() {
    let plugins = load(vec![
        config(
            "redact",
            Kind::Masker,
            first_party("redact"),
            json!({"pii.*": "null"}),
        ),
        config("pii-scan", Kind::Masker, first_party("pii-scan"), json!({})),
        config("sql-risk", Kind::Classifier, first_party("sql-risk"), json!({})),
    ])
    .await;
    let names: Vec<_> = plugins
        .loaded()
        .iter()
        .map(|loaded| loaded.manifest.name.as_str())
        .collect();
    assert_eq!(names, ["redact", "pii-scan", "sql-risk"]);
}

#[tokio::test]
async fn a_pinned_file_loads_and_another_names_both_digests() {
    let source = first_party("redact");
    let mut pinned = config("redact", Kind::Masker, source.clone(), json!({}));
    pinned.sha256 = Some(sha256(&source));
    load(vec![pinned.clone()]).await;

    pinned.sha256 = Some([0xAB; 32]);
    let text = refusal(vec![pinned]).await;
    assert!(text.contains(&hex::encode(sha256(&source))), "{text}");
    assert!(text.contains(&"ab".repeat(32)), "{text}");
}

#[tokio::test]
async fn a_pin_is_checked_before_the_file_is_looked_into() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.wasm");
    std::fs::write(&path, b"\x7fELF junk").unwrap();
    let mut pinned = config("x", Kind::Masker, path, json!({}));
    pinned.sha256 = Some([0; 32]);
    let text = refusal(vec![pinned]).await;
    assert!(text.contains("is pinned"), "{text}");
}

#[tokio::test]
async fn files_that_are_no_components_are_told_apart() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, bytes: &[u8]| {
        let path = folder.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        config(name, Kind::Masker, path, json!({}))
    };
    let engine = wasmtime::Engine::default();
    let compiled = engine.precompile_component(b"\0asm\x0d\0\x01\0").unwrap();
    let huge = file("huge", b"\0asm\x0d\0\x01\0");
    let sized = std::fs::File::options().write(true).open(&huge.source).unwrap();
    sized.set_len(200 << 20).unwrap();
    let text = refusal(vec![
        file("compiled", &compiled),
        file("module", b"\0asm\x01\0\0\0"),
        file("text", b"hello"),
        file("cut", &std::fs::read(first_party("redact")).unwrap()[..5000]),
        file("empty", b"\0asm\x0d\0\x01\0"),
        huge,
        config("absent", Kind::Masker, folder.path().join("absent"), json!({})),
    ])
    .await;
    let expected = [
        ("\"compiled\"", "is compiled code"),
        ("\"module\"", "is a core WebAssembly module"),
        ("\"text\"", "is not a WebAssembly component"),
        ("\"cut\"", "is not a WebAssembly component"),
        (
            "\"empty\"",
            "masker \"empty\" does not export tidegate:base/plugin@0.1.0",
        ),
        ("\"huge\"", "is larger than 64 MiB"),
        ("\"absent\"", "No such file"),
    ];
    for (line, (plugin, problem)) in text.lines().zip(expected) {
        assert!(line.contains(plugin) && line.contains(problem), "{line}");
    }
    assert_eq!(text.lines().count(), expected.len());
}

/// A component with a module in it that nothing uses, and that takes seconds to compile.
fn slow(bare: &std::path::Path) -> Vec<u8> {
    let number = |mut value: usize| {
        let mut bytes = Vec::new();
        while value >= 0x80 {
            bytes.push(value as u8 | 0x80);
            value >>= 7;
        }
        bytes.push(value as u8);
        bytes
    };
    let sized = |bytes: &[u8]| [&number(bytes.len()), bytes].concat();
    // block; loop; local.get 0; local.get 0; i32.mul; local.tee 0; br_if 0; end; end
    let block = [
        2, 0x40, 3, 0x40, 0x20, 0, 0x20, 0, 0x6c, 0x22, 0, 0x0d, 0, 0x0b, 0x0b,
    ];
    let body = [&[0], block.repeat(20_000).as_slice(), &[0x20, 0, 0x0b]].concat();
    let module = [
        b"\0asm\x01\0\0\0".as_slice(),
        b"\x01\x06\x01\x60\x01\x7f\x01\x7f\x03\x02\x01\0\x0a",
        &sized(&[&[1], sized(&body).as_slice()].concat()),
    ];
    let component = std::fs::read(bare).unwrap();
    [component, vec![1], sized(&module.concat())].concat()
}

#[tokio::test]
async fn a_component_that_compiles_too_long_is_not_waited_for() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("slow.wasm");
    std::fs::write(&path, slow(&bare("redact"))).unwrap();
    let began = std::time::Instant::now();
    let packed = plugin::pack(&path, b"[]").await.expect("within two minutes").0;
    let compiling = began.elapsed();
    std::fs::write(&path, packed).unwrap();
    let mut slow = config("slow", Kind::Masker, path, json!({}));
    slow.limits.compile = std::time::Duration::from_millis(100);
    let began = std::time::Instant::now();
    let text = lines(
        &plugin::Plugins::load(vec![slow], None)
            .await
            .err()
            .expect("too long"),
    );
    assert!(text.contains("compiling it takes longer than 100ms"), "{text}");
    assert!(began.elapsed() < compiling, "{compiling:?}");
}

#[tokio::test]
async fn an_import_beyond_the_world_is_named() {
    let text = refusal(vec![config(
        "forbidden",
        Kind::Masker,
        broken("masker_http"),
        json!({}),
    )])
    .await;
    assert!(text.contains("masker \"forbidden\" imports wasi:http/"), "{text}");
    assert!(text.trim_end().ends_with("which maskers may not have"), "{text}");
}

#[tokio::test]
async fn a_component_of_another_kind_is_told_what_it_lacks() {
    let text = refusal(vec![config(
        "risk",
        Kind::Masker,
        first_party("sql-risk"),
        json!({}),
    )])
    .await;
    assert!(
        text.contains("masker \"risk\" does not export tidegate:masker/masker@0.1.0"),
        "{text}"
    );
}

#[tokio::test]
async fn all_faults_of_all_plugins_are_reported_at_once() {
    let mut limits = config("limits", Kind::Masker, first_party("redact"), json!([]));
    limits.limits.memory_bytes = 1;
    limits.limits.instances = 0;
    limits.grants.egress = vec!["https://a.example/x".to_owned()];
    limits.grants.secrets.insert("s".to_owned(), Secret::new("v"));
    let text = refusal(vec![
        limits,
        config(
            "rules",
            Kind::Masker,
            first_party("redact"),
            json!({"pii.ssn": "hide", "pii.name": 3}),
        ),
        config(
            "risk",
            Kind::Classifier,
            first_party("sql-risk"),
            json!({"scores": {"sql.drop": 101}}),
        ),
        config("risk", Kind::Classifier, first_party("sql-risk"), json!({})),
    ])
    .await;
    for expected in [
        "limits.memory",
        "limits.instances",
        "grant.egress",
        "a masker reaches nothing",
        "config: an object is expected",
        "config/pii.ssn",
        "config/pii.name",
        "config/scores/sql.drop",
        "another plugin has this name",
    ] {
        assert!(text.contains(expected), "{expected} is not in\n{text}");
    }
}

#[tokio::test]
async fn a_damaged_cache_is_compiled_anew_and_works() {
    let folder = tempfile::tempdir().unwrap();
    let redact = || vec![config("redact", Kind::Masker, first_party("redact"), json!({}))];
    let cached = async || {
        plugin::Plugins::load(redact(), Some(folder.path()))
            .await
            .unwrap()
            .loaded()[0]
            .cached
    };
    assert!(!cached().await);
    assert!(cached().await);
    for entry in std::fs::read_dir(folder.path()).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "cwasm") {
            let mut bytes = std::fs::read(&path).unwrap();
            let middle = bytes.len() / 2;
            bytes[middle] ^= 0x80;
            std::fs::write(&path, bytes).unwrap();
        }
    }
    assert!(!cached().await);
    assert!(cached().await);
    assert_eq!(
        std::fs::metadata(folder.path()).unwrap().permissions().mode() & 0o777,
        0o700
    );
}

#[tokio::test]
async fn a_cache_that_cannot_be_used_costs_time_only() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    std::fs::write(&file, b"").unwrap();
    let redact = config("redact", Kind::Masker, first_party("redact"), json!({}));
    let plugins = plugin::Plugins::load(vec![redact], Some(&file.join("cache")))
        .await
        .unwrap();
    assert_eq!(plugins.loaded()[0].name, name("redact"));
    assert!(cache().is_absolute());
}
