//! A table of the file that is read. What nobody took out of it is what can't be carried over.

use std::collections::BTreeMap;

use serde_json::Value;

/// The fields of a table, until they are taken.
pub(super) struct Fields<'v>(BTreeMap<&'v str, &'v Value>);

impl<'v> Fields<'v> {
    /// The fields of a table; none of anything else.
    pub(super) fn of(value: &'v Value) -> Self {
        let table = value.as_object().into_iter().flatten();
        Self(table.filter(|(_, value)| !value.is_null()).map(|(key, value)| (key.as_str(), value)).collect())
    }

    /// The fields of the table under `key`.
    pub(super) fn table(&mut self, key: &str) -> Self {
        self.take(key).map_or_else(|| Self(BTreeMap::new()), Self::of)
    }

    /// Whether nothing is left.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn take(&mut self, key: &str) -> Option<&'v Value> {
        self.0.remove(key)
    }

    /// A text, or what can be written as one.
    pub(super) fn text(&mut self, key: &str) -> Option<String> {
        match self.take(key)? {
            Value::String(text) if text.is_empty() => None,
            Value::String(text) => Some(text.clone()),
            Value::Number(number) => Some(number.to_string()),
            Value::Bool(flag) => Some(flag.to_string()),
            _ => None,
        }
    }

    /// A number, also one written as a text.
    pub(super) fn number(&mut self, key: &str) -> Option<f64> {
        let value = self.take(key)?;
        value.as_f64().or_else(|| value.as_str()?.trim().parse().ok())
    }

    /// Whether something is on; some programs write 1.
    pub(super) fn flag(&mut self, key: &str) -> Option<bool> {
        let value = self.take(key)?;
        value.as_bool().or_else(|| value.as_u64().map(|number| number != 0))
    }

    /// A list, or a single thing as a list of one.
    pub(super) fn list(&mut self, key: &str) -> Vec<&'v Value> {
        match self.take(key) {
            Some(Value::Array(all)) => all.iter().collect(),
            Some(one) => vec![one],
            None => Vec::new(),
        }
    }

    /// All fields of a table of texts.
    pub(super) fn texts(mut self) -> Vec<(String, String)> {
        let keys: Vec<_> = self.0.keys().copied().collect();
        keys.into_iter().filter_map(|key| Some((key.to_owned(), self.text(key)?))).collect()
    }

    /// All fields.
    pub(super) fn entries(self) -> impl Iterator<Item = (&'v str, &'v Value)> {
        self.0.into_iter()
    }

    /// Takes what means nothing here: the other program's own ids, and looks.
    pub(super) fn skip(&mut self, keys: &[&'v str]) {
        for key in keys {
            self.0.remove(key);
        }
    }

    /// The names of the fields that say something and that nobody took.
    pub(super) fn left(self) -> Vec<String> {
        let says = |value: &Value| match value {
            Value::Null | Value::Bool(false) => false,
            Value::Number(number) => number.as_f64() != Some(0.0),
            Value::String(text) => !text.is_empty(),
            Value::Array(all) => !all.is_empty(),
            Value::Object(all) => !all.is_empty(),
            Value::Bool(true) => true,
        };
        self.0.into_iter().filter(|(_, value)| says(value)).map(|(key, _)| key.to_owned()).collect()
    }
}
