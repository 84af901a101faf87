//! All paths of a resource as one automaton: a step costs the same however many they are.

use std::collections::BTreeMap;

use super::path::{self, PathFault, Step, To};

/// The most states. Each path of ordinary form adds one per step.
const STATES_MAX: usize = 4_096;

/// The most transitions: 2 MiB of them.
const TRANSITIONS_MAX: usize = 1 << 20;

/// The most steps of all paths together, so that states can be numbered before they are known.
const ALL_STEPS_MAX: usize = 65_536;

/// A state of the automaton.
pub(in crate::http) type State = u16;

/// Where no path leads on. It has no fields.
pub(super) const NOWHERE: State = 0;

/// The document itself.
pub(in crate::http) const ROOT: State = 1;

/// The places of a document that have tags, each path leading to a field of the plan.
///
/// Several paths may lead to one field, and several fields to one place. Keys are compared as
/// they read once decoded, byte for byte.
#[derive(Clone, Debug)]
pub struct Paths {
    fields: usize,
    /// Distinct names by length, then bytes; a name's place is its symbol less one.
    names: Vec<Box<str>>,
    /// Per length: where names of that length begin in `names`; one more at the end.
    by_length: Vec<u16>,
    /// Distinct indices, ascending.
    indices: Vec<u64>,
    /// How many symbols there are: every other name, the names, every other index, the indices.
    symbols: usize,
    /// Per state and symbol: the next state.
    next: Vec<State>,
    /// Per state: the fields whose paths end there.
    ends: Vec<Vec<u16>>,
}

impl Paths {
    /// Makes one automaton of paths, each with the field of the plan it leads to, below `fields`.
    ///
    /// # Errors
    /// A path that is none, or that can't be followed in a stream; too many of them.
    pub fn compile<'a>(
        fields: usize,
        paths: impl IntoIterator<Item = (usize, &'a str)>,
    ) -> Result<Self, PathFault> {
        if fields >= usize::from(u16::MAX) {
            return Err(PathFault::TooMany("more than 65,534 fields"));
        }
        let mut routes = Vec::new();
        let mut steps = 0;
        for (field, path) in paths {
            let field = u16::try_from(field)
                .ok()
                .filter(|field| usize::from(*field) < fields)
                .ok_or(PathFault::TooMany(
                    "a path leads to a field that the plan has not",
                ))?;
            let route = path::parse(path)?;
            steps += route.len() + 1;
            if steps > ALL_STEPS_MAX {
                return Err(PathFault::TooMany("they have more than 65,536 steps"));
            }
            routes.push((field, route));
        }
        Builder::new(&routes).build(fields)
    }

    /// Returns how many fields paths lead to; the plan has one more, for all other content.
    #[must_use]
    pub const fn fields(&self) -> usize {
        self.fields
    }

    /// Returns the longest name; longer keys are like every other.
    pub(super) fn name_bytes_max(&self) -> usize {
        self.by_length.len().saturating_sub(2)
    }

    /// Returns how many states there are.
    pub(in crate::http) fn states(&self) -> usize {
        self.ends.len()
    }

    /// Returns the fields whose paths end in `state`.
    pub(in crate::http) fn ends(&self, state: State) -> &[u16] {
        &self.ends[usize::from(state)]
    }

    /// Returns the state of the member `key` of an object in `state`.
    pub(in crate::http) fn member(&self, state: State, key: &[u8]) -> State {
        self.step(state, self.name(key))
    }

    /// Returns the state of the element `index` of an array in `state`.
    pub(super) fn element(&self, state: State, index: u64) -> State {
        let other = self.names.len() + 1;
        // Mostly there are none.
        let symbol = match self.indices.binary_search(&index) {
            Ok(place) => other + 1 + place,
            Err(_) => other,
        };
        self.step(state, symbol)
    }

    fn step(&self, state: State, symbol: usize) -> State {
        self.next[usize::from(state) * self.symbols + symbol]
    }

    fn name(&self, key: &[u8]) -> usize {
        let Some(&[first, end]) = self.by_length.get(key.len()..).and_then(<[u16]>::first_chunk) else {
            return 0;
        };
        let names = &self.names[usize::from(first)..usize::from(end)];
        match names.binary_search_by(|name| name.as_bytes().cmp(key)) {
            Ok(place) => usize::from(first) + place + 1,
            Err(_) => 0,
        }
    }
}

/// Builds the automaton by following all paths at once.
struct Builder<'a> {
    routes: &'a [(u16, Vec<Step>)],
    names: Vec<Box<str>>,
    indices: Vec<u64>,
}

/// A place on a path: the path, and how many of its steps are done.
type Place = (u16, u16);

/// What a child is called.
enum Symbol<'a> {
    OtherName,
    Name(&'a str),
    OtherIndex,
    Index(u64),
}

impl<'a> Builder<'a> {
    fn new(routes: &'a [(u16, Vec<Step>)]) -> Self {
        let steps = || routes.iter().flat_map(|(_, route)| route);
        let mut names: Vec<Box<str>> = steps()
            .filter_map(|step| match &step.to {
                To::Name(name) => Some(name.as_str().into()),
                To::Any | To::Index(_) => None,
            })
            .collect();
        names.sort_by(|a, b| (a.len(), a).cmp(&(b.len(), b)));
        names.dedup();
        let mut indices: Vec<u64> = steps()
            .filter_map(|step| match step.to {
                To::Index(index) => Some(index),
                To::Any | To::Name(_) => None,
            })
            .collect();
        indices.sort_unstable();
        indices.dedup();
        Self {
            routes,
            names,
            indices,
        }
    }

    fn build(self, fields: usize) -> Result<Paths, PathFault> {
        let symbols: Vec<Symbol<'_>> = std::iter::once(Symbol::OtherName)
            .chain(self.names.iter().map(|name| Symbol::Name(name)))
            .chain(std::iter::once(Symbol::OtherIndex))
            .chain(self.indices.iter().map(|index| Symbol::Index(*index)))
            .collect();
        let root: Vec<Place> = (0..self.routes.len())
            .map(|path| u16::try_from(path).map(|path| (path, 0)))
            .collect::<Result<_, _>>()
            .map_err(|_| PathFault::TooMany("there are more than 65,536 of them"))?;
        let mut known = BTreeMap::from([(Vec::new(), NOWHERE)]);
        let mut states = vec![Vec::new(), root.clone()];
        // Without paths the root leads nowhere, and is a state all the same.
        known.entry(root).or_insert(ROOT);
        let mut next = Vec::new();
        let mut state = 0;
        while state < states.len() {
            for symbol in &symbols {
                let places = self.follow(&states[state], symbol);
                let target = *known.entry(places).or_insert_with_key(|places| {
                    states.push(places.clone());
                    State::try_from(states.len() - 1).unwrap_or(State::MAX)
                });
                next.push(target);
            }
            state += 1;
            if states.len() > STATES_MAX || next.len() > TRANSITIONS_MAX {
                return Err(PathFault::TooMany(
                    "following them all at once takes more than 4,096 states or 1,048,576 transitions; \
                     steps to anything after .. multiply them",
                ));
            }
        }
        let ends = states.iter().map(|places| self.ends(places)).collect();
        Ok(Paths {
            fields,
            by_length: lengths(&self.names),
            symbols: symbols.len(),
            names: self.names,
            indices: self.indices,
            next,
            ends,
        })
    }

    /// Returns where a step from any of `places` to a child leads.
    fn follow(&self, places: &[Place], symbol: &Symbol<'_>) -> Vec<Place> {
        let mut reached = Vec::new();
        for &(path, done) in places {
            let Some(step) = self.routes[usize::from(path)].1.get(usize::from(done)) else {
                continue;
            };
            if step.descends {
                reached.push((path, done));
            }
            let goes = match (&step.to, symbol) {
                (To::Any, _) => true,
                (To::Index(index), Symbol::Index(at)) => index == at,
                (To::Name(name), Symbol::Name(key)) => name == *key,
                (To::Index(_) | To::Name(_), _) => false,
            };
            if goes {
                reached.push((path, done + 1));
            }
        }
        reached.sort_unstable();
        reached.dedup();
        reached
    }

    fn ends(&self, places: &[Place]) -> Vec<u16> {
        let mut fields: Vec<u16> = places
            .iter()
            .map(|&(path, done)| (&self.routes[usize::from(path)], done))
            .filter(|((_, route), done)| route.len() == usize::from(*done))
            .map(|((field, _), _)| *field)
            .collect();
        fields.sort_unstable();
        fields.dedup();
        fields
    }
}

/// Returns where the names of each length begin, with one entry more for the end.
fn lengths(names: &[Box<str>]) -> Vec<u16> {
    let Some(longest) = names.last().map(|name| name.len()) else {
        return Vec::new();
    };
    (0..=longest + 1)
        .map(|length| names.partition_point(|name| name.len() < length))
        .map(|place| u16::try_from(place).unwrap_or(u16::MAX))
        .collect()
}

#[cfg(test)]
mod tests;
