use std::path::Path;
use std::time::Duration;

use super::*;
use crate::secret::SecretRef;

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

#[test]
fn the_example_of_the_manual_reads() {
    let folder = folder();
    let file = folder.path().join("tidegate.toml");
    let config = Config::parse(EXAMPLE, &file).expect("valid");
    assert_eq!(config.listen.postgres.port(), 5432);
    assert_eq!(config.state.journal, folder.path().join("var/journal"));
    assert_eq!(config.policy_files, [folder.path().join("policy/main.cedar")]);
    assert_eq!(
        config.masking_key,
        MaskingKey::Own(folder.path().join("var/masking.key"))
    );
    let resource = config.resource("customers").expect("configured");
    assert_eq!(resource.upstream.host, "db.internal");
    assert_eq!(resource.upstream.sslmode, SslMode::VerifyFull);
    assert_eq!(resource.login.user, "app_readonly");
    let plugin = config.plugin("redact").expect("configured");
    assert_eq!(plugin.source, folder.path().join("plugins/redact.wasm"));
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
  remedy: known here: postgres, admin, admin_tls, insecure_plaintext, http, ssh
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
  remedy: write source = "file:PATH"
tidegate.toml:24: plugin[redact].limits.memory: "lots" is not a size
  remedy: write a whole number and B, KiB, MiB or GiB, e.g. "64MiB"
tidegate.toml:25: plugin[redact].on_failure: no plugin can fail open
  remedy: use "close", or "redact" for a masker
tidegate.toml:26: plugin[redact].egress: a masker has no network and no secrets
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

/// What is written instead of what, and what is then said.
const BAD_VALUES: &[(&str, &str, &str)] = &[
    (
        "sslmode=verify-full",
        "sslmode=disable",
        "resource[customers].upstream: sslmode=disable sends",
    ),
    (
        "sslmode=verify-full",
        "sslmode=prefer",
        "falls back to clear text",
    ),
    (
        "kind     = \"postgres\"",
        "kind = \"ssh\"",
        "HTTP and SSH resources are not built yet",
    ),
    (
        "kind     = \"postgres\"",
        "kind = \"mysql\"",
        "\"mysql\" is not known",
    ),
    (
        "admin  ",
        "http = \"0.0.0.0:80\"\nadmin",
        "listen.http: the HTTP listener is not built yet",
    ),
    (
        "admin  ",
        "insecure_plaintext = true\nadmin",
        "would carry tokens in clear text",
    ),
    (
        "[tls]\ncertificate = \"tls/server.pem\"\nkey = \"tls/server.key\"",
        "",
        "needs TLS",
    ),
    (
        "sqlite:var/tidegate.db",
        "postgres://db/state",
        "a PostgreSQL state database is not built yet",
    ),
    (
        "file:var/recordings",
        "s3://bucket",
        "recordings in S3 are not built yet",
    ),
    (
        "https://idp.example.com",
        "http://idp.example.com",
        "keys fetched without TLS",
    ),
    (
        "audience = \"tidegate\"",
        "audience = []",
        "identity[corp].audience: is empty",
    ),
    (
        "audience = \"tidegate\"",
        "",
        "identity[corp].audience: is missing",
    ),
    (
        "groups   = \"groups\"",
        "algorithms = [\"HS256\"]",
        "would let anybody make tokens",
    ),
    (
        "groups   = \"groups\"",
        "kind = \"by_claim\"",
        "needs to know the claim",
    ),
    (
        "groups   = \"groups\"",
        "jwks = \"https://x\"",
        "is not a file of keys",
    ),
    (
        "[\"redact\"]",
        "[\"redcat\"]",
        "resource[customers].maskers[0]: there is no plugin \"redcat\"\n  remedy: did you mean \"redact\"?",
    ),
    ("[\"redact\"]", "[\"sql-risk\"]", "is a classifier, not a masker"),
    (
        "customers:public",
        "custmers:public",
        "there is no resource \"custmers\"\n  remedy: did you mean \"customers\"?",
    ),
    ("public.customers.ssn", "ssn", "is not a column"),
    (
        "file:plugins/redact.wasm",
        "oci://r/redact@sha256:00",
        "plugins from a registry are not built yet",
    ),
    ("64MiB", "64MB", "\"64MB\" is not a size"),
    ("20ms", "20 ms", "\"20 ms\" is not a duration"),
    ("\"close\"", "\"open\"", "no plugin can fail open"),
    ("sha256 = \"00", "sha256 = \"zz", "is not a SHA-256"),
    (
        "name   = \"sql-risk\"",
        "name = \"redact\"",
        "the name \"redact\" is taken",
    ),
    ("policy/*.cedar", "policy/*.cedra", "no file matches"),
    ("policy/*.cedar", "policy/other.cedar", "there is no file"),
    (
        "\"env:CUSTOMERS_PASSWORD\"",
        "\"vault:db\"",
        "vault: references are not built yet",
    ),
    ("name     = \"corp\"", "name = \"a/b\"", "is not a valid name"),
    (
        "maskers  =",
        "hold_for = \"20m\"\ndecide_within = \"10m\"\nmaskers =",
        "resource[customers].decide_within: ends before hold_for",
    ),
    (
        "maskers  =",
        "use_within = \"25h\"\nmaskers =",
        "resource[customers].use_within: 25h is out of range",
    ),
    (
        "maskers  =",
        "grant_for = \"2d\"\nmaskers =",
        "resource[customers].grant_for: ",
    ),
    (
        "maskers  =",
        "ephemeral = { template = \"none\", admin = { user = \"gw\" } }\nmaskers =",
        "resource[customers].ephemeral.template: \"none\" is no role to act as",
    ),
    (
        "maskers  =",
        "ephemeral = { template = \"gwe_x\", admin = { user = \"gw\" } }\nmaskers =",
        "\"gwe_x\" is no role to act as",
    ),
    (
        "maskers  =",
        "ephemeral = { template = \"app_ro\" }\nmaskers =",
        "resource[customers].ephemeral.admin: is missing",
    ),
    (
        "maskers  =",
        "ephemeral = { template = \"app_ro\", admin = { user = \"gw\", password = \"hunter2\" } }\nmaskers =",
        "resource[customers].ephemeral.admin.password: a secret must be a reference",
    ),
    (
        "maskers  =",
        "ephemeral = { templat = \"app_ro\", admin = { user = \"gw\" } }\nmaskers =",
        "resource[customers].ephemeral.templat: unknown key",
    ),
    (
        "maskers  =",
        "estimate = \"yes\"\nmaskers =",
        "resource[customers].estimate: expected true or false",
    ),
    (
        "maskers  =",
        "channels = [\"redact\"]\nmaskers =",
        "is a masker, not an approver",
    ),
];

#[test]
fn each_bad_value_is_named() {
    for &(from, to, expected) in BAD_VALUES {
        let text = faults(from, to);
        assert!(text.contains(expected), "{to}\n{text}");
        assert!(text.contains("remedy: "), "{text}");
    }
}

#[test]
fn a_resource_with_roles_of_sessions_needs_no_shared_login() {
    let ephemeral = "ephemeral = { template = \"app_ro\", admin = { user = \"gw\", password = \"env:GW\" } }";
    let admin = Login {
        user: "gw".to_owned(),
        password: Some(SecretRef::Env("GW".to_owned())),
    };
    let both = EXAMPLE.replace("maskers  =", &format!("{ephemeral}\nmaskers  ="));
    let config = parse(&both).expect("valid");
    let resource = config.resource("customers").expect("configured");
    assert_eq!(resource.login.user, "app_readonly");
    let expected = Ephemeral {
        template: "app_ro".to_owned(),
        admin: admin.clone(),
    };
    assert_eq!(resource.ephemeral, Some(expected));
    assert!(!resource.estimate, "nothing is planned unless asked for");

    let login = "login    = { user = \"app_readonly\", password = \"env:CUSTOMERS_PASSWORD\" }";
    let config = parse(&EXAMPLE.replace(login, ephemeral)).expect("valid");
    let resource = config.resource("customers").expect("configured");
    assert_eq!(resource.login, admin);
}

#[test]
fn a_resource_says_how_long_people_have_and_how_they_are_reached() {
    let resource = |keys: &str| {
        let approver = "[[plugin]]\nname = \"slack\"\nkind = \"approver\"\nsource = \"file:slack.wasm\"\n";
        let text = EXAMPLE.replace("maskers  =", &format!("{keys}\nmaskers  ="));
        let config = parse(&format!("{text}{approver}")).expect("valid");
        let resource = config.resource("customers").expect("configured");
        let times = [resource.hold_for, resource.decide_within, resource.use_within];
        (times.map(|time| time.as_secs() / 60), resource.channels.clone())
    };
    assert_eq!(resource(""), ([5, 30, 15], None));
    assert_eq!(resource("hold_for = \"60m\"").0, [60, 60, 15]);
    assert_eq!(resource("decide_within = \"2m\"").0, [2, 2, 15]);
    let all = "hold_for = \"1m\"\ndecide_within = \"8h\"\nuse_within = \"2h\"";
    assert_eq!(resource(all).0, [1, 480, 120]);
    let config = |keys: &str| parse(&EXAMPLE.replace("maskers  =", &format!("{keys}\nmaskers  =")));
    let grant_for = |keys: &str| {
        let config = config(keys).expect("valid");
        config
            .resource("customers")
            .expect("configured")
            .grant_for
            .as_secs()
    };
    assert_eq!((grant_for(""), grant_for("grant_for = \"24h\"")), (3_600, 86_400));
    assert_eq!(
        resource("channels = [\"slack\"]").1,
        Some(vec![PluginName::new("slack")])
    );
    assert_eq!(resource("channels = []").1, Some(Vec::new()));
}

/// The example with an approver, and this after it.
fn with_approver(text: &str) -> String {
    let pin = "0".repeat(64);
    format!(
        "{EXAMPLE}\n[[plugin]]\nname = \"slack\"\nkind = \"approver\"\nsource = \"file:slack.wasm\"\nsha256 = \"{pin}\"\n{text}"
    )
}

#[test]
fn a_channel_says_who_is_who() {
    let text = with_approver(
        "[[channel]]\nplugin = \"slack\"\ndetail = \"full\"\nseen_within = \"8h\"\n\
         users = { \"T1/U1\" = \"https://idp.example.com|auth0|7\" }\n",
    );
    let config = parse(&text).expect("valid");
    let [channel] = &config.channels[..] else {
        panic!("{:?}", config.channels);
    };
    assert_eq!((channel.plugin.as_str(), channel.detail), ("slack", Detail::Full));
    assert_eq!(channel.seen_within.as_secs(), 8 * 3_600);
    let user = &channel.users["T1/U1"];
    assert_eq!(user.identity, "corp");
    assert_eq!(
        (user.issuer.as_str(), user.subject.as_str()),
        ("https://idp.example.com", "auth0|7")
    );
    assert!(
        config
            .warnings
            .iter()
            .all(|warning| !warning.key.contains("slack")),
        "{:?}",
        config.warnings
    );
    let short = with_approver("[[channel]]\nplugin = \"slack\"\n");
    let config = parse(&short).expect("valid");
    let silent = ChannelConfig::silent(PluginName::new("slack"));
    assert_eq!(config.channels, [silent]);
}

#[test]
fn an_approver_through_which_nobody_can_answer_is_warned_of() {
    for text in ["", "[[channel]]\nplugin = \"slack\"\n"] {
        let config = parse(&with_approver(text)).expect("valid");
        let warned = config
            .warnings
            .iter()
            .filter(|warning| warning.key == "plugin[slack]");
        let [warning] = warned.collect::<Vec<_>>()[..] else {
            panic!("{:?}", config.warnings);
        };
        assert!(
            warning.problem.starts_with("nobody can answer through it"),
            "{warning}"
        );
    }
}

#[test]
fn each_bad_value_of_a_channel_is_named() {
    let twice = "[[channel]]\nplugin = \"slack\"\n[[channel]]\nplugin = \"slack\"\n";
    let long = format!(
        "plugin = \"slack\"\nusers = {{ \"{}\" = \"https://idp.example.com|a\" }}",
        "x".repeat(513)
    );
    for (keys, expected) in [
        ("detail = \"full\"", "channel[0].plugin: is missing"),
        ("plugin = \"redact\"", "is a masker, not an approver"),
        ("plugin = \"slak\"", "did you mean \"slack\"?"),
        ("plugin = \"slack\"\ndetail = \"all\"", "\"all\" is not known"),
        ("plugin = \"slack\"\nseen_within = \"25h\"", "25h is out of range"),
        (
            "plugin = \"slack\"\nusers = { U1 = \"https://other|a\" }",
            "is no principal of a configured",
        ),
        (
            "plugin = \"slack\"\nusers = { U1 = \"https://idp.example.com|\" }",
            "is no principal of a configured",
        ),
        (
            "plugin = \"slack\"\ngroups = {}",
            "channel[0].groups: unknown key",
        ),
        (&long, "a name of 513 bytes is nobody's"),
    ] {
        let text = rendered(&with_approver(&format!("[[channel]]\n{keys}\n")));
        assert!(text.contains(expected), "{keys}\n{text}");
    }
    let text = rendered(&with_approver(twice));
    assert!(text.contains("has a channel already"), "{text}");
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

const CONSOLE: &str = r#"
[console]
url = "https://tidegate.example.com"
identity = "corp"
client_id = "tidegate-console"
client_secret = "env:CONSOLE_SECRET"
scopes = ["groups"]
"#;

/// The example with a console, whose identity provider knows people.
fn with_console() -> String {
    let people = "groups   = \"groups\"\nkind = \"person\"";
    format!("{}{CONSOLE}", EXAMPLE.replace("groups   = \"groups\"", people))
}

#[test]
fn a_console_reads() {
    let console = parse(&with_console()).expect("valid").console.expect("a console");
    assert_eq!(console.url, "https://tidegate.example.com");
    assert!(console.is_secure());
    assert_eq!(console.client_id, "tidegate-console");
    assert_eq!(console.client_secret.to_string(), "env:CONSOLE_SECRET");
    assert_eq!(console.scopes, ["groups"]);
    let loopback = with_console().replace("https://tidegate.example.com", "http://127.0.0.1:8443/");
    let console = parse(&loopback).expect("valid").console.expect("a console");
    assert_eq!(console.url, "http://127.0.0.1:8443");
    assert!(!console.is_secure());
    assert_eq!(parse(EXAMPLE).expect("valid").console, None);
}

#[test]
fn each_bad_value_of_a_console_is_named() {
    for (from, to, expected) in [
        (
            "https://tidegate.example.com",
            "http://tidegate.example.com",
            "in clear text",
        ),
        (
            "https://tidegate.example.com",
            "https://u:p@x.example",
            "carries more than scheme",
        ),
        (
            "https://tidegate.example.com",
            "https://x.example/console",
            "carries more than scheme",
        ),
        ("https://tidegate.example.com", "tidegate", "is not a URL"),
        (
            "identity = \"corp\"",
            "identity = \"crop\"",
            "did you mean \"corp\"?",
        ),
        (
            "\"env:CONSOLE_SECRET\"",
            "\"hunter2\"",
            "a secret must be a reference",
        ),
        ("[\"groups\"]", "[\"openid groups\"]", "is not a scope"),
        (
            "\"tidegate-console\"",
            "\"tidegate\"",
            "is an audience of access tokens",
        ),
        ("kind = \"person\"", "kind = \"agent\"", "vouches for agents only"),
        (
            "kind = \"person\"",
            "kind = \"person\"\njwks = \"file:k\"",
            "has its keys from a file",
        ),
        ("admin    = \"127.0.0.1:8443\"", "", "has no listener"),
        ("client_id", "client", "console.client_id: is missing"),
    ] {
        assert!(with_console().contains(from), "{from}");
        let text = rendered(&with_console().replacen(from, to, 1));
        assert!(text.contains(expected), "{to}\n{text}");
        assert!(!text.contains("hunter2"), "{text}");
    }
}

/// The example with introspection.
fn with_introspection(more: &str) -> String {
    let asked = format!(
        "groups   = \"groups\"\nlogout_clients = [\"cli\"]\n\
         introspection = {{ client_id = \"gateway\", client_secret = \"env:GATEWAY_SECRET\"{more} }}"
    );
    EXAMPLE.replace("groups   = \"groups\"", &asked)
}

#[test]
fn introspection_reads() {
    let config = parse(&with_introspection("")).expect("valid");
    let asked = config.identities[0]
        .introspection
        .as_ref()
        .expect("introspection");
    assert_eq!(asked.client_secret.to_string(), "env:GATEWAY_SECRET");
    assert_eq!(
        (asked.every, asked.opaque, &asked.url),
        (Duration::from_secs(60), false, &None)
    );
    assert_eq!(config.identities[0].logout_clients, ["cli"]);
    let more = ", url = \"https://other.example.com/introspect\", every = \"10s\", opaque = true";
    let config = parse(&with_introspection(more)).expect("valid");
    let asked = config.identities[0]
        .introspection
        .as_ref()
        .expect("introspection");
    assert_eq!((asked.every, asked.opaque), (Duration::from_secs(10), true));
    let host = asked.url.as_ref().and_then(|url| url.host_str());
    assert_eq!(host, Some("other.example.com"));
    assert_eq!(parse(EXAMPLE).expect("valid").identities[0].introspection, None);
}

#[test]
fn each_bad_value_of_introspection_is_named() {
    for (more, expected) in [
        (
            ", url = \"http://idp.example.com/i\"",
            "would carry tokens in clear text",
        ),
        (
            ", url = \"http://127.0.0.1/i\"",
            "would carry tokens in clear text",
        ),
        (
            ", url = \"https://u:p@idp.example.com/i\"",
            "carries more than host",
        ),
        (", url = \"introspect\"", "is not a URL"),
        (", every = \"1s\"", "out of range"),
        (", every = \"2h\"", "out of range"),
        (", opaque = \"yes\"", "expected true or false"),
        (", on_failure = \"let in\"", "on_failure"),
    ] {
        let text = rendered(&with_introspection(more));
        assert!(text.contains(expected), "{more}: {text}");
    }
    let literal = rendered(&with_introspection("").replace("env:GATEWAY_SECRET", "hunter2"));
    assert!(
        literal.contains("must be a reference") && !literal.contains("hunter2"),
        "{literal}"
    );
    let file = with_introspection("").replace("logout_clients = [\"cli\"]", "jwks = \"file:jwks.json\"");
    let file = rendered(&file);
    assert!(file.contains("means nothing beside jwks"), "{file}");
    let second = format!(
        "{}\n[[identity]]\nname = \"other\"\nissuer = \"https://other.example.com\"\naudience = \"tidegate\"\n\
         introspection = {{ client_id = \"g\", client_secret = \"env:S\", opaque = true }}\n",
        with_introspection(", opaque = true")
    );
    let second = rendered(&second);
    assert!(
        second.contains("\"other\" is a second one with opaque tokens"),
        "{second}"
    );
}

#[test]
fn who_logs_out_of_the_console_logs_out_of_everything() {
    let config = parse(&with_console()).expect("valid");
    assert_eq!(config.identities[0].logout_clients, ["tidegate-console"]);
    assert!(
        parse(EXAMPLE).expect("valid").identities[0]
            .logout_clients
            .is_empty()
    );
}
