//! The workers of a store, for people and for programs.

use std::time::Duration;

use comfy_table::{Cell, CellAlignment, Color};
use pingmon_core::{
    id::SessionId,
    outcome::millis,
    store::claims::Session,
    time::{Span, Timestamp},
};
use serde::Serialize;

use super::{grid, one_line};

/// A worker whose starts are this late doesn't keep up.
const LATE: Duration = Duration::from_millis(500);

/// Who is alive, and when that was read by the store's clock.
pub(crate) struct Workforce {
    pub(crate) sessions: Vec<Session>,
    pub(crate) now: Timestamp,
}

/// The table and a line that sums it up.
pub(crate) fn table(workforce: &Workforce) -> String {
    let Workforce { sessions, now } = workforce;
    if sessions.is_empty() {
        return "no worker is alive: nothing is watched".to_owned();
    }
    let titles = ["HOST", "SESSION", "VERSION", "WEIGHT", "LOAD", "HELD", "LATE", "LEASE", "JOINED"];
    let mut table = grid::titled(titles);
    for session in sessions {
        let info = &session.info;
        let joined = Span(Duration::from_secs(now.since(session.joined_at).as_secs()));
        let id = info.id.to_string();
        let lateness = right(format!("{:.0} ms", millis(info.lateness.0)));
        table.add_row([
            Cell::new(one_line(&info.host)),
            // What tells apart ids of the same moment stands at their end.
            Cell::new(id.rsplit('-').next().unwrap_or(&id)),
            Cell::new(one_line(&info.version)),
            weight(session),
            load(session),
            right(format!("{}/{}", info.held, share(info.share))),
            if info.lateness.0 >= LATE { lateness.fg(Color::Yellow) } else { lateness },
            right(format!("{:.1} s", session.lease_until.since(*now).as_secs_f64())),
            right(format!("{joined} ago")),
        ]);
    }
    let held: u64 = sessions.iter().map(|session| u64::from(session.info.held)).sum();
    let workers = if sessions.len() == 1 { "worker" } else { "workers" };
    format!("{}\n{} {workers}, {held} monitors held", grid::text(table), sessions.len())
}

fn right(text: String) -> Cell {
    Cell::new(text).set_alignment(CellAlignment::Right)
}

/// The capacity, and the part of it that counts while the worker is overloaded.
fn weight(session: &Session) -> Cell {
    let info = &session.info;
    match info.weight {
        1_000 => right(info.capacity.to_string()),
        weight => right(format!("{} × {:.1} %", info.capacity, f64::from(weight) / 10.0)).fg(Color::Yellow),
    }
}

fn load(session: &Session) -> Cell {
    let info = &session.info;
    let cell = right(format!("{}/{}", info.running, info.concurrency));
    if info.concurrency > 0 && info.running >= info.concurrency { cell.fg(Color::Yellow) } else { cell }
}

/// A worker that is alone takes all there are, which it says by a share beyond any number of monitors.
fn share(share: u64) -> String {
    if share >= u64::from(u32::MAX) { "all".to_owned() } else { share.to_string() }
}

/// What a program is told of a worker. Every key is always there.
#[derive(Serialize)]
struct Line<'s> {
    id: SessionId,
    host: &'s str,
    version: &'s str,
    capacity: u32,
    weight: u32,
    running: u32,
    concurrency: u32,
    share: Option<u64>,
    held: u32,
    lateness_ms: f64,
    joined_at: Timestamp,
    lease_until: Timestamp,
    lease_left_ms: f64,
}

/// One JSON object a line and worker, without the last line end.
///
/// # Errors
/// Never for sessions as stores hand them out.
pub(crate) fn json(workforce: &Workforce) -> serde_json::Result<String> {
    let lines: serde_json::Result<Vec<_>> =
        workforce.sessions.iter().map(|session| serde_json::to_string(&line(session, workforce.now))).collect();
    Ok(lines?.join("\n"))
}

fn line(session: &Session, now: Timestamp) -> Line<'_> {
    let info = &session.info;
    Line {
        id: info.id,
        host: &info.host,
        version: &info.version,
        capacity: info.capacity,
        weight: info.weight,
        running: info.running,
        concurrency: info.concurrency,
        share: Some(info.share).filter(|share| *share < u64::from(u32::MAX)),
        held: info.held,
        lateness_ms: millis(info.lateness.0),
        joined_at: session.joined_at,
        lease_until: session.lease_until,
        lease_left_ms: millis(session.lease_until.since(now)),
    }
}

#[cfg(test)]
mod tests {
    use pingmon_core::store::claims::SessionInfo;

    use super::*;

    const NOW: Timestamp = Timestamp::from_micros(1_790_000_000_000_000);

    fn session(host: &str, id: &str, fill: impl FnOnce(&mut SessionInfo)) -> Session {
        let mut info = SessionInfo::new(id.parse().unwrap(), host, "1.2.3", 2);
        fill(&mut info);
        Session::new(info, NOW - Duration::from_secs(3_725), NOW + Duration::from_millis(12_345))
    }

    fn workforce() -> Workforce {
        let well = session("anna", "018f0000-0000-7000-8000-00000000000a", |info| {
            (info.share, info.held, info.running, info.concurrency) = (500, 498, 12, 256);
        });
        let overloaded = session("bert\u{1b}[2J", "018f0000-0000-7000-8000-00000000000b", |info| {
            (info.weight, info.share, info.held, info.running, info.concurrency) = (250, 502, 600, 256, 256);
            info.lateness = Span(Duration::from_millis(1_234));
        });
        Workforce { sessions: vec![well, overloaded], now: NOW }
    }

    #[test]
    fn a_table_shows_who_is_alive_and_who_can_not_keep_up() {
        let coloured = table(&workforce());
        assert_eq!(coloured.matches("\u{1b}[38;5;11m").count(), 3, "weight, load and lateness: {coloured:?}");
        insta::assert_snapshot!(anstream::adapter::strip_str(&coloured).to_string());
    }

    #[test]
    fn a_line_has_every_key_and_a_worker_alone_has_no_share() {
        let mut workforce = workforce();
        workforce.sessions.truncate(1);
        workforce.sessions[0].info.share = u64::MAX;
        assert_eq!(
            json(&workforce).unwrap(),
            r#"{"id":"018f0000-0000-7000-8000-00000000000a","host":"anna","version":"1.2.3","capacity":2,"weight":1000,"running":12,"concurrency":256,"share":null,"held":498,"lateness_ms":0.0,"joined_at":"2026-09-21T13:11:15.000000Z","lease_until":"2026-09-21T14:13:32.345000Z","lease_left_ms":12345.0}"#
        );
        assert!(table(&workforce).contains("498/all"));
    }
}
