//! Everything that can happen to operations that wait for people, in every order: exactly one
//! outcome, the protocol stays in step, and nothing runs but what was approved, once.

use std::sync::Arc;

use model::{Fault, Principal};
use proto::postgres::relay::Fatal;
use sim::approvals::{Book, person};
use sim::held::Held;
use sim::server::Server;
use sim::wire::{bind, error, execute, message, parse, query};

/// How many interleavings are played, beside those that failed before.
const SEEDS: u64 = 12_000;

/// Interleavings that failed once.
const FAILED: &str = include_str!("races/seeds");

/// A linear congruential generator: any spread will do, but the same on every machine.
struct Dice(u64);

impl Dice {
    fn new(seed: u64) -> Self {
        let mut dice = Self(seed ^ 0x5DEE_CE66_D1CE_4E5B);
        dice.below(2);
        dice
    }

    fn below(&mut self, count: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        let high = usize::try_from(self.0 >> 33).expect("31 bits");
        high % count
    }

    fn one_in(&mut self, count: usize) -> bool {
        self.below(count) == 0
    }
}

/// A statement, unlike any other of the script.
fn statement(dice: &mut Dice, number: usize) -> String {
    match dice.below(8) {
        0 => format!("insert {number}"),
        1 => format!("rows 2 {number}"),
        2 => format!("fail {number}"),
        3 => format!("set {number}"),
        4 => format!("rows 2 held {number}"),
        5 => format!("fail held {number}"),
        _ => format!("insert held {number}"),
    }
}

fn extended(sql: &str) -> Vec<u8> {
    [parse("", sql), bind("", ""), execute("", 0)].concat()
}

/// One thing a client sends, whole.
fn piece(dice: &mut Dice, number: usize) -> Vec<u8> {
    let sync = message(b'S', &[]);
    let flush = message(b'H', &[]);
    let sql = statement(dice, number);
    match dice.below(16) {
        0..=2 => query(&sql),
        3 => query(&format!("insert {number}; {sql}")),
        4..=5 => [extended(&sql), sync].concat(),
        6 => [extended(&sql), flush].concat(),
        7 => {
            let other = statement(dice, number + 500);
            [extended(&sql), extended(&other), sync].concat()
        }
        8 => query(&format!("begin {number}")),
        9 => query(&format!("commit {number}")),
        10 => [extended(&format!("rollback {number}")), sync].concat(),
        11 => [
            query(&format!("copyin {number}")),
            message(b'd', b"x\n"),
            message(b'c', &[]),
        ]
        .concat(),
        12 => {
            let copy = [
                extended(&format!("copyin {number}")),
                message(b'd', b"x\n"),
                message(b'c', &[]),
            ]
            .concat();
            [extended(&sql), copy, sync].concat()
        }
        13 => {
            let name = format!("s{number}");
            [
                query(&format!("prepare {name} as {sql}")),
                query(&format!("execute {name}")),
            ]
            .concat()
        }
        14 => {
            let (name, portal) = (format!("s{number}"), format!("c{number}"));
            let sql = format!("rows 3 held {number}");
            let between = if dice.one_in(2) { flush } else { sync.clone() };
            [
                query(&format!("begin {number}")),
                parse(&name, &sql),
                bind(&portal, &name),
                between,
                execute(&portal, 1),
                execute(&portal, 1),
                sync,
            ]
            .concat()
        }
        _ => sync,
    }
}

fn script(dice: &mut Dice) -> Vec<u8> {
    let count = 1 + dice.below(8);
    let mut script: Vec<u8> = (0..count).flat_map(|number| piece(dice, number)).collect();
    script.extend(message(b'S', &[]));
    if dice.one_in(4) {
        script.extend(message(b'X', &[]));
    }
    script
}

/// How one session ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum End {
    /// Everything was said and answered.
    Done,
    /// The client said goodbye.
    Left,
    Disconnected,
    Ended,
    Restarted,
}

struct Race {
    dice: Dice,
    book: Book,
    alice: Arc<Principal>,
    now_us: u64,
    sessions: u8,
    policy: &'static str,
    journal_works: bool,
}

impl Race {
    fn new(seed: u64) -> Self {
        let mut dice = Dice::new(seed);
        let persons = if dice.one_in(3) { 2 } else { 1 };
        Self {
            dice,
            book: Book::new(persons),
            alice: person("alice"),
            now_us: 1_000_000,
            sessions: 0,
            policy: "p1",
            journal_works: true,
        }
    }

    /// Plays one session with `script`, to whatever end.
    fn session(&mut self, script: &[u8]) -> End {
        self.sessions += 1;
        let mut session = Held::new(self.sessions, &self.alice, self.now_us);
        session.journal_works = self.journal_works;
        session.policy = self.policy;
        let mut rest = script;
        let mut end = None;
        for _ in 0..self.dice.below(120) {
            end = self.happen(&mut session, &mut rest);
            self.book.check();
            if end.is_some() {
                break;
            }
        }
        let end = end.unwrap_or_else(|| self.wind_up(&mut session, &mut rest));
        match end {
            End::Restarted => {
                session.crash();
                self.book.restart();
            }
            End::Ended => {
                let before = session.received.len();
                let fatal = Fatal::new("57P01", Fault::Operator, "your access was revoked");
                session.close(Some(&fatal), &mut self.book);
                assert!(
                    session.received[before..].starts_with(b"E") || !ends_whole(&session.received[..before])
                );
            }
            End::Done | End::Left | End::Disconnected => session.close(None, &mut self.book),
        }
        self.book.check();
        compare(script, &session, end);
        end
    }

    /// One thing happens; returns the session's end if that is it.
    fn happen(&mut self, session: &mut Held, rest: &mut &[u8]) -> Option<End> {
        let size = match self.dice.below(3) {
            0 => 1 + self.dice.below(40),
            _ => usize::MAX,
        };
        let book = &mut self.book;
        let went = match self.dice.below(40) {
            0..=7 => {
                let piece = &rest[..size.min(rest.len())];
                session.send(piece, book).map(|taken| *rest = &rest[taken..])
            }
            8..=12 => {
                session.to_server(size, book);
                Ok(())
            }
            13..=17 => session.to_relay(size, book),
            18..=21 => session.journal(book),
            22..=27 => session.go_on(book),
            28..=31 => {
                self.vote();
                Ok(())
            }
            32 => session.cancel(book),
            33 => {
                self.now_us += [1, 3_000_000, 6_000_000][self.dice.below(3)];
                session.tick(self.now_us, &mut self.book)
            }
            34 if self.dice.one_in(3) => {
                self.policy = if self.policy == "p1" { "p2" } else { "p1" };
                session.policy = self.policy;
                Ok(())
            }
            35 if self.dice.one_in(6) => {
                self.journal_works = false;
                session.journal_works = false;
                Ok(())
            }
            36 if self.dice.one_in(3) => return Some(End::Disconnected),
            37 if self.dice.one_in(3) => return Some(End::Ended),
            38 if self.dice.one_in(3) => return Some(End::Restarted),
            _ => Ok(()),
        };
        went.expect("nobody breaks the protocol");
        session.has_left().then_some(End::Left)
    }

    fn vote(&mut self) {
        let pending = self.book.pending(self.now_us);
        if pending.is_empty() {
            return;
        }
        let id = pending[self.dice.below(pending.len())];
        let voter = ["bob", "carol", "alice"][self.dice.below(3)];
        let agrees = !self.dice.one_in(4);
        // Not every vote counts: the book says which.
        let counts = self.book.vote(id, voter, agrees, self.now_us).is_ok();
        assert!(!(counts && voter == "alice"), "nobody answers their own question");
    }

    /// Everybody does their part until nothing is left to do.
    fn wind_up(&mut self, session: &mut Held, rest: &mut &[u8]) -> End {
        for _ in 0..2_000 {
            if session.has_left() {
                return End::Left;
            }
            let book = &mut self.book;
            let taken = session.send(rest, book).expect("no end");
            *rest = &rest[taken..];
            session.journal(book).expect("no end");
            session.go_on(book).expect("no end");
            session.to_server(usize::MAX, book);
            session.to_relay(usize::MAX, book).expect("no end");
            if rest.is_empty() && session.is_settled() {
                return End::Done;
            }
            if self.dice.one_in(3) {
                self.vote();
            }
            if self.dice.one_in(8) {
                self.now_us += 1_000_000;
                session.tick(self.now_us, &mut self.book).expect("no end");
            }
        }
        panic!("it never comes to an end: {session:?}");
    }
}

/// The words of any refusal of ours.
fn refusal() -> Vec<u8> {
    error("42501", "refused: by somebody")
}

/// Splits a stream into whole messages, with the words of refusals made equal, and without
/// notices.
fn messages(mut bytes: &[u8]) -> Vec<Vec<u8>> {
    let mut messages = Vec::new();
    while let Some(&[kind, a, b, c, d]) = bytes.first_chunk() {
        let total = u32::from_be_bytes([a, b, c, d]) as usize + 1;
        let Some(frame) = bytes.get(..total) else { break };
        bytes = &bytes[total..];
        let refused = kind == b'E' && frame.windows(10).any(|part| part == b"Mrefused: ");
        match kind {
            b'N' => {}
            b'E' if refused => messages.push(refusal()),
            _ => messages.push(frame.to_vec()),
        }
    }
    messages
}

fn ends_whole(mut bytes: &[u8]) -> bool {
    while let Some(&[_, a, b, c, d]) = bytes.first_chunk() {
        let total = u32::from_be_bytes([a, b, c, d]) as usize + 1;
        let Some(rest) = bytes.get(total..) else {
            return false;
        };
        bytes = rest;
    }
    bytes.is_empty()
}

/// The client got what a server would have said that refuses exactly what was refused.
fn compare(script: &[u8], session: &Held, end: End) {
    if !session.journal_works {
        // What is refused has no intent then that would tell which it was.
        return;
    }
    let mut server = Server::default();
    let refused = session.refused().into_iter();
    server.refused = refused.map(|sql| (sql.to_owned(), refusal())).collect();
    server.feed(script);
    let wanted = messages(&server.output());
    let mut got = messages(&session.received);
    if end == End::Ended {
        let last = got
            .last()
            .filter(|last| last.windows(6).any(|part| part == b"SFATAL"));
        if last.is_some() {
            got.pop();
        }
    }
    let show = |messages: &[Vec<u8>]| -> Vec<String> {
        messages
            .iter()
            .map(|message| message.escape_ascii().to_string())
            .collect()
    };
    assert!(
        got.len() <= wanted.len(),
        "more than a server says: {:#?}",
        show(&got)
    );
    if end == End::Done {
        assert_eq!(show(&got), show(&wanted));
    } else {
        assert_eq!(show(&got), show(&wanted[..got.len()]));
    }
}

fn play(seed: u64) {
    let mut race = Race::new(seed);
    let script = script(&mut race.dice);
    // Who was cut off comes back and sends the same again; so does, at times, who was refused.
    for _ in 0..3 {
        if race.session(&script) == End::Done && race.dice.one_in(2) {
            break;
        }
    }
}

fn play_all(seeds: impl Iterator<Item = u64>) {
    for seed in seeds {
        let played = std::panic::catch_unwind(|| play(seed));
        assert!(played.is_ok(), "seed {seed} fails: add it to tests/races/seeds");
    }
}

#[test]
fn whatever_happens_to_a_hold_it_has_one_outcome_and_runs_only_by_its_approval() {
    play_all(0..SEEDS);
}

#[test]
fn what_failed_once_does_not_fail_again() {
    let seeds = FAILED.lines().filter(|line| !line.starts_with('#'));
    play_all(seeds.map(|line| line.parse().expect("a number")));
}
