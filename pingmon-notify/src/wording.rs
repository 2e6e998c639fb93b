//! What a notice says: one default rendering of its facts per medium, in its place what the channel's template says, and
//! both within the channel's limits.

mod lines;

use pingmon_core::{
    error::Result,
    incident::{About, Closed, Event},
    notification::{Notification, Part, Summary},
    outcome::Status,
};

use self::lines::lines;
use crate::{
    medium::Medium,
    template::{self, Template},
};

/// How long a fact may be, in characters: shorter where a line has no room for more.
const FACT_LENGTHS: [usize; 4] = [500, 200, 80, 20];

/// How long a name may be where several are listed, in characters.
const MAX_NAME_IN_LIST: usize = 40;

/// How long texts are measured.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Unit {
    /// UTF-16 code units, of which a character has one or two: for vendors who count characters, however they do it.
    Utf16,
    /// Bytes of UTF-8.
    Bytes,
}

impl Unit {
    fn len(self, text: &str) -> usize {
        match self {
            Self::Utf16 => text.encode_utf16().count(),
            Self::Bytes => text.len(),
        }
    }

    /// The longest beginning of `text` that has no more than `most`, with an ellipsis in it when something is missing.
    pub(crate) fn cut(self, text: &str, most: usize) -> String {
        if self.len(text) <= most {
            return text.to_owned();
        }
        let mut room = most.saturating_sub(self.len("…"));
        let fits = |c: &char| {
            let mut bytes = [0; 4];
            let left = room.checked_sub(self.len(c.encode_utf8(&mut bytes)));
            room = left.unwrap_or(0);
            left.is_some()
        };
        let mut cut: String = text.chars().take_while(fits).collect();
        cut.push('…');
        cut
    }
}

/// What a channel has room for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Form {
    /// What the title is written in, and how long it may be.
    pub(crate) title: (Medium, usize),
    /// What the body is written in, and how long it may be.
    pub(crate) body: (Medium, usize),
    /// How both are measured.
    pub(crate) unit: Unit,
    /// Whether the title begins with a sign of the state.
    pub(crate) sign: bool,
}

/// A notice in words.
#[derive(Clone, Debug)]
pub(crate) struct Text {
    pub(crate) title: String,
    pub(crate) body: String,
}

/// How a channel words its notices.
#[derive(Clone, Debug)]
pub(crate) struct Wording {
    form: Form,
    title: Option<Template>,
    body: Option<Template>,
}

impl Wording {
    /// # Errors
    /// [`Error::Config`](pingmon_core::error::Error::Config) for `template.title` or `template.body`.
    pub(crate) fn new(form: Form, config: Option<template::Config>) -> Result<Self> {
        let config = config.unwrap_or_default();
        let title = config.title.map(|source| Template::new("template.title", &source, form.title.0)).transpose()?;
        let body = config.body.map(|source| Template::new("template.body", &source, form.body.0)).transpose()?;
        Ok(Self { form, title, body })
    }

    /// The title and body of a notice. Where a template fails, the default says it: a notice that arrives is worth more
    /// than one that is as it was meant.
    pub(crate) fn of(&self, notice: &Notification) -> Text {
        Text { title: self.title(notice), body: self.body(notice) }
    }

    fn title(&self, notice: &Notification) -> String {
        let (medium, most) = self.form.title;
        let own = self.title.as_ref().and_then(|template| template.render(notice).ok());
        let own = own.map(|text| text.split_whitespace().collect::<Vec<_>>().join(" ")).filter(|text| !text.is_empty());
        match own {
            Some(text) if self.form.unit.len(&text) <= most => text,
            Some(text) if medium.may_be_cut() => self.form.unit.cut(&text, most),
            _ => default_title(self.form, notice),
        }
    }

    fn body(&self, notice: &Notification) -> String {
        let (medium, most) = self.form.body;
        match self.body.as_ref().and_then(|template| template.render(notice).ok()) {
            Some(text) if self.form.unit.len(&text) <= most => text,
            Some(text) if medium.may_be_cut() => self.form.unit.cut(&text, most),
            _ => self.default_body(notice, medium),
        }
    }

    /// The default rendering in a medium that needn't be the channel's.
    pub(crate) fn default_body(&self, notice: &Notification, medium: Medium) -> String {
        default_body(medium, self.form.body.1, self.form.unit, notice)
    }
}

/// What comes of an incident, after the name of what is watched: `is still down after 5m`.
pub(crate) fn state(part: &Part<'_>) -> String {
    let (level, lasted) = (part.incident.level, part.lasted());
    let whole = part.opening.is_some();
    match (part.event, part.incident.closed, part.incident.about) {
        (Event::Resolved, Some(Closed::Paused), _) => "is paused, its incident is closed".to_owned(),
        (Event::Resolved, Some(Closed::Retired), _) => "is retired, its incident is closed".to_owned(),
        (Event::Resolved, _, About::Target) if whole => format!("was {level} for {lasted} and has recovered"),
        (Event::Resolved, _, About::Target) => format!("has recovered after {lasted}"),
        (Event::Resolved, _, About::Monitoring) if whole => {
            format!("couldn't be judged for {lasted}, and can be again")
        }
        (Event::Resolved, _, About::Monitoring) => format!("can be judged again after {lasted}"),
        (Event::Reminder, _, About::Target) => format!("is still {level} after {lasted}"),
        (Event::Reminder, _, About::Monitoring) => format!("still can't be judged after {lasted}"),
        (Event::Escalated, _, About::Target) => format!("is {level}, and nobody has seen to it for {lasted}"),
        (Event::Escalated, _, About::Monitoring) => {
            format!("can't be judged, and nobody has seen to it for {lasted}")
        }
        (_, _, About::Target) => format!("is {level}"),
        (_, _, About::Monitoring) => "can't be judged".to_owned(),
    }
}

/// The name of what is watched and what comes of it; a name that is too long is cut, never what is said of it.
fn default_title(form: Form, notice: &Notification) -> String {
    let (medium, most) = form.title;
    let sign = if form.sign { format!("{} ", sign(notice)) } else { String::new() };
    if let Some(summary) = notice.summary() {
        return format!("{sign}{}", names_within(form, most.saturating_sub(form.unit.len(&sign)), &summary));
    }
    let rest = format!(" {}", state(&notice.own()));
    let fits = |name: &String| form.unit.len(&sign) + form.unit.len(name) + form.unit.len(&rest) <= most;
    let lengths = [200, 150, 100, 70, 50, 30, 10, 0];
    let name =
        lengths.into_iter().map(|length| medium.fact(&notice.monitor.name, length)).find(fits).unwrap_or_default();
    format!("{sign}{name}{rest}")
}

/// What a message about several incidents comes to, with as many names as there is room for.
fn names_within(form: Form, most: usize, Summary { words, names, .. }: &Summary<'_>) -> String {
    let mut text = form.unit.cut(words, most);
    for (position, name) in names.iter().enumerate() {
        let separator = if position == 0 { ": " } else { ", " };
        let longer = format!("{text}{separator}{}", form.title.0.fact(name, MAX_NAME_IN_LIST));
        let left = names.len() - position;
        let more = if left > 1 { format!(" and {} more", left - 1) } else { String::new() };
        if form.unit.len(&longer) + form.unit.len(&more) > most {
            return if position == 0 { text } else { format!("{text} and {left} more") };
        }
        text = longer;
    }
    text
}

fn default_body(medium: Medium, most: usize, unit: Unit, notice: &Notification) -> String {
    let lines = lines(notice);
    let (mut text, mut length) = (String::new(), 0);
    for (position, line) in lines.iter().enumerate() {
        let left = lines.len() - position;
        let newline = if text.is_empty() { "" } else { medium.newline() };
        let ellipsis = format!("{newline}… and {left} more lines");
        let reserve = if left == 1 { 0 } else { unit.len(medium.newline()) + unit.len(&ellipsis) };
        let room = most.saturating_sub(length + unit.len(newline) + reserve);
        let written = FACT_LENGTHS.iter().map(|length| line.write(medium, *length)).find(|text| unit.len(text) <= room);
        let Some(written) = written else {
            text.push_str(&ellipsis);
            break;
        };
        length += unit.len(newline) + unit.len(&written);
        text.push_str(newline);
        text.push_str(&written);
    }
    text
}

/// A sign of the state, for those who look before they read. The words say it too.
fn sign(notice: &Notification) -> &'static str {
    let gravest = notice.gravest();
    match (gravest.event, gravest.incident.level) {
        (Event::Resolved, _) => "🟢",
        (_, Status::Down) => "🔴",
        (_, Status::Degraded) => "🟡",
        (_, Status::Up | Status::Unknown) => "⚪",
    }
}

/// The colour of the state, as red, green and blue.
pub(crate) fn colour(notice: &Notification) -> u32 {
    let gravest = notice.gravest();
    match (gravest.event, gravest.incident.level) {
        (Event::Resolved, _) => 0x0017_b26a,
        (_, Status::Down) => 0x00d9_2d20,
        (_, Status::Degraded) => 0x00f7_9009,
        (_, Status::Up | Status::Unknown) => 0x0066_7085,
    }
}

#[cfg(test)]
mod tests;
