//! How monitors are shared out among the living sessions: each engine works out its own part, and all come to the same
//! parts because all look at the same sessions. Pure decisions; claiming and giving back is the claimer's business.

use std::time::Duration;

use crate::{
    id::SessionId,
    store::claims::{Session, SessionInfo},
};

/// What all of a capacity weighs.
pub(super) const FULL_WEIGHT: u32 = 1_000;
/// However overloaded an engine is, so much of its capacity counts.
const LEAST_WEIGHT: u32 = 100;
/// An engine that starts runs later than this can't keep up.
const OVERLOADED: Duration = Duration::from_secs(1);
/// What an engine that keeps up again gains with each renewal: slowly, or it would soon be overloaded again.
const RECOVERY: u32 = 20;

/// How many of `monitors` are the part of `session`, rounded up. An engine alone takes all that come; one that isn't
/// among the living learns so when it claims.
pub(super) fn fair_share(sessions: &[Session], session: SessionId, monitors: u64) -> u64 {
    let own = sessions.iter().find(|living| living.info.id == session);
    let Some(own) = own.filter(|_| sessions.len() > 1) else { return u64::MAX };
    let total: u128 = sessions.iter().map(|living| weight(&living.info)).sum();
    let part = u128::from(monitors) * weight(&own.info);
    u64::try_from(part.div_ceil(total.max(1))).unwrap_or(u64::MAX)
}

fn weight(info: &SessionInfo) -> u128 {
    u128::from(info.capacity.max(1)) * u128::from(info.weight.max(LEAST_WEIGHT))
}

/// How many monitors to give back in one of `rounds` rounds a lease: nothing up to a twentieth above the share, so that
/// small changes move nobody; then so many that a joining engine has its part within two leases, without a burst.
pub(super) fn surplus(held: u64, share: u64, rounds: u64) -> u64 {
    let surplus = held.saturating_sub(share);
    if surplus <= share / 20 {
        return 0;
    }
    let pace = (2 * surplus).div_ceil(rounds.max(1)).max(held.div_ceil(2 * rounds.max(1)));
    pace.min(surplus)
}

/// How much of an engine's capacity counts from now on, in thousandths: a quarter less each time it was found to start
/// its runs late, whatever the reason, and slowly back to all.
pub(super) fn next_weight(weight: u32, lateness: Duration) -> u32 {
    match lateness > OVERLOADED {
        true => (weight - weight / 4).max(LEAST_WEIGHT),
        false => (weight + RECOVERY).min(FULL_WEIGHT),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::Timestamp;

    fn session(capacity: u32, weight: u32) -> Session {
        let mut info = SessionInfo::new(SessionId::new(), "", "", capacity);
        info.weight = weight;
        Session::new(info, Timestamp::default(), Timestamp::default())
    }

    fn shares(sessions: &[Session], monitors: u64) -> Vec<u64> {
        sessions.iter().map(|session| fair_share(sessions, session.info.id, monitors)).collect()
    }

    #[test]
    fn shares_follow_capacity_and_leave_no_monitor_over() {
        assert_eq!(shares(&[session(1, 1_000), session(3, 1_000)], 100), [25, 75]);
        assert_eq!(shares(&[session(1, 1_000), session(1, 1_000), session(1, 1_000)], 100), [34, 34, 34]);
        assert_eq!(shares(&[session(1, 1_000), session(1, 500)], 90), [60, 30]);
    }

    #[test]
    fn an_engine_alone_takes_all_that_come() {
        assert_eq!(shares(&[session(1, 100)], 5), [u64::MAX]);
    }

    #[test]
    fn a_small_surplus_moves_nobody() {
        assert_eq!(surplus(105, 100, 15), 0);
        assert!(surplus(106, 100, 15) > 0);
        assert_eq!(surplus(90, 100, 15), 0);
        assert_eq!(surplus(1, u64::MAX, 15), 0);
    }

    #[test]
    fn the_surplus_goes_within_two_leases_a_part_each_round() {
        for rounds in [1, 3, 15, 150] {
            let (mut held, share, mut given) = (10_000_u64, 5_000, Vec::new());
            while surplus(held, share, rounds) > 0 {
                given.push(surplus(held, share, rounds));
                held -= given[given.len() - 1];
            }
            assert!(given.len() as u64 <= (2 * rounds).max(1), "{} rounds of {rounds} a lease", given.len());
            assert!(rounds == 1 || given[0] <= 10_000 / rounds + 1, "{given:?}");
        }
    }

    #[test]
    fn who_is_late_counts_less_and_recovers_slowly() {
        let late = Duration::from_secs(2);
        assert_eq!(next_weight(FULL_WEIGHT, late), 750);
        assert_eq!((0..20).fold(FULL_WEIGHT, |weight, _| next_weight(weight, late)), LEAST_WEIGHT);
        assert_eq!(next_weight(750, Duration::from_millis(900)), 770);
        assert_eq!(next_weight(FULL_WEIGHT, Duration::ZERO), FULL_WEIGHT);
    }
}
