use super::*;

/// The example with an exporter that has these lines.
fn with_exporter(lines: &str) -> String {
    let pin = "0".repeat(64);
    format!(
        "{EXAMPLE}\n[[plugin]]\nname = \"siem\"\nkind = \"exporter\"\nsource = \"file:siem.wasm\"\nsha256 = \"{pin}\"\n{lines}"
    )
}

#[test]
fn every_grant_and_limit_of_a_plugin_is_read() {
    let text = with_exporter(
        "egress = [\"https://hec.corp:8088/\"]\nsecrets = { token = \"env:T\", key = \"env:K\" }\nreveal = [\"key\"]\n\
         allow_private = [\"10.20.0.0/16\"]\nca_file = \"corp.pem\"\nkv = \"1MiB\"\n\
         limits = { memory = \"128MiB\", deadline = \"5s\", instances = 2, calls = 500, log_lines = 7, faults = 3 }\n",
    );
    let config = parse(&text).expect("valid");
    let plugin = config.plugins.last().expect("the exporter");
    assert_eq!(plugin.egress, ["https://hec.corp:8088"]);
    assert_eq!(plugin.reveal, ["key"]);
    assert_eq!(plugin.allow_private, ["10.20.0.0/16"]);
    assert!(
        plugin
            .ca_file
            .as_ref()
            .is_some_and(|file| file.ends_with("corp.pem"))
    );
    assert_eq!(plugin.kv, Some(1 << 20));
    let limits = plugin.limits;
    assert_eq!((limits.memory, limits.deadline.as_secs()), (128 << 20, 5));
    assert_eq!((limits.instances, limits.calls, limits.log_lines), (2, 500, 7));

    let everywhere = parse(&with_exporter("allow_private = true\n")).expect("valid");
    let plugin = everywhere.plugins.last().expect("the exporter");
    assert_eq!(plugin.allow_private, ["0.0.0.0/0", "::/0"]);
    let nothing = parse(&with_exporter("")).expect("valid");
    let plugin = nothing.plugins.last().expect("the exporter");
    assert!(plugin.allow_private.is_empty() && plugin.egress.is_empty() && plugin.kv.is_none());
}

#[test]
fn a_bad_grant_or_limit_is_named() {
    for (lines, words) in [
        (
            "reveal = [\"other\"]",
            "plugin[siem].reveal[0]: is none of this plugin's secrets",
        ),
        (
            "allow_private = [\"10.20.0.0/99\"]",
            "plugin[siem].allow_private[0]",
        ),
        ("kv = \"1GiB\"", "plugin[siem].kv"),
        ("limits = { instances = 65 }", "plugin[siem].limits.instances"),
        ("limits = { instances = 0 }", "plugin[siem].limits.instances"),
        ("limits = { calls = 0 }", "plugin[siem].limits.calls"),
        ("limits = { log_lines = 100000 }", "plugin[siem].limits.log_lines"),
        ("egress = [\"https://a.example/path\"]", "plugin[siem].egress[0]"),
        ("egress = [\"https://user@a.example\"]", "plugin[siem].egress[0]"),
    ] {
        let faults = parse(&with_exporter(lines)).expect_err(lines);
        let told = faults.to_string();
        assert!(told.contains(words), "{lines}: {told}");
    }
    let masker = EXAMPLE.replacen("name   = \"redact\"", "name   = \"redact\"\nkv = \"1MiB\"", 1);
    let told = parse(&masker).expect_err("a masker with storage").to_string();
    assert!(
        told.contains("a masker has no network, no secrets and no storage"),
        "{told}"
    );
}

#[test]
fn a_component_in_a_registry_is_named_by_its_digest() {
    let digest = "a".repeat(64);
    let source = format!("oci://registry.corp:5000/gate/redact@sha256:{digest}");
    let config = parse(&EXAMPLE.replace("file:plugins/redact.wasm", &source)).expect("valid");
    let Some(Source::Registry(reference)) = config
        .plugins
        .iter()
        .map(|plugin| plugin.source.clone())
        .find(|source| source.file().is_none())
    else {
        panic!("{:?}", config.plugins);
    };
    assert_eq!(reference.digest(), Some(digest.as_str()));
}
