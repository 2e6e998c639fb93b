//! The chaos suite in a cut that tests have time for: every scenario for some seconds at small rates, several at a time.
//! Laws are asserted; figures are the business of `make chaos`.
#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used, reason = "a test that can't go on is to fail")]

use futures_util::future::join_all;
use pingmon_benches::chaos::{Length, Name, Order, program_beside};
use tokio::sync::Mutex;

/// One test at a time: each plays several scenarios, with a server and up to three engines each.
static TURN: Mutex<()> = Mutex::const_new(());

/// Plays scenarios at the same time; the laws of all must hold.
async fn hold<const N: usize>(names: [Name; N]) {
    let _turn = TURN.lock().await;
    let binary = program_beside().unwrap_or_else(|error| panic!("{error}"));
    let order = Order { binary, length: Length::Cut, time: None, seed: fastrand::u64(..), keep: false };
    let reports = join_all(names.map(async |name| (name, name.play(&order).await))).await;
    for (name, (report, kept)) in reports {
        let report = report.unwrap_or_else(|error| panic!("{name:?}: {error}; see {kept:?}"));
        assert!(report.held(), "{name:?} with seed {}:\n{report}\nsee {kept:?}", order.seed);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_laws_hold_whatever_becomes_of_the_engines() {
    hold([Name::Kill, Name::Stop, Name::Dark, Name::Upgrade]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_laws_hold_whatever_becomes_of_the_database() {
    hold([Name::Restart, Name::Pooler, Name::Failover, Name::Snapshot]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_laws_hold_whatever_becomes_of_the_way_to_the_database() {
    hold([Name::Blackhole, Name::LostAnswers]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_laws_hold_at_any_time_and_under_any_load() {
    hold([Name::Clocks, Name::Wave, Name::Million]).await;
}
