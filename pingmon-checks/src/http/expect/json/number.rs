//! Comparing JSON values by what they mean.

use std::{cmp::Ordering, convert::Infallible};

use serde_json::{Number, Value};

/// How many bytes of text are as much work as one value.
const BYTES_A_STEP: usize = 64;

/// Equality by meaning: numbers by value, objects whatever the order of their fields.
pub(super) fn same(left: &Value, right: &Value) -> bool {
    same_within(left, right, &mut |_| Ok::<_, Infallible>(())).unwrap_or_else(|never| match never {})
}

/// The same, telling `spend` beforehand how many values will be looked at; its error ends it.
pub(super) fn same_within<E>(
    left: &Value,
    right: &Value,
    spend: &mut impl FnMut(usize) -> Result<(), E>,
) -> Result<bool, E> {
    spend(1)?;
    match (left, right) {
        (Value::Number(left), Value::Number(right)) => Ok(order(left, right) == Some(Ordering::Equal)),
        (Value::String(left), Value::String(right)) if left.len() == right.len() => {
            spend(steps(left))?;
            Ok(left == right)
        }
        (Value::Array(left), Value::Array(right)) if left.len() == right.len() => {
            for (left, right) in left.iter().zip(right) {
                if !same_within(left, right, spend)? {
                    return Ok(false);
                }
            }
            Ok(true)
        }
        (Value::Object(left), Value::Object(right)) if left.len() == right.len() => {
            for (name, left) in left {
                match right.get(name) {
                    Some(right) if same_within(left, right, spend)? => {}
                    _ => return Ok(false),
                }
            }
            Ok(true)
        }
        (Value::Array(_) | Value::Object(_), _) => Ok(false),
        _ => Ok(left == right),
    }
}

/// What looking through a text costs, in values.
pub(super) const fn steps(text: &str) -> usize {
    text.len() / BYTES_A_STEP
}

/// Whole numbers as such, since neighbours above 2^53 are one and the same as floats.
pub(super) fn order(left: &Number, right: &Number) -> Option<Ordering> {
    match (whole(left), whole(right)) {
        (Some(left), Some(right)) => Some(left.cmp(&right)),
        _ => left.as_f64()?.partial_cmp(&right.as_f64()?),
    }
}

/// A number that is written without a fraction.
pub(super) fn whole(number: &Number) -> Option<i128> {
    number.as_i64().map(i128::from).or_else(|| number.as_u64().map(i128::from))
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
}
