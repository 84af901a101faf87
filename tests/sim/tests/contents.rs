//! An approval for one operation never lets another through: anything that is changed about it
//! makes another question.

use std::sync::Arc;

use model::{Actor, Principal};
use sim::approvals::{Book, person};
use sim::held::Held;
use sim::wire::{execute, message, query};

/// How long a hold lasts, and a bit, in microseconds.
const LONGER_US: u64 = 5_500_000;

/// One operation, with everything that makes it that operation.
#[derive(Clone)]
struct Operation {
    principal: Arc<Principal>,
    resource: &'static str,
    policy: &'static str,
    before: Vec<&'static str>,
    sql: &'static str,
    types: Vec<u32>,
    format: u16,
    value: Option<&'static [u8]>,
    result_format: u16,
    simple: bool,
}

impl Operation {
    fn new() -> Self {
        Self {
            principal: person("alice"),
            resource: "db",
            policy: "p1",
            before: Vec::new(),
            sql: "insert held $1",
            types: vec![25],
            format: 0,
            value: Some(b"100"),
            result_format: 0,
            simple: false,
        }
    }

    /// The same with one thing changed.
    fn but(mut self, change: impl FnOnce(&mut Self)) -> Self {
        change(&mut self);
        self
    }

    fn acting(self, actors: &[(Option<&str>, &str)]) -> Self {
        self.but(|operation| {
            let mut principal = (*operation.principal).clone();
            let actor = |(issuer, subject): &(Option<&str>, &str)| Actor {
                issuer: issuer.map(str::to_owned),
                subject: (*subject).to_owned(),
            };
            principal.delegation = actors.iter().map(actor).collect();
            operation.principal = Arc::new(principal);
        })
    }

    fn frames(&self) -> Vec<u8> {
        if self.simple {
            return query(self.sql);
        }
        let count = u16::try_from(self.types.len()).expect("a few types");
        let mut parse = [b"\0", self.sql.as_bytes(), b"\0"].concat();
        parse.extend(count.to_be_bytes());
        self.types.iter().for_each(|oid| parse.extend(oid.to_be_bytes()));
        let mut bind = vec![0, 0, 0, 1];
        bind.extend(self.format.to_be_bytes());
        bind.extend([0, 1]);
        let length = self
            .value
            .map_or(-1, |value| i32::try_from(value.len()).expect("a short value"));
        bind.extend(length.to_be_bytes());
        bind.extend_from_slice(self.value.unwrap_or_default());
        bind.extend([0, 1]);
        bind.extend(self.result_format.to_be_bytes());
        [
            message(b'P', &parse),
            message(b'B', &bind),
            execute("", 0),
            message(b'S', &[]),
        ]
        .concat()
    }

    /// Sends it in a session of its own, and goes on until it runs or waits for people. What
    /// prepares it is agreed to.
    fn send(&self, number: u8, now_us: u64, book: &mut Book) -> Held {
        let mut session = Held::new(number, &self.principal, now_us);
        (session.resource, session.policy) = (self.resource, self.policy);
        let before: Vec<u8> = self.before.iter().flat_map(|sql| query(sql)).collect();
        let script = [before, self.frames()].concat();
        let mut rest = &script[..];
        for _ in 0..40 {
            let taken = session.send(rest, book).expect("no end");
            rest = &rest[taken..];
            session.go_on(book).expect("no end");
            session.journal(book).expect("no end");
            session.to_server(usize::MAX, book);
            session.to_relay(usize::MAX, book).expect("no end");
            for id in book.pending(now_us) {
                if book.text(id).is_some_and(|sql| sql.starts_with("prepare")) {
                    book.vote(id, "bob", true, now_us).expect("it counts");
                }
            }
        }
        assert!(rest.is_empty());
        session
    }

    fn ran(&self, session: &Held) -> bool {
        session.server.executed.iter().any(|sql| sql == self.sql)
    }
}

/// Everything that can be changed about an operation, one thing at a time.
fn changes() -> Vec<(&'static str, Operation, Operation)> {
    let base = Operation::new;
    let simple = || base().but(|o| o.simple = true);
    let after = |before: &[&'static str]| base().but(|o| o.before = before.to_vec());
    let runs = |prepare| {
        simple().but(|o| {
            o.before = vec![prepare];
            o.sql = "execute s";
        })
    };
    let agent = || base().acting(&[(None, "agent")]);
    vec![
        ("value", base(), base().but(|o| o.value = Some(b"101"))),
        (
            "length of a value",
            base(),
            base().but(|o| o.value = Some(b"1000")),
        ),
        (
            "no value",
            base().but(|o| o.value = Some(b"")),
            base().but(|o| o.value = None),
        ),
        ("format of a value", base(), base().but(|o| o.format = 1)),
        (
            "format of the result",
            base(),
            base().but(|o| o.result_format = 1),
        ),
        ("declared type", base(), base().but(|o| o.types = vec![23])),
        ("no declared type", base(), base().but(|o| o.types = Vec::new())),
        (
            "a type that is not used",
            base(),
            base().but(|o| o.types = vec![25, 25]),
        ),
        ("text", base(), base().but(|o| o.sql = "insert  held $1")),
        ("text's case", base(), base().but(|o| o.sql = "insert held $1 X")),
        ("the way it is sent", base(), simple()),
        (
            "principal",
            base(),
            base().but(|o| o.principal = person("mallory")),
        ),
        ("delegation", base(), agent()),
        ("whose agent", agent(), base().acting(&[(None, "other")])),
        (
            "the agent's issuer",
            agent(),
            base().acting(&[(Some("https://b"), "agent")]),
        ),
        (
            "a longer delegation",
            agent(),
            base().acting(&[(None, "agent"), (None, "bot")]),
        ),
        ("resource", base(), base().but(|o| o.resource = "db2")),
        ("policy", base(), base().but(|o| o.policy = "p2")),
        ("a setting", base(), after(&["set role a"])),
        ("another setting", after(&["set role a"]), after(&["set role b"])),
        (
            "the order of settings",
            after(&["set a", "set b"]),
            after(&["set b", "set a"]),
        ),
        (
            "a setting that was rolled back",
            after(&["begin", "set role a", "commit"]),
            after(&["begin", "set role a", "rollback"]),
        ),
        (
            "a setting whose transaction failed",
            after(&["begin", "set role a", "commit"]),
            after(&["begin", "set role a", "fail", "commit"]),
        ),
        (
            "a setting that failed with its query",
            after(&["set a"]),
            after(&["set a; fail"]),
        ),
        ("a definition", base(), after(&["insert create"])),
        (
            "what EXECUTE runs",
            runs("prepare s as insert held 1"),
            runs("prepare s as insert held 2"),
        ),
    ]
}

#[test]
fn whatever_is_changed_makes_another_question() {
    for (what, one, other) in changes() {
        for (one, other) in [(&one, &other), (&other, &one)] {
            let mut book = Book::new(1);
            let asked = one.send(1, 0, &mut book).content();
            assert!(asked.is_some(), "{what}");
            let again = one.send(2, 0, &mut book).content();
            assert_eq!(asked, again, "{what}: the same is the same");
            assert_ne!(asked, other.send(3, 0, &mut book).content(), "{what}");
        }
    }
}

#[test]
fn of_two_sessions_that_ask_the_same_one_runs() {
    let operation = Operation::new();
    // Who goes on at each step, in every order: six steps are enough for both.
    for order in 0..1_u32 << 12 {
        let mut book = Book::new(1);
        let mut sessions = [1, 2].map(|number| operation.send(number, 0, &mut book));
        let asked = book.pending(0);
        assert_eq!(asked.len(), 1, "the same is asked once");
        book.vote(asked[0], "bob", true, 0).expect("it counts");
        let turns = (0..12).map(|step| usize::from(order >> step & 1 == 1));
        for turn in turns.chain([0, 0, 0, 1, 1, 1]) {
            let session = &mut sessions[turn];
            session.go_on(&mut book).expect("no end");
            session.journal(&mut book).expect("no end");
            session.to_server(usize::MAX, &book);
        }
        let ran = sessions.iter().filter(|session| operation.ran(session)).count();
        assert_eq!(ran, 1, "order {order:b}");
        sessions
            .iter_mut()
            .for_each(|session| session.close(None, &mut book));
        book.check();
    }
}

#[test]
fn what_was_approved_runs_once_and_nothing_else_runs_on_it() {
    for (what, one, other) in changes() {
        for (one, other) in [(&one, &other), (&other, &one)] {
            let mut book = Book::new(1);
            let mut first = one.send(1, 0, &mut book);
            first.tick(LONGER_US, &mut book).expect("no end");
            first.close(None, &mut book);
            assert!(!one.ran(&first), "{what}: nobody has answered");
            let asked = book.pending(LONGER_US);
            let id = *asked.last().expect("the question is open");
            book.vote(id, "bob", true, LONGER_US).expect("it counts");

            let mut changed = other.send(2, LONGER_US, &mut book);
            assert!(!other.ran(&changed), "{what}: that was not asked about");
            changed.close(None, &mut book);

            let mut same = one.send(3, LONGER_US, &mut book);
            assert!(one.ran(&same), "{what}: this was approved");
            assert!(book.used(id).is_some());
            same.close(None, &mut book);

            let mut twice = one.send(4, LONGER_US, &mut book);
            assert!(!one.ran(&twice), "{what}: it was approved once");
            twice.close(None, &mut book);
            book.check();
        }
    }
}
