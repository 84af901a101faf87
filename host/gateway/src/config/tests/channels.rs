use super::*;

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
