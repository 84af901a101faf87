//! Everything that can happen to operations that wait for people, in every order: exactly one
//! outcome, the protocol stays in step, and nothing runs but what was approved, once.

mod script;
mod stream;
mod tally;

use std::sync::Arc;

use model::{Fault, Principal};
use proto::postgres::relay::Fatal;
use sim::approvals::{Book, person};
use sim::held::Held;

use self::script::{Dice, script};
use self::stream::{compare, ends_whole};
use self::tally::Tally;

/// How many interleavings are played, beside those that failed before.
const SEEDS: u64 = 10_000;

/// Interleavings that failed once.
const FAILED: &str = include_str!("seeds");

/// How one session ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum End {
    /// Everything was said and answered.
    Done,
    /// The client said goodbye.
    Left,
    Disconnected,
    /// Somebody revoked it.
    Ended,
    /// The upstream was lost.
    Lost,
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
    tally: Tally,
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
            tally: Tally::default(),
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
            End::Ended | End::Lost => {
                let before = session.received.len();
                let fatal = Fatal::new("57P01", Fault::Operator, "it ends");
                session.close(Some(&fatal), &mut self.book);
                assert!(
                    session.received[before..].starts_with(b"E") || !ends_whole(&session.received[..before])
                );
            }
            End::Done | End::Left | End::Disconnected => session.close(None, &mut self.book),
        }
        self.book.check();
        compare(script, &session, end);
        self.tally.ends.push(end);
        let results = session.outcomes.iter().map(|(_, result)| *result);
        results.for_each(|result| *self.tally.results.entry(result).or_default() += 1);
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
            34 => {
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
            39 if self.dice.one_in(3) => return Some(End::Lost),
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

fn play(seed: u64) -> Tally {
    let mut race = Race::new(seed);
    let script = script(&mut race.dice);
    // Who was cut off comes back and sends the same again; so does, at times, who was not.
    for _ in 0..3 {
        if race.session(&script) == End::Done && race.dice.one_in(2) {
            break;
        }
    }
    for standing in race.book.standings(race.now_us) {
        *race.tally.standings.entry(standing.label()).or_default() += 1;
    }
    race.tally
}

fn play_all(seeds: impl Iterator<Item = u64>) -> Tally {
    let mut tally = Tally::default();
    for seed in seeds {
        match std::panic::catch_unwind(|| play(seed)) {
            Ok(played) => tally.add(played),
            Err(_) => panic!("seed {seed} fails: add it to tests/races/seeds"),
        }
    }
    tally
}

#[test]
fn whatever_happens_to_a_hold_it_has_one_outcome_and_runs_only_by_its_approval() {
    play_all(0..SEEDS).check();
}

#[test]
fn what_failed_once_does_not_fail_again() {
    let seeds = FAILED.lines().filter(|line| !line.starts_with('#'));
    play_all(seeds.map(|line| line.parse().expect("a number")));
}
