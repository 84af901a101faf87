use super::*;

/// What is written instead of what, and what is then said.
const BAD_VALUES: &[(&str, &str, &str)] = &[
    (
        "sslmode=verify-full",
        "sslmode=disable",
        "resource[customers].upstream: sslmode=disable sends",
    ),
    (
        "[tls]\ncertificate",
        "[plugins]\nrequire_signature = true\n[tls]\ncertificate",
        "plugins.trusted_keys: is missing: no component could be loaded",
    ),
    (
        "sslmode=verify-full",
        "sslmode=prefer",
        "falls back to clear text",
    ),
    (
        "kind     = \"postgres\"",
        "kind = \"ssh\"",
        "resource[customers].host_keys: is missing: nobody would know the host from another",
    ),
    (
        "kind     = \"postgres\"",
        "kind = \"mysql\"",
        "\"mysql\" is not known",
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
        "it names no registry",
    ),
    (
        "file:plugins/redact.wasm",
        "oci://r.corp/redact:1.0",
        "names a tag, behind which anything may be tomorrow",
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
