//! Texts of a request that differ from run to run: `{{name}}` stands for a value that the run knows.

use std::{borrow::Cow, collections::BTreeMap};

use crate::http::run::fresh_id;

/// The identifier that is new with each run, as in a header `x-request-id = "{{request_id}}"`.
pub(in crate::http) const REQUEST_ID: &str = "request_id";

/// The values that a run knows, by name.
#[derive(Clone, Debug, Default)]
pub(in crate::http) struct Variables(BTreeMap<String, String>);

impl Variables {
    /// What every run knows.
    pub(in crate::http) fn fresh() -> Self {
        Self(BTreeMap::from([(REQUEST_ID.to_owned(), fresh_id().to_string())]))
    }

    /// The value of that name.
    pub(in crate::http) fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// `text` with each `{{name}}` replaced. What isn't a name between the braces stays as it is.
    ///
    /// # Errors
    /// Why it can't be, in words, when a name has no value.
    pub(in crate::http) fn fill<'a>(&self, text: &'a str) -> Result<Cow<'a, str>, String> {
        if !has_placeholder(text) {
            return Ok(text.into());
        }
        let mut filled = String::with_capacity(text.len());
        let mut rest = text;
        while let Some((before, name, after)) = placeholder(rest) {
            let Some(value) = self.get(name) else {
                let known: Vec<_> = self.0.keys().map(|name| format!("{{{{{name}}}}}")).collect();
                return Err(format!("{{{{{name}}}}} has no value; those that have are {}", known.join(", ")));
            };
            filled.push_str(before);
            filled.push_str(value);
            rest = after;
        }
        filled.push_str(rest);
        Ok(filled.into())
    }
}

/// Whether `text` differs from run to run.
pub(in crate::http) fn has_placeholder(text: &str) -> bool {
    placeholder(text).is_some()
}

/// What stands before the first placeholder, its name, and what stands after it.
fn placeholder(text: &str) -> Option<(&str, &str, &str)> {
    let mut from = 0;
    loop {
        let open = from + text[from..].find("{{")?;
        let inner = &text[open + 2..];
        let length = inner.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(inner.len());
        if length > 0 && inner[length..].starts_with("}}") {
            return Some((&text[..open], &inner[..length], &inner[length + 2..]));
        }
        from = open + 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_placeholder_is_filled_and_other_braces_stay() {
        let variables =
            Variables(BTreeMap::from([("a".to_owned(), "1".to_owned()), ("b_2".to_owned(), "{{a}}".to_owned())]));
        for (text, expected) in [
            ("plain", "plain"),
            ("{{a}}", "1"),
            ("x{{a}}y{{b_2}}z", "x1y{{a}}z"),
            ("{{{a}}}", "{1}"),
            (r#"{"a":{"b":{}}}"#, r#"{"a":{"b":{}}}"#),
            ("{{ a }} {{}} {{a", "{{ a }} {{}} {{a"),
        ] {
            assert_eq!(variables.fill(text).unwrap(), expected, "{text}");
        }
        assert_eq!(variables.fill("{{c}}").unwrap_err(), "{{c}} has no value; those that have are {{a}}, {{b_2}}");
    }

    #[test]
    fn a_request_id_is_new_with_each_run() {
        let [one, other] = [(); 2].map(|()| Variables::fresh().fill("{{request_id}}").unwrap().into_owned());
        assert!(one.len() == 36 && one != other, "{one}");
    }
}
