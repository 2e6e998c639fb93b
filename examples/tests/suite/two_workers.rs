use std::collections::{BTreeMap, BTreeSet};

use crate::process::Process;

const TWO_WORKERS: &str = env!("CARGO_BIN_EXE_two_workers");

/// Beacon and slot of a line in which a worker says what it runs.
fn run(line: &str) -> Option<(String, String)> {
    let (beacon, slot) = line.split_once(" runs ")?.1.split_once(" for ")?;
    Some((beacon.to_owned(), slot.to_owned()))
}

/// Reads until the worker has run that many different beacons.
fn runs_beacons(worker: &mut Process, count: usize) {
    let mut beacons = BTreeSet::new();
    worker.find(&format!("{count} beacons"), |line| {
        beacons.extend(run(line).map(|(beacon, _)| beacon));
        (beacons.len() == count).then_some(())
    });
}

#[test]
fn two_workers_share_the_work_and_one_takes_over_when_the_other_is_killed() {
    let directory = tempfile::tempdir().unwrap();
    let url = format!("sqlite:{}/workers.db", directory.path().display());
    let mut anna = Process::start(TWO_WORKERS, &[&url, "anna"]);
    runs_beacons(&mut anna, 12);
    let mut bert = Process::start(TWO_WORKERS, &[&url, "bert"]);
    runs_beacons(&mut bert, 6);
    anna.kill();
    runs_beacons(&mut bert, 12);
    bert.terminate();
    let (status, of_bert) = bert.finish();
    assert!(status.success() && of_bert.last().unwrap().ends_with("12 monitors handed back"), "{of_bert:?}");
    let (_, of_anna) = anna.finish();

    let mut runs: BTreeMap<_, u32> = BTreeMap::new();
    of_bert.iter().chain(&of_anna).filter_map(|line| run(line)).for_each(|run| *runs.entry(run).or_default() += 1);
    // What was begun and not recorded when the worker died is run again; nothing else is.
    let repeated: Vec<_> = runs.iter().filter(|(_, times)| **times > 1).collect();
    let last_of_anna: Vec<_> = of_anna.iter().rev().filter_map(|line| run(line)).take(12).collect();
    assert!(repeated.iter().all(|(run, times)| **times == 2 && last_of_anna.contains(run)), "{repeated:?}");
}

#[test]
fn a_store_that_is_not_known_is_refused_without_repeating_its_url() {
    for url in ["mysql://me:secret@db/x", "workers.db"] {
        let (status, lines) = Process::start(TWO_WORKERS, &[url, "anna"]).finish();
        let said = lines.join("\n");
        assert!(!status.success() && said.contains("sqlite:workers.db") && !said.contains("secret"), "{said}");
    }
}
