//! Where in the config something stands: `monitor[1].http.url`. What is wrong there is a `finding`.

use std::fmt;

use serde_json::Value;

/// The steps from the top of the config to one value: keys, and positions in lists.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Path(Vec<String>);

impl Path {
    /// The path of the given steps.
    pub(crate) fn new<S: Into<String>>(steps: impl IntoIterator<Item = S>) -> Self {
        Self(steps.into_iter().map(Into::into).collect())
    }

    /// Reads a JSON Pointer (RFC 6901).
    pub(crate) fn from_pointer(pointer: &str) -> Self {
        Self::new(pointer.split('/').skip(1).map(|step| step.replace("~1", "/").replace("~0", "~")))
    }

    /// One step further.
    pub(crate) fn to(&self, step: impl ToString) -> Self {
        let mut steps = self.0.clone();
        steps.push(step.to_string());
        Self(steps)
    }

    /// The steps.
    pub(crate) fn steps(&self) -> &[String] {
        &self.0
    }

    /// Whether `other` is this path or lies above it.
    pub(crate) fn starts_with(&self, other: &Self) -> bool {
        self.0.starts_with(&other.0)
    }

    /// The monitor or notifier it lies in (`monitor[1]`), or else the section (`store`).
    pub(crate) fn item(&self) -> Self {
        let in_list = ["monitor", "notifier", "maintenance", "route"];
        let length = if self.0.first().is_some_and(|top| in_list.contains(&top.as_str())) { 2 } else { 1 };
        Self(self.0.iter().take(length).cloned().collect())
    }

    /// What follows `base`, as a path of its own.
    pub(crate) fn below(&self, base: &Self) -> Self {
        Self(self.0.get(base.0.len()..).unwrap_or_default().to_vec())
    }

    /// The path that `text` (`expect.body[0].json`, as errors name fields) means below this one, where `within` stands.
    /// Keys that hold dots are told apart by looking at what is there.
    pub(crate) fn join_dotted(&self, text: &str, within: &Value) -> Self {
        let mut path = self.clone();
        let mut here = Some(within);
        let mut rest = text;
        while !rest.is_empty() {
            let step;
            (step, rest) = next_step(rest, here);
            here = here.and_then(|value| child(value, step));
            path.0.push(step.to_owned());
        }
        path
    }

    /// What stands there.
    pub(crate) fn get<'v>(&self, value: &'v Value) -> Option<&'v Value> {
        self.0.iter().try_fold(value, |value, step| child(value, step))
    }

    /// What stands there, to be changed.
    pub(crate) fn get_mut<'v>(&self, value: &'v mut Value) -> Option<&'v mut Value> {
        self.0.iter().try_fold(value, |value, step| child_mut(value, step))
    }

    /// Takes out what stands there, so that the rest can be looked at without it: the deepest key of a table on the way
    /// (positions in lists are not shifted). False when nothing stands there or no table is on the way.
    pub(crate) fn prune(&self, value: &mut Value) -> bool {
        if self.get(value).is_none() {
            return false;
        }
        let in_table = |depth: &usize| Self(self.0[..*depth].to_vec()).get(value).is_some_and(Value::is_object);
        let Some(depth) = (0..self.0.len()).rev().find(in_table) else { return false };
        let table = Self(self.0[..depth].to_vec());
        table.get_mut(value).and_then(Value::as_object_mut).is_some_and(|table| table.remove(&self.0[depth]).is_some())
    }
}

/// The first step of a dotted text, and the rest after its separator.
fn next_step<'t>(text: &'t str, here: Option<&Value>) -> (&'t str, &'t str) {
    if let Some((index, rest)) = text.strip_prefix('[').and_then(|text| text.split_once(']')) {
        return (index, rest.strip_prefix('.').unwrap_or(rest));
    }
    let known = here.and_then(Value::as_object).into_iter().flat_map(|table| table.keys());
    let fits = |key: &&String| {
        text.strip_prefix(key.as_str()).is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
    };
    let length = known.filter(fits).map(String::len).max();
    let length = length.filter(|length| *length > 0).or_else(|| text.find(['.', '[']).filter(|length| *length > 0));
    let (step, rest) = text.split_at(length.unwrap_or(text.len()));
    (step, rest.strip_prefix('.').unwrap_or(rest))
}

fn child<'v>(value: &'v Value, step: &str) -> Option<&'v Value> {
    match value {
        Value::Object(table) => table.get(step),
        Value::Array(items) => items.get(step.parse::<usize>().ok()?),
        _ => None,
    }
}

fn child_mut<'v>(value: &'v mut Value, step: &str) -> Option<&'v mut Value> {
    match value {
        Value::Object(table) => table.get_mut(step),
        Value::Array(items) => items.get_mut(step.parse::<usize>().ok()?),
        _ => None,
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, step) in self.0.iter().enumerate() {
            let step = super::finding::shorten(step);
            match (number, step.bytes().all(|byte| byte.is_ascii_digit())) {
                (0, _) => write!(f, "{step}")?,
                (_, true) => write!(f, "[{step}]")?,
                (_, false) => write!(f, ".{step}")?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_field_of_an_error_is_found_even_when_its_key_holds_dots() {
        let config = json!({ "expect": { "headers": { "x.y": ["a"] } } });
        let path = Path::new(["monitor", "0", "http"]).join_dotted("expect.headers.x.y[0]", &config);
        assert_eq!(path.steps(), ["monitor", "0", "http", "expect", "headers", "x.y", "0"]);
        assert_eq!(Path::default().join_dotted("expect.missing[2].z", &config).to_string(), "expect.missing[2].z");
    }

    #[test]
    fn pruning_takes_the_whole_list_rather_than_shifting_it() {
        let mut config = json!({ "status": [1, 2], "body": [{ "json": 1, "equals": 2 }] });
        assert!(Path::new(["body", "0", "json"]).prune(&mut config));
        assert!(Path::new(["status", "1"]).prune(&mut config));
        assert!(!Path::new(["status", "0"]).prune(&mut config), "it is gone already");
        assert_eq!(config, json!({ "body": [{ "equals": 2 }] }));
    }
}
