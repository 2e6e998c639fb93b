//! Following a path through a document, with a limit on the steps taken: a path may have been written by anybody and
//! the document comes from outside, so that neither is trusted to be cheap.

use std::{borrow::Cow, cmp::Ordering};

use serde_json::Value;

use super::{
    number,
    path::{Logic, Operand, Operator, Pattern, Query, Segment, Selector, regex},
};

/// Most steps of one search: a step looks at one value. Some tens of milliseconds.
const MAX_STEPS: usize = 1_000_000;
/// What it costs, in steps, to compile a regular expression that was found in the document.
const COMPILING: usize = 2_000;

/// All values that `query` finds in `document`, in order.
///
/// # Errors
/// In words, when that takes too many steps.
pub(super) fn search<'a>(query: &'a Query, document: &'a Value) -> Result<Vec<&'a Value>, String> {
    let found = Search { root: document, left: MAX_STEPS }.follow(query, document);
    found.map_err(|Exhausted| format!("it takes more than {MAX_STEPS} steps to search: name the place more closely"))
}

/// No steps are left.
struct Exhausted;

struct Search<'a> {
    root: &'a Value,
    left: usize,
}

impl<'a> Search<'a> {
    fn spend(&mut self, steps: usize) -> Result<(), Exhausted> {
        self.left = self.left.checked_sub(steps).ok_or(Exhausted)?;
        Ok(())
    }

    fn follow(&mut self, query: &'a Query, here: &'a Value) -> Result<Vec<&'a Value>, Exhausted> {
        let mut found = vec![if query.from_root { self.root } else { here }];
        for segment in &query.segments {
            let mut next = Vec::new();
            for value in found {
                self.take(segment, value, &mut next)?;
            }
            found = next;
        }
        Ok(found)
    }

    fn take(&mut self, segment: &'a Segment, from: &'a Value, found: &mut Vec<&'a Value>) -> Result<(), Exhausted> {
        for selector in &segment.selectors {
            self.select(selector, from, found)?;
        }
        if segment.deep {
            for child in children(from) {
                self.take(segment, child, found)?;
            }
        }
        Ok(())
    }

    fn select(&mut self, selector: &'a Selector, from: &'a Value, found: &mut Vec<&'a Value>) -> Result<(), Exhausted> {
        self.spend(1)?;
        match selector {
            Selector::Name(name) => found.extend(from.as_object().and_then(|fields| fields.get(&**name))),
            Selector::Index(index) => found.extend(from.as_array().and_then(|items| at(items, *index))),
            Selector::Wildcard => {
                for child in children(from) {
                    self.spend(1)?;
                    found.push(child);
                }
            }
            Selector::Slice { start, end, step } => {
                let items = from.as_array().map_or(&[][..], Vec::as_slice);
                for index in slice(items.len(), *start, *end, *step) {
                    self.spend(1)?;
                    found.extend(items.get(index));
                }
            }
            Selector::Filter(logic) => {
                for child in children(from) {
                    if self.holds(logic, child)? {
                        found.push(child);
                    }
                }
            }
        }
        Ok(())
    }

    fn holds(&mut self, logic: &'a Logic, here: &'a Value) -> Result<bool, Exhausted> {
        self.spend(1)?;
        match logic {
            Logic::Or(parts) => {
                for part in parts {
                    if self.holds(part, here)? {
                        return Ok(true);
                    }
                }
                Ok(false)
            }
            Logic::And(parts) => {
                for part in parts {
                    if !self.holds(part, here)? {
                        return Ok(false);
                    }
                }
                Ok(true)
            }
            Logic::Not(inner) => Ok(!self.holds(inner, here)?),
            Logic::Exists(query) => Ok(!self.follow(query, here)?.is_empty()),
            Logic::Compares(operator, left, right) => {
                let (left, right) = (self.value(left, here)?, self.value(right, here)?);
                self.compares(*operator, left.as_deref(), right.as_deref())
            }
            Logic::Matches { text, pattern, whole } => self.matches(text, pattern, *whole, here),
        }
    }

    fn value(&mut self, operand: &'a Operand, here: &'a Value) -> Result<Option<Cow<'a, Value>>, Exhausted> {
        self.spend(1)?;
        Ok(match operand {
            Operand::Literal(value) => Some(Cow::Borrowed(value)),
            Operand::One(query) => match *self.follow(query, here)? {
                [one] => Some(Cow::Borrowed(one)),
                _ => None,
            },
            Operand::Count(query) => Some(Cow::Owned(self.follow(query, here)?.len().into())),
            Operand::Length(of) => {
                let value = self.value(of, here)?;
                if let Some(Value::String(text)) = value.as_deref() {
                    self.spend(number::steps(text))?;
                }
                value.as_deref().and_then(length).map(|length| Cow::Owned(length.into()))
            }
        })
    }

    fn compares(&mut self, operator: Operator, left: Option<&Value>, right: Option<&Value>) -> Result<bool, Exhausted> {
        let mut equal = || match (left, right) {
            (Some(left), Some(right)) => number::same_within(left, right, &mut |steps| self.spend(steps)),
            (left, right) => Ok(left.is_none() && right.is_none()),
        };
        Ok(match operator {
            Operator::Equal => equal()?,
            Operator::NotEqual => !equal()?,
            Operator::Less => order(left, right) == Some(Ordering::Less),
            Operator::Greater => order(left, right) == Some(Ordering::Greater),
            Operator::LessOrEqual => order(left, right) == Some(Ordering::Less) || equal()?,
            Operator::GreaterOrEqual => order(left, right) == Some(Ordering::Greater) || equal()?,
        })
    }

    fn matches(
        &mut self,
        text: &'a Operand,
        pattern: &'a Pattern,
        whole: bool,
        here: &'a Value,
    ) -> Result<bool, Exhausted> {
        let text = self.value(text, here)?;
        let Some(Value::String(text)) = text.as_deref() else { return Ok(false) };
        self.spend(number::steps(text))?;
        match pattern {
            Pattern::Fixed(regex) => Ok(regex.is_match(text)),
            Pattern::Found(pattern) => {
                let pattern = self.value(pattern, here)?;
                let Some(Value::String(pattern)) = pattern.as_deref() else { return Ok(false) };
                self.spend(COMPILING)?;
                Ok(regex(pattern, whole).is_ok_and(|regex| regex.is_match(text)))
            }
        }
    }
}

fn children(value: &Value) -> Box<dyn Iterator<Item = &Value> + '_> {
    match value {
        Value::Array(items) => Box::new(items.iter()),
        Value::Object(fields) => Box::new(fields.values()),
        _ => Box::new(std::iter::empty()),
    }
}

/// The length of what has one: characters of a text, items of a list, fields of an object.
pub(super) fn length(value: &Value) -> Option<usize> {
    match value {
        Value::String(text) => Some(text.chars().count()),
        Value::Array(items) => Some(items.len()),
        Value::Object(fields) => Some(fields.len()),
        _ => None,
    }
}

fn order(left: Option<&Value>, right: Option<&Value>) -> Option<Ordering> {
    match (left?, right?) {
        (Value::Number(left), Value::Number(right)) => number::order(left, right),
        (Value::String(left), Value::String(right)) => Some(left.cmp(right)),
        _ => None,
    }
}

fn at(items: &[Value], index: i64) -> Option<&Value> {
    let index = if index < 0 { i64::try_from(items.len()).ok()?.checked_add(index)? } else { index };
    items.get(usize::try_from(index).ok()?)
}

/// The places that a slice names (RFC 9535, section 2.3.4.2), in its order.
fn slice(len: usize, start: Option<i64>, end: Option<i64>, step: i64) -> Box<dyn Iterator<Item = usize>> {
    let len = i64::try_from(len).unwrap_or(i64::MAX);
    let within = |place: i64, lowest: i64, highest: i64| {
        (if place < 0 { len.saturating_add(place) } else { place }).clamp(lowest, highest)
    };
    let stride = usize::try_from(step.unsigned_abs()).unwrap_or(usize::MAX);
    let place = |place: i64| usize::try_from(place).unwrap_or(0);
    if step > 0 {
        let (from, to) = (within(start.unwrap_or(0), 0, len), within(end.unwrap_or(len), 0, len));
        return Box::new((place(from)..place(to)).step_by(stride));
    }
    // Backwards, from the first place down to just after the last one.
    let from = start.map_or(len - 1, |start| within(start, -1, len - 1));
    let to = end.map_or(-1, |end| within(end, -1, len - 1));
    if step == 0 || from <= to {
        return Box::new(std::iter::empty());
    }
    Box::new((place(to + 1)..=place(from)).rev().step_by(stride))
}
