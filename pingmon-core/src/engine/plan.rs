//! What a monitor does after a run: its next slot, and the gap that the run leaves behind. A pure decision.

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

/// Decides what comes after a run.
///
/// A slot that has just gone by (less than half a period ago) is run late; when more has gone by, all of it becomes one
/// gap and the monitor waits for its next regular slot: it never runs in a row to make good what nobody needs any more.
pub(super) fn next(done: Done<'_>) -> Plan {
    let Done { schedule, phase, slot, now, .. } = done;
    let after = |at| schedule.next_after(at, phase).unwrap_or(Timestamp::MAX);
    // The first run comes at once and its slot isn't aligned: the second keeps at least half a period from it.
    let regular = if done.first { after(slot + schedule.period_at(slot, phase) / 2) } else { after(slot) };
    let fresh = regular > now || now.since(regular) < schedule.period_at(regular, phase) / 2;
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

/// The slots from the pending one on that nobody ran, when the monitor can't be run at all.
pub(super) fn skip(schedule: &Schedule, phase: Phase, slot: Timestamp, now: Timestamp) -> Plan {
    let next = schedule.next_after(now, phase).unwrap_or(Timestamp::MAX);
    let gap = Gap::new(slot, next, schedule.count(slot, next, phase), GapReason::NoEngine);
    Plan { next_slot: next, gap: Some(gap) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn at(seconds: u64) -> Timestamp {
        Timestamp::from_micros(1_800_000_000_000_000) + SECOND * u32::try_from(seconds).unwrap()
    }

    fn after(slot: Timestamp, now: Timestamp, first: bool, retry: Option<Duration>) -> Plan {
        let schedule = Schedule::every(10 * SECOND).unwrap();
        next(Done { schedule: &schedule, phase: Phase::ZERO, slot, first, retry, now, reason: GapReason::Overload })
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
    fn a_retry_comes_before_the_regular_slot_and_never_replaces_it() {
        assert_eq!(after(at(10), at(11), false, Some(2 * SECOND)).next_slot, at(13));
        assert_eq!(after(at(13), at(13), false, Some(20 * SECOND)).next_slot, at(20));
        assert_eq!(after(at(13), at(14), false, None).next_slot, at(20));
    }
}
