use super::*;

fn terms(kinds: &[OperationKind], relations: &[&str]) -> Terms {
    Terms {
        kinds: kinds.iter().copied().collect(),
        relations: relations.iter().map(|name| (*name).to_owned()).collect(),
        seconds: 60,
    }
}

fn statement(kind: OperationKind, relations: &[(Option<&str>, &str)]) -> StatementFacts {
    StatementFacts {
        relations: relations
            .iter()
            .map(|(schema, name)| RelationUse {
                schema: schema.map(str::to_owned),
                name: (*name).to_owned(),
                access: Access::Read,
                tags: Vec::new(),
            })
            .collect(),
        ..StatementFacts::bare(kind)
    }
}

fn grant() -> Grant {
    Grant {
        id: GrantId::new(1, [0; 10]),
        principal: "https://idp|alice".to_owned(),
        delegation: Vec::new(),
        resource: ResourceName::new("customers"),
        terms: terms(&[OperationKind::Read], &[]),
        reason: String::new(),
        approval: ApprovalId::new(1, [0; 10]),
        begins_us: 100,
        ends_us: 200,
        revoked: None,
        used_us: None,
    }
}

#[test]
fn terms_without_an_end_or_without_a_kind_are_none() {
    use OperationKind::{Read, Session, Write};
    let of = |seconds| Terms {
        seconds,
        ..terms(&[Read], &[])
    };
    assert_eq!(of(0).checked(), Err(TermsError::Seconds));
    assert_eq!(of(GRANT_SECONDS_MAX + 1).checked(), Err(TermsError::Seconds));
    assert!(of(GRANT_SECONDS_MAX).checked().is_ok());
    // A duration that is left out or null is no duration without end.
    for text in [r#"{"kinds":["read"]}"#, r#"{"kinds":["read"],"seconds":null}"#] {
        assert!(serde_json::from_str::<Terms>(text).is_err(), "{text}");
    }
    assert_eq!(terms(&[], &[]).checked(), Err(TermsError::Kinds));
    assert_eq!(terms(&[Session, Write], &[]).checked(), Err(TermsError::Kinds));
}

#[test]
fn relations_are_bounded_and_stand_in_one_order() {
    let read = [OperationKind::Read];
    let many: Vec<String> = (0..=GRANT_RELATIONS_MAX).map(|n| format!("t{n}")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    assert_eq!(terms(&read, &many).checked(), Err(TermsError::ManyRelations));
    assert!(terms(&read, &many[1..]).checked().is_ok());
    let long = "t".repeat(GRANT_RELATION_BYTES_MAX + 1);
    for bad in ["", "a\nb", &long] {
        assert_eq!(terms(&read, &[bad]).checked(), Err(TermsError::Relation), "{bad}");
    }
    assert_eq!(
        terms(&read, &["b", "a", "b"]).checked(),
        terms(&read, &["a", "b"]).checked()
    );
}

#[test]
fn a_grant_covers_its_kinds_and_what_is_harmless() {
    use OperationKind::{Read, Schema, Session, Transaction, Write};
    let terms = terms(&[Read, Write], &[]);
    for kind in [Transaction, Session, Read, Write] {
        assert!(
            terms.cover(&Facts::of(statement(kind, &[(None, "t")]))),
            "{kind:?}"
        );
    }
    assert!(!terms.cover(&Facts::of(statement(Schema, &[(None, "t")]))));
    let mixed = Facts {
        statements: vec![statement(Read, &[]), statement(Schema, &[])],
        ..Facts::default()
    };
    assert!(!terms.cover(&mixed));
}

#[test]
fn a_grant_for_relations_covers_these_and_nothing_else() {
    use OperationKind::{Privilege, Read};
    let terms = terms(&[Read, Privilege], &["public.orders", "notes"]);
    let covers = |schema, name| terms.cover(&Facts::of(statement(Read, &[(schema, name)])));
    assert!(covers(Some("public"), "orders"));
    assert!(covers(None, "notes") && covers(Some("any"), "notes"));
    // Which schema it will be, nobody knows.
    assert!(!covers(None, "orders"));
    assert!(!covers(Some("other"), "orders") && !covers(Some("public"), "customers"));
    let both = [(Some("public"), "orders"), (Some("public"), "customers")];
    assert!(!terms.cover(&Facts::of(statement(Read, &both))));
    assert!(terms.cover(&Facts::of(statement(Read, &[]))));
    // ALTER ROLE names no relation.
    assert!(!terms.cover(&Facts::of(statement(Privilege, &[]))));
}

#[test]
fn asking_for_a_grant_is_an_operation_of_its_gravest_kind() {
    use OperationKind::{Read, Write};
    let facts = terms(&[Write, Read], &["public.orders", "notes"]).facts();
    assert_eq!(facts.kind(), Write);
    let [asking] = &facts.statements[..] else {
        panic!("{facts:?}");
    };
    assert_eq!((asking.verb.as_str(), asking.writes), ("grant", true));
    assert_eq!(asking.relations[0].schema.as_deref(), Some("public"));
    assert_eq!(asking.relations[1].name, "notes");
}

#[test]
fn a_grant_holds_from_its_beginning_to_its_end() {
    let grant = grant();
    assert!(!grant.holds_at(99) && grant.holds_at(100) && grant.holds_at(199) && !grant.holds_at(200));
    let revoked = Grant {
        revoked: Some((150, "https://idp|bob".to_owned())),
        ..grant
    };
    assert!(!revoked.holds_at(150));
}

#[test]
fn a_grant_is_not_shared_with_those_who_act_for_its_holder() {
    use crate::principal::{Actor, PrincipalKind};
    let alice = Principal {
        identity: "corp".to_owned(),
        issuer: "https://idp".to_owned(),
        subject: "alice".to_owned(),
        groups: Vec::new(),
        kind: PrincipalKind::Person,
        delegation: Vec::new(),
        client: None,
        token_id: None,
    };
    let through_agent = Principal {
        delegation: vec![Actor {
            issuer: None,
            subject: "agent-7".to_owned(),
        }],
        ..alice.clone()
    };
    let own = grant();
    assert!(own.is_of(&alice) && !own.is_of(&through_agent));
    let agents = Grant {
        delegation: through_agent.delegation_keys(),
        ..own
    };
    assert!(agents.is_of(&through_agent) && !agents.is_of(&alice));
}
