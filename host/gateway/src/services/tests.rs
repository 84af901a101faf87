use model::{Actor, PrincipalKind, SessionId, Verdict};
use proto::postgres::relay::Lookup;

use super::*;
use crate::config::Config;
use crate::gate::{Asker, Judging, Unknown};
use crate::ground::person;
use crate::serve::Gateway;

const CONFIG: &str = r#"
[listen]
postgres = "127.0.0.1:0"
insecure_plaintext = true
[[identity]]
name = "corp"
issuer = "https://idp"
audience = "tidegate"
jwks = "file:jwks.json"
[[identity]]
name = "partner"
issuer = "https://partner"
audience = "tidegate"
jwks = "file:jwks.json"
[[resource]]
name = "customers"
kind = "postgres"
upstream = "postgres://127.0.0.1:1/customers?sslmode=disable"
login = { user = "app" }
[[resource]]
name = "payroll"
kind = "postgres"
upstream = "postgres://127.0.0.1:1/payroll?sslmode=disable"
login = { user = "app" }
[policy]
files = ["main.cedar"]
"#;

/// Analysts read customers, unless an agent acts for them; nobody has any business with payroll.
const POLICY: &str = r#"
permit (principal in Group::"corp/analysts", action == Action::"execute", resource == Resource::"customers");
forbid (principal is Agent, action == Action::"execute", resource);
"#;

fn analyst() -> Principal {
    Principal {
        groups: vec!["analysts".to_owned()],
        ..person("alice")
    }
}

/// Whether somebody may run a statement on a resource.
fn runs(services: &Services, who: &Principal, resource: &str) -> bool {
    let upstream = services.upstream(resource).expect("a resource");
    let asker = Asker {
        session: SessionId::new(1, [1; 10]),
        principal: Arc::new(who.clone()),
        scope: services.scopes.number(who, &upstream.name),
    };
    let sql = b"select name from customers";
    let judged = services
        .gate
        .judge(&asker, &upstream, sql, Unknown::Refuse, |_| Lookup::Missing);
    match judged {
        Judging::Judged(judged) => matches!(judged.verdict, Verdict::Run { .. }),
        Judging::Unknown | Judging::Wait => panic!("it is judged at once"),
    }
}

#[tokio::test]
async fn what_was_judged_for_one_is_nobody_elses_nor_for_another_resource() {
    let folder = tempfile::tempdir().expect("a folder");
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).expect("written");
    write("jwks.json", "{\"keys\":[]}");
    write("main.cedar", POLICY);
    let config = Config::parse(CONFIG, &folder.path().join("tidegate.toml")).expect("valid");
    let gateway = Gateway::start(&config).await.expect("started");
    let services = &gateway.services;
    let without_the_group = person("alice");
    let through_an_agent = Principal {
        kind: PrincipalKind::Agent,
        delegation: vec![Actor {
            issuer: None,
            subject: "agent-7".to_owned(),
        }],
        ..analyst()
    };
    let of_another_provider = Principal {
        identity: "partner".to_owned(),
        issuer: "https://partner".to_owned(),
        ..analyst()
    };
    // The first round fills what is kept, the second finds it.
    for _ in 0..2 {
        assert!(runs(services, &analyst(), "customers"));
        assert!(!runs(services, &analyst(), "payroll"));
        for other in [&without_the_group, &through_an_agent, &of_another_provider] {
            assert!(!runs(services, other, "customers"), "{other:?}");
        }
    }
}
