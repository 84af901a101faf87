use super::*;
use crate::secret::SecretRef;

#[test]
fn a_resource_with_roles_of_sessions_needs_no_shared_login() {
    let ephemeral = "ephemeral = { template = \"app_ro\", admin = { user = \"gw\", password = \"env:GW\" } }";
    let admin = Login {
        user: "gw".to_owned(),
        password: Some(SecretRef::Env("GW".to_owned())),
    };
    let both = EXAMPLE.replace("maskers  =", &format!("{ephemeral}\nmaskers  ="));
    let config = parse(&both).expect("valid");
    let resource = postgres(&config);
    assert_eq!(resource.login.user, "app_readonly");
    let expected = Ephemeral {
        template: "app_ro".to_owned(),
        admin: admin.clone(),
    };
    assert_eq!(resource.ephemeral, Some(expected));
    assert!(!resource.estimate, "nothing is planned unless asked for");

    let login = "login    = { user = \"app_readonly\", password = \"env:CUSTOMERS_PASSWORD\" }";
    let config = parse(&EXAMPLE.replace(login, ephemeral)).expect("valid");
    let resource = postgres(&config);
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
