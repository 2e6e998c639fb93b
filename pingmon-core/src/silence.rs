//! Silences: monitors of which nobody is told for a time, because a person said so while everything runs. Kept in the store,
//! so that all engines hold back the same. What recurs is a maintenance in the config.

use std::{fmt, time::Duration};

use crate::{
    error::{Error, Result},
    id::SilenceId,
    incident::acknowledger,
    matcher::Matcher,
    notification::Subject,
    time::{Span, Timestamp},
};

/// Most silences of one store that aren't over.
pub const MAX_ALIVE: usize = 1_000;
/// The longest a silence lasts: 31 days.
pub const MAX_LENGTH: Duration = Duration::from_secs(31 * 86_400);
/// How far ahead one begins at most: 366 days.
pub const MAX_AHEAD: Duration = Duration::from_secs(366 * 86_400);
/// Longest comment, in characters.
pub const MAX_COMMENT: usize = 500;

/// Monitors of which nobody is told from one instant to another. Runs go on meanwhile; what they open is recorded, and
/// announced only if it is still open when the silence is over.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Silence {
    /// Its id.
    pub id: SilenceId,
    /// Which monitors.
    pub matcher: Matcher,
    /// Since when, by the store's clock.
    pub from: Timestamp,
    /// Until when, not included. One that was ended early ends when that was.
    pub until: Timestamp,
    /// Who wants it.
    pub by: String,
    /// Why; may be empty.
    pub comment: String,
    /// Whether the monitors are worked on: then what fails meanwhile doesn't count in what they were up.
    pub maintenance: bool,
}

impl Silence {
    /// A silence as read from a store, of which nothing more is known than when it is; `by` somebody.
    pub fn new(id: SilenceId, matcher: Matcher, from: Timestamp, until: Timestamp, by: impl Into<String>) -> Self {
        Self { id, matcher, from, until, by: by.into(), comment: String::new(), maintenance: false }
    }

    /// Whether nobody is to be told of that monitor at an instant.
    pub fn holds(&self, monitor: &Subject, at: Timestamp) -> bool {
        self.is_on(at) && self.matcher.matches(monitor)
    }

    /// Whether it has begun and isn't over.
    pub fn is_on(&self, at: Timestamp) -> bool {
        self.from <= at && at < self.until
    }

    /// The same, ended at `now`; one that hasn't begun never does.
    #[must_use]
    pub fn ended(mut self, now: Timestamp) -> Self {
        (self.from, self.until) = (self.from.min(now), now);
        self
    }

    /// Who wants it and why: `by anna: new disks`.
    pub fn reason(&self) -> String {
        match self.comment.as_str() {
            "" => format!("by {}", self.by),
            comment => format!("by {}: {comment}", self.by),
        }
    }
}

impl fmt::Display for Silence {
    /// `silence by anna: known since Monday`, `maintenance by anna: new disks`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", if self.maintenance { "maintenance" } else { "silence" }, self.reason())
    }
}

/// When a silence is to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// At that instant.
    At(Timestamp),
    /// So long after it began.
    After(Span),
}

/// A silence that somebody asks for: the store's clock says when it begins.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Draft {
    /// Which monitors.
    pub matcher: Matcher,
    /// Not before; at once when not given or past.
    pub from: Option<Timestamp>,
    /// Its end.
    pub end: End,
    /// Who wants it: up to [`MAX_ACKNOWLEDGER`](crate::incident::MAX_ACKNOWLEDGER) characters.
    pub by: String,
    /// Why, up to [`MAX_COMMENT`] characters.
    pub comment: String,
    /// Whether the monitors are worked on.
    pub maintenance: bool,
}

impl Draft {
    /// A silence that begins at once, without a comment.
    pub fn new(matcher: Matcher, end: End, by: impl Into<String>) -> Self {
        Self { matcher, from: None, end, by: by.into(), comment: String::new(), maintenance: false }
    }

    /// Has it begin later.
    #[must_use]
    pub const fn from(mut self, from: Timestamp) -> Self {
        self.from = Some(from);
        self
    }

    /// Says why.
    #[must_use]
    pub fn comment(mut self, comment: impl Into<String>) -> Self {
        self.comment = comment.into();
        self
    }

    /// Says that the monitors are worked on.
    #[must_use]
    pub const fn maintenance(mut self) -> Self {
        self.maintenance = true;
        self
    }

    /// The silence that is asked for, when it is `now`.
    ///
    /// # Errors
    /// [`Error::Config`] naming `monitors`, `labels`, `from`, `until`, `for`, `by` or `comment`.
    pub fn begin(self, id: SilenceId, now: Timestamp) -> Result<Silence> {
        self.matcher.validate()?;
        let by = acknowledger(&self.by)?.to_owned();
        let comment = remark(&self.comment)?.to_owned();
        let from = self.from.map_or(now, |from| from.max(now));
        if from.since(now) > MAX_AHEAD {
            return Err(Error::config("from", format!("lies more than {} ahead", Span(MAX_AHEAD))));
        }
        let (field, until) = match self.end {
            End::At(until) => ("until", until),
            End::After(Span(length)) => ("for", from + length),
        };
        if until <= from {
            return Err(Error::config(field, format!("{until} isn't after {from}, when the silence begins")));
        }
        if until.since(from) > MAX_LENGTH {
            return Err(Error::config(field, format!("is more than {} after the beginning", Span(MAX_LENGTH))));
        }
        Ok(Silence { id, matcher: self.matcher, from, until, by, comment, maintenance: self.maintenance })
    }
}

/// A comment without the space around it.
fn remark(comment: &str) -> Result<&str> {
    let comment = comment.trim();
    if comment.chars().count() > MAX_COMMENT {
        return Err(Error::config("comment", format!("is longer than {MAX_COMMENT} characters")));
    }
    if comment.chars().any(char::is_control) {
        return Err(Error::config("comment", "holds control characters"));
    }
    Ok(comment)
}

/// There is no silence of that id that isn't over.
pub fn over(id: SilenceId) -> Error {
    Error::not_found(format!("silence {id} that isn't over"))
}

/// The refusal of a silence beyond [`MAX_ALIVE`].
pub fn too_many() -> Error {
    Error::config("silences", format!("there are {MAX_ALIVE} already that aren't over: end one of them first"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_micros(1_800_000_000_000_000);
    const HOUR: Duration = Duration::from_secs(3_600);

    fn draft(end: End) -> Draft {
        Draft::new(Matcher::all(), end, "anna")
    }

    fn hour() -> Draft {
        draft(End::After(Span(HOUR)))
    }

    #[test]
    fn a_silence_lasts_from_when_the_store_says_it_is_or_from_a_later_time() {
        for (draft, from, until) in [
            (hour(), NOW, NOW + HOUR),
            (hour().from(NOW - HOUR), NOW, NOW + HOUR),
            (hour().from(NOW + HOUR), NOW + HOUR, NOW + 2 * HOUR),
            (draft(End::At(NOW + HOUR)), NOW, NOW + HOUR),
            (draft(End::At(NOW + MAX_LENGTH)), NOW, NOW + MAX_LENGTH),
        ] {
            let silence = draft.begin(SilenceId::new(), NOW).unwrap();
            assert_eq!((silence.from, silence.until), (from, until));
            assert!(silence.is_on(from) && !silence.is_on(until) && !silence.is_on(from - Duration::from_micros(1)));
        }
    }

    #[test]
    fn what_can_not_be_meant_is_refused_by_its_field() {
        let second = Duration::from_secs(1);
        for (draft, field) in [
            (draft(End::At(NOW)), "until"),
            (draft(End::At(NOW - HOUR)), "until"),
            (draft(End::At(NOW + MAX_LENGTH + second)), "until"),
            (draft(End::After(Span(Duration::ZERO))), "for"),
            (draft(End::After(Span(MAX_LENGTH + second))), "for"),
            (draft(End::After(Span(Duration::MAX))), "for"),
            (hour().from(NOW + MAX_AHEAD + second), "from"),
            (hour().comment("x".repeat(MAX_COMMENT + 1)), "comment"),
            (hour().comment("a\nb"), "comment"),
            (Draft { by: " ".to_owned(), ..hour() }, "by"),
            (Draft { matcher: Matcher::all().monitors([""]), ..hour() }, "monitors"),
        ] {
            let error = draft.begin(SilenceId::new(), NOW).unwrap_err().to_string();
            assert!(error.starts_with(&format!("invalid {field}: ")), "{error}");
        }
    }

    #[test]
    fn one_that_is_ended_early_holds_nothing_from_then_on() {
        let silence = hour().begin(SilenceId::new(), NOW).unwrap().ended(NOW + HOUR / 2);
        assert!(silence.is_on(NOW) && !silence.is_on(NOW + HOUR / 2));
        let never = hour().from(NOW + HOUR).begin(SilenceId::new(), NOW).unwrap().ended(NOW);
        assert!(!never.is_on(NOW) && !never.is_on(NOW + HOUR));
    }

    #[test]
    fn it_says_who_wants_it_and_why() {
        let told = |draft: Draft| draft.begin(SilenceId::new(), NOW).unwrap().to_string();
        assert_eq!(told(hour()), "silence by anna");
        assert_eq!(told(hour().comment(" known ")), "silence by anna: known");
        assert_eq!(told(hour().comment("new disks").maintenance()), "maintenance by anna: new disks");
    }
}
