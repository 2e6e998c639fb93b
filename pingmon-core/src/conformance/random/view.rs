//! All that can be seen of a store, in the model's terms: what both are compared by.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    conformance::fixture::EVERY,
    incident::{Closed, Event},
    monitor::State,
    notification::DeliveryState,
    outcome::Status,
    store::claims::Gap,
    time::Timestamp,
};

#[derive(Debug, PartialEq)]
pub(super) struct View {
    /// The living.
    pub(super) sessions: Vec<usize>,
    pub(super) monitors: BTreeMap<usize, MonitorView>,
    /// What a claim would get, in its order.
    pub(super) free: Vec<usize>,
    /// All deliveries, earliest notice first.
    pub(super) notices: Vec<NoticeView>,
}

#[derive(Debug, PartialEq)]
pub(super) struct MonitorView {
    pub(super) state: State,
    pub(super) slot: Timestamp,
    pub(super) owner: Option<usize>,
    /// Earliest first, as everything here.
    pub(super) records: Vec<(Timestamp, Status)>,
    pub(super) gaps: Vec<Gap>,
    /// Opening slot and end.
    pub(super) incidents: Vec<(Timestamp, Option<Closed>)>,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) struct NoticeView {
    pub(super) at: Timestamp,
    pub(super) monitor: usize,
    pub(super) channel: &'static str,
    pub(super) event: Event,
    pub(super) state: DeliveryState,
    pub(super) attempts: u32,
    /// When what leads it happened.
    pub(super) leader: Option<Timestamp>,
    /// What is told with it, when it is taken.
    pub(super) also: Vec<(usize, Event, Timestamp)>,
}

impl MonitorView {
    /// Every slot before the pending one has a row or lies in a gap, and none is counted twice; the line begins anew
    /// where the monitor was resumed.
    pub(super) fn assert_line_is_whole(&self, resumed: &BTreeSet<Timestamp>) {
        let rows = self.records.iter().map(|(slot, _)| (*slot, *slot + EVERY));
        let mut line: Vec<_> = rows.chain(self.gaps.iter().map(|gap| (gap.from, gap.until))).collect();
        line.push((self.slot, self.slot));
        line.sort_unstable();
        for pair in line.windows(2) {
            let ((_, end), (start, _)) = (pair[0], pair[1]);
            assert!(start == end || resumed.contains(&start), "a hole or an overlap at {start}: {line:?}");
        }
    }

    /// At most one incident is open, and it is the last one.
    pub(super) fn assert_incidents_alternate(&self) {
        let ended = self.incidents.len().saturating_sub(1);
        assert!(self.incidents[..ended].iter().all(|(_, closed)| closed.is_some()), "{:?}", self.incidents);
    }
}
