//! Texts of a request that differ from run to run: `{{name}}` stands for a value that the run knows.

use std::{borrow::Cow, collections::BTreeMap};

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use crate::http::run::fresh_id;

/// The identifier that is new with each run, as in a header `x-request-id = "{{request_id}}"`.
pub(in crate::http) const REQUEST_ID: &str = "request_id";
/// What stays as it is of a value within a URL: no value adds a part to the URL or another host.
const NOT_IN_URLS: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

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

    /// Gives the name that value from now on.
    pub(in crate::http) fn set(&mut self, name: &str, value: String) {
        self.0.insert(name.to_owned(), value);
    }

    /// `text` with each `{{name}}` replaced, at most `most` bytes. What isn't a name between the braces stays as it is.
    ///
    /// # Errors
    /// Why it can't be, in words, when a name has no value or the text becomes too long.
    pub(in crate::http) fn fill<'a>(&self, text: &'a str, most: usize) -> Result<Cow<'a, str>, String> {
        self.fill_with(text, most, |value, _| value.into())
    }

    /// The same for a URL: values are percent-encoded, but for one that the URL begins with.
    ///
    /// # Errors
    /// As [`fill`](Self::fill).
    pub(in crate::http) fn fill_url<'a>(&self, text: &'a str, most: usize) -> Result<Cow<'a, str>, String> {
        self.fill_with(text, most, |value, leads| match leads {
            true => value.into(),
            false => in_url(value),
        })
    }

    fn fill_with<'a>(
        &self,
        text: &'a str,
        most: usize,
        written: impl Fn(&str, bool) -> Cow<'_, str>,
    ) -> Result<Cow<'a, str>, String> {
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
            filled.push_str(&written(value, filled.is_empty()));
            rest = after;
            if filled.len() + rest.len() > most {
                return Err(format!("more than {most} bytes with {{{{{name}}}}} filled in"));
            }
        }
        filled.push_str(rest);
        Ok(filled.into())
    }
}

/// A value as it stands within a URL.
pub(in crate::http) fn in_url(value: &str) -> Cow<'_, str> {
    utf8_percent_encode(value, NOT_IN_URLS).into()
}

/// Whether `text` differs from run to run.
pub(in crate::http) fn has_placeholder(text: &str) -> bool {
    placeholder(text).is_some()
}

/// The names that `text` has placeholders for.
pub(in crate::http) fn names(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        let (_, name, after) = placeholder(rest)?;
        rest = after;
        Some(name)
    })
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

    fn variables() -> Variables {
        let values = [("a", "1"), ("b_2", "{{a}}"), ("path", "../x?y=1#z"), ("url", "https://a.example/x")];
        Variables(values.map(|(name, value)| (name.to_owned(), value.to_owned())).into())
    }

    #[test]
    fn a_placeholder_is_filled_and_other_braces_stay() {
        for (text, expected) in [
            ("plain", "plain"),
            ("{{a}}", "1"),
            ("x{{a}}y{{b_2}}z", "x1y{{a}}z"),
            ("{{{a}}}", "{1}"),
            (r#"{"a":{"b":{}}}"#, r#"{"a":{"b":{}}}"#),
            ("{{ a }} {{}} {{a", "{{ a }} {{}} {{a"),
        ] {
            assert_eq!(variables().fill(text, 1_000).unwrap(), expected, "{text}");
        }
        let error = variables().fill("{{c}}", 1_000).unwrap_err();
        assert_eq!(error, "{{c}} has no value; those that have are {{a}}, {{b_2}}, {{path}}, {{url}}");
        assert_eq!(names("{{a}} {{ b }} {{c}}{{a}}").collect::<Vec<_>>(), ["a", "c", "a"]);
    }

    #[test]
    fn a_value_adds_nothing_to_a_url_but_itself_unless_the_url_begins_with_it() {
        for (text, expected) in [
            ("/orders/{{path}}", "/orders/..%2Fx%3Fy%3D1%23z"),
            ("https://{{url}}/", "https://https%3A%2F%2Fa.example%2Fx/"),
            ("{{url}}?of={{path}}", "https://a.example/x?of=..%2Fx%3Fy%3D1%23z"),
        ] {
            assert_eq!(variables().fill_url(text, 1_000).unwrap(), expected);
        }
    }

    #[test]
    fn a_text_that_grows_too_long_is_refused_before_it_is_written() {
        let mut variables = Variables::default();
        variables.set("x", "v".repeat(8_192));
        let error = variables.fill(&"{{x}}".repeat(1_000_000), 6_000_000).unwrap_err();
        assert_eq!(error, "more than 6000000 bytes with {{x}} filled in");
    }

    #[test]
    fn a_request_id_is_new_with_each_run() {
        let [one, other] = [(); 2].map(|()| Variables::fresh().fill("{{request_id}}", 100).unwrap().into_owned());
        assert!(one.len() == 36 && one != other, "{one}");
    }
}
