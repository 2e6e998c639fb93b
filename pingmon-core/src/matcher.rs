//! Which monitors something is about that a person says of several at once: by their names, by their labels, or both.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

#[cfg(doc)]
use crate::{error::Error, monitor::MAX_LABELS};
use crate::{error::Result, monitor, notification::Subject};

/// Most names in one matcher.
pub const MAX_NAMES: usize = 1_000;

/// Monitors, by their names and labels. One that names nothing is about all.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct Matcher {
    /// The names of the monitors, at most [`MAX_NAMES`]; any when it names none.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub monitors: Vec<String>,
    /// Labels that the monitors have, all of them; at most [`MAX_LABELS`]. In a value `*` stands for any text, an empty one
    /// too.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
}

impl Matcher {
    /// All monitors.
    pub fn all() -> Self {
        Self::default()
    }

    /// Only these monitors, beside those that were named before.
    #[must_use]
    pub fn monitors<I: Into<String>>(mut self, names: impl IntoIterator<Item = I>) -> Self {
        self.monitors.extend(names.into_iter().map(Into::into));
        self
    }

    /// Only monitors with this label.
    #[must_use]
    pub fn label(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.labels.insert(key.into(), value.into());
        self
    }

    /// Whether it is about that monitor.
    pub fn matches(&self, monitor: &Subject) -> bool {
        let named = self.monitors.is_empty() || self.monitors.contains(&monitor.name);
        let has = |(key, pattern): (&String, &String)| monitor.labels.get(key).is_some_and(|text| fits(pattern, text));
        named && self.labels.iter().all(has)
    }

    /// Refuses what can't be a name or a label, and too many of them.
    ///
    /// # Errors
    /// [`Error::Config`] naming `monitors` or `labels`.
    pub fn validate(&self) -> Result<()> {
        monitor::count("monitors", self.monitors.len(), MAX_NAMES)?;
        self.monitors.iter().try_for_each(|name| monitor::name("monitors", name))?;
        monitor::labels(&self.labels)
    }
}

/// Whether a text is what the pattern says. Each part between two `*` is looked for once, from left to right.
fn fits(pattern: &str, text: &str) -> bool {
    let Some((first, rest)) = pattern.split_once('*') else { return pattern == text };
    let Some(mut text) = text.strip_prefix(first) else { return false };
    let (middle, last) = rest.rsplit_once('*').unwrap_or(("", rest));
    for part in middle.split('*') {
        match text.split_once(part) {
            Some((_, after)) => text = after,
            None => return false,
        }
    }
    text.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        id::MonitorId,
        monitor::{Definition, MAX_LABELS, Monitor, State},
    };

    #[test]
    fn it_is_about_the_monitors_it_names_and_those_with_all_its_labels() {
        let definition = Definition::new("shop", "http").label("team", "shop").label("tier", "1");
        let shop = Subject::of(&Monitor::new(MonitorId::new(), 1, State::Active, definition));
        for (matcher, matches) in [
            (Matcher::all(), true),
            (Matcher::all().monitors(["shop", "db"]), true),
            (Matcher::all().monitors(["db"]), false),
            (Matcher::all().label("team", "shop").label("tier", "1"), true),
            (Matcher::all().label("team", "shop").label("tier", "2"), false),
            (Matcher::all().monitors(["shop"]).label("region", "eu"), false),
            (Matcher::all().label("team", "s*p").label("tier", "*"), true),
            (Matcher::all().label("region", "*"), false),
            (Matcher::all().monitors(["sho*"]), false),
        ] {
            assert_eq!(matcher.matches(&shop), matches, "{matcher:?}");
            let json = serde_json::to_string(&matcher).unwrap();
            assert_eq!(serde_json::from_str::<Matcher>(&json).unwrap(), matcher, "{json}");
        }
    }

    #[test]
    fn a_star_stands_for_any_text() {
        for (pattern, text, expected) in [
            ("", "", true),
            ("", "a", false),
            ("*", "", true),
            ("*", "anything", true),
            ("eu-*", "eu-west", true),
            ("eu-*", "eu-", true),
            ("eu-*", "us-eu-west", false),
            ("*-west", "eu-west", true),
            ("*-west", "eu-west-2", false),
            ("eu*west*2", "eu-north-west-1-2", true),
            ("eu*west*2", "eu-west-1", false),
            ("a*a", "a", false),
            ("a*a", "aa", true),
            ("a*b*b", "ab", false),
            ("**", "x", true),
            ("ä*ö", "äüö", true),
            ("a.c", "abc", false),
            ("A*", "abc", false),
        ] {
            assert_eq!(fits(pattern, text), expected, "{pattern} {text}");
        }
    }

    #[test]
    fn what_is_out_of_its_limits_is_refused_by_its_field() {
        for (matcher, field) in [
            (Matcher::all().monitors(vec!["a"; MAX_NAMES + 1]), "monitors"),
            (Matcher::all().monitors([" "]), "monitors"),
            (Matcher::all().label("team", "a\nb"), "labels"),
            ((0..=MAX_LABELS).fold(Matcher::all(), |all, n| all.label(n.to_string(), "x")), "labels"),
        ] {
            let error = matcher.validate().unwrap_err().to_string();
            assert!(error.starts_with(&format!("invalid {field}: ")), "{error}");
        }
        Matcher::all().monitors(vec!["a"; MAX_NAMES]).label("team", "shop").validate().unwrap();
    }
}
