//! A JSON Schema that a value has to fit. Nothing is fetched: a reference leads to a place within the schema.

use jsonschema::{PatternOptions, Validator};
use pingmon_core::error::{Error, Result};
use serde_json::{Map, Value};

use super::{cut, shown_value};
use crate::pattern::MAX_COMPILED;

/// Longest schema, in bytes of JSON.
const MAX_SCHEMA: usize = 64 * 1024;
/// Most parts of a schema with its references written out.
const MAX_PARTS: usize = 10_000;
/// Most work: parts of the schema times values that are judged.
const MAX_WORK: usize = 20_000_000;

/// A compiled schema.
pub(crate) struct Schema {
    validator: Box<Validator>,
    parts: usize,
}

impl Schema {
    /// Compiles a schema that is given as a table or as JSON in a text.
    ///
    /// # Errors
    /// [`Error::Config`] naming `field` when it isn't one, or one that could take too long.
    pub(crate) fn compile(field: &str, given: Value) -> Result<Self> {
        let refused = |reason: String| Error::config(field, reason);
        let text = match given {
            Value::String(text) => text,
            other => other.to_string(),
        };
        if text.len() > MAX_SCHEMA {
            return Err(refused(format!("more than {MAX_SCHEMA} bytes; write a shorter one")));
        }
        let schema = serde_json::from_str(&text).map_err(|error| refused(format!("it isn't JSON: {error}")))?;
        let parts = Parts { root: &schema, open: Vec::new(), count: 0 }.count(&schema).map_err(refused)?;
        // Linear time whatever the pattern: one that gave up half-way would say that a value fits a `not`.
        let patterns = PatternOptions::regex().size_limit(MAX_COMPILED).dfa_size_limit(MAX_COMPILED);
        let compiled = jsonschema::options().with_pattern_options(patterns).build(&schema);
        let validator =
            compiled.map_err(|error| refused(format!("it isn't a JSON Schema: {}", cut(&error.to_string()))))?;
        Ok(Self { validator: Box::new(validator), parts })
    }

    /// What is wrong with a value, in words; nothing if it fits.
    pub(super) fn fault(&self, value: &Value) -> Option<String> {
        let (place, reason) = self.misfit(value)?;
        let place = if place.is_empty() { "the whole" } else { &place };
        Some(format!("{place}: {reason}"))
    }

    /// Where a value doesn't fit, as a JSON pointer, and why; nothing if it does.
    pub(crate) fn misfit(&self, value: &Value) -> Option<(String, String)> {
        let most = MAX_WORK / self.parts;
        if count(value, most) > most {
            return Some((String::new(), format!("more than {most} values, too many to judge by this schema")));
        }
        if self.validator.is_valid(value) {
            return None;
        }
        let Some(error) = self.validator.iter_errors(value).next() else {
            return Some((String::new(), shown_value(value)));
        };
        Some((error.instance_path().to_string(), cut(&error.to_string())))
    }
}

/// Counts what a schema would be made of if its references were written out: how much work it can be.
struct Parts<'a> {
    root: &'a Value,
    /// The references that lead to where we are.
    open: Vec<&'a str>,
    count: usize,
}

impl<'a> Parts<'a> {
    fn count(mut self, schema: &'a Value) -> Result<usize, String> {
        self.visit(schema)?;
        Ok(self.count)
    }

    fn visit(&mut self, part: &'a Value) -> Result<(), String> {
        self.count += 1;
        if self.count > MAX_PARTS {
            return Err(format!("more than {MAX_PARTS} parts with its references written out; ask for less"));
        }
        match part {
            Value::Array(items) => items.iter().try_for_each(|item| self.visit(item)),
            Value::Object(fields) => fields.iter().try_for_each(|(name, part)| match (name.as_str(), part) {
                ("$ref", Value::String(place)) => self.follow(place),
                ("$dynamicRef" | "$recursiveRef", _) => Err(format!("{name} isn't supported; use $ref")),
                ("$id", Value::String(_)) if !std::ptr::eq(fields, self.top()) => {
                    Err("$id inside of it isn't supported; leave it out".to_owned())
                }
                _ => self.visit(part),
            }),
            _ => Ok(()),
        }
    }

    /// The fields of the whole schema.
    fn top(&self) -> *const Map<String, Value> {
        self.root.as_object().map_or(std::ptr::null(), std::ptr::from_ref)
    }

    fn follow(&mut self, place: &'a str) -> Result<(), String> {
        let pointer = place.strip_prefix('#').filter(|pointer| pointer.is_empty() || pointer.starts_with('/'));
        let pointer = pointer.ok_or_else(|| {
            format!("$ref {place:?} leads out of it; write it as \"#/$defs/name\" and put what is meant there")
        })?;
        if self.open.contains(&place) {
            return Err(format!("$ref {place:?} leads back to itself, which could take for ever; leave it out"));
        }
        let target = self.root.pointer(pointer).ok_or_else(|| format!("$ref {place:?} leads nowhere; correct it"))?;
        self.open.push(place);
        self.visit(target)?;
        self.open.pop();
        Ok(())
    }
}

/// How many values a document is made of; stops counting past `most`.
fn count(value: &Value, most: usize) -> usize {
    let add = |sum: usize, part: &Value| if sum > most { sum } else { sum + count(part, most - sum) };
    match value {
        Value::Array(items) => items.iter().fold(1, add),
        Value::Object(fields) => fields.values().fold(1, add),
        _ => 1,
    }
}
