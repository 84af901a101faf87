//! How many of whom must agree.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::Vote;

/// How many of whom must agree: every share must be met, and a person counts for one share
/// only, however many groups they are in.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Quorum {
    /// At least one.
    pub shares: Vec<Share>,
}

/// So many persons of one group.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Share {
    /// How many, at least 1.
    pub count: u8,
    /// Of which group, as tokens carry it; `None`: of all whom policy lets approve.
    pub group: Option<String>,
}

impl Default for Quorum {
    /// One person whom policy lets approve.
    fn default() -> Self {
        Self {
            shares: vec![Share {
                count: 1,
                group: None,
            }],
        }
    }
}

impl Quorum {
    /// How many persons a question may ask for in all: more never answer in time.
    pub const PERSONS_MAX: usize = 16;

    /// Reads `2`, `2 of dba`, or `1 of dba, 1 of security`.
    ///
    /// # Errors
    /// What is wrong with it, in a few words.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        let shares = text.split(',').map(|share| {
            let share = share.trim();
            let (count, group) = match share.split_once(" of ") {
                Some((count, group)) => (count.trim(), Some(group.trim())),
                None => (share, None),
            };
            let count = count.parse().map_err(|_| "does not begin with a number")?;
            if count == 0 {
                return Err("asks for nobody");
            }
            if group == Some("") {
                return Err("names no group");
            }
            Ok(Share {
                count,
                group: group.map(str::to_owned),
            })
        });
        let quorum = Self {
            shares: shares.collect::<Result<_, _>>()?,
        };
        if quorum.persons() > Self::PERSONS_MAX {
            return Err("asks for more than 16 people");
        }
        Ok(quorum)
    }

    /// Returns how many persons must agree at the least.
    #[must_use]
    pub fn persons(&self) -> usize {
        self.shares.iter().map(|share| usize::from(share.count)).sum()
    }

    /// Takes in another requirement: both must be met then.
    pub fn require(&mut self, other: &Self) {
        for share in &other.shares {
            match self.shares.iter_mut().find(|own| own.group == share.group) {
                Some(own) => own.count = own.count.max(share.count),
                None => self.shares.push(share.clone()),
            }
        }
    }

    /// Whether those who agreed can be spread over all shares, each person once.
    #[must_use]
    pub fn is_met(&self, votes: &[Vote]) -> bool {
        self.missing(votes) == 0
    }

    /// Returns how many more persons must agree, if they are of the right groups.
    #[must_use]
    pub fn missing(&self, votes: &[Vote]) -> usize {
        let agreeing: Vec<&Vote> = votes.iter().filter(|vote| vote.agrees).collect();
        let seats: Vec<Option<&str>> = self
            .shares
            .iter()
            .flat_map(|share| std::iter::repeat_n(share.group.as_deref(), usize::from(share.count)))
            .collect();
        let mut taken_by: Vec<Option<usize>> = vec![None; seats.len()];
        let mut filled = 0;
        for voter in 0..agreeing.len() {
            let mut seen = vec![false; seats.len()];
            if seat(voter, &agreeing, &seats, &mut taken_by, &mut seen) {
                filled += 1;
            }
        }
        seats.len() - filled
    }
}

/// Finds a seat for `voter`, moving others to another seat of theirs where that makes room
/// (Kuhn's algorithm; there are at most [`Quorum::PERSONS_MAX`] seats).
fn seat(
    voter: usize,
    votes: &[&Vote],
    seats: &[Option<&str>],
    taken_by: &mut [Option<usize>],
    seen: &mut [bool],
) -> bool {
    for at in 0..seats.len() {
        let fits = seats[at].is_none_or(|group| votes[voter].groups.iter().any(|own| own == group));
        if !fits || seen[at] {
            continue;
        }
        seen[at] = true;
        let free = match taken_by[at] {
            None => true,
            Some(other) => seat(other, votes, seats, taken_by, seen),
        };
        if free {
            taken_by[at] = Some(voter);
            return true;
        }
    }
    false
}

impl fmt::Display for Quorum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, share) in self.shares.iter().enumerate() {
            let comma = if index == 0 { "" } else { ", " };
            match &share.group {
                Some(group) => write!(f, "{comma}{} of {group}", share.count)?,
                None => write!(f, "{comma}{}", share.count)?,
            }
        }
        Ok(())
    }
}
