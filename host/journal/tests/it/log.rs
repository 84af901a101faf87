//! A log as its writer and readers see it: order, limits, restarts, errors.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake};

use crate::support::{Place, append, entry, wait};
use journal::{AppendError, CommitChoice, CommitMode, ENTRY_BYTES_MAX, Reader};

fn read_all(place: &Place) -> Vec<Vec<u8>> {
    let reader = Reader::open(&place.log()).expect("opens");
    reader
        .entries(0)
        .map(|entry| entry.expect("reads").bytes.to_vec())
        .collect()
}

#[test]
fn an_empty_log_opens_again_and_is_empty() {
    let place = Place::new();
    let (journal, recovery) = place.open();
    assert!(recovery.fresh && recovery.clean && recovery.size == 0);
    assert_eq!(journal.close().expect("closes").checkpoint.size, 0);
    drop(journal);
    let (journal, recovery) = place.open();
    assert!(!recovery.fresh && recovery.clean && recovery.size == 0);
    assert_eq!(journal.reader().entries(0).count(), 0);
}

#[test]
fn entries_come_back_in_order_across_restarts_and_segments() {
    let place = Place::new();
    for run in 0..4 {
        let (journal, recovery) = place.open();
        assert_eq!(recovery.size, run * 700);
        for n in run * 700..(run + 1) * 700 {
            append(&journal, [entry(n)]);
        }
        assert_eq!(journal.size(), (run + 1) * 700);
        if run % 2 == 0 {
            journal.close().expect("closes");
        }
    }
    let all = read_all(&place);
    assert_eq!(all.len(), 2800);
    for (n, found) in (0..).zip(all) {
        assert_eq!(found, entry(n));
    }
}

#[test]
fn a_reader_goes_on_when_the_log_has_grown() {
    let place = Place::new();
    let (journal, _) = place.open();
    let mut entries = journal.reader().entries(0);
    for n in 0..2000 {
        assert!(entries.next().is_none());
        append(&journal, [entry(n)]);
        let found = entries.next().expect("one more").expect("reads");
        assert_eq!((found.index, found.bytes.to_vec()), (n, entry(n)));
    }
    let outside = Reader::open(&place.log()).expect("opens");
    assert_eq!(outside.size().expect("reads"), 2000);
    assert_eq!(
        outside.entry(1234).expect("reads").expect("there").bytes,
        entry(1234)
    );
    assert_eq!(outside.entry(2000).expect("reads"), None);
}

#[test]
fn the_longest_entry_is_taken_and_one_byte_more_is_not() {
    let place = Place::new();
    let (journal, _) = place.open();
    append(&journal, [vec![b'a'; ENTRY_BYTES_MAX]]);
    let refused = journal.append(|out| out.resize(out.len() + ENTRY_BYTES_MAX + 1, b'b'));
    assert_eq!(
        refused,
        Err(AppendError::TooLong {
            bytes: ENTRY_BYTES_MAX + 1
        })
    );
    append(&journal, [b"after".to_vec()]);
    journal.close().expect("closes");
    drop(journal);
    assert_eq!(read_all(&place), [vec![b'a'; ENTRY_BYTES_MAX], b"after".to_vec()]);
}

#[test]
fn what_nobody_waits_for_becomes_durable_by_itself() {
    for mode in [CommitMode::Inline, CommitMode::Thread] {
        let place = Place::new();
        let mut options = place.options();
        options.commit = CommitChoice::Fixed(mode);
        let (journal, _) = journal::Journal::open(&place.log(), options).expect("opens");
        let mut sizes = journal.subscribe();
        for n in 1..=5 {
            journal
                .append(|out| out.extend_from_slice(&entry(n)))
                .expect("appends");
            let size = wait(sizes.wait_for(|size| *size >= n)).map(|size| *size);
            assert_eq!(size.ok(), Some(n));
        }
    }
}

#[test]
fn a_backlog_over_the_limit_is_refused() {
    let place = Place::new();
    let mut options = place.options();
    options.backlog_bytes_max = 1000;
    let (journal, _) = journal::Journal::open(&place.log(), options).expect("opens");
    let refused = (0..10_000).find_map(|_| journal.append(|out| out.resize(out.len() + 900, b'a')).err());
    assert_eq!(refused, Some(AppendError::Backlog { limit: 1000 }));
}

#[test]
fn after_close_nothing_is_taken() {
    let place = Place::new();
    let (journal, _) = place.open();
    append(&journal, [entry(0)]);
    let signed = journal.close().expect("closes");
    assert_eq!(signed.checkpoint.size, 1);
    let refused = journal.append(|out| out.push(b'x'));
    assert!(matches!(refused, Err(AppendError::Unwritable(_))));
    assert_eq!(journal.close().expect("closes again").checkpoint.size, 1);
}

#[test]
fn an_entry_given_up_half_written_ends_the_log() {
    let place = Place::new();
    let (journal, _) = place.open();
    append(&journal, [entry(0)]);
    let other = journal.clone();
    let panicked = std::thread::spawn(move || other.append(|_| panic!("on purpose"))).join();
    assert!(panicked.is_err());
    assert!(journal.append(|out| out.push(b'x')).is_err());
    assert!(journal.health().is_err());
    drop(journal);
    assert_eq!(place.open().1.size, 1);
}

#[test]
fn open_operations_are_reported_until_their_outcome_is_known() {
    let intent = |operation: &str, verdict: &str| {
        format!(r#"{{"v":1,"kind":"op.intent","operation":"{operation}","verdict":"{verdict}"}}"#)
            .into_bytes()
    };
    let end = |kind: &str, operation: &str| {
        format!(r#"{{"v":1,"kind":"{kind}","operation":"{operation}"}}"#).into_bytes()
    };
    let place = Place::new();
    let (journal, _) = place.open();
    append(
        &journal,
        [
            intent("a", "run"),
            intent("b", "run"),
            intent("c", "refuse"),
            b"not json".to_vec(),
            end("op.outcome", "a"),
            intent("d", "run"),
        ],
    );
    drop(journal);
    let (journal, recovery) = place.open();
    let open: Vec<_> = recovery
        .open_operations
        .iter()
        .map(|o| (o.operation.as_str(), o.index))
        .collect();
    assert_eq!(open, [("b", 1), ("d", 5)]);
    assert!(!recovery.clean);
    append(&journal, [end("op.outcome-unknown", "b")]);
    drop(journal);
    let (journal, recovery) = place.open();
    assert_eq!(recovery.open_operations.len(), 1);
    append(&journal, [end("op.outcome-unknown", "d")]);
    journal.close().expect("closes");
    drop(journal);
    let (_journal, recovery) = place.open();
    assert!(recovery.clean && recovery.open_operations.is_empty());
}

#[test]
fn several_runtimes_append_at_once_without_gaps() {
    let modes = [CommitMode::Inline, CommitMode::Thread];
    for (mode, attends) in modes.into_iter().flat_map(|mode| [(mode, false), (mode, true)]) {
        let place = Place::new();
        let mut options = place.options();
        options.commit = CommitChoice::Fixed(mode);
        let (journal, _) = journal::Journal::open(&place.log(), options).expect("opens");
        let threads: Vec<_> = (0..4)
            .map(|thread| {
                let journal = journal.clone();
                std::thread::spawn(move || runtime_of_waiters(&journal, thread, attends))
            })
            .collect();
        let mut tickets: Vec<u64> = threads
            .into_iter()
            .flat_map(|t| t.join().expect("runs"))
            .collect();
        tickets.sort_unstable();
        assert!(tickets.iter().copied().eq(0..4 * 8 * 200));
        let mut per_task = [0_u64; 32];
        for entry in journal.reader().entries(0) {
            let bytes = entry.expect("reads").bytes;
            let (task, n) = (
                usize::from(bytes[0]),
                u64::from_be_bytes(bytes[1..9].try_into().expect("8")),
            );
            assert_eq!(per_task[task], n, "the order of task {task}");
            per_task[task] += 1;
        }
        assert_eq!(per_task, [200; 32]);
        journal.close().expect("closes");
    }
}

fn runtime_of_waiters(journal: &journal::Journal, thread: u8, attends: bool) -> Vec<u64> {
    let tasks = futures_util::future::join_all((0..8_u8).map(|task| async move {
        let mut tickets = Vec::new();
        for n in 0..200_u64 {
            let ticket = journal
                .append(|out| {
                    out.push(thread * 8 + task);
                    out.extend_from_slice(&n.to_be_bytes());
                })
                .expect("appends");
            journal.durable(ticket).await.expect("durable");
            tickets.push(ticket.index());
        }
        tickets
    }));
    wait(async {
        if !attends {
            return tasks.await;
        }
        tokio::select! {
            tickets = tasks => tickets,
            never = journal.attend() => match never {},
        }
    })
    .concat()
}

/// A waker that counts from where it was woken.
struct Home {
    thread: std::thread::Thread,
    woken: AtomicUsize,
    from_elsewhere: AtomicUsize,
}

impl Home {
    fn here() -> Arc<Self> {
        Arc::new(Self {
            thread: std::thread::current(),
            woken: AtomicUsize::new(0),
            from_elsewhere: AtomicUsize::new(0),
        })
    }
}

impl Wake for Home {
    fn wake(self: Arc<Self>) {
        let elsewhere = std::thread::current().id() != self.thread.id();
        self.from_elsewhere
            .fetch_add(usize::from(elsewhere), Ordering::SeqCst);
        self.woken.fetch_add(1, Ordering::SeqCst);
        self.thread.unpark();
    }
}

#[test]
fn where_an_event_loop_attends_nobody_else_wakes_who_waits_there() {
    let place = Place::new();
    let mut options = place.options();
    options.commit = CommitChoice::Fixed(CommitMode::Thread);
    let (journal, _) = journal::Journal::open(&place.log(), options).expect("opens");
    let (event_loop, waiter) = (Home::here(), Home::here());
    let mut attend = std::pin::pin!(journal.attend());
    let mut look = || {
        let waker = Arc::clone(&event_loop).into();
        assert!(
            attend
                .as_mut()
                .poll(&mut Context::from_waker(&waker))
                .is_pending()
        );
    };
    look();
    let mut waiting = 0;
    for n in 0..500 {
        let ticket = journal
            .append(|out| out.extend_from_slice(&entry(n)))
            .expect("appends");
        let waker = Arc::clone(&waiter).into();
        let durable = std::pin::pin!(journal.durable(ticket));
        waiting += usize::from(durable.poll(&mut Context::from_waker(&waker)).is_pending());
    }
    while waiter.woken.load(Ordering::SeqCst) < waiting {
        std::thread::park();
        look();
    }
    assert_eq!(waiter.from_elsewhere.load(Ordering::SeqCst), 0);
}

#[test]
fn who_waits_on_a_loop_that_stops_to_attend_is_woken_all_the_same() {
    let place = Place::new();
    let mut options = place.options();
    options.commit = CommitChoice::Fixed(CommitMode::Thread);
    let (journal, _) = journal::Journal::open(&place.log(), options).expect("opens");
    wait(async {
        let mut attend = Box::pin(journal.attend());
        let _ = std::future::poll_fn(|context| Poll::Ready(attend.as_mut().poll(context))).await;
        let mut attend = Some(attend);
        for n in 0..100 {
            let ticket = journal
                .append(|out| out.extend_from_slice(&entry(n)))
                .expect("appends");
            let mut durable = journal.durable(ticket);
            let _ =
                std::future::poll_fn(|context| Poll::Ready(std::pin::Pin::new(&mut durable).poll(context)))
                    .await;
            if n >= 50 {
                drop(attend.take());
                durable.await.expect("durable");
            }
        }
    });
    assert_eq!(journal.size(), 100);
}

#[test]
fn a_wait_that_is_given_up_harms_nobody() {
    let place = Place::new();
    let (journal, _) = place.open();
    for n in 0..100 {
        let ticket = journal
            .append(|out| out.extend_from_slice(&entry(n)))
            .expect("appends");
        let mut given_up = journal.durable(ticket);
        wait(std::future::poll_fn(|context| {
            let _ = std::pin::Pin::new(&mut given_up).poll(context);
            std::task::Poll::Ready(())
        }));
    }
    append(&journal, [entry(100)]);
    assert_eq!(journal.size(), 101);
}
