//! What happened in how many races: a suite in which nothing happens proves nothing.

use std::collections::BTreeMap;

use super::End;

/// How often each kind of thing must have happened in all of them.
const OFTEN: usize = 100;

#[derive(Debug, Default)]
pub(crate) struct Tally {
    pub(crate) ends: Vec<End>,
    pub(crate) results: BTreeMap<&'static str, usize>,
    pub(crate) standings: BTreeMap<&'static str, usize>,
}

impl Tally {
    pub(crate) fn add(&mut self, other: Self) {
        self.ends.extend(other.ends);
        let sum = |own: &mut BTreeMap<_, usize>, others: BTreeMap<&'static str, usize>| {
            others
                .into_iter()
                .for_each(|(label, count)| *own.entry(label).or_default() += count);
        };
        sum(&mut self.results, other.results);
        sum(&mut self.standings, other.standings);
    }

    pub(crate) fn check(&self) {
        let ends = [
            End::Done,
            End::Left,
            End::Disconnected,
            End::Ended,
            End::Lost,
            End::Restarted,
        ];
        for end in ends {
            let count = self.ends.iter().filter(|other| **other == end).count();
            assert!(count >= OFTEN, "{end:?} only {count} times");
        }
        let results = ["ok", "error", "skipped", "refused", "lost"].map(|label| (label, &self.results));
        let standings = ["pending", "approved", "denied", "expired", "withdrawn", "used"]
            .map(|label| (label, &self.standings));
        for (label, counts) in results.into_iter().chain(standings) {
            let count = counts.get(label).copied().unwrap_or(0);
            assert!(count >= OFTEN, "{label} only {count} times");
        }
    }
}
