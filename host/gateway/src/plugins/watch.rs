//! Reloading when a file changes, where the operator asks for that.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio_util::sync::CancellationToken;

use crate::services::Services;

/// How often the files are looked at. Asking the system to tell of changes would be quicker and
/// does not work on the network file systems and mounted volumes where configurations often are.
const LOOK: Duration = Duration::from_secs(2);

/// What is seen of one file: gone, or when it was changed, its size and its number.
type Look = Option<(SystemTime, u64, u64)>;

/// Looks at the files of configuration and components, and reloads once they have changed and then
/// stayed the same for one look: a file in the middle of being written is not read.
pub(crate) async fn watch(services: Arc<Services>, stop: CancellationToken) {
    // `None` while nothing is watched.
    let mut known = look(&services).await;
    let mut last = known.clone();
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(LOOK) => {}
        }
        let seen = look(&services).await;
        if known.is_none() || seen.is_none() {
            known.clone_from(&seen);
        } else if seen != known && seen == last {
            tracing::info!("a file of the configuration or a component has changed: reloading the plugins");
            // What went wrong is in the log: nobody else is there to be told.
            let _ = services.reload.reload(&services).await;
            known = look(&services).await;
        }
        last = seen;
    }
}

async fn look(services: &Services) -> Option<Vec<(PathBuf, Look)>> {
    let files = services.reload.watched().await?;
    let looking = tokio::task::spawn_blocking(move || {
        files
            .into_iter()
            .map(|file| {
                let look = see(&file);
                (file, look)
            })
            .collect()
    });
    looking.await.ok()
}

fn see(file: &std::path::Path) -> Look {
    use std::os::unix::fs::MetadataExt as _;

    let found = std::fs::metadata(file).ok()?;
    Some((found.modified().ok()?, found.len(), found.ino()))
}
