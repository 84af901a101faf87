mod channels;
mod grants;
mod people;
mod resources;
mod values;

use std::path::Path;

use super::*;

/// The example of the manual, without what later versions bring.
const EXAMPLE: &str = r#"
[listen]
postgres = "0.0.0.0:5432"
admin    = "127.0.0.1:8443"

[tls]
certificate = "tls/server.pem"
key = "tls/server.key"

[state]
database   = "sqlite:var/tidegate.db"
journal    = "var/journal"
recordings = "file:var/recordings"

[[identity]]
name     = "corp"
issuer   = "https://idp.example.com"
audience = "tidegate"
groups   = "groups"

[[resource]]
name     = "customers"
kind     = "postgres"
upstream = "postgres://db.internal:5432/customers?sslmode=verify-full"
login    = { user = "app_readonly", password = "env:CUSTOMERS_PASSWORD" }
maskers  = ["redact"]
classifiers = ["sql-risk"]

[[tag]]
name    = "pii.ssn"
columns = ["customers:public.customers.ssn"]

[[plugin]]
name   = "redact"
kind   = "masker"
source = "file:plugins/redact.wasm"
sha256 = "0000000000000000000000000000000000000000000000000000000000000000"
config = { "pii.ssn" = "keep-last-4" }
limits = { memory = "64MiB", deadline = "20ms" }
on_failure = "close"

[[plugin]]
name   = "sql-risk"
kind   = "classifier"
source = "file:plugins/sql_risk.wasm"

[policy]
files = ["policy/*.cedar"]
"#;

fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::create_dir(folder.path().join("policy")).expect("created");
    std::fs::write(folder.path().join("policy/main.cedar"), "").expect("written");
    folder
}

fn parse(text: &str) -> Result<Config, ConfigFaults> {
    let folder = folder();
    Config::parse(text, &folder.path().join("tidegate.toml"))
}

/// Renders the faults of the example after `from` became `to`.
fn faults(from: &str, to: &str) -> String {
    assert!(EXAMPLE.contains(from), "{from} is in the example");
    rendered(&EXAMPLE.replacen(from, to, 1))
}

fn rendered(text: &str) -> String {
    let folder = folder();
    let file = folder.path().join("tidegate.toml");
    let faults = Config::parse(text, &file).expect_err("faults");
    faults
        .to_string()
        .replace(&format!("{}/", folder.path().display()), "")
}

/// What only PostgreSQL has of the example's resource.
fn postgres(config: &Config) -> &PostgresConfig {
    let resource = config.resource("customers").expect("configured");
    resource.postgres().expect("PostgreSQL")
}

#[test]
fn the_example_of_the_manual_reads() {
    let folder = folder();
    let file = folder.path().join("tidegate.toml");
    let config = Config::parse(EXAMPLE, &file).expect("valid");
    assert_eq!(config.listen.postgres.map(|address| address.port()), Some(5432));
    assert_eq!(config.state.journal, folder.path().join("var/journal"));
    assert_eq!(config.policy_files, [folder.path().join("policy/main.cedar")]);
    assert_eq!(
        config.masking_key,
        MaskingKey::Own(folder.path().join("var/masking.key"))
    );
    let resource = postgres(&config);
    assert_eq!(resource.upstream.host, "db.internal");
    assert_eq!(resource.upstream.sslmode, SslMode::VerifyFull);
    assert_eq!(resource.login.user, "app_readonly");
    let plugin = config.plugin("redact").expect("configured");
    assert_eq!(
        plugin.source.file(),
        Some(&*folder.path().join("plugins/redact.wasm"))
    );
    assert_eq!(plugin.config["pii.ssn"], "keep-last-4");
    assert_eq!(plugin.limits.memory, 64 << 20);
    assert_eq!(config.tags[0].columns[0].column, "ssn");
    assert_eq!(config.identities[0].kind, KindRule::Agent);
    // The classifier is not pinned.
    assert_eq!(config.warnings.len(), 1);
    assert_eq!(config.warnings[0].key, "plugin[sql-risk].sha256");
}

#[test]
fn every_fault_is_told_at_once_with_line_key_and_remedy() {
    let text = r#"
[listen]
postgres = "everywhere"
prot = 5432
[tls]
certificate = "server.pem"
[[identity]]
name = "corp"
issuer = "http://idp.example.com"
audience = 5
[[resource]]
name = "customers"
kind = "postgres"
upsteam = "postgres://db/customers"
login = { user = "app", password = "hunter2" }
maskers = ["redcat"]
[[tag]]
name = "pii.ssn"
columns = ["costumers:public.customers.ssn", "ssn"]
[[plugin]]
name = "redact"
kind = "masker"
source = "plugins/redact.wasm"
limits = { memory = "lots" }
on_failure = "open"
egress = ["https://example.com"]
[polcy]
files = []
"#;
    assert_eq!(
        rendered(text),
        r#"tidegate.toml: policy: is missing: everything would be refused
  remedy: add [policy] with files = ["policy/*.cedar"]
tidegate.toml:3: listen.postgres: "everywhere" is not an address with a port
  remedy: write an IP address and a port, e.g. "0.0.0.0:5432" or "[::]:5432"
tidegate.toml:4: listen.prot: unknown key
  remedy: known here: postgres, http, ssh, admin, admin_tls, insecure_plaintext
tidegate.toml:5: tls.key: is missing
  remedy: name the PEM file of the private key
tidegate.toml:9: identity[corp].issuer: keys fetched without TLS could be anybody's
  remedy: use an https:// issuer; http:// is for the loopback only
tidegate.toml:10: identity[corp].audience: expected a list of texts in [ ], found integer
  remedy: write a list of texts in [ ]
tidegate.toml:11: resource[customers].upstream: is missing
  remedy: write postgres://HOST:PORT/DATABASE?sslmode=verify-full
tidegate.toml:14: resource[customers].upsteam: unknown key
  remedy: did you mean "upstream"?
tidegate.toml:15: resource[customers].login.password: a secret must be a reference, not the secret itself
  remedy: write "env:NAME" or "file:PATH"
tidegate.toml:16: resource[customers].maskers[0]: there is no plugin "redcat"
  remedy: did you mean "redact"?
tidegate.toml:19: tag[pii.ssn].columns[0]: there is no resource "costumers"
  remedy: did you mean "customers"?
tidegate.toml:19: tag[pii.ssn].columns[1]: "ssn" is not a column
  remedy: write RESOURCE:SCHEMA.TABLE.COLUMN, spelt as in the catalog, with "" around parts that hold a dot
tidegate.toml:23: plugin[redact].source: is not a place of a plugin
  remedy: write source = "file:PATH", or source = "oci://REGISTRY/REPOSITORY@sha256:DIGEST"
tidegate.toml:24: plugin[redact].limits.memory: "lots" is not a size
  remedy: write a whole number and B, KiB, MiB or GiB, e.g. "64MiB"
tidegate.toml:25: plugin[redact].on_failure: no plugin can fail open
  remedy: use "close", or "redact" for a masker
tidegate.toml:26: plugin[redact].egress: a masker has no network, no secrets and no storage
  remedy: take this key out
tidegate.toml:27: polcy: unknown key
  remedy: did you mean "policy"?"#
    );
}

#[test]
fn broken_toml_is_told_with_its_line() {
    let text = rendered("[listen]\npostgres = \"0.0.0.0:5432\nadmin = 5\n[[");
    assert!(text.starts_with("tidegate.toml:2: not valid TOML:"), "{text}");
}

#[test]
fn a_secret_in_the_file_is_refused_and_never_repeated() {
    let text = faults("env:CUSTOMERS_PASSWORD", "hunter2");
    assert!(text.contains("a secret must be a reference"), "{text}");
    assert!(!text.contains("hunter2"), "{text}");
    let text = faults("postgres://db.internal", "postgres://app:hunter2@db.internal");
    assert!(text.contains("carries a user or a password"), "{text}");
    assert!(!text.contains("hunter2"), "{text}");
}

#[test]
fn plain_text_is_for_the_loopback() {
    let text = EXAMPLE
        .replace("0.0.0.0:5432", "127.0.0.1:0")
        .replace("admin ", "insecure_plaintext = true\nadmin ")
        .replace("[tls]", "")
        .replace("certificate = \"tls/server.pem\"", "")
        .replace("key = \"tls/server.key\"", "");
    assert!(parse(&text).expect("valid").tls.is_none());
}

#[test]
fn a_provider_is_taken_once() {
    let second = "[[identity]]\nname = \"b\"\nissuer = \"https://idp.example.com\"\naudience = \"x\"\n";
    let text = rendered(&format!("{EXAMPLE}{second}"));
    assert!(text.contains("the issuer of \"b\" is taken"), "{text}");
}

#[test]
fn a_missing_or_unreadable_file_is_a_fault() {
    let faults = Config::load(Path::new("there/is/no.toml")).expect_err("a fault");
    assert!(faults.to_string().contains("could not be opened"));
}

#[test]
fn an_empty_file_tells_what_is_needed() {
    let text = rendered("");
    for key in ["listen", "identity", "policy"] {
        assert!(
            text.contains(&format!("tidegate.toml: {key}: is missing")),
            "{text}"
        );
    }
}

#[test]
fn the_admin_listener_carries_tokens_so_it_is_encrypted_or_local() {
    let admin = "admin    = \"127.0.0.1:8443\"";
    let far = "admin    = \"0.0.0.0:8443\"";
    let refused = faults(admin, far);
    assert!(
        refused.contains("would carry tokens in clear text over 0.0.0.0:8443"),
        "{refused}"
    );
    let far = EXAMPLE.replacen(admin, &format!("{far}\nadmin_tls = true"), 1);
    assert!(parse(&far).expect("valid").listen.admin_tls);
    let no_listener = faults(admin, "admin_tls = true");
    assert!(
        no_listener.contains("admin_tls: has no listener"),
        "{no_listener}"
    );
    let without = far.replacen(
        "[tls]\ncertificate = \"tls/server.pem\"\nkey = \"tls/server.key\"",
        "",
        1,
    );
    let no_certificate = rendered(&without);
    assert!(
        no_certificate.contains("has no certificate to show"),
        "{no_certificate}"
    );
}

#[test]
fn no_resource_is_called_like_the_gateway_itself() {
    let refused = faults("name     = \"customers\"", "name     = \"tidegate\"");
    assert!(
        refused.contains("\"tidegate\" is the gateway itself"),
        "{refused}"
    );
}
