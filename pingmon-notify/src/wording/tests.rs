use pingmon_core::{id::MonitorId, notification::Companion};

use super::*;
use crate::sample;

const FORM: Form = Form { title: (Medium::Plain, 150), body: (Medium::Markdown, 2_000), unit: Unit::Utf16, sign: true };

fn notices() -> Vec<(&'static str, Notification)> {
    sample::notices("ops", "2026-11-22T12:00:00Z".parse().unwrap())
}

#[test]
fn every_state_has_its_title() {
    let titles: Vec<_> = notices().iter().map(|(_, notice)| default_title(FORM, notice)).collect();
    assert_eq!(
        titles,
        [
            "🟡 sample: shop api is degraded",
            "🔴 sample: shop api is down",
            "🔴 sample: shop api is still down after 2m",
            "🟢 sample: shop api has recovered after 3m",
            "🟢 sample: shop api is paused, its incident is closed",
            "🟢 sample: shop api was down for 3m and has recovered",
            "🔴 sample: shop api is down, and nobody has seen to it for 2m",
            "🔴 3 monitors are down: sample: database, sample: cart, sample: checkout",
        ]
    );
}

#[test]
fn a_body_says_all_that_is_known() {
    let (_, mut grouped) = notices().pop().unwrap();
    assert_eq!(
        default_body(Medium::Plain, 2_000, Unit::Utf16, &grouped),
        "• sample: database is down: status: expected 2xx, got 500\n\
         • sample: cart is down: status: expected 2xx, got 500\n\
         • sample: checkout is down: status: expected 2xx, got 500\n\
         Details: https://status.example/monitors/sample"
    );
    grouped.also.clear();
    assert_eq!(
        default_body(Medium::Plain, 2_000, Unit::Utf16, &grouped),
        "status: expected 2xx, got 500\n\
         • status: expected 2xx, got 500\n\
         • body[0].json: expected ok, got broken\n\
         Since 2026-11-22 12:00:00 UTC (0s)\n\
         Confirmed by: worker-1, worker-2\n\
         Affects 12: sample: cart, sample: checkout and 10 more\n\
         address: 192.0.2.10:443\n\
         body: {\"status\": \"broken\"}\n\
         Labels: team=shop\n\
         Details: https://status.example/monitors/sample"
    );
    let (_, resolved) = notices().remove(3);
    assert_eq!(
        default_body(Medium::Html, 2_000, Unit::Utf16, &resolved),
        "200 OK<br>\n<b>From</b> 2026-11-22 12:00:00 to 2026-11-22 12:03:00 UTC (3m)<br>\n<b>Labels</b>: team=shop<br>\n\
         <a href=\"https://status.example/monitors/sample\">Details</a>"
    );
}

#[test]
fn an_end_that_is_all_that_was_told_says_what_had_failed_in_every_medium() {
    let (_, mut missed) = notices().into_iter().find(|(state, _)| *state == "missed").unwrap();
    missed.opening = Some("<refused> by @everyone".to_owned());
    for (medium, expected) in [
        (Medium::Plain, "200 OK\nFailure: <refused> by @everyone\nFrom "),
        (Medium::Html, "200 OK<br>\n<b>Failure</b>: &lt;refused&gt; by @everyone<br>\n<b>From</b> "),
    ] {
        let body = default_body(medium, 2_000, Unit::Utf16, &missed);
        assert!(body.starts_with(expected), "{body}");
    }
    for (medium, title) in
        [(Medium::Markdown, "**Failure**: "), (Medium::Mrkdwn, "*Failure*: "), (Medium::Telegram, "<b>Failure</b>: ")]
    {
        let body = default_body(medium, 2_000, Unit::Utf16, &missed);
        assert!(body.contains(title) && !body.contains("<refused>"), "{medium:?}: {body}");
    }
    missed.incident.about = About::Monitoring;
    assert_eq!(state(&missed.own()), "couldn't be judged for 3m, and can be again");
    missed.event = Event::Escalated;
    assert_eq!(state(&missed.own()), "can't be judged, and nobody has seen to it for 3m");
}

#[test]
fn what_is_too_long_is_cut_line_by_line_and_says_so() {
    let (_, mut notice) = notices().pop().unwrap();
    notice.also = vec![notice.also[0].clone(); 2_000];
    for most in [100, 160, 1_000, 4_000] {
        let body = default_body(Medium::Markdown, most, Unit::Utf16, &notice);
        let length = body.encode_utf16().count();
        assert!(length <= most && body.ends_with("more lines"), "{most}: {length}: {body}");
    }
    notice.monitor.name = "🦀".repeat(50_000);
    notice.incident.message = "&".repeat(50_000);
    notice.also.clear();
    for unit in [Unit::Utf16, Unit::Bytes] {
        let form = Form { unit, ..FORM };
        let title = default_title(form, &notice);
        assert!(unit.len(&title) <= 150 && title.ends_with("🦀… is down"), "{title}");
        let body = default_body(Medium::Html, 200, unit, &notice);
        assert!(unit.len(&body) <= 200 && body.starts_with("&amp;&amp;"), "{body}");
    }
}

#[test]
fn a_digest_counts_what_happened_and_has_a_line_each() {
    let (_, mut down) = notices().remove(1);
    let (_, missed) = notices().into_iter().find(|(state, _)| *state == "missed").unwrap();
    down.also = vec![Companion::of(&notices().remove(3).1), Companion::of(&missed)];
    down.also[0].monitor.id = MonitorId::new();
    down.also[0].monitor.name = "<cart>".to_owned();
    assert_eq!(default_title(FORM, &down), "🔴 2 monitors: 1 is down, 2 have recovered");
    let body = default_body(Medium::Plain, 2_000, Unit::Utf16, &down);
    let lines: Vec<_> = body.lines().collect();
    assert!(lines[0].starts_with("• sample: shop api is down: "), "{body}");
    assert_eq!(lines[1], "• <cart> has recovered after 3m");
    assert!(lines[2].starts_with("• sample: shop api was down for 3m and has recovered: "), "{body}");
    // What is over goes first; the sign is that of what isn't.
    down.event = Event::Resolved;
    down.also[1].event = Event::Opened;
    assert!(default_title(FORM, &down).starts_with("🔴 "));
    assert_eq!(colour(&down), 0x00d9_2d20);
}

#[test]
fn a_title_names_as_many_as_there_is_room_for() {
    let (_, mut notice) = notices().pop().unwrap();
    notice.also = (0..99)
        .map(|n| {
            let mut also = notice.also[0].clone();
            (also.monitor.id, also.monitor.name) = (MonitorId::new(), format!("monitor {n}"));
            also
        })
        .collect();
    assert_eq!(
        default_title(FORM, &notice),
        "🔴 100 monitors are down: sample: database, monitor 0, monitor 1, monitor 2, monitor 3, monitor 4, monitor 5, \
         monitor 6, monitor 7 and 91 more"
    );
    for most in 20..300 {
        for unit in [Unit::Utf16, Unit::Bytes] {
            let title = default_title(Form { title: (Medium::Markdown, most), unit, ..FORM }, &notice);
            assert!(unit.len(&title) <= most, "{most}: {title}");
        }
    }
}

#[test]
fn a_cut_never_splits_a_character() {
    for most in 3..12 {
        let cut = Unit::Bytes.cut("aé🦀🦀b", most);
        assert!(cut.len() <= most.max("…".len()), "{most}: {cut}");
        assert!(Unit::Utf16.len(&Unit::Utf16.cut("a🦀🦀🦀🦀🦀🦀", most)) <= most);
    }
    assert_eq!(Unit::Utf16.cut("a🦀b", 4), "a🦀b");
    assert_eq!(Unit::Utf16.cut("a🦀bc", 4), "a🦀…");
}
