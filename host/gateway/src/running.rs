//! A task that can be ended by itself, beside others that end with the gateway.

use std::future::Future;

use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// A task that is looked after.
pub(crate) struct Running {
    stop: CancellationToken,
    task: JoinHandle<()>,
}

impl Running {
    /// Begins a task that ends by the token it gets, or with `stop`.
    pub(crate) fn begin<F>(stop: &CancellationToken, task: impl FnOnce(CancellationToken) -> F) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let stop = stop.child_token();
        Self {
            task: tokio::spawn(task(stop.clone())),
            stop,
        }
    }

    /// Ends it, and waits until it has ended.
    pub(crate) async fn end(self) {
        self.stop.cancel();
        // A task that panicked has ended, too.
        let _ = self.task.await;
    }
}
