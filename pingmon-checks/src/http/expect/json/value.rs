//! Tests on a value that a JSON path found.

use std::cmp::Ordering;

use pingmon_core::error::{Error, Result};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Number, Value};

use super::{Path, number, search::length};
use crate::http::expect::{
    Finding,
    bounds::Bounds,
    config::{self, Limit},
    shown_value,
};

/// What a JSON value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(in crate::http::expect) enum JsonType {
    /// `null`.
    Null,
    /// `true` or `false`.
    Boolean,
    /// A number.
    Number,
    /// A number without a fraction; 1.0 is one.
    Integer,
    /// A text.
    String,
    /// A list.
    Array,
    /// An object.
    Object,
}

impl JsonType {
    fn fits(self, value: &Value) -> bool {
        match self {
            Self::Null => value.is_null(),
            Self::Boolean => value.is_boolean(),
            Self::Number => value.is_number(),
            Self::Integer => {
                let fraction = |number: &Number| number.as_f64().is_none_or(|number| number.fract() != 0.0);
                value.as_number().is_some_and(|number| number::whole(number).is_some() || !fraction(number))
            }
            Self::String => value.is_string(),
            Self::Array => value.is_array(),
            Self::Object => value.is_object(),
        }
    }

    const fn as_str(self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Boolean => "a boolean",
            Self::Number => "a number",
            Self::Integer => "a whole number",
            Self::String => "a string",
            Self::Array => "an array",
            Self::Object => "an object",
        }
    }
}

/// What a value is compared with: something given, or what lies elsewhere in the document.
enum Operand {
    Given(Value),
    At(Path),
}

impl Operand {
    /// `{ json = "$.…" }` means what lies there; anything else is meant as it stands.
    fn compile(field: &str, given: Value) -> Result<Self> {
        let path = match &given {
            Value::Object(fields) if fields.len() == 1 => fields.get("json").and_then(Value::as_str),
            _ => None,
        };
        match path {
            Some(path) => Ok(Self::At(Path::parse(&format!("{field}.json"), path.to_owned())?)),
            None => Ok(Self::Given(given)),
        }
    }

    fn value<'a>(&'a self, document: &'a Value) -> Result<&'a Value, String> {
        match self {
            Self::Given(value) => Ok(value),
            Self::At(path) => path.find_one(document),
        }
    }

    fn shown(&self, document: &Value) -> String {
        match self {
            Self::Given(value) => shown_value(value),
            Self::At(path) => match path.find_one(document) {
                Ok(value) => format!("{} ({path})", shown_value(value)),
                Err(_) => path.to_string(),
            },
        }
    }
}

/// One test.
enum Test {
    Equals(Operand),
    NotEquals(Operand),
    OneOf(Box<[Value]>),
    /// A text with this part, or a list with this element.
    Contains(Value),
    Empty(bool),
    Type(JsonType),
    Length(Bounds),
    Order(&'static str, Operand),
}

/// Tests on one value, all of which have to hold.
pub(super) struct ValueTests(Box<[Test]>);

impl ValueTests {
    /// Takes the tests on values out of a rule.
    ///
    /// # Errors
    /// [`Error::Config`] naming what can't be meant.
    pub(super) fn compile(field: &str, rule: &mut config::BodyRule) -> Result<Self> {
        let mut tests = Vec::new();
        let named = |name: &str| format!("{field}.{name}");
        if let Some(value) = rule.equals.take() {
            tests.push(Test::Equals(Operand::compile(&named("equals"), value)?));
        }
        if let Some(value) = rule.not_equals.take() {
            tests.push(Test::NotEquals(Operand::compile(&named("not_equals"), value)?));
        }
        if let Some(values) = rule.one_of.take() {
            if values.is_empty() {
                return Err(Error::config(named("one_of"), "no value could be right; name one or leave it out"));
            }
            tests.push(Test::OneOf(values.into()));
        }
        if let Some(part) = rule.contains.take() {
            if part == "" {
                let reason = "it is empty, which any text contains; write something";
                return Err(Error::config(named("contains"), reason));
            }
            tests.push(Test::Contains(part));
        }
        tests.extend(rule.empty.take().map(Test::Empty));
        tests.extend(rule.r#type.take().map(Test::Type));
        if let Some(length) = rule.length.take() {
            length.validate(&named("length"))?;
            tests.push(Test::Length(length));
        }
        let limits = [
            ("less", rule.less.take()),
            ("greater", rule.greater.take()),
            ("at_least", rule.at_least.take()),
            ("at_most", rule.at_most.take()),
        ];
        for (name, limit) in limits {
            if let Some(Limit(limit)) = limit {
                tests.push(Test::Order(name, Operand::compile(&named(name), limit)?));
            }
        }
        Ok(Self(tests.into()))
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The tests that a value, or the lack of one, doesn't pass.
    pub(super) fn missed(&self, path: &Path, value: Option<&Value>, document: &Value) -> Vec<Finding> {
        let judge = |test: &Test| {
            let reason = test.judge(value, document).err()?;
            let found = value.map_or_else(|| "nothing there".to_owned(), shown_value);
            let actual = if value.is_none() { found } else { format!("{found}{reason}") };
            Some(Finding { test: test.name(), expected: format!("{path} {}", test.expected(document)), actual })
        };
        self.0.iter().filter_map(judge).collect()
    }
}

impl Test {
    const fn name(&self) -> &'static str {
        match self {
            Self::Equals(_) => "equals",
            Self::NotEquals(_) => "not_equals",
            Self::OneOf(_) => "one_of",
            Self::Contains(_) => "contains",
            Self::Empty(_) => "empty",
            Self::Type(_) => "type",
            Self::Length(_) => "length",
            Self::Order(name, _) => name,
        }
    }

    fn expected(&self, document: &Value) -> String {
        match self {
            Self::Equals(wanted) => format!("is {}", wanted.shown(document)),
            Self::NotEquals(unwanted) => format!("isn't {}", unwanted.shown(document)),
            Self::OneOf(wanted) => {
                let wanted: Vec<_> = wanted.iter().map(shown_value).collect();
                format!("is one of {}", wanted.join(", "))
            }
            Self::Contains(part) => format!("with {}", shown_value(part)),
            Self::Empty(true) => "is empty".to_owned(),
            Self::Empty(false) => "isn't empty".to_owned(),
            Self::Type(wanted) => format!("is {}", wanted.as_str()),
            Self::Length(wanted) => format!("has a length of {wanted}"),
            Self::Order(name, limit) => {
                let words = match *name {
                    "less" => "below",
                    "greater" => "above",
                    "at_least" => "at least",
                    _ => "at most",
                };
                format!("{words} {}", limit.shown(document))
            }
        }
    }

    /// Whether the value passes; if not, what to add to it for people.
    fn judge(&self, value: Option<&Value>, document: &Value) -> Result<(), String> {
        let Some(value) = value else { return Err(String::new()) };
        let because = |reason: String| format!(", but {reason}");
        let passes = match self {
            Self::Equals(wanted) => number::same(value, wanted.value(document).map_err(because)?),
            Self::NotEquals(unwanted) => !number::same(value, unwanted.value(document).map_err(because)?),
            Self::OneOf(wanted) => wanted.iter().any(|wanted| number::same(value, wanted)),
            Self::Contains(part) => match (value, part) {
                (Value::Array(items), _) => items.iter().any(|item| number::same(item, part)),
                (Value::String(text), Value::String(part)) => text.contains(part),
                (_, Value::String(_)) => return Err(", which isn't a string".to_owned()),
                _ => return Err(", which isn't an array".to_owned()),
            },
            Self::Empty(wanted) => *wanted == (length(value).ok_or(", which has no length")? == 0),
            Self::Type(wanted) => wanted.fits(value),
            Self::Length(wanted) => {
                let length = length(value).ok_or(", which has no length")?;
                return if wanted.hold(length) { Ok(()) } else { Err(format!(", which has a length of {length}")) };
            }
            Self::Order(name, limit) => {
                let number = value.as_number().ok_or(", which isn't a number")?;
                let limit = limit.value(document).map_err(because)?;
                let limit = limit.as_number().ok_or_else(|| format!(", but {limit} isn't a number"))?;
                let order = number::order(number, limit);
                match *name {
                    "less" => order == Some(Ordering::Less),
                    "greater" => order == Some(Ordering::Greater),
                    "at_least" => order.is_some_and(Ordering::is_ge),
                    _ => order.is_some_and(Ordering::is_le),
                }
            }
        };
        if passes { Ok(()) } else { Err(String::new()) }
    }
}
