//! What a provider says of itself when asked: kept for a while, and so is that it did not say it.

use tokio::sync::Mutex;

use super::error::KeysError;

/// How long is kept what a provider said of itself, in seconds.
const FRESH: u64 = 3_600;

/// How long a provider that did not say it is left alone, in seconds: whoever logs in meanwhile
/// is refused, and a provider that is started anew is not stormed.
pub(super) const RETRY: u64 = 5;

/// Something that a provider says of itself.
#[derive(Debug)]
pub(super) struct Discovered<T>(Mutex<Option<Heard<T>>>);

/// What came of asking, and when, in seconds of Unix time.
type Heard<T> = (u64, Result<T, KeysError>);

impl<T> Default for Discovered<T> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<T: Clone> Discovered<T> {
    /// Returns it, asking if that is due.
    pub(super) async fn get(
        &self,
        now: u64,
        ask: impl Future<Output = Result<T, KeysError>>,
    ) -> Result<T, KeysError> {
        let mut heard = self.0.lock().await;
        if let Some((at, known)) = &*heard {
            let kept = if known.is_ok() { FRESH } else { RETRY };
            // A clock that was set back must not put the next question off.
            if (*at..at.saturating_add(kept)).contains(&now) {
                return known.clone();
            }
        }
        // Whoever gives up waiting has asked all the same.
        *heard = Some((now, Err(KeysError::NotYet)));
        let said = ask.await;
        *heard = Some((now, said.clone()));
        said
    }
}

#[cfg(test)]
mod tests {
    use std::future::{pending, ready};

    use super::*;

    const NOW: u64 = 1_800_000_000;

    #[tokio::test]
    async fn what_was_said_is_kept_for_an_hour_and_that_nothing_was_for_moments() {
        let discovered = Discovered::default();
        let none = || ready(Err::<u8, _>(KeysError::Malformed("discovery")));
        assert!(discovered.get(NOW, none()).await.is_err());
        let again = discovered.get(NOW + RETRY - 1, ready(Ok(1))).await;
        assert!(matches!(again, Err(KeysError::Malformed(_))), "{again:?}");
        for (at, said, known) in [
            (NOW + RETRY, 2, 2),
            (NOW + RETRY + FRESH - 1, 9, 2),
            (NOW + RETRY + FRESH, 3, 3),
        ] {
            let got = discovered.get(at, ready(Ok(said))).await;
            assert_eq!(got.expect("said"), known);
        }
        let back = discovered.get(NOW, ready(Ok(4))).await;
        assert_eq!(back.expect("said"), 4, "the clock was set back");
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_gives_up_waiting_has_asked_all_the_same() {
        let discovered = Discovered::default();
        let waited = std::time::Duration::from_secs(5);
        let asked = tokio::time::timeout(waited, discovered.get(NOW, pending())).await;
        assert!(asked.is_err());
        let next = discovered.get(NOW + 1, ready(Ok(1))).await;
        assert!(matches!(next, Err(KeysError::NotYet)), "{next:?}");
    }
}
