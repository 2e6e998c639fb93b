//! The target goes away and comes back.

use std::{collections::BTreeMap, time::Duration};

use clap::Args;

use super::{SLACK, START, STOP, note_usage, now};
use crate::{
    Result,
    ground::{
        fleet::{self, Fleet},
        progress,
        receiver::Notice,
        stand::Stand,
    },
    ledger::{Ledger, distribution::Distribution},
    report::Report,
};

/// The arguments.
#[derive(Args)]
pub struct Outage {
    /// How many monitors.
    #[arg(long, default_value_t = 1_000)]
    monitors: u32,
    /// Seconds between two slots of a monitor.
    #[arg(long, default_value_t = 10)]
    every: u64,
}

impl Outage {
    pub(super) async fn prove(&self, stand: &mut Stand) -> Result<Report> {
        let every = Duration::from_secs(self.every);
        let fleet = Fleet::new(self.monitors, every);
        let mut daemon = stand.start(&fleet)?;
        daemon.ready(START).await?;
        let before = daemon.usage()?;
        progress::pass("up", 2 * every).await;
        stand.target.close().await;
        progress::pass("down", 4 * every).await;
        stand.target.reopen().await?;
        progress::pass("up again", 3 * every).await;
        let after = daemon.usage()?;
        let until = now() - SLACK.as_micros() as i64;
        let (status, _) = daemon.terminate(STOP).await?;

        let (ledger, notices) = (stand.ledger().await?, stand.receiver.notices());
        let mut report = Report::new(format!("outage of {:?}: {} monitors every {every:?}", 4 * every, self.monitors));
        report.figure("runs recorded", ledger.count_runs());
        report.figure("start lateness", ledger.lateness(true));
        for event in ["opened", "resolved"] {
            report.figure(format!("webhooks \"{event}\""), notices.iter().filter(|n| n.event == event).count());
        }
        report.figure("from the verdict to the receiver", delays(&ledger, &notices));
        note_usage(&mut report, before, after, 9 * every);

        report.law("every due slot has exactly one row", ledger.broken_lines(every, until));
        report.law("each monitor opened one incident, which closed", unlike_one_closed(&ledger));
        report
            .law("two failures open an incident and one success resolves it", ledger.wrong_incidents(fleet.open_after));
        report.law("one key an event, each written once and received", ledger.wrong_notices(&notices));
        report.law(
            "the receiver got each monitor one \"opened\", then one \"resolved\"",
            wrong_order(self.monitors, &notices),
        );
        report.must("it stops with exit code 0", status.success(), status);
        Ok(report)
    }
}

fn unlike_one_closed(ledger: &Ledger) -> Vec<String> {
    let unlike = ledger
        .monitors
        .iter()
        .filter(|(_, monitored)| !matches!(&monitored.incidents[..], [incident] if incident.closed_at.is_some()));
    unlike.map(|(n, monitored)| format!("{}: {} incidents", fleet::name(*n), monitored.incidents.len())).collect()
}

fn wrong_order(monitors: u32, notices: &[Notice]) -> Vec<String> {
    let mut events: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for notice in notices {
        events.entry(&notice.monitor).or_default().push(&notice.event);
    }
    let names = (0..monitors).map(fleet::name);
    let got = names.map(|name| (events.get(name.as_str()).cloned().unwrap_or_default(), name));
    got.filter(|(got, _)| *got != ["opened", "resolved"]).map(|(got, name)| format!("{name}: {got:?}")).collect()
}

/// How long notices of openings took from the verdict to the receiver.
fn delays(ledger: &Ledger, notices: &[Notice]) -> Distribution {
    let opened_at: BTreeMap<_, _> = ledger.incidents().map(|incident| (&incident.key, incident.opened_at)).collect();
    let opened = notices.iter().filter(|notice| notice.event == "opened");
    Distribution::of_micros(opened.filter_map(|notice| {
        let verdict = opened_at.get(&notice.incident.replace('-', ""))?;
        Some(notice.received_at.as_micros() - verdict)
    }))
}
