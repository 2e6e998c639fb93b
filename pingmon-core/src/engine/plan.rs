//! When a monitor runs: when a claimed one starts, which slot comes after a run, and the gap that it leaves behind. Pure
//! decisions.

use std::time::Duration;

use crate::{
    schedule::{Phase, Schedule},
    store::claims::{Gap, GapReason},
    time::Timestamp,
};

/// The run that just ended, and what bears on the next.
#[derive(Clone, Copy, Debug)]
pub(super) struct Done<'a> {
    pub(super) schedule: &'a Schedule,
    pub(super) phase: Phase,
    /// The slot it was for.
    pub(super) slot: Timestamp,
    /// When it started.
    pub(super) started_at: Timestamp,
    /// Whether it was the monitor's first run ever, whose slot lies off the phase.
    pub(super) first: bool,
    /// The interval of re-checks, when something is unconfirmed.
    pub(super) retry: Option<Duration>,
    /// Now, by the store's clock.
    pub(super) now: Timestamp,
    /// Why slots went by, if some did.
    pub(super) reason: GapReason,
}

/// The next slot, and the slots given up on the way to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Plan {
    pub(super) next_slot: Timestamp,
    pub(super) gap: Option<Gap>,
}

/// After a hole, every monitor has started within this time.
const LONGEST_RETURN: Duration = Duration::from_secs(300);
/// The part of a period beyond which a start counts as much too late.
const MUCH: u32 = 3;

/// Decides what comes after a run.
///
/// A slot that has just gone by (less than half a period ago) is run late; when more has gone by, all of it becomes one
/// gap and the monitor waits for its next regular slot: it never runs in a row to make good what nobody needs any more.
/// Neither does it after a run that started so late that it came when the next slot was due already.
pub(super) fn next(done: Done<'_>) -> Plan {
    let Done { schedule, phase, slot, started_at, now, .. } = done;
    let after = |at| schedule.next_after(at, phase).unwrap_or(Timestamp::MAX);
    // The first run comes at once and its slot isn't aligned: the second keeps at least half a period from it.
    let regular = if done.first { after(slot + schedule.period_at(slot, phase) / 2) } else { after(slot) };
    let period = schedule.period_at(regular, phase);
    let served = regular <= started_at && started_at.since(slot) >= period / MUCH;
    let fresh = regular > now || (!served && now.since(regular) < period / 2);
    let (next_slot, gap) = if fresh {
        (regular, None)
    } else {
        let next = after(now);
        let gap = Gap::new(regular, next, schedule.count(regular, next, phase), done.reason);
        (next, Some(gap))
    };
    match done.retry.map(|retry| now + retry).filter(|retry| *retry < next_slot) {
        Some(retry) => Plan { next_slot: retry, gap },
        None => Plan { next_slot, gap },
    }
}

/// When a monitor that was claimed `now`, with this pending slot, is to start: at its slot, or at once when that has just
/// gone by. The monitors of a dead engine wait no longer than they must.
///
/// Slots from before there has been an engine, `since`, are another matter: after such a hole all monitors of the store
/// come at once. Those that are late by less than a third of a period start after twice that lateness more, which adds half of
/// the usual load while it lasts; the others wait for their next regular slot, or a moment of their own within
/// [`LONGEST_RETURN`].
pub(super) fn start(schedule: &Schedule, phase: Phase, slot: Timestamp, since: Timestamp, now: Timestamp) -> Timestamp {
    let (late, period) = (now.since(slot), schedule.period_at(slot, phase));
    let returns = slot < since;
    if late < period / if returns { MUCH } else { 2 } {
        return if returns { now + 2 * late } else { slot.max(now) };
    }
    let own_moment = now + phase.part_of(LONGEST_RETURN);
    schedule.next_after(now, phase).map_or(own_moment, |regular| regular.min(own_moment))
}

/// The slots from the pending one on that nobody ran, when the monitor can't be run at all.
pub(super) fn skip(schedule: &Schedule, phase: Phase, slot: Timestamp, now: Timestamp) -> Plan {
    let next = schedule.next_after(now, phase).unwrap_or(Timestamp::MAX);
    let gap = Gap::new(slot, next, schedule.count(slot, next, phase), GapReason::NoEngine);
    Plan { next_slot: next, gap: Some(gap) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::MonitorId;

    const SECOND: Duration = Duration::from_secs(1);

    fn at(seconds: u64) -> Timestamp {
        Timestamp::from_micros(1_800_000_000_000_000) + SECOND * u32::try_from(seconds).unwrap()
    }

    fn after(slot: Timestamp, now: Timestamp, first: bool, retry: Option<Duration>) -> Plan {
        ended(slot, slot, now, first, retry)
    }

    fn ended(slot: Timestamp, started_at: Timestamp, now: Timestamp, first: bool, retry: Option<Duration>) -> Plan {
        let schedule = &Schedule::every(10 * SECOND).unwrap();
        let reason = GapReason::Overload;
        next(Done { schedule, phase: Phase::ZERO, slot, started_at, first, retry, now, reason })
    }

    #[test]
    fn a_run_in_time_is_followed_by_the_next_aligned_slot() {
        assert_eq!(after(at(10), at(11), false, None), Plan { next_slot: at(20), gap: None });
    }

    #[test]
    fn the_second_run_keeps_half_a_period_from_the_first() {
        assert_eq!(after(at(9), at(9), true, None).next_slot, at(20));
        assert_eq!(after(at(3), at(3), true, None).next_slot, at(10));
    }

    #[test]
    fn a_slot_just_gone_by_is_run_late() {
        assert_eq!(after(at(10), at(24), false, None), Plan { next_slot: at(20), gap: None });
    }

    #[test]
    fn a_hole_becomes_one_gap_and_one_regular_slot() {
        let plan = after(at(10), at(67), false, None);
        assert_eq!(plan.next_slot, at(70));
        assert_eq!(plan.gap, Some(Gap::new(at(20), at(70), 5, GapReason::Overload)));
    }

    #[test]
    fn a_slot_just_gone_by_starts_at_once_and_a_slot_to_come_at_its_time() {
        let schedule = Schedule::every(10 * SECOND).unwrap();
        assert_eq!(start(&schedule, Phase::ZERO, at(20), at(0), at(12)), at(20));
        assert_eq!(start(&schedule, Phase::ZERO, at(20), at(0), at(24)), at(24));
    }

    #[test]
    fn a_run_that_came_when_the_next_slot_was_due_serves_for_it() {
        let plan = ended(at(10), at(20), at(21), false, None);
        assert_eq!(plan, Plan { next_slot: at(30), gap: Some(Gap::new(at(20), at(30), 1, GapReason::Overload)) });
        // A re-check that happens to come beside the regular slot doesn't.
        assert_eq!(ended(at(19), at(20), at(20), false, None), Plan { next_slot: at(20), gap: None });
    }

    /// Starts of monitors every `period` whose engines were away from `at(1_000)` until `back`, as distances from it.
    fn starts_after_a_hole(period: u32, back: Timestamp) -> Vec<Duration> {
        let schedule = Schedule::every(period * SECOND).unwrap();
        let start_of = |phase| {
            let slot = schedule.next_after(at(1_000), phase).unwrap();
            start(&schedule, phase, slot, back, back).since(back)
        };
        let mut starts: Vec<_> = (0..10_000).map(|_| start_of(Phase::of(MonitorId::new()))).collect();
        starts.sort();
        starts
    }

    #[test]
    fn the_return_after_a_hole_never_doubles_the_load() {
        for (period, hole) in [(60, 5), (60, 20), (60, 30), (60, 59), (60, 600), (10, 40), (3_600, 1_200)] {
            let starts = starts_after_a_hole(period, at(1_000 + hole));
            let window = period / 20;
            for begin in (0..period).step_by(usize::try_from(window.max(1)).unwrap()) {
                let window = begin * SECOND..(begin + window.max(1)) * SECOND;
                let count = starts.iter().filter(|start| window.contains(start)).count();
                let usual = 10_000 * usize::try_from((window.end - window.start).as_secs()).unwrap();
                let usual = usual / usize::try_from(period).unwrap();
                assert!(count < 2 * usual, "{count} in {window:?} against {usual}: every {period} s, {hole} s away");
            }
        }
    }

    #[test]
    fn after_a_long_hole_every_monitor_starts_within_five_minutes() {
        let starts = starts_after_a_hole(86_400, at(1_000_000));
        assert!(starts[9_999] <= 300 * SECOND && starts[5_000] > 120 * SECOND);
    }

    #[test]
    fn a_retry_comes_before_the_regular_slot_and_never_replaces_it() {
        assert_eq!(after(at(10), at(11), false, Some(2 * SECOND)).next_slot, at(13));
        assert_eq!(after(at(13), at(13), false, Some(20 * SECOND)).next_slot, at(20));
        assert_eq!(after(at(13), at(14), false, None).next_slot, at(20));
    }
}
