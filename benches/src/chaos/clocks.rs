//! The wall clocks of the engines are an hour slow, right and an hour fast (libfaketime).

use std::{collections::BTreeMap, fs, path::PathBuf, time::Duration};

use fastrand::Rng;

use super::{POLL, Scenario, crew::Crew, micros, resume::FAILING};
use crate::{
    Result,
    ground::{
        daemon::Seat,
        fleet::{self, Fleet},
        progress,
        stand::Stand,
    },
    ledger::{Ledger, distribution::Distribution},
    report::Report,
};

const CLOCKS: [&str; 3] = ["-1h", "+0", "+1h"];
/// How far a stored time may be from when the target saw it, on a very busy machine: much less than an hour.
const TOLERANCE: Duration = Duration::from_secs(60);

pub(super) struct Clocks {
    monitors: u32,
    every: Duration,
    time: Duration,
}

impl Scenario for Clocks {
    const FULL: Self = Self { monitors: 1_000, every: Duration::from_secs(10), time: Duration::from_secs(60) };
    const CUT: Self = Self { monitors: 60, every: Duration::from_secs(2), time: Duration::from_secs(4) };

    fn time(&mut self) -> &mut Duration {
        &mut self.time
    }

    async fn play(&self, stand: &mut Stand, _: &mut Rng) -> Result<Report> {
        let stores = CLOCKS.map(|_| stand.store());
        let mut crew = Crew::seat(stand, Fleet::new(self.monitors, self.every), &stores)?;
        let library = library()?;
        crew.seats.iter_mut().zip(CLOCKS).for_each(|(seat, clock)| fake(seat, &library, clock));
        crew.begin(stand).await?;
        stand.target.fail(FAILING);
        progress::pass("an outage", self.time.max(3 * self.every)).await;
        stand.target.recover();
        progress::pass("no outage", self.time).await;
        let end = crew.finish(stand).await?;

        let mut report = Report::new(format!("clocks: {} by the engines' clocks", CLOCKS.join(", ")));
        let hits = stand.target.hits();
        let errors = cadence_errors(&hits, self.every);
        report.distribution("cadence error at the target", &errors);
        report.aim(format!("cadence error within {POLL:?}"), errors.max() <= POLL, format!("{:.1?}", errors.max()));
        report.law("stored times are from one clock", foreign_times(&end.ledger, &hits));
        end.judge(stand, &mut report);
        Ok(report)
    }
}

/// Lets a process see another wall clock. What measures lengths of time stays as it is.
fn fake(seat: &mut Seat, library: &std::path::Path, clock: &str) {
    seat.variables.extend([
        ("LD_PRELOAD", library.into()),
        ("FAKETIME", clock.into()),
        ("FAKETIME_DONT_FAKE_MONOTONIC", "1".into()),
    ]);
}

fn library() -> Result<PathBuf> {
    let places = fs::read_dir("/usr/lib")?.flatten().map(|entry| entry.path().join("faketime/libfaketimeMT.so.1"));
    let found = places.into_iter().find(|library| library.is_file());
    found.ok_or_else(|| "libfaketime is missing: `make setup` installs it".into())
}

/// How far from an interval the requests of each monitor lie apart, from the third on: the first ones are out of step.
fn cadence_errors(hits: &BTreeMap<u32, Vec<i64>>, every: Duration) -> Distribution {
    let apart = |hits: &Vec<i64>| {
        let steps = hits.windows(2).skip(1).filter_map(|pair| Some(pair.get(1)? - pair.first()?));
        steps.map(|step| (step - micros(every)).abs()).collect::<Vec<_>>()
    };
    Distribution::of_micros(hits.values().flat_map(apart))
}

/// Runs whose stored start isn't when the target saw them, and incidents of another time.
fn foreign_times(ledger: &Ledger, hits: &BTreeMap<u32, Vec<i64>>) -> Vec<String> {
    let near = |at: i64, hits: &[i64]| {
        let next = hits.partition_point(|hit| *hit < at);
        let around = hits.get(next.saturating_sub(1)..).unwrap_or_default().iter().take(2);
        around.map(|hit| (hit - at).abs()).any(|distance| distance <= micros(TOLERANCE))
    };
    let mut foreign = Vec::new();
    for (n, monitored) in &ledger.monitors {
        let seen = hits.get(n).map(Vec::as_slice).unwrap_or_default();
        let span =
            seen.first().copied().unwrap_or_default()..=seen.last().copied().unwrap_or_default() + micros(TOLERANCE);
        let runs = monitored.runs.iter().map(|run| run.started_at).filter(|at| !near(*at, seen));
        foreign.extend(runs.map(|at| format!("{}: no request at {at}", fleet::name(*n))));
        let times = monitored.incidents.iter().flat_map(|incident| [Some(incident.opened_at), incident.closed_at]);
        let times = times.flatten().filter(|at| !span.contains(at));
        foreign.extend(times.map(|at| format!("{}: an incident changed at {at}", fleet::name(*n))));
    }
    foreign
}
