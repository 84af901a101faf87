use std::time::Duration;

use super::*;

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
