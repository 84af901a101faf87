//! The relay against a model server: a client cannot tell that it is there, and nothing runs
//! that was not written down first.

use std::fmt;

use proptest::prelude::*;
use sim::server::Server;
use sim::session::{Pace, Session, refused};
use sim::wire::{bind, execute, message, named, parse, query};

/// The word that makes the gateway refuse, and the model fail in the same place.
const MARK: &str = "marked";

fn name() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec!["", "a", "b"])
}

fn sql(marks: bool) -> impl Strategy<Value = &'static str> {
    let mut statements = vec![
        "rows 0",
        "rows 3",
        "insert",
        "fail",
        "begin",
        "commit",
        "rollback",
        "copyout",
        "insert create",
    ];
    if marks {
        statements.extend(["insert marked", "rows marked"]);
    } else {
        statements.extend([
            "prepare a as rows 2",
            "prepare b as insert",
            "execute a",
            "execute b",
            "deallocate a",
            "deallocate b",
        ]);
    }
    prop::sample::select(statements)
}

fn copy(marks: bool) -> impl Strategy<Value = Vec<u8>> {
    let end = prop::sample::select(vec![message(b'c', &[]), message(b'f', b"no\0")]);
    let begin = prop::sample::select(if marks {
        vec!["copyin", "copyin marked"]
    } else {
        vec!["copyin"]
    });
    (begin, end, any::<bool>(), any::<bool>(), 0..3_usize).prop_map(|(begin, end, simple, early, rows)| {
        let data = message(b'd', b"x\n").repeat(rows);
        let sync = message(b'S', &[]);
        if simple {
            return [query(begin), data, end].concat();
        }
        let extended = [parse("", begin), bind("", ""), execute("", 0)].concat();
        let between = if early { sync.clone() } else { Vec::new() };
        // Nobody else may execute it: its data would be missing.
        let forget = [named(b'C', b'S', ""), named(b'C', b'P', "")].concat();
        [extended, between, data, end, sync, forget].concat()
    })
}

/// One thing a client may send.
fn piece(marks: bool) -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        4 => (sql(marks), any::<bool>()).prop_map(|(sql, describe)| {
            let describe = if describe { named(b'D', b'P', "") } else { Vec::new() };
            [parse("", sql), bind("", ""), describe, execute("", 0)].concat()
        }),
        3 => (name(), sql(marks)).prop_map(|(name, sql)| parse(name, sql)),
        1 => name().prop_map(|name| parse(name, "bad")),
        3 => (name(), name()).prop_map(|(portal, statement)| bind(portal, statement)),
        3 => (name(), 0..3_u8).prop_map(|(portal, rows)| execute(portal, rows)),
        2 => (prop::sample::select(vec![b'C', b'D']), prop::sample::select(vec![b'S', b'P']), name())
            .prop_map(|(kind, what, name)| named(kind, what, name)),
        3 => (sql(marks), prop::option::of(sql(marks))).prop_map(|(first, second)| match second {
            Some(second) => query(&format!("{first}; {second}")),
            None => query(first),
        }),
        1 => Just(query("")),
        4 => Just(message(b'S', &[])),
        2 => Just(message(b'H', &[])),
        1 => copy(marks),
    ]
}

/// What a client sends in all, shown as messages.
#[derive(Clone)]
struct Conversation(Vec<u8>);

impl fmt::Debug for Conversation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\n{}", show(&self.0))
    }
}

fn conversation(marks: bool) -> impl Strategy<Value = Conversation> {
    prop::collection::vec(piece(marks), 1..25).prop_map(|pieces| {
        // A COPY that nobody feeds would wait for ever, and this ends it.
        Conversation([pieces.concat(), message(b'c', &[]), message(b'S', &[])].concat())
    })
}

/// How far each turn goes: small and large steps, and a journal that is slow at times.
fn schedule() -> impl Strategy<Value = Vec<(usize, Pace)>> {
    let size = || prop_oneof![Just(0), 1..40_usize, Just(usize::MAX)];
    let turn = (size(), size(), size(), any::<bool>()).prop_map(|(send, to_server, to_relay, journal)| {
        (
            send,
            Pace {
                to_server,
                to_relay,
                journal,
            },
        )
    });
    prop::collection::vec(turn, 0..60)
}

fn direct(conversation: &[u8], marked: bool) -> Vec<u8> {
    let mut server = Server::default();
    server.marked = marked.then(|| (MARK, refused()));
    server.feed(conversation);
    server.output()
}

/// Plays the conversation through a relay; returns what the client got.
fn relayed(conversation: &[u8], schedule: &[(usize, Pace)], masking: bool, marked: bool) -> Session {
    let mut session = Session::new(masking, marked.then_some(MARK));
    let mut rest = conversation;
    for &(send, pace) in schedule {
        let taken = session.send(&rest[..send.min(rest.len())]).expect("no end");
        rest = &rest[taken..];
        session.turn(pace).expect("no end");
    }
    loop {
        let taken = session.send(rest).expect("no end");
        rest = &rest[taken..];
        if !session.turn(Pace::ALL).expect("no end") && taken == 0 {
            break;
        }
    }
    assert!(rest.is_empty(), "the relay reads no further");
    session
}

fn show(mut bytes: &[u8]) -> String {
    let mut lines = String::new();
    while let Some(&[kind, a, b, c, d]) = bytes.first_chunk() {
        let total = (u32::from_be_bytes([a, b, c, d]) as usize + 1).min(bytes.len());
        lines.push_str(&format!(
            "{} {}\n",
            char::from(kind),
            bytes[5..total].escape_ascii()
        ));
        bytes = &bytes[total..];
    }
    lines
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_client_cannot_tell_that_the_relay_is_there(
        conversation in conversation(false),
        schedule in schedule(),
        masking in any::<bool>(),
    ) {
        let session = relayed(&conversation.0, &schedule, masking, false);
        prop_assert_eq!(show(&session.received), show(&direct(&conversation.0, false)));
        prop_assert!(session.is_settled(), "{:?}", session);
    }

    #[test]
    fn a_refusal_is_an_error_of_the_servers_own_in_its_place(
        conversation in conversation(true),
        schedule in schedule(),
        masking in any::<bool>(),
    ) {
        let session = relayed(&conversation.0, &schedule, masking, true);
        prop_assert_eq!(show(&session.received), show(&direct(&conversation.0, true)));
        prop_assert!(session.is_settled(), "{:?}", session);
        prop_assert!(session.server.executed.iter().all(|sql| !sql.contains(MARK)));
    }
}
