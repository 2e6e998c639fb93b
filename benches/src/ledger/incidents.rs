//! What the runs call for: replays the verdicts under the policy of the fleets (so many failures open, one success
//! resolves) and compares. Pure, and without pingmon's own state machine.

use std::collections::BTreeMap;

use sqlx::FromRow;

use super::Delivery;
use crate::ground::receiver::Notice;

/// An incident as the database holds it.
#[derive(FromRow)]
pub(crate) struct Incident {
    /// Its id in hexadecimal.
    pub(crate) key: String,
    pub(crate) about: String,
    pub(crate) opened_slot: i64,
    pub(crate) opened_at: i64,
    pub(crate) closed_at: Option<i64>,
}

/// Compares the incidents of one monitor with those its runs call for.
///
/// # Errors
/// What differs.
pub(super) fn judge<'r>(
    runs: impl Iterator<Item = (i64, &'r str)>,
    incidents: &[Incident],
    open_after: u32,
) -> Result<(), String> {
    let about_target = incidents.iter().filter(|incident| incident.about == "target");
    let found: Vec<_> = about_target.map(|incident| (incident.opened_slot, incident.closed_at.is_none())).collect();
    let wanted = replay(runs, open_after);
    if found == wanted {
        return Ok(());
    }
    Err(format!("its runs call for incidents (opened slot, open) {wanted:?}, found {found:?}"))
}

/// The incidents that verdicts in slot order call for: the slot that opens each, and whether it is still open.
fn replay<'r>(runs: impl Iterator<Item = (i64, &'r str)>, open_after: u32) -> Vec<(i64, bool)> {
    let mut incidents: Vec<(i64, bool)> = Vec::new();
    let mut failures = 0;
    for (slot, status) in runs {
        match status {
            "down" => failures += 1,
            "up" => failures = 0,
            // We couldn't judge: that says nothing about the target.
            _ => continue,
        }
        let open = incidents.last_mut().filter(|(_, open)| *open);
        match open {
            Some((_, open)) if failures == 0 => *open = false,
            None if failures == open_after => incidents.push((slot, true)),
            _ => {}
        }
    }
    incidents
}

/// Compares the outbox and what the receiver got with the incidents; answers everything that is wrong. What was folded
/// needn't have arrived: an opening that its end tells of.
pub(super) fn judge_notices(incidents: &[&Incident], deliveries: &[Delivery], notices: &[Notice]) -> Vec<String> {
    let mut keys: BTreeMap<(String, &str), Vec<&str>> = BTreeMap::new();
    for delivery in deliveries {
        keys.entry((delivery.incident.clone(), &delivery.event)).or_default().push(&delivery.key);
    }
    let mut received: BTreeMap<(String, &str), Vec<String>> = BTreeMap::new();
    for notice in notices {
        let got = received.entry((plain(&notice.incident), &notice.event)).or_default();
        let key = plain(&notice.key);
        if !got.contains(&key) {
            got.push(key);
        }
    }
    let mut wrong = Vec::new();
    for incident in incidents {
        let resolved = incident.closed_at.map(|_| "resolved");
        for event in std::iter::once("opened").chain(resolved) {
            let about = (incident.key.clone(), event);
            let (written, got) = (keys.remove(&about).unwrap_or_default(), received.remove(&about).unwrap_or_default());
            let is_told = resolved.is_some() && event == "opened" && got.is_empty() && is_folded(deliveries, &about);
            if written.len() != 1 || (written != got && !is_told) {
                wrong.push(format!("{event} of incident {}: written {written:?}, received {got:?}", incident.key));
            }
        }
    }
    wrong.extend(keys.into_iter().map(|(about, keys)| format!("uncalled for in the outbox: {about:?} {keys:?}")));
    wrong.extend(received.into_iter().map(|(about, keys)| format!("uncalled for at the receiver: {about:?} {keys:?}")));
    wrong.extend(unsent(deliveries));
    wrong
}

/// Whether what tells of an event was folded.
fn is_folded(deliveries: &[Delivery], (incident, event): &(String, &str)) -> bool {
    let about = |delivery: &&Delivery| delivery.incident == *incident && delivery.event == *event;
    deliveries.iter().filter(about).all(|delivery| delivery.state == "folded")
}

fn unsent(deliveries: &[Delivery]) -> impl Iterator<Item = String> {
    let is_folded = |delivery: &Delivery| delivery.state == "folded" && delivery.event == "opened";
    let unsent = deliveries.iter().filter(move |delivery| delivery.state != "sent" && !is_folded(delivery));
    unsent.map(|delivery| format!("the delivery {} of {} is {}", delivery.key, delivery.event, delivery.state))
}

/// An id without its hyphens, as the database writes it.
fn plain(id: &str) -> String {
    id.replace('-', "")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_failures_open_one_success_closes_and_unknown_says_nothing() {
        let runs = ["up", "down", "up", "down", "unknown", "down", "down", "up", "down", "down"];
        let runs = runs.into_iter().enumerate().map(|(slot, status)| (slot as i64, status));
        assert_eq!(replay(runs, 2), [(5, false), (9, true)]);
    }

    #[test]
    fn a_second_key_for_one_event_is_wrong_and_a_repeat_of_one_key_is_not() {
        let incident =
            Incident { key: "ab".into(), about: "target".into(), opened_slot: 0, opened_at: 0, closed_at: None };
        let delivery = |key: &str| Delivery {
            key: key.into(),
            event: "opened".into(),
            incident: "ab".into(),
            state: "sent".into(),
            is_taken: false,
        };
        let notice = |key: &str| Notice {
            key: key.into(),
            event: "opened".into(),
            monitor: "m".into(),
            incident: "a-b".into(),
            received_at: Default::default(),
        };
        let wrong =
            |deliveries: &[Delivery], notices: &[Notice]| judge_notices(&[&incident], deliveries, notices).len();
        assert_eq!(wrong(&[delivery("1")], &[notice("1"), notice("1")]), 0);
        assert_eq!(wrong(&[delivery("1")], &[notice("1"), notice("2")]), 1);
        assert_eq!(wrong(&[delivery("1"), delivery("2")], &[notice("1"), notice("2")]), 1);
        assert_eq!(wrong(&[delivery("1")], &[]), 1);
    }
}
