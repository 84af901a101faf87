//! The threads that sessions run on: each with an event loop of its own, so that a session
//! never moves and nothing on its way is shared between threads but the journal.

use std::future::Future;
use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::{self, JoinHandle};

use journal::Journal;
use tokio::net::TcpStream;
use tokio::runtime::{Builder, Handle};
use tokio_util::sync::CancellationToken;

/// The worker threads.
pub(crate) struct Workers {
    handles: Vec<Handle>,
    threads: Vec<JoinHandle<()>>,
    stop: CancellationToken,
    next: AtomicUsize,
}

impl Workers {
    /// Starts `count` threads; by default one a processor. Each attends to the journal.
    pub(crate) fn start(count: Option<usize>, journal: &Journal) -> io::Result<Self> {
        let count = match count {
            Some(count) => count,
            None => thread::available_parallelism()?.get(),
        };
        let mut workers = Self {
            handles: Vec::with_capacity(count),
            threads: Vec::with_capacity(count),
            stop: CancellationToken::new(),
            next: AtomicUsize::new(0),
        };
        for index in 0..count {
            let runtime = Builder::new_current_thread().enable_all().build()?;
            workers.handles.push(runtime.handle().clone());
            let (stop, journal) = (workers.stop.clone(), journal.clone());
            let thread = thread::Builder::new()
                .name(format!("worker-{index}"))
                .stack_size(STACK_BYTES)
                .spawn(move || {
                    runtime.block_on(async {
                        tokio::select! {
                            () = stop.cancelled() => {}
                            never = journal.attend() => match never {},
                        }
                    });
                })?;
            workers.threads.push(thread);
        }
        Ok(workers)
    }

    /// Hands a connection to the worker whose turn it is.
    pub(crate) fn hand_over<F, Served>(&self, stream: TcpStream, serve: F)
    where
        F: FnOnce(TcpStream) -> Served + Send + 'static,
        Served: Future<Output = ()> + Send + 'static,
    {
        let index = self.next.fetch_add(1, Ordering::Relaxed) % self.handles.len();
        // The socket leaves this thread's event loop and joins the worker's.
        let Ok(stream) = stream.into_std() else { return };
        self.handles[index].spawn(async move {
            match TcpStream::from_std(stream) {
                Ok(stream) => serve(stream).await,
                Err(error) => tracing::error!(%error, "a connection could not be taken over"),
            }
        });
    }

    /// Stops the threads; what still runs on them is dropped.
    pub(crate) fn stop(self) {
        self.stop.cancel();
        for thread in self.threads {
            let _ = thread.join();
        }
    }
}

/// The parser recurses with the statement's nesting and has a guard of its own, set for the
/// 8 MiB of a main thread.
const STACK_BYTES: usize = 16 << 20;
