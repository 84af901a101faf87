//! How much of the journal is read at once, and for whom: a search reads thousands of entries,
//! and whoever looks for what is not there as many.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::problem::Problem;

/// How many read at once: each takes a thread. Others wait, no longer than a request may take.
const READS_MAX: usize = 8;

/// How many reads of one principal are under way or wait: two open pages and a command.
pub(super) const READS_OF_ONE_MAX: usize = 3;

/// When whoever reads too much may try again, in seconds: a read takes less.
const TRY_AGAIN: u64 = 1;

/// The reads of the journal that are under way.
#[derive(Debug)]
pub(crate) struct Reads {
    turns: Arc<Semaphore>,
    under_way: UnderWay,
}

/// How many of whom (`issuer|subject`) are under way or wait.
type UnderWay = Arc<Mutex<HashMap<String, usize>>>;

impl Default for Reads {
    fn default() -> Self {
        Self {
            turns: Arc::new(Semaphore::new(READS_MAX)),
            under_way: Arc::default(),
        }
    }
}

impl Reads {
    /// Waits for the turn of `who` (`issuer|subject`) to read.
    ///
    /// # Errors
    /// They read too much at once.
    pub(crate) async fn turn(&self, who: String) -> Result<Turn, Problem> {
        let own = self.count(who)?;
        match Arc::clone(&self.turns).acquire_owned().await {
            Ok(turn) => Ok(Turn {
                _own: own,
                _turn: turn,
            }),
            Err(closed) => Err(Problem::broken("the journal is not read any more", &closed)),
        }
    }

    fn count(&self, who: String) -> Result<Own, Problem> {
        let mut under_way = lock(&self.under_way);
        let own = under_way.entry(who.clone()).or_default();
        if *own >= READS_OF_ONE_MAX {
            let detail = "you read too much of the journal at once";
            return Err(Problem::too_often(detail, TRY_AGAIN));
        }
        *own += 1;
        Ok(Own {
            who,
            under_way: Arc::clone(&self.under_way),
        })
    }
}

fn lock(under_way: &UnderWay) -> MutexGuard<'_, HashMap<String, usize>> {
    under_way.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The turn to read, until dropped.
#[derive(Debug)]
pub(crate) struct Turn {
    _own: Own,
    _turn: OwnedSemaphorePermit,
}

#[derive(Debug)]
struct Own {
    who: String,
    under_way: UnderWay,
}

impl Drop for Own {
    fn drop(&mut self) {
        let mut under_way = lock(&self.under_way);
        if let Some(own) = under_way.get_mut(&self.who) {
            *own -= 1;
            if *own == 0 {
                under_way.remove(&self.who);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use http::StatusCode;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn nobody_reads_more_than_some_at_once_and_all_together_no_more_than_there_are_turns() {
        let reads = Reads::default();
        let mut held = Vec::new();
        for number in 0..READS_MAX {
            let who = format!("idp|{}", number / READS_OF_ONE_MAX);
            held.push(reads.turn(who).await.expect("a turn"));
        }
        let more = reads.turn("idp|0".to_owned()).await.expect_err("too many");
        assert_eq!(more.status, StatusCode::TOO_MANY_REQUESTS);
        let other = tokio::time::timeout(Duration::from_secs(20), reads.turn("idp|new".to_owned()));
        assert!(other.await.is_err(), "whoever is new waits");
        drop(held.pop());
        let other = reads.turn("idp|new".to_owned()).await;
        assert!(other.is_ok(), "until somebody is done");
        drop((held, other));
        assert!(
            lock(&reads.under_way).is_empty(),
            "whoever gave up waiting does not count"
        );
    }
}
