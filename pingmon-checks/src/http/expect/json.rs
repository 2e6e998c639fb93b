//! Values in a JSON body: the path that finds them and the tests on what was found. A path's cost is bounded by its
//! form, since it runs among other probes and may have been written by anybody.

use std::fmt;

use jsonpath_rust::{
    parser::{model::JpQuery, parse_json_path},
    query::js_path_process,
};
use pingmon_core::error::{Error, Result};
use serde_json::{Number, Value};

use super::{
    config,
    test::{Missed, TextTests},
};

const MAX_PATH: usize = 1_000;
const MAX_COMMAS: usize = 3;
/// Most values of a document that a path which can find several is let loose on.
const MAX_SEARCHED: usize = 50_000;

/// A JSON path (RFC 9535).
pub(super) struct Path {
    text: Box<str>,
    query: JpQuery,
    /// Whether it can find one value at most.
    singular: bool,
}

impl Path {
    /// # Errors
    /// [`Error::Config`] naming `field` when `text` isn't a path or could take too long.
    pub(super) fn parse(field: &str, text: String) -> Result<Self> {
        let refused = |reason: String| Error::config(field, reason);
        if text.len() > MAX_PATH {
            return Err(refused(format!("more than {MAX_PATH} bytes; write a shorter one")));
        }
        let form = Form::of(&text);
        form.validate().map_err(refused)?;
        let query = parse_json_path(&text)
            .map_err(|error| refused(format!("it isn't a JSON path such as \"$.items[0].id\": {error}")))?;
        Ok(Self { text: text.into(), query, singular: form.is_singular() })
    }

    /// The values the path leads to.
    ///
    /// # Errors
    /// Why the document can't be searched, in words.
    pub(super) fn find<'a>(&self, document: &'a Value) -> Result<Vec<&'a Value>, String> {
        if !self.singular && count(document, MAX_SEARCHED) > MAX_SEARCHED {
            return Err(format!("more than {MAX_SEARCHED} values, too many to search: name one place in the path"));
        }
        let found =
            js_path_process(&self.query, document).map_err(|error| format!("a path that leads nowhere: {error}"))?;
        Ok(found.into_iter().map(|found| found.val).collect())
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// What of a path, outside its quotes, decides how much work it can be.
#[derive(Default)]
struct Form {
    descents: usize,
    commas: usize,
    roots: usize,
    /// Wildcards, slices and filters.
    spreads: usize,
}

impl Form {
    fn of(path: &str) -> Self {
        let mut form = Self::default();
        let (mut quote, mut before) = (None, ' ');
        let mut chars = path.chars();
        while let Some(c) = chars.next() {
            match (quote, c) {
                (Some(_), '\\') => drop(chars.next()),
                (Some(open), c) if c == open => quote = None,
                (Some(_), _) => {}
                (None, '"' | '\'') => quote = Some(c),
                (None, '.') if before == '.' => form.descents += 1,
                (None, ',') => form.commas += 1,
                (None, '$') => form.roots += 1,
                (None, '*' | ':' | '?') => form.spreads += 1,
                (None, _) => {}
            }
            before = c;
        }
        form
    }

    /// Each of these multiplies the work, so that a few of them could keep a processor busy for hours.
    fn validate(&self) -> Result<(), String> {
        if self.descents > 1 {
            return Err("it has more than one `..`; name the place more closely".to_owned());
        }
        if self.commas > MAX_COMMAS {
            return Err(format!("it has more than {MAX_COMMAS} commas; make several rules of it"));
        }
        if self.roots > 1 {
            return Err("`$` is used again inside it; a filter can look at `@` only".to_owned());
        }
        Ok(())
    }

    const fn is_singular(&self) -> bool {
        self.descents + self.commas + self.spreads == 0
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

/// Tests on a value, all of which have to hold.
pub(super) struct ValueTests {
    exists: Option<bool>,
    equals: Option<Value>,
    less: Option<f64>,
    greater: Option<f64>,
}

impl ValueTests {
    /// Takes the tests on values from a rule whose tests on text are `texts`.
    ///
    /// # Errors
    /// [`Error::Config`] naming what can't be meant.
    pub(super) fn compile(field: &str, rule: &config::BodyRule, texts: &TextTests) -> Result<Self> {
        let config::BodyRule { exists, less, greater, .. } = *rule;
        let tests = Self { exists, equals: rule.equals.clone(), less, greater };
        let others = !texts.is_empty() || tests.equals.is_some() || less.is_some() || greater.is_some();
        if exists == Some(false) && others {
            return Err(Error::config(
                field,
                "`exists = false` and a test on the value can't hold together; remove one",
            ));
        }
        Ok(tests)
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.exists.is_none() && self.equals.is_none() && self.less.is_none() && self.greater.is_none()
    }

    /// Whether all is well if there is nothing at the path.
    pub(super) fn want_nothing(&self) -> bool {
        self.exists == Some(false)
    }

    /// The tests that a value, or the lack of one, doesn't pass, and what to add to it for people.
    pub(super) fn missed(&self, path: &Path, value: Option<&Value>) -> Vec<(Missed, &'static str)> {
        let mut missed = Vec::new();
        let mut miss = |test, expected, note| missed.push((Missed { test, expected, at: None }, note));
        match self.exists {
            Some(true) if value.is_none() => miss("exists", format!("something at {path}"), ""),
            Some(false) if value.is_some() => miss("exists", format!("nothing at {path}"), ""),
            _ => {}
        }
        if let Some(wanted) = &self.equals
            && !value.is_some_and(|value| same(value, wanted))
        {
            miss("equals", format!("{path} is {wanted}"), "");
        }
        let number = value.and_then(Value::as_f64);
        let note = if value.is_some() && number.is_none() { ", which isn't a number" } else { "" };
        if let Some(limit) = self.less.filter(|limit| !number.is_some_and(|number| number < *limit)) {
            miss("less", format!("{path} below {limit}"), note);
        }
        if let Some(limit) = self.greater.filter(|limit| !number.is_some_and(|number| number > *limit)) {
            miss("greater", format!("{path} above {limit}"), note);
        }
        missed
    }
}

/// Equality by meaning: numbers by value, objects whatever the order of their fields.
fn same(left: &Value, right: &Value) -> bool {
    match (left, right) {
        (Value::Number(left), Value::Number(right)) => same_number(left, right),
        (Value::Array(left), Value::Array(right)) => {
            left.len() == right.len() && left.iter().zip(right).all(|(left, right)| same(left, right))
        }
        (Value::Object(left), Value::Object(right)) => {
            let field = |(name, left): (&String, &Value)| right.get(name).is_some_and(|right| same(left, right));
            left.len() == right.len() && left.iter().all(field)
        }
        _ => left == right,
    }
}

fn same_number(left: &Number, right: &Number) -> bool {
    // Whole numbers as such, since neighbours above 2^53 are one and the same as floats.
    let whole = (left.is_i64() || left.is_u64()) && (right.is_i64() || right.is_u64());
    left == right || (!whole && left.as_f64() == right.as_f64())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn numbers_are_equal_by_value_and_large_whole_ones_exactly() {
        assert!(same(&json!({ "a": [1], "b": 2 }), &json!({ "b": 2.0, "a": [1.0] })));
        assert!(!same(&json!(9_007_199_254_740_993_u64), &json!(9_007_199_254_740_992_u64)));
        assert!(!same(&json!("1"), &json!(1)));
    }

    #[test]
    fn what_stands_in_quotes_does_not_count_as_form() {
        let form = Form::of(r#"$['a..b,$*?']["c\"..d"].e"#);
        assert!(form.validate().is_ok() && form.is_singular());
        assert!(!Form::of("$.a[*]").is_singular() && !Form::of("$.a[1:2]").is_singular());
    }

    #[test]
    fn an_index_out_of_every_bound_finds_nothing() {
        for text in ["$[9223372036854775807]", "$[-9223372036854775808]", "$[99999999999999999999]"] {
            if let Ok(path) = Path::parse("json", text.to_owned()) {
                assert_eq!(path.find(&json!([1])).unwrap().len(), 0, "{text}");
            }
        }
    }
}
