//! The line of slots of one monitor: from its first run on, each slot was run once or lies in one gap. Pure, and
//! without pingmon's own arithmetic.

use std::time::Duration;

use sqlx::FromRow;

/// A gap as the database holds it, in microseconds.
#[derive(Clone, Debug, PartialEq, FromRow)]
pub(crate) struct Gap {
    #[sqlx(rename = "from_slot")]
    pub(crate) from: i64,
    #[sqlx(rename = "until_slot")]
    pub(crate) until: i64,
    pub(crate) slots: i64,
    pub(crate) reason: String,
}

/// Why slots may be missed without anybody's wish.
const REASONS: [&str; 3] = ["no_engine", "overload", "store_down"];
/// Why they may be missed at somebody's wish.
const PAUSED: &str = "paused";

/// Follows the line from the first slot to the pending one, which must not be before `until`. `slots` and `gaps` are in
/// order.
///
/// # Errors
/// The first fault in it.
pub(crate) fn judge(slots: &[i64], gaps: &[Gap], pending: i64, every: Duration, until: i64) -> Result<(), String> {
    let every = i64::try_from(every.as_micros()).unwrap_or(i64::MAX);
    let mut gaps = gaps.iter().peekable();
    let mut slots = slots.iter().copied().peekable();
    let first = slots.next().ok_or("it was never run")?;
    if let Some(gap) = gaps.next_if(|gap| gap.from <= first) {
        return Err(format!("a gap from {} on begins before the first run at {first}", gap.from));
    }
    let mut next = second(first, every);
    loop {
        let gap = match (slots.peek(), gaps.peek()) {
            (None, None) => break,
            (Some(slot), gap) if gap.is_none_or(|gap| *slot < gap.from) => None,
            _ => gaps.next(),
        };
        let at = gap.map_or_else(|| slots.next().unwrap_or_default(), |gap| gap.from);
        next.expect(at)?;
        next = match gap {
            // What is resumed is due at once, wherever that lies, and begins anew.
            Some(gap) if gap.reason == PAUSED => {
                end_of(gap, every)?;
                match slots.next_if_eq(&gap.until) {
                    Some(resumed) => second(resumed, every),
                    None => Next::At(gap.until),
                }
            }
            Some(gap) => Next::At(end_of(gap, every)?),
            None => Next::At(at + every),
        };
    }
    next.expect(pending).map_err(|fault| format!("the pending slot: {fault}"))?;
    if pending < until {
        return Err(format!("the line ends at {pending}, {} ms early", (until - pending) / 1_000));
    }
    Ok(())
}

/// Where a line goes on after its first slot, which is the moment of the definition: the second slot keeps at least half
/// a period from it and falls in step. From then on all are a period apart.
fn second(first: i64, every: i64) -> Next {
    Next::Within(first + every / 2, first + every / 2 + every)
}

/// Where the line has to go on.
enum Next {
    At(i64),
    Within(i64, i64),
}

impl Next {
    fn expect(&self, slot: i64) -> Result<(), String> {
        match *self {
            Self::At(at) if at == slot => Ok(()),
            Self::At(at) => Err(format!("expected the slot {at}, found {slot}: {} ms off", (slot - at) / 1_000)),
            Self::Within(after, until) if slot > after && slot <= until => Ok(()),
            Self::Within(after, until) => Err(format!("the slot {slot} isn't within {after} and {until}")),
        }
    }
}

/// Where a gap that adds up ends.
fn end_of(gap: &Gap, every: i64) -> Result<i64, String> {
    let length = gap.until - gap.from;
    let is_whole = length % every == 0 || gap.reason == PAUSED;
    if length <= 0 || !is_whole || (length + every - 1) / every != gap.slots {
        return Err(format!("a gap that doesn't add up: {gap:?}"));
    }
    if gap.reason != PAUSED && !REASONS.contains(&gap.reason.as_str()) {
        return Err(format!("a gap without a fitting reason: {gap:?}"));
    }
    Ok(gap.until)
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: i64 = 1_000_000;

    fn gap(from: i64, until: i64) -> Gap {
        Gap { from: from * S, until: until * S, slots: (until - from) / 10, reason: "no_engine".into() }
    }

    fn judge_seconds(slots: &[i64], gaps: &[Gap], pending: i64) -> Result<(), String> {
        let slots: Vec<_> = slots.iter().map(|slot| slot * S).collect();
        judge(&slots, gaps, pending * S, Duration::from_secs(10), 60 * S)
    }

    #[test]
    fn a_line_of_runs_and_gaps_without_a_hole_is_sound() {
        judge_seconds(&[3, 10, 20, 30, 40, 50], &[], 60).unwrap();
        judge_seconds(&[3, 10, 50], &[gap(20, 50)], 60).unwrap();
        judge_seconds(&[3, 10], &[gap(20, 40), gap(40, 60)], 60).unwrap();
        judge_seconds(&[3], &[gap(10, 60)], 60).unwrap();
        let paused = Gap { until: 34 * S, slots: 2, reason: PAUSED.into(), ..gap(20, 30) };
        judge_seconds(&[3, 10, 34, 40, 50], &[paused], 60).unwrap();
    }

    #[test]
    fn each_fault_of_a_line_is_found() {
        for (slots, gaps, pending, fault) in [
            (vec![], vec![], 60, "never run"),
            (vec![3, 10, 30, 40, 50], vec![], 60, "expected the slot 20000000, found 30000000"),
            (vec![3, 10, 20, 50], vec![gap(20, 50)], 60, "expected"),
            (vec![3, 10, 20, 30, 40, 50], vec![], 70, "the pending slot"),
            (vec![3, 10, 20, 30, 40], vec![], 50, "10000 ms early"),
            (vec![3, 7], vec![], 60, "isn't within"),
            (vec![3, 10, 45], vec![gap(20, 45)], 60, "doesn't add up"),
            (vec![3, 10, 50], vec![Gap { reason: "?".into(), ..gap(20, 50) }], 60, "fitting reason"),
            (vec![13, 20, 30], vec![gap(10, 20)], 60, "before the first run"),
        ] {
            let found = judge_seconds(&slots, &gaps, pending).unwrap_err();
            assert!(found.contains(fault), "{slots:?} {gaps:?}: {found}");
        }
    }
}
