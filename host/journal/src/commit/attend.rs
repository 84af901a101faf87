//! One wake for each event loop and commit.
//!
//! To wake a task from another thread costs a system call. Where an event loop attends to the
//! log ([`Attend`]), whoever waits on that loop leaves the waker with it, and a commit wakes the
//! loop alone, which then wakes its own without leaving its thread.

use std::cell::RefCell;
use std::convert::Infallible;
use std::future::Future;
use std::marker::PhantomData;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use super::{Core, State};

thread_local! {
    static LOOP: RefCell<Option<Loop>> = const { RefCell::new(None) };
}

/// Who waits on the event loop of this thread.
struct Loop {
    /// The address of the log's core: a thread attends to one log.
    core: usize,
    number: usize,
    waiting: Vec<(u64, Waker)>,
}

/// What a commit must know of an event loop that attends.
pub(super) struct Attended {
    pub(super) waker: Waker,
    /// The lowest and the highest index that is waited for there.
    awaited: Option<(u64, u64)>,
}

impl Attended {
    fn note(&mut self, index: u64) {
        let (low, high) = self.awaited.unwrap_or((index, index));
        self.awaited = Some((low.min(index), high.max(index)));
    }

    /// Whether anybody there waits for what is not durable yet.
    pub(super) fn waits(&self) -> bool {
        self.awaited.is_some()
    }

    /// Everything before `size` is durable; returns whether anybody there has waited for it.
    pub(super) fn committed(&mut self, size: u64) -> bool {
        let Some((low, high)) = self.awaited else {
            return false;
        };
        // Which one comes next the loop knows when it has looked.
        self.awaited = (high >= size).then_some((low.max(size), high));
        low < size
    }
}

/// Has the event loop of this thread attend to a log; never resolves.
///
/// Everything that waits on this thread is woken through it while it lives, so it must be polled
/// as often as anything else there.
#[derive(Debug)]
#[must_use = "a future does nothing unless it is polled"]
pub struct Attend {
    core: Arc<Core>,
    number: Option<usize>,
    woken: Vec<Waker>,
    /// It belongs to the thread that polled it.
    thread: PhantomData<Rc<()>>,
}

impl Attend {
    pub(crate) fn new(core: Arc<Core>) -> Self {
        Self {
            core,
            number: None,
            woken: Vec::new(),
            thread: PhantomData,
        }
    }

    /// Takes this thread's place; there is none if the thread attends already.
    fn sit_down(&mut self, waker: &Waker) {
        LOOP.with_borrow_mut(|here| {
            if self.number.is_none() && here.is_none() {
                let mut state = self.core.lock();
                let number = state.attended.len();
                state.attended.push(Some(Attended {
                    waker: waker.clone(),
                    awaited: None,
                }));
                self.number = Some(number);
                *here = Some(Loop {
                    core: address(&self.core),
                    number,
                    waiting: Vec::new(),
                });
            }
        });
    }
}

impl Future for Attend {
    type Output = Infallible;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Infallible> {
        let this = self.get_mut();
        this.sit_down(context.waker());
        let Some(number) = this.number else {
            return Poll::Pending;
        };
        LOOP.with_borrow_mut(|here| {
            let mut state = this.core.lock();
            let size = this.core.durable_size();
            let ended = state.dead.is_some();
            if let (Some(here), Some(Some(attended))) = (here, state.attended.get_mut(number)) {
                let over = |(index, _): &mut (u64, Waker)| ended || *index < size;
                let woken = here.waiting.extract_if(.., over).map(|(_, waker)| waker);
                this.woken.extend(woken);
                attended.waker.clone_from(context.waker());
                attended.awaited = None;
                here.waiting.iter().for_each(|(index, _)| attended.note(*index));
            }
        });
        this.woken.drain(..).for_each(Waker::wake);
        Poll::Pending
    }
}

impl Drop for Attend {
    /// Whoever still waits here is woken directly from now on.
    fn drop(&mut self) {
        let Some(number) = self.number else { return };
        let waiting = LOOP.with_borrow_mut(Option::take).map(|here| here.waiting);
        let mut state = self.core.lock();
        state.attended[number] = None;
        state.waiters.extend(waiting.into_iter().flatten());
    }
}

/// Leaves a waker with the event loop of this thread, or with the log itself.
pub(super) fn leave(core: &Core, state: &mut State, index: u64, waker: &Waker) {
    let left = LOOP.with_borrow_mut(|here| {
        let here = here.as_mut().filter(|here| here.core == address(core))?;
        state.attended.get_mut(here.number)?.as_mut()?.note(index);
        here.waiting.push((index, waker.clone()));
        Some(())
    });
    if left.is_none() {
        state.waiters.push((index, waker.clone()));
    }
}

fn address(core: &Core) -> usize {
    std::ptr::from_ref(core).addr()
}
