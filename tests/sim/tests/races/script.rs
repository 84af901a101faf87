//! What a client sends: by the dice, and each statement unlike any other.

use sim::wire::{bind, execute, message, parse, query};

/// A linear congruential generator: any spread will do, but the same on every machine.
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) fn new(seed: u64) -> Self {
        let mut dice = Self(seed ^ 0x5DEE_CE66_D1CE_4E5B);
        dice.below(2);
        dice
    }

    pub(crate) fn below(&mut self, count: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        let high = usize::try_from(self.0 >> 33).expect("31 bits");
        high % count
    }

    pub(crate) fn one_in(&mut self, count: usize) -> bool {
        self.below(count) == 0
    }
}

/// A statement, unlike any other of the script.
fn statement(dice: &mut Dice, number: usize) -> String {
    match dice.below(24) {
        0..=2 => format!("insert {number}"),
        3..=5 => format!("rows 2 {number}"),
        6..=7 => format!("fail {number}"),
        8..=9 => format!("set {number}"),
        10..=13 => format!("rows 2 held {number}"),
        14..=16 => format!("fail held {number}"),
        17 => format!("insert never {number}"),
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
            // What is held by other policies only was bound before it is, at times.
            let word = if dice.one_in(2) { "held" } else { "later" };
            let sql = format!("rows 3 {word} {number}");
            let beside = if dice.one_in(2) {
                extended(&statement(dice, number + 500))
            } else {
                Vec::new()
            };
            let between = if dice.one_in(2) { flush } else { sync.clone() };
            [
                query(&format!("begin {number}")),
                parse(&name, &sql),
                bind(&portal, &name),
                between,
                beside,
                execute(&portal, 1),
                execute(&portal, 1),
                sync,
            ]
            .concat()
        }
        _ => sync,
    }
}

pub(crate) fn script(dice: &mut Dice) -> Vec<u8> {
    let count = 1 + dice.below(8);
    let mut script: Vec<u8> = (0..count).flat_map(|number| piece(dice, number)).collect();
    script.extend(message(b'S', &[]));
    if dice.one_in(4) {
        script.extend(message(b'X', &[]));
    }
    script
}
