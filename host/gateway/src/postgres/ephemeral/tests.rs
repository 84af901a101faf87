use model::grant::Terms;
use model::{ApprovalId, GrantId};

use super::*;
use crate::config::SslMode;

fn ephemeral() -> Arc<Ephemeral> {
    let admin = Target {
        host: "localhost".to_owned(),
        port: 5432,
        database: "customers".to_owned(),
        user: "gw".to_owned(),
        password: None,
        sslmode: SslMode::Disable,
        tls: None,
    };
    let resource = ResourceName::new("customers");
    Arc::new(Ephemeral::new(resource, "app_ro".to_owned(), admin))
}

fn names(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

fn refusal() -> OwnError {
    OwnError::Query {
        name: "a role's end",
        sqlstate: "2BP01".to_owned(),
        words: "role cannot be dropped because some objects depend on it".to_owned(),
    }
}

#[test]
fn a_sweep_takes_no_role_that_somebody_lives_under() {
    let ephemeral = ephemeral();
    ephemeral.lock().live.insert("gwe_1".to_owned());
    let role = Role {
        name: "gwe_1".to_owned(),
        target: Arc::new(ephemeral.admin.clone()),
        of: Arc::clone(&ephemeral),
    };
    let both = || names(&["gwe_1", "gwe_2"]);
    assert_eq!(ephemeral.due(both()), names(&["gwe_2"]));
    drop(role);
    assert_eq!(ephemeral.due(both()), both());
}

#[test]
fn a_role_that_the_server_keeps_refusing_to_drop_is_left() {
    let ephemeral = ephemeral();
    for _ in 0..TRIES_MAX {
        assert_eq!(ephemeral.due(names(&["gwe_1"])), names(&["gwe_1"]));
        ephemeral.refused("gwe_1", &refusal());
    }
    assert!(ephemeral.due(names(&["gwe_1"])).is_empty());
    // Somebody drops it by hand; what comes later under that name is another matter.
    assert!(ephemeral.due(Vec::new()).is_empty());
    assert_eq!(ephemeral.due(names(&["gwe_1"])), names(&["gwe_1"]));
}

#[test]
fn a_server_that_cannot_be_reached_makes_no_role_stuck() {
    let ephemeral = ephemeral();
    for _ in 0..=TRIES_MAX {
        ephemeral.refused("gwe_1", &OwnError::TimedOut);
    }
    assert_eq!(ephemeral.due(names(&["gwe_1"])), names(&["gwe_1"]));
}

#[test]
fn a_role_is_good_for_as_long_as_the_token_and_no_longer_than_the_grant() {
    let grant = |ends_us| Grant {
        id: GrantId::new(1, [0; 10]),
        principal: "https://idp|alice".to_owned(),
        delegation: Vec::new(),
        resource: ResourceName::new("customers"),
        terms: Terms {
            kinds: Default::default(),
            relations: Vec::new(),
            seconds: 60,
        },
        reason: String::new(),
        approval: ApprovalId::new(1, [0; 10]),
        begins_us: 0,
        ends_us,
        revoked: None,
        used_us: None,
    };
    assert_eq!(Ephemeral::until(1_000, None), 1_000);
    assert_eq!(Ephemeral::until(1_000, Some(&grant(2_000_000_000))), 1_000);
    assert_eq!(Ephemeral::until(1_000, Some(&grant(900_000_000))), 900);
    // PostgreSQL is told whole seconds; the gateway itself ends the session on time.
    assert_eq!(Ephemeral::until(1_000, Some(&grant(900_000_001))), 901);
}
