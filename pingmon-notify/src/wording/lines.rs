//! What the body of a notice says by default, line by line, whatever the medium. What may be long comes last: it is what
//! is left out when there is no room.

use std::borrow::Cow;

use pingmon_core::{
    incident::Event,
    notification::{Affected, Notification, Part},
    outcome::{Failure, Outcome},
    time::Timestamp,
};
use serde_json::Value;

use super::state;
use crate::medium::Medium;

/// Most failed expectations that are listed.
const MAX_FAILED: usize = 10;
/// Most pieces of evidence that are listed.
const MAX_EVIDENCE: usize = 8;
/// Most labels that are listed.
const MAX_LABELS: usize = 20;
/// Most links of a notice.
const MAX_LINKS: usize = 5;

/// A part of a line.
enum Piece<'a> {
    /// Our own words, without anything that a medium would take for markup.
    Own(Cow<'a, str>),
    /// Our own words that stand out.
    Strong(&'static str),
    /// What others wrote.
    Fact(Cow<'a, str>),
    /// A link of the notice.
    Link(&'a str, &'a str),
}

/// One line of a body.
pub(super) struct Line<'a>(Vec<Piece<'a>>);

impl<'a> Line<'a> {
    fn fact(text: impl Into<Cow<'a, str>>) -> Self {
        Self(vec![Piece::Fact(text.into())])
    }

    fn strong(title: &'static str) -> Self {
        Self(vec![Piece::Strong(title)])
    }

    fn own(mut self, text: impl Into<Cow<'a, str>>) -> Self {
        self.0.push(Piece::Own(text.into()));
        self
    }

    fn then(mut self, text: impl Into<Cow<'a, str>>) -> Self {
        self.0.push(Piece::Fact(text.into()));
        self
    }

    /// The line in a medium, with facts of at most `most` characters.
    pub(super) fn write(&self, medium: Medium, most: usize) -> String {
        let write = |piece: &Piece<'_>| match piece {
            Piece::Own(text) => text.clone().into_owned(),
            Piece::Strong(text) => medium.strong(text),
            Piece::Fact(text) => medium.fact(text, most),
            Piece::Link(text, url) => medium.link(text, url).unwrap_or_default(),
        };
        self.0.iter().map(write).collect()
    }
}

/// The lines of a notice: of one about several incidents, one for each.
pub(super) fn lines(notice: &Notification) -> Vec<Line<'_>> {
    if !notice.also.is_empty() {
        return notice.parts().map(part).chain(links(notice)).collect();
    }
    let mut lines = Vec::new();
    if !notice.incident.message.is_empty() {
        lines.push(Line::fact(&notice.incident.message));
    }
    if let Some(opening) = notice.opening.as_ref().filter(|opening| !opening.is_empty()) {
        lines.push(Line::strong("Failure").own(": ").then(opening));
    }
    if let Some(outcome) = &notice.outcome {
        lines.extend(failed(outcome));
    }
    lines.push(span(notice));
    if !notice.confirmed_by.is_empty() {
        lines.push(Line::strong("Confirmed by").own(": ").then(notice.confirmed_by.join(", ")));
    }
    lines.extend(affected(notice));
    if let Some(outcome) = notice.outcome.as_ref().filter(|_| notice.event != Event::Resolved) {
        lines.extend(outcome.evidence.iter().take(MAX_EVIDENCE).map(|(name, value)| evidence(name, value)));
    }
    lines.extend(labels(notice));
    lines.extend(links(notice));
    lines
}

/// The expectations that weren't met, unless the only one is the message already.
fn failed(outcome: &Outcome) -> impl Iterator<Item = Line<'_>> {
    let failed = if outcome.failed.len() == 1 { &[][..] } else { &outcome.failed[..] };
    failed.iter().take(MAX_FAILED).map(|Failure { expectation, expected, actual, .. }| {
        Line(Vec::new()).own("• ").then(expectation).own(": expected ").then(expected).own(", got ").then(actual)
    })
}

/// When it was, and for how long.
fn span(notice: &Notification) -> Line<'_> {
    let (since, lasted) = (clock(notice.incident.failing_since), notice.lasted());
    match notice.event {
        Event::Resolved => Line::strong("From")
            .own(format!(" {since} "))
            .own("to")
            .own(format!(" {} UTC ({lasted})", clock(notice.at))),
        _ => Line::strong("Since").own(format!(" {since} UTC ({lasted})")),
    }
}

/// What depends on the monitor, of which nobody is told by itself.
fn affected(notice: &Notification) -> Option<Line<'_>> {
    let Affected { count, names, .. } = &notice.affected;
    let rest = count.saturating_sub(names.len() as u64);
    let line = || Line::strong("Affects").own(format!(" {count}: ")).then(names.join(", "));
    match (count, rest) {
        (0, _) => None,
        (_, 0) => Some(line()),
        _ => Some(line().own(format!(" and {rest} more"))),
    }
}

fn clock(at: Timestamp) -> String {
    at.to_datetime().format("%Y-%m-%d %H:%M:%S").to_string()
}

fn evidence<'a>(name: &'a str, value: &'a Value) -> Line<'a> {
    let value = match value {
        Value::String(text) => Cow::Borrowed(text.as_str()),
        value => Cow::Owned(value.to_string()),
    };
    Line::fact(name).own(": ").then(value)
}

fn labels(notice: &Notification) -> Option<Line<'_>> {
    let labels: Vec<_> =
        notice.monitor.labels.iter().take(MAX_LABELS).map(|(name, value)| format!("{name}={value}")).collect();
    (!labels.is_empty()).then(|| Line::strong("Labels").own(": ").then(labels.join(", ")))
}

fn links(notice: &Notification) -> impl Iterator<Item = Line<'_>> {
    let links = notice.links.iter().filter(|link| Medium::Plain.link(&link.text, &link.url).is_some());
    links.take(MAX_LINKS).map(|link| Line(vec![Piece::Link(&link.text, &link.url)]))
}

/// One of several incidents.
fn part(part: Part<'_>) -> Line<'_> {
    let line = Line(Vec::new()).own("• ").then(&part.monitor.name).own(format!(" {}", state(&part)));
    let said = match part.event {
        Event::Resolved => part.opening.unwrap_or_default(),
        _ => part.incident.message.as_str(),
    };
    if said.is_empty() { line } else { line.own(": ").then(said) }
}
