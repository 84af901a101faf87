use super::*;
use crate::principal::{Actor, PrincipalKind};

fn person(subject: &str) -> Principal {
    Principal {
        identity: "corp".to_owned(),
        issuer: "https://idp".to_owned(),
        subject: subject.to_owned(),
        groups: Vec::new(),
        kind: PrincipalKind::Person,
        delegation: Vec::new(),
        client: None,
        token_id: None,
    }
}

fn asked(quorum: &str) -> Approval {
    let requester = Principal {
        delegation: vec![Actor {
            issuer: None,
            subject: "agent-7".to_owned(),
        }],
        ..person("alice")
    };
    Approval {
        id: ApprovalId::new(1, [0; 10]),
        subject: Subject::Operation,
        content: ContentHash([7; 32]),
        requester: Arc::new(requester),
        resource: ResourceName::new("customers"),
        quorum: Quorum::parse(quorum).expect("a quorum"),
        waiting: None,
        asked_us: 0,
        decide_by_us: 100,
        use_within_us: 50,
        approved_us: None,
        standing: Standing::Pending,
        revision: 0,
        votes: Vec::new(),
        used_by: None,
    }
}

fn vote(by: &str, groups: &[&str], agrees: bool) -> Vote {
    Vote {
        by: format!("https://idp|{by}"),
        groups: groups.iter().map(|group| (*group).to_owned()).collect(),
        agrees,
        comment: String::new(),
        at_us: 0,
        channel: "api".to_owned(),
    }
}

fn operation() -> OperationId {
    OperationId::new(2, [1; 10])
}

#[test]
fn one_yes_is_enough_where_one_is_asked_for_and_it_is_used_once() {
    let mut approval = asked("1");
    assert_eq!(approval.vote(vote("bob", &[], true), 10), Ok(Standing::Approved));
    let content = approval.content;
    assert!(approval.consume(&content, operation(), 20).is_ok());
    assert_eq!(approval.standing, Standing::Used);
    let again = approval.consume(&content, operation(), 21);
    assert!(again.is_err_and(|refusal| refusal.message.contains("used already")));
}

#[test]
fn nobody_answers_for_themselves_nor_for_whoever_they_act_for() {
    for own in ["alice", "agent-7"] {
        let mut approval = asked("1");
        assert_eq!(
            approval.vote(vote(own, &[], true), 10),
            Err(VoteError::Own),
            "{own}"
        );
        assert_eq!(approval, asked("1"));
    }
}

#[test]
fn one_no_ends_it_with_its_reason() {
    let mut approval = asked("2");
    assert_eq!(approval.vote(vote("bob", &[], true), 10), Ok(Standing::Pending));
    let no = Vote {
        comment: "not on a Friday".to_owned(),
        ..vote("carol", &[], false)
    };
    assert_eq!(approval.vote(no, 11), Ok(Standing::Denied));
    let refusal = approval.refusal(approval.standing);
    assert_eq!(refusal.rule, Rule::ApprovalDenied);
    assert!(refusal.message.ends_with("was denied: not on a Friday"));
    assert!(approval.vote(vote("dora", &[], true), 12).is_err());
    let content = approval.content;
    assert!(approval.consume(&content, operation(), 13).is_err());
}

#[test]
fn a_person_counts_once_whatever_groups_they_are_in() {
    let mut approval = asked("1 of dba, 1 of security");
    let both = ["dba", "security"];
    assert_eq!(approval.vote(vote("bob", &both, true), 1), Ok(Standing::Pending));
    assert_eq!(approval.vote(vote("bob", &both, true), 2), Err(VoteError::Twice));
    // Bob took the first seat; he moves to the other so that Carol has one.
    assert_eq!(
        approval.vote(vote("carol", &["dba"], true), 3),
        Ok(Standing::Approved)
    );
}

#[test]
fn people_of_other_groups_do_not_fill_a_quorum() {
    let mut approval = asked("2 of dba");
    for (by, groups) in [("bob", &["sales"][..]), ("carol", &["dba"]), ("dora", &[])] {
        assert_eq!(
            approval.vote(vote(by, groups, true), 1),
            Ok(Standing::Pending),
            "{by}"
        );
    }
    assert_eq!(approval.quorum.missing(&approval.votes), 1);
}

#[test]
fn a_question_and_an_answer_last_for_their_time_and_no_longer() {
    let mut approval = asked("1");
    assert_eq!(
        approval.vote(vote("bob", &[], true), 100),
        Err(VoteError::NotPending(Standing::Expired))
    );
    assert!(!approval.expire(99) && approval.expire(100) && !approval.expire(101));
    let mut approval = asked("1");
    assert_eq!(approval.vote(vote("bob", &[], true), 99), Ok(Standing::Approved));
    let content = approval.content;
    assert_eq!(approval.standing_at(148), Standing::Approved);
    assert!(approval.consume(&content, operation(), 149).is_err());
    assert_eq!(approval.standing_at(149), Standing::Expired);
}

#[test]
fn an_approval_is_for_its_own_content_only() {
    let mut approval = asked("1");
    assert_eq!(approval.vote(vote("bob", &[], true), 10), Ok(Standing::Approved));
    let other = approval.consume(&ContentHash([8; 32]), operation(), 20);
    assert!(other.is_err_and(|refusal| refusal.message.contains("something else")));
    assert_eq!(approval.standing, Standing::Approved);
}

#[test]
fn what_is_withdrawn_stays_withdrawn() {
    let mut approval = asked("1");
    assert!(approval.withdraw() && !approval.withdraw());
    assert!(approval.vote(vote("bob", &[], true), 10).is_err());
    assert!(!approval.expire(1_000));
}

#[test]
fn each_part_of_the_content_changes_its_bytes() {
    let bytes = |content: Content<'_>| {
        let mut out = Vec::new();
        content.feed(|part| out.extend_from_slice(part));
        out
    };
    let base = Content {
        protocol: "postgres",
        operation: b"delete from t",
        runs: &[],
        binds: None,
        principal: "i|s",
        delegation: &[],
        resource: "r",
        policy: "p",
        surroundings: b"",
    };
    let delegation = ["i|a".to_owned()];
    let others = [
        Content {
            protocol: "http",
            ..base
        },
        Content {
            operation: b"delete from u",
            ..base
        },
        Content {
            runs: &[b"x"],
            ..base
        },
        Content {
            binds: Some(b""),
            ..base
        },
        Content {
            binds: Some(b"1"),
            ..base
        },
        Content {
            principal: "i|t",
            ..base
        },
        Content {
            delegation: &delegation,
            ..base
        },
        Content {
            resource: "q",
            ..base
        },
        Content { policy: "o", ..base },
        Content {
            surroundings: b"s",
            ..base
        },
    ];
    let mut all: Vec<Vec<u8>> = others.into_iter().map(bytes).collect();
    all.push(bytes(base));
    let count = all.len();
    all.sort();
    all.dedup();
    assert_eq!(all.len(), count);
}

#[test]
fn a_quorum_reads_back_and_nonsense_does_not_read() {
    for text in ["1", "2 of dba", "1 of dba, 1 of security"] {
        assert_eq!(Quorum::parse(text).expect(text).to_string(), text);
    }
    for text in ["", "0", "x", "1 of ", "9 of a, 9 of b", "-1", "1,"] {
        assert!(Quorum::parse(text).is_err(), "{text}");
    }
    let mut both = Quorum::parse("1 of dba").expect("a quorum");
    both.require(&Quorum::parse("2 of dba, 1").expect("a quorum"));
    assert_eq!(both.to_string(), "2 of dba, 1");
}
