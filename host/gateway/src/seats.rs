//! How many sessions there are, over all and for each resource, and how many there may be.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// The sessions of the gateway, or of one resource, those that are just being set up too.
#[derive(Debug)]
pub(crate) struct Seats {
    taken: AtomicU64,
    /// `None` for no limit.
    max: Option<u64>,
}

/// A session's place among those allowed; given back when dropped.
#[derive(Debug)]
pub(crate) struct Place([Arc<Seats>; 2]);

impl Seats {
    /// Makes as many as `max` places; without it, any number.
    pub(crate) fn new(max: Option<u64>) -> Arc<Self> {
        Arc::new(Self {
            taken: AtomicU64::new(0),
            max,
        })
    }

    /// Returns how many are taken.
    pub(crate) fn taken(&self) -> u64 {
        self.taken.load(Ordering::Relaxed)
    }

    /// Takes one more; tells whether there was room for it.
    fn take(&self) -> bool {
        let before = self.taken.fetch_add(1, Ordering::Relaxed);
        self.max.is_none_or(|max| before < max)
    }
}

impl Place {
    /// Takes a place in the gateway and on a resource; `None` where there is no room.
    pub(crate) fn take(gateway: &Arc<Seats>, resource: &Arc<Seats>) -> Option<Self> {
        // Both count until the place is dropped, room or not.
        let (here, there) = (gateway.take(), resource.take());
        let place = Self([Arc::clone(gateway), Arc::clone(resource)]);
        (here && there).then_some(place)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        for seats in &self.0 {
            seats.taken.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_takes_room_everywhere_and_gives_it_back() {
        let (gateway, resource) = (Seats::new(Some(2)), Seats::new(Some(1)));
        let first = Place::take(&gateway, &resource);
        assert!(first.is_some());
        assert!(Place::take(&gateway, &resource).is_none(), "the resource is full");
        assert_eq!((gateway.taken(), resource.taken()), (1, 1));
        let other = Seats::new(None);
        let second = Place::take(&gateway, &other);
        assert!(second.is_some());
        assert!(Place::take(&gateway, &other).is_none(), "the gateway is full");
        drop((first, second));
        assert_eq!((gateway.taken(), resource.taken(), other.taken()), (0, 0, 0));
    }
}
