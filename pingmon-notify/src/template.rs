//! Words of one's own: minijinja templates over the facts of a notice. What they insert is written as the medium writes
//! what others wrote, whatever they say; a mistake in one is found when the channel is built, on sample notices.

use std::{collections::BTreeMap, error::Error as _, io, sync::Arc};

use minijinja::{
    Environment, UndefinedBehavior,
    value::{Enumerator, Object, ObjectExt, Value as Item},
};
use pingmon_core::{
    error::{Error, Result},
    notification::{Facts, Notification},
    time::Timestamp,
};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;

use crate::{medium::Medium, sample, text::one_line};

/// Longest template, in bytes.
const MAX_SOURCE: usize = 64 * 1024;
/// Most that one may write, in bytes.
const MAX_OUTPUT: usize = 256 * 1024;
/// Most steps that one may take.
const FUEL: u64 = 100_000;
/// Longest fact that is inserted, in characters.
const MAX_FACT: usize = 4_000;
/// Filters that would let a fact pass as it is.
const UNSAFE_FILTERS: [&str; 4] = ["safe", "escape", "e", "tojson"];

/// Words of one's own in place of the default ones: minijinja templates over the facts of a notice,
/// such as `{{ monitor.name }}`, `{{ incident.level }}`, `{{ lasted }}` and `{{ monitor.labels.team }}`; docs/notifiers.md lists them.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Config {
    /// The title, one line; the default one when not given.
    pub(crate) title: Option<String>,
    /// The body; the default one when not given.
    pub(crate) body: Option<String>,
}

/// How inserted facts are written.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Escape {
    /// As text of a medium.
    Text(Medium),
    /// As JSON: texts in quotes.
    Json,
}

/// One template.
#[derive(Clone, Debug)]
pub(crate) struct Template(Arc<Environment<'static>>);

impl Template {
    /// A template whose output is text of `medium`; `field` of the config holds its source.
    ///
    /// # Errors
    /// [`Error::Config`] for the field when it is no template, or when it fails with a sample notice.
    pub(crate) fn new(field: &str, source: &str, medium: Medium) -> Result<Self> {
        Self::escaping(field, source, Escape::Text(medium))
    }

    /// The same with facts inserted in another way.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub(crate) fn escaping(field: &str, source: &str, escape: Escape) -> Result<Self> {
        if source.len() > MAX_SOURCE {
            return Err(Error::config(field, "is longer than 64 KiB"));
        }
        let refuse = |error: &minijinja::Error| Error::config(field, explain(error));
        let template = Self(Arc::new(environment(source, escape).map_err(|error| refuse(&error))?));
        for (_, notice) in sample::notices("sample", Timestamp::default()) {
            template.render(&notice).map_err(|error| refuse(&error))?;
        }
        Ok(template)
    }

    /// What it says of a notice.
    ///
    /// # Errors
    /// What minijinja says, as when something is used that isn't among the facts.
    pub(crate) fn render(&self, notice: &Notification) -> Result<String, minijinja::Error> {
        let facts = serde_json::to_value(Facts::of(notice)).unwrap_or_default();
        let mut output = Capped(Vec::new());
        self.0.get_template("it")?.render_captured_to(item(&facts, false), &mut output)?;
        Ok(String::from_utf8_lossy(&output.0).into_owned())
    }
}

fn environment(source: &str, escape: Escape) -> Result<Environment<'static>, minijinja::Error> {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.set_fuel(Some(FUEL));
    environment.set_recursion_limit(50);
    environment.set_formatter(move |out, _, value| {
        let text = match escape {
            _ if value.is_safe() => value.to_string(),
            Escape::Text(_) if value.is_none() => String::new(),
            Escape::Text(medium) => medium.escape(&value.to_string()),
            Escape::Json => serde_json::to_string(value)
                .map_err(|error| minijinja::Error::new(minijinja::ErrorKind::BadSerialization, error.to_string()))?,
        };
        out.write_str(&text).map_err(minijinja::Error::from)
    });
    if matches!(escape, Escape::Text(_)) {
        for filter in UNSAFE_FILTERS {
            environment.remove_filter(filter);
        }
    }
    environment.add_template_owned("it", source.to_owned())?;
    Ok(environment)
}

/// What is wrong, on one line, with its place.
fn explain(error: &minijinja::Error) -> String {
    let line = error.line().map(|line| format!(" in line {line}")).unwrap_or_default();
    let detail = error.detail().map(|detail| format!(": {detail}")).unwrap_or_default();
    let cause = error.source().map(|cause| format!(": {cause}")).unwrap_or_default();
    one_line(&format!("is no template that works for every notice: {}{line}{detail}{cause}", error.kind()), 300)
}

/// A value of the facts as templates see it. In `open` maps, whose keys are the user's or a check's affair, a key that
/// isn't there is an empty text.
fn item(value: &Value, open: bool) -> Item {
    match value {
        Value::Null => Item::from(()),
        Value::Bool(it) => Item::from(*it),
        Value::Number(number) => match (number.as_i64(), number.as_f64()) {
            (Some(whole), _) => Item::from(whole),
            (None, float) => Item::from(float.unwrap_or_default()),
        },
        Value::String(text) => Item::from(one_line(text, MAX_FACT)),
        Value::Array(items) => items.iter().map(|value| item(value, false)).collect(),
        Value::Object(map) => {
            let is_open = |key: &str| matches!(key, "labels" | "evidence" | "phases_ms");
            let items = map.iter().map(|(key, value)| (one_line(key, MAX_FACT), item(value, is_open(key))));
            let items: BTreeMap<_, _> = items.collect();
            if open { Item::from_object(Open(items)) } else { Item::from(items) }
        }
    }
}

/// A map in which every key has a value.
#[derive(Debug)]
struct Open(BTreeMap<String, Item>);

impl Object for Open {
    fn get_value(self: &Arc<Self>, key: &Item) -> Option<Item> {
        Some(self.0.get(key.as_str()?).cloned().unwrap_or_else(|| Item::from("")))
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        self.mapped_enumerator(|this| Box::new(this.0.keys().map(|key| Item::from(key.as_str()))))
    }
}

/// Takes no more than a template may write.
struct Capped(Vec<u8>);

impl io::Write for Capped {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.0.len() + bytes.len() > MAX_OUTPUT {
            return Err(io::Error::other("it writes more than 256 KiB"));
        }
        self.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(source: &str, medium: Medium) -> Result<String> {
        let template = Template::new("template.body", source, medium)?;
        let (_, notice) = sample::notices("ops", Timestamp::default()).remove(0);
        Ok(template.render(&notice).unwrap())
    }

    #[test]
    fn a_template_says_the_facts() {
        let source = "{{ monitor.name }} {{ incident.level }}{% for f in outcome.failed if outcome %}, {{ f.actual }}{% endfor %}\
                      {% if outcome %} {{ outcome.evidence.none_such }}{% endif %}|{{ monitor.labels.nobody }}|";
        assert!(said(source, Medium::Plain).is_err(), "outcome is none when a monitor was paused");
        let source =
            "{{ monitor.name }} {{ incident.level }} {{ lasted }} {{ monitor.labels.nobody }}|{{ incident.closed }}|";
        assert_eq!(said(source, Medium::Plain).unwrap(), "sample: shop api degraded 0s ||");
    }

    #[test]
    fn what_a_template_inserts_is_text_whatever_it_says() {
        for source in [
            "{{ '<@U1> *b*' }}",
            "{% autoescape false %}{{ '<@U1> *b*' }}{% endautoescape %}",
            "{% set x = '<@U1> *b*' %}{{ x }}",
        ] {
            assert_eq!(
                said(source, Medium::Mrkdwn).unwrap(),
                "&lt;@\u{200b}U1&gt; \u{200b}*\u{200b}b\u{200b}*\u{200b}"
            );
        }
        assert_eq!(said("*{{ event }}*", Medium::Mrkdwn).unwrap(), "*opened*", "its own markup stays");
    }

    #[test]
    fn a_template_that_cannot_work_is_refused_with_its_field_and_line() {
        for (source, said) in [
            ("{{ monitor.nam }}", "undefined value in line 1"),
            ("\n{% if %}", "syntax error in line 2"),
            ("{{ monitor.name|safe }}", "unknown filter"),
            ("{% for a in range(9999) %}{% for b in range(9999) %}{% endfor %}{% endfor %}", "fuel"),
            ("{% for a in range(500) %}{{ 'x' * 1000 }}{% endfor %}", "256 KiB"),
            ("{% include 'other' %}", "template not found"),
        ] {
            let error = self::said(source, Medium::Plain).unwrap_err().to_string();
            assert!(error.starts_with("invalid template.body: ") && error.contains(said), "{source}: {error}");
        }
    }
}
