mod stage;

use std::time::Duration;

use model::PluginName;
use plugin::{Code, FaultKind};
use serde_json::Value;
use tokio::time::Instant;

use self::stage::{Does, Script, Seen, Stage, refused};
use super::pump::{LINGER, STOP_MAX};
use super::*;

#[tokio::test(start_paused = true)]
async fn every_entry_goes_out_once_in_order_and_as_it_stands() {
    let stage = Stage::new([]);
    stage.append(1_200).await;
    stage.start();
    stage.reaches(1_200).await;
    let sizes: Vec<_> = stage.seen().iter().map(|seen| seen.entries.len()).collect();
    assert_eq!(sizes, [500, 500, 200]);
    let sent: Vec<_> = stage.seen().into_iter().flat_map(|seen| seen.entries).collect();
    let held: Vec<_> = stage
        .journal
        .reader()
        .entries(0)
        .map(|entry| String::from_utf8(entry.expect("read").bytes.to_vec()).expect("text"))
        .collect();
    assert_eq!(sent, held);
}

#[tokio::test(start_paused = true)]
async fn a_small_batch_waits_a_second_for_company_and_a_full_one_does_not() {
    let stage = Stage::new([]);
    stage.append(500).await;
    stage.start();
    stage.reaches(500).await;
    assert_eq!(stage.began.elapsed(), Duration::ZERO);
    stage.append(3).await;
    stage.reaches(503).await;
    assert!(
        (LINGER..LINGER * 2).contains(&stage.began.elapsed()),
        "{:?}",
        stage.began.elapsed()
    );
}

#[tokio::test(start_paused = true)]
async fn what_fails_is_offered_again_unchanged_with_growing_patience() {
    let stage = Stage::new([
        Does::Fails(FaultKind::Trap("wasm")),
        Does::Fails(FaultKind::Deadline(Duration::from_secs(60))),
        Does::Fails(refused(Code::Unavailable, None)),
    ]);
    stage.append(500).await;
    stage.start();
    stage.reaches(500).await;
    assert_eq!(
        stage.deliveries(),
        [(0, 0, 500, 0), (1, 0, 500, 1), (3, 0, 500, 2), (7, 0, 500, 3)]
    );
    assert!(
        stage
            .seen()
            .iter()
            .all(|seen| seen.entries == stage.seen()[0].entries)
    );
}

#[tokio::test(start_paused = true)]
async fn patience_that_an_outside_system_asks_for_is_shown() {
    let stage = Stage::new([Does::Fails(refused(
        Code::RateLimited,
        Some(Duration::from_secs(90)),
    ))]);
    stage.append(500).await;
    stage.start();
    stage.reaches(500).await;
    assert_eq!(stage.deliveries(), [(0, 0, 500, 0), (90, 0, 500, 1)]);
}

#[tokio::test(start_paused = true)]
async fn what_only_an_operator_can_mend_is_asked_at_the_longest_interval() {
    let stage = Stage::new([Does::Fails(refused(Code::Unauthorized, None))]);
    stage.append(500).await;
    stage.start();
    stage.reaches(500).await;
    assert_eq!(stage.deliveries(), [(0, 0, 500, 0), (300, 0, 500, 1)]);
}

#[tokio::test(start_paused = true)]
async fn what_a_plugin_left_over_is_offered_again_at_once() {
    let stage = Stage::new([Does::Takes(3), Does::Takes(1)]);
    stage.append(500).await;
    stage.start();
    stage.reaches(500).await;
    assert_eq!(
        stage.deliveries(),
        [(0, 0, 500, 0), (0, 3, 497, 1), (0, 4, 496, 2)]
    );
}

#[tokio::test(start_paused = true)]
async fn an_entry_given_up_on_is_journaled_and_passed_over() {
    let stage = Stage::new([Does::Rejects(vec![7, 9])]);
    stage.append(500).await;
    stage.start();
    stage.reaches(502).await;
    let rejected = stage.journaled("export.rejected");
    let named: Vec<_> = rejected
        .iter()
        .map(|entry| (&entry["plugin"], &entry["index"], &entry["reason"]))
        .collect();
    let (plugin, reason) = (Value::from("siem"), Value::from("too \"odd\""));
    assert_eq!(
        named,
        [(&plugin, &7.into(), &reason), (&plugin, &9.into(), &reason)]
    );
}

#[tokio::test(start_paused = true)]
async fn an_exporter_that_gives_up_on_everything_does_not_make_the_journal_grow_for_ever() {
    let stage = Stage::new([
        Does::Rejects((0..500).collect()),
        Does::Rejects((500..1_000).collect()),
    ]);
    stage.append(500).await;
    stage.start();
    stage.reaches(1_000).await;
    assert_eq!(stage.journal.size(), 1_000);
    assert_eq!(stage.journaled("export.rejected").len(), 500);
}

#[tokio::test(start_paused = true)]
async fn invalid_input_is_narrowed_down_to_the_one_entry() {
    let stage = Stage::with(Script::poisoned(5));
    stage.append(8).await;
    stage.start();
    stage.reaches(9).await;
    let rejected = stage.journaled("export.rejected");
    assert_eq!((rejected.len(), &rejected[0]["index"]), (1, &Value::from(5)));
    assert_eq!(rejected[0]["reason"], "said the plugin");
    for n in (0..8).filter(|n| *n != 5) {
        let with = |seen: &Seen| (seen.first..seen.first + seen.entries.len() as u64).contains(&n);
        let taken = |seen: &Seen| !(seen.first..seen.first + seen.entries.len() as u64).contains(&5);
        assert!(
            stage.seen().iter().any(|seen| with(seen) && taken(seen)),
            "entry {n} was not delivered"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn nothing_new_is_delivered_until_the_cursor_is_remembered() {
    let stage = Stage::new([]);
    *stage.kept.failures.lock().expect("unpoisoned") = 3;
    stage.append(1_000).await;
    stage.start();
    stage.reaches(1_000).await;
    assert_eq!(stage.deliveries(), [(0, 0, 500, 0), (7, 500, 500, 0)]);
}

#[tokio::test(start_paused = true)]
async fn a_crash_between_the_acknowledgement_and_the_cursor_delivers_again() {
    let mut stage = Stage::new([]);
    stage.append(500).await;
    stage.kept.hangs = true;
    let pumping = stage.start();
    tokio::time::timeout(Duration::from_secs(60), pumping)
        .await
        .expect_err("the cursor cannot be saved");
    stage.kept.hangs = false;
    stage.start();
    stage.reaches(500).await;
    let deliveries = stage.deliveries();
    assert_eq!(
        deliveries
            .iter()
            .map(|(_, first, count, _)| (*first, *count))
            .collect::<Vec<_>>(),
        [(0, 500); 2]
    );
}

#[tokio::test(start_paused = true)]
async fn it_goes_on_where_it_left_off() {
    let stage = Stage::new([]);
    stage.append(700).await;
    stage.kept.next.send_replace(650);
    stage.start();
    stage.reaches(700).await;
    assert_eq!(
        stage
            .deliveries()
            .iter()
            .map(|(_, first, count, _)| (*first, *count))
            .collect::<Vec<_>>(),
        [(650, 50)]
    );
}

#[tokio::test(start_paused = true)]
async fn a_cursor_beyond_the_journal_is_put_on_record() {
    let stage = Stage::new([]);
    stage.append(3).await;
    stage.kept.next.send_replace(900);
    stage.start();
    stage
        .kept
        .next
        .subscribe()
        .wait_for(|kept| *kept == 4)
        .await
        .expect("kept");
    let faults = stage.journaled("fault");
    assert_eq!(faults.len(), 1);
    assert!(
        faults[0]["reason"]
            .as_str()
            .is_some_and(|reason| reason.contains("rolled back")),
        "{faults:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn told_to_stop_it_delivers_what_is_there_first() {
    let stage = Stage::new([]);
    stage.append(3).await;
    let pumping = stage.start();
    stage.stop.cancel();
    pumping.await.expect("it ends");
    assert_eq!(*stage.kept.next.borrow(), 3);
    assert_eq!(stage.began.elapsed(), Duration::ZERO, "nobody lingers");
}

#[tokio::test(start_paused = true)]
async fn told_to_stop_while_it_waits_it_tries_once_more() {
    let fails = || Does::Fails(refused(Code::Unavailable, None));
    let stage = Stage::new([fails(), fails(), fails()]);
    stage.append(500).await;
    let pumping = stage.start();
    tokio::time::sleep(Duration::from_millis(100)).await;
    stage.stop.cancel();
    pumping.await.expect("it ends");
    assert_eq!(stage.deliveries().len(), 2);
    assert_eq!(*stage.kept.next.borrow(), 0);
}

#[tokio::test(start_paused = true)]
async fn told_to_stop_it_ends_even_if_the_exporter_does_not() {
    let stage = Stage::new([Does::Hangs]);
    stage.append(500).await;
    let pumping = stage.start();
    tokio::time::sleep(Duration::from_secs(30)).await;
    stage.stop.cancel();
    let told = Instant::now();
    pumping.await.expect("it ends");
    assert_eq!(told.elapsed(), STOP_MAX);
}

#[tokio::test(start_paused = true)]
async fn lag_is_what_waits_and_since_when() {
    let lag = Lag::new(&PluginName::new("siem"));
    lag.starts_at(10);
    tokio::time::advance(Duration::from_secs(50)).await;
    assert_eq!(lag.measure(10), (0, Duration::ZERO));
    tokio::time::advance(Duration::from_secs(20)).await;
    assert_eq!(lag.measure(15), (5, Duration::from_secs(20)));
    lag.acknowledged(12, 0);
    assert_eq!(lag.measure(15), (3, Duration::ZERO));
    tokio::time::advance(lag::WARN_AFTER).await;
    assert_eq!(lag.measure(15), (3, lag::WARN_AFTER));
}
