//! What a definition may be: every limit, refused by name. Whether a config suits its kind is for the kind to say.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::{Definition, MAX_CHANNELS, MAX_CONFIG, MAX_LABELS, MAX_NAME, MAX_PARENTS, MAX_TIMEOUT, MIN_TIMEOUT};
use crate::{
    error::{Error, Result},
    notification::validate_escalation,
    schedule::Schedule,
};

impl Definition {
    /// Refuses what is out of its stated limits, naming the field. Whether `config` suits the kind is for the kind to
    /// say.
    ///
    /// # Errors
    /// [`Error::Config`] for the first field that is wrong.
    pub fn validate(&self) -> Result<()> {
        name("name", &self.name)?;
        name("kind", &self.kind)?;
        name("origin", self.origin.as_str())?;
        self.schedule.validate()?;
        self.policy.validate()?;
        self.validate_timeout()?;
        count("notify", self.notify.len(), MAX_CHANNELS)?;
        self.notify.iter().try_for_each(|channel| name("notify", channel))?;
        validate_escalation(&self.escalation)?;
        let mut escalated = self.escalation.iter().flat_map(|step| &step.notify);
        escalated.try_for_each(|channel| name("escalation", channel))?;
        count("depends_on", self.depends_on.len(), MAX_PARENTS)?;
        self.depends_on.iter().try_for_each(|parent| name("depends_on", parent))?;
        if self.depends_on.contains(&self.name) {
            return Err(Error::config("depends_on", "a monitor can't depend on itself; take its own name out"));
        }
        labels(&self.labels)?;
        match &self.config {
            Value::Null | Value::Object(_) => count("config", self.config.to_string().len(), MAX_CONFIG),
            _ => Err(Error::config("config", "is to be an object")),
        }
    }

    fn validate_timeout(&self) -> Result<()> {
        let timeout = self.timeout.0;
        self.timeout.within("timeout", MIN_TIMEOUT..=MAX_TIMEOUT)?;
        match self.schedule {
            Schedule::Every(interval) if timeout > interval.0 => {
                let reason = format!("{} is longer than the interval of {interval}", self.timeout);
                Err(Error::config("timeout", reason))
            }
            _ => Ok(()),
        }
    }
}

/// Refuses definitions that can't stand beside each other in one call of a store: one out of its limits, or a name that
/// occurs twice.
///
/// # Errors
/// [`Error::Config`] for the first that is wrong.
pub fn validate_all(definitions: &[Definition]) -> Result<()> {
    let mut names = BTreeSet::new();
    definitions.iter().try_for_each(|definition| {
        definition.validate()?;
        if names.insert(definition.name.as_str()) {
            return Ok(());
        }
        Err(Error::config("name", format!("\"{}\" occurs twice: give each monitor a name of its own", definition.name)))
    })
}

/// Refuses what can't be a name.
pub(crate) fn name(field: &str, text: &str) -> Result<()> {
    let length = text.chars().take(MAX_NAME + 1).count();
    if text.trim().is_empty() {
        return Err(Error::config(field, "is empty"));
    }
    if length > MAX_NAME {
        let start: String = text.chars().take(20).collect();
        return Err(Error::config(field, format!("\"{start}…\" is longer than {MAX_NAME} characters")));
    }
    if text.chars().any(char::is_control) {
        return Err(Error::config(field, format!("{text:?} holds control characters")));
    }
    Ok(())
}

/// Refuses what can't be labels, of a monitor or of what is looked for.
pub(crate) fn labels(labels: &BTreeMap<String, String>) -> Result<()> {
    count("labels", labels.len(), MAX_LABELS)?;
    labels.iter().try_for_each(|(key, value)| name("labels", key).and_then(|()| name("labels", value)))
}

/// Refuses more of something than is allowed.
pub(crate) fn count(field: &str, count: usize, most: usize) -> Result<()> {
    if count <= most {
        return Ok(());
    }
    Err(Error::config(field, format!("{count} is more than the {most} allowed")))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn each_limit_is_named_when_it_is_passed() {
        let good = || Definition::new("shop", "http").every(Duration::from_secs(30));
        good().validate().unwrap();
        for (bad, field) in [
            (Definition { name: "x".repeat(10_000_000), ..good() }, "name"),
            (Definition { name: " ".into(), ..good() }, "name"),
            (Definition { name: "a\0b".into(), ..good() }, "name"),
            (good().timeout(Duration::from_secs(31)), "timeout"),
            (good().timeout(Duration::ZERO), "timeout"),
            (good().every(Duration::ZERO), "every"),
            (good().config(Value::Bool(true)), "config"),
            (good().config(serde_json::json!({ "a": "x".repeat(MAX_CONFIG) })), "config"),
            (good().notify((0..33).map(|n| n.to_string())), "notify"),
        ] {
            let error = bad.validate().unwrap_err().to_string();
            assert!(error.starts_with(&format!("invalid {field}: ")), "{error}");
            assert!(error.len() < 500, "an error repeats no flood: {} bytes", error.len());
        }
    }
}
