//! `tidegate:host/scan`: regular expressions at native speed, over whole columns.

use std::time::Instant;

use regex::bytes::{Regex, RegexBuilder};

use crate::bindings::imports::tidegate::base::types::{Code, Column, Error};
use crate::bindings::imports::tidegate::host::scan::{self, Hit};
use crate::fault::Ended;
use crate::host::error;
use crate::store::State;

/// The contract's limits.
const PATTERN_BYTES_MAX: usize = 4 << 10;
const PATTERNS_PER_SET_MAX: usize = 64;
const SETS_MAX: usize = 16;
const HITS_MAX: usize = 100_000;

/// What a pattern may compile to, in steps: it is charged the first step it fits.
const COMPILED_BYTES: [usize; 3] = [64 << 10, 256 << 10, 1 << 20];

/// What a pattern's lazily built automaton may take while searching.
const AUTOMATON_BYTES_MAX: usize = 256 << 10;

/// What all patterns of an instance may take together; as much as a guest's own memory.
const INSTANCE_BYTES_MAX: usize = 64 << 20;

/// How much is searched between two looks at the clock: a tenth of a millisecond's work.
const CHECK_EVERY_BYTES: usize = 32 << 10;

/// The sets of patterns of one instance.
#[derive(Default)]
pub(crate) struct Patterns {
    sets: Vec<Vec<Regex>>,
    bytes: usize,
}

impl scan::Host for State {
    fn compile(&mut self, patterns: Vec<String>) -> wasmtime::Result<Result<u32, Error>> {
        let deadline = self.deadline;
        if self.patterns.sets.len() >= SETS_MAX {
            return Ok(Err(invalid("more than 16 sets")));
        }
        if patterns.len() > PATTERNS_PER_SET_MAX {
            return Ok(Err(invalid("more than 64 patterns in a set")));
        }
        let mut set = Vec::with_capacity(patterns.len());
        for pattern in &patterns {
            in_time(deadline)?;
            match self.patterns.compile(pattern) {
                Ok(regex) => set.push(regex),
                Err(error) => return Ok(Err(error)),
            }
        }
        self.patterns.sets.push(set);
        Ok(Ok(u32::try_from(self.patterns.sets.len() - 1).unwrap_or(u32::MAX)))
    }

    fn find(&mut self, set: u32, cells: Column) -> wasmtime::Result<Result<Vec<Hit>, Error>> {
        let Some(set) = self.patterns.sets.get(set as usize) else {
            return Ok(Err(error(Code::InvalidInput, "no such set")));
        };
        if !is_well_formed(&cells) {
            return Ok(Err(error(Code::InvalidInput, "the column is malformed")));
        }
        find(set, &cells, self.deadline)
    }
}

impl Patterns {
    fn compile(&mut self, pattern: &str) -> Result<Regex, Error> {
        if pattern.len() > PATTERN_BYTES_MAX {
            return Err(invalid("a pattern is longer than 4 KiB"));
        }
        for bytes in COMPILED_BYTES {
            let built = RegexBuilder::new(pattern)
                .size_limit(bytes)
                .dfa_size_limit(AUTOMATON_BYTES_MAX)
                .build();
            match built {
                Ok(regex) => {
                    self.bytes += bytes + AUTOMATON_BYTES_MAX;
                    if self.bytes > INSTANCE_BYTES_MAX {
                        return Err(invalid("the patterns are too large together"));
                    }
                    return Ok(regex);
                }
                Err(regex::Error::CompiledTooBig(_)) => {}
                Err(_) => return Err(invalid("a pattern does not parse")),
            }
        }
        Err(invalid("a pattern compiles to more than 1 MiB"))
    }
}

fn find(set: &[Regex], cells: &Column, deadline: Instant) -> wasmtime::Result<Result<Vec<Hit>, Error>> {
    let mut hits = Vec::new();
    let (mut start, mut searched) = (0, 0);
    for (cell, end) in (0_u32..).zip(&cells.ends) {
        let bytes = &cells.data[start..*end as usize];
        start = *end as usize;
        let first = hits.len();
        for (pattern, regex) in (0_u32..).zip(set) {
            searched += bytes.len();
            if searched >= CHECK_EVERY_BYTES {
                in_time(deadline)?;
                searched = 0;
            }
            for found in regex.find_iter(bytes).filter(|found| !found.is_empty()) {
                if hits.len() >= HITS_MAX {
                    return Ok(Err(error(Code::InvalidInput, "more than 100,000 hits")));
                }
                hits.push(Hit {
                    cell,
                    pattern,
                    start: offset(found.start()),
                    end: offset(found.end()),
                });
            }
        }
        if set.len() > 1 {
            hits[first..].sort_by_key(|hit| (hit.start, hit.pattern));
        }
    }
    Ok(Ok(hits))
}

/// A cell is a part of a column whose ends are 32 bits wide.
fn offset(at: usize) -> u32 {
    u32::try_from(at).unwrap_or(u32::MAX)
}

fn is_well_formed(cells: &Column) -> bool {
    cells.ends.is_sorted() && cells.ends.last().copied().unwrap_or(0) as usize == cells.data.len()
}

fn in_time(deadline: Instant) -> Result<(), Ended> {
    if Instant::now() >= deadline {
        Err(Ended::Deadline)
    } else {
        Ok(())
    }
}

fn invalid(message: &str) -> Error {
    error(Code::InvalidConfig, message)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn column(cells: &[&str]) -> Column {
        let mut column = Column {
            data: Vec::new(),
            ends: Vec::new(),
            nulls: Vec::new(),
        };
        for cell in cells {
            column.data.extend_from_slice(cell.as_bytes());
            column.ends.push(offset(column.data.len()));
        }
        column
    }

    fn later() -> Instant {
        Instant::now() + Duration::from_secs(60)
    }

    #[test]
    fn hits_come_by_cell_then_start_then_pattern() {
        let mut patterns = Patterns::default();
        let set = ["b+", "a|b", "x*"].map(|pattern| patterns.compile(pattern).expect("a pattern"));
        let hits = find(&set, &column(&["abb", "", "ba"]), later())
            .expect("in time")
            .expect("hits");
        let hits: Vec<_> = hits
            .iter()
            .map(|hit| (hit.cell, hit.pattern, hit.start, hit.end))
            .collect();
        assert_eq!(
            hits,
            [
                (0, 1, 0, 1),
                (0, 0, 1, 3),
                (0, 1, 1, 2),
                (0, 1, 2, 3),
                (2, 0, 0, 1),
                (2, 1, 0, 1),
                (2, 1, 1, 2)
            ]
        );
    }

    #[test]
    fn patterns_are_held_to_their_limits() {
        let mut patterns = Patterns::default();
        for bad in ["(", "(?=a)", "\\w{1000}{10}", &"a".repeat(PATTERN_BYTES_MAX + 1)] {
            assert_eq!(
                patterns.compile(bad).map_err(|e| e.code).err(),
                Some(Code::InvalidConfig),
                "{}",
                bad.len()
            );
        }
        let fitting = (0..INSTANCE_BYTES_MAX / AUTOMATON_BYTES_MAX)
            .take_while(|_| patterns.compile("a").is_ok())
            .count();
        assert!(fitting < INSTANCE_BYTES_MAX / AUTOMATON_BYTES_MAX);
    }

    #[test]
    fn a_search_ends_with_the_budget_and_at_too_many_hits() {
        let mut patterns = Patterns::default();
        let set = [patterns.compile("a").expect("a pattern")];
        let long = "a".repeat(HITS_MAX + 1);
        assert!(find(&set, &column(&[&long]), Instant::now()).is_err());
        let refused = find(&set, &column(&[&long]), later()).expect("in time");
        assert_eq!(
            refused.map(|hits| hits.len()).map_err(|e| e.code),
            Err(Code::InvalidInput)
        );
    }

    #[test]
    fn a_malformed_column_is_told_from_a_good_one() {
        let mut cells = column(&["a", "b"]);
        assert!(is_well_formed(&cells));
        cells.ends = vec![2, 1];
        assert!(!is_well_formed(&cells));
        cells.ends = vec![1];
        assert!(!is_well_formed(&cells));
        cells.ends.clear();
        assert!(!is_well_formed(&cells));
    }
}
