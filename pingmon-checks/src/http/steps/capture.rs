//! Values taken out of one step's answer for the steps that follow.

use hyper::header::HeaderName;
use pingmon_core::{
    error::{Error, Result},
    outcome::{Outcome, Status},
};
use regex::Regex;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;

use crate::{
    http::{
        answer::Answer,
        cookies::Jar,
        document::Document,
        expect::{css::Css, json::Path},
        redact::names_a_secret,
        request::template::Variables,
    },
    pattern,
};

/// Longest value, in bytes.
const MAX_VALUE: usize = 8 * 1024;

/// Where a value lies in an answer: one of `json`, `header`, `regex`, `css` and `cookie`.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct CaptureTable {
    /// A JSON path (RFC 9535) that leads to one text, number or boolean.
    json: Option<String>,
    /// A header; of one that comes several times the first value.
    header: Option<String>,
    /// A regular expression that is found in the body: its first group, or all of the match if it has none.
    regex: Option<String>,
    /// A CSS selector: the text of the first element that it finds.
    css: Option<String>,
    /// With `css`: the attribute that is meant instead of the text.
    attribute: Option<String>,
    /// A cookie that was set by now, in this step or before.
    cookie: Option<String>,
    /// Whether the value is never shown to people. Unless it's given: yes for cookies and where a name says so (`token`,
    /// `password`, `secret`, `key` and the like, in the value's own name or in that of its place), else no.
    secret: Option<bool>,
}

/// A value to take.
pub(in crate::http) struct Capture {
    pub(super) name: Box<str>,
    /// Whether nobody is to see it.
    pub(super) secret: bool,
    place: Place,
}

enum Place {
    Json(Path),
    Header(HeaderName),
    Regex(Regex),
    Css(Css),
    Cookie(Box<str>),
}

/// What values are taken from.
pub(in crate::http) struct Source<'a> {
    pub(in crate::http) answer: &'a Answer,
    pub(in crate::http) body: &'a Document<'a>,
    pub(in crate::http) jar: &'a Jar,
}

impl Capture {
    /// # Errors
    /// [`Error::Config`] naming what can't be meant under `field`.
    pub(super) fn compile(field: &str, name: &str, table: CaptureTable) -> Result<Self> {
        let CaptureTable { json, header, regex, css, attribute, cookie, secret } = table;
        if attribute.is_some() && css.is_none() {
            return Err(Error::config(format!("{field}.attribute"), "it needs `css`, the element that is meant"));
        }
        let written = [&json, &header, &regex, &css, &attribute];
        let named_secret = written.into_iter().flatten().any(|text| names_a_secret(text)) || names_a_secret(name);
        let secret = secret.unwrap_or(named_secret || cookie.is_some());
        let place = match (json, header, regex, css, cookie) {
            (Some(path), None, None, None, None) => Place::Json(Path::parse(&format!("{field}.json"), path)?),
            (None, Some(name), None, None, None) => {
                let refused = |_| Error::config(format!("{field}.header"), "it isn't a header's name");
                Place::Header(HeaderName::from_bytes(name.as_bytes()).map_err(refused)?)
            }
            (None, None, Some(text), None, None) => Place::Regex(pattern::compile(&format!("{field}.regex"), &text)?),
            (None, None, None, Some(text), None) => Place::Css(Css::parse(&format!("{field}.css"), text, attribute)?),
            (None, None, None, None, Some(name)) => Place::Cookie(name.into()),
            _ => return Err(Error::config(field, "give one of `json`, `header`, `regex`, `css` and `cookie`")),
        };
        Ok(Self { name: name.into(), secret, place })
    }

    /// Puts the value into `variables`. That there is none fails an answer that was good so far.
    pub(in crate::http) fn apply(&self, source: &Source<'_>, variables: &mut Variables, outcome: &mut Outcome) {
        match self.take(source) {
            Ok(value) => variables.set(&self.name, value),
            Err(_) if outcome.status == Status::Down => {}
            Err(lack) => {
                let expected = format!("a value from {}", self.place.words());
                outcome.fail(Status::Down, format!("capture.{}", self.name), expected, lack);
            }
        }
    }

    /// The value.
    ///
    /// # Errors
    /// Why there is none, in words that show nothing of the answer: it may be a secret.
    fn take(&self, source: &Source<'_>) -> Result<String, String> {
        let value = match &self.place {
            Place::Json(path) => match path.find_one(source.body.json()?)? {
                Value::String(text) => text.clone(),
                value @ (Value::Number(_) | Value::Bool(_)) => value.to_string(),
                _ => return Err(format!("no text, number or boolean at {path}")),
            },
            Place::Header(name) => {
                let value = source.answer.headers.get(name).ok_or("no such header")?;
                value.to_str().map_err(|_| "a header that isn't text")?.to_owned()
            }
            Place::Regex(regex) => {
                let found = regex.captures(source.body.text()?).ok_or("no match")?;
                let part = found.get(if found.len() > 1 { 1 } else { 0 });
                part.ok_or("a match without that group")?.as_str().to_owned()
            }
            Place::Css(css) => {
                let first = css.find(source.body)?.into_iter().next().ok_or("no such element")?;
                first.ok_or("no such attribute")?
            }
            Place::Cookie(name) => source.jar.value(name).ok_or("no such cookie")?.to_owned(),
        };
        match value.len() {
            len if len > MAX_VALUE => Err(format!("{len} bytes, more than {MAX_VALUE}")),
            0 => Err("an empty value".to_owned()),
            _ => Ok(value),
        }
    }
}

impl Place {
    fn words(&self) -> String {
        match self {
            Self::Json(path) => path.to_string(),
            Self::Header(name) => format!("the header {name}"),
            Self::Regex(regex) => format!("/{regex}/"),
            Self::Css(css) => css.to_string(),
            Self::Cookie(name) => format!("the cookie {name}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use hyper::{
        HeaderMap,
        header::{HeaderValue, LOCATION, SET_COOKIE},
    };
    use pingmon_core::time::Timestamp;
    use serde_json::json;

    use super::*;

    fn compile(name: &str, table: &Value) -> Result<Capture> {
        Capture::compile("capture.x", name, serde_json::from_value(table.clone()).unwrap())
    }

    fn taken(table: &Value, body: &str) -> (Option<String>, Outcome) {
        let headers = [(LOCATION, "/orders/7"), (SET_COOKIE, "csrf=abc; Path=/")];
        let headers = headers.map(|(name, value)| (name, HeaderValue::from_static(value)));
        let headers = HeaderMap::from_iter(headers);
        let answer = Answer { headers, body: body.as_bytes().to_vec(), ..Answer::sample() };
        let mut jar = Jar::new(Timestamp::default());
        jar.store(&answer.url, &answer.headers);
        let (mut variables, mut outcome) = (Variables::default(), Outcome::up(""));
        let source = Source { answer: &answer, body: &Document::new(&answer), jar: &jar };
        compile("x", table).unwrap().apply(&source, &mut variables, &mut outcome);
        (variables.get("x").map(str::to_owned), outcome)
    }

    #[test]
    fn a_value_is_taken_from_where_it_lies() {
        for (table, body, value) in [
            (json!({ "json": "$.token" }), r#"{"token":"abc"}"#, "abc"),
            (json!({ "json": "$.id" }), r#"{"id":7}"#, "7"),
            (json!({ "header": "Location" }), "", "/orders/7"),
            (json!({ "regex": "csrf=(\\w+)" }), "x csrf=abc y", "abc"),
            (json!({ "regex": "\\d+" }), "order 12 of 34", "12"),
            (json!({ "css": "h1" }), "<h1> Hello </h1>", "Hello"),
            (json!({ "css": "input[name=csrf]", "attribute": "value" }), "<input name=csrf value=abc>", "abc"),
            (json!({ "cookie": "csrf" }), "", "abc"),
        ] {
            let (found, outcome) = taken(&table, body);
            assert_eq!((found.as_deref(), outcome.status), (Some(value), Status::Up), "{table}");
        }
    }

    #[test]
    fn what_is_not_there_or_is_no_single_value_fails_the_step() {
        let long = "x".repeat(9_000);
        for (table, body, words) in [
            (json!({ "json": "$.token" }), "<html>", "from $.token, got a body that isn't JSON"),
            (json!({ "json": "$.token" }), "{}", "capture.x: expected a value from $.token, got nothing at $.token"),
            (json!({ "json": "$[*]" }), "[1,2]", "got 2 values at $[*]"),
            (json!({ "json": "$.a" }), r#"{"a":{}}"#, "got no text, number or boolean at $.a"),
            (json!({ "json": "$.a" }), r#"{"a":""}"#, "got an empty value"),
            (json!({ "header": "etag" }), "", "from the header etag, got no such header"),
            (json!({ "regex": "csrf=(\\w+)" }), "", "from /csrf=(\\w+)/, got no match"),
            (json!({ "regex": "a(b)?" }), "a", "got a match without that group"),
            (json!({ "css": "h1" }), "<p>", "from h1, got no such element"),
            (json!({ "css": "p", "attribute": "id" }), "<p>", "got no such attribute"),
            (json!({ "cookie": "sid" }), "", "from the cookie sid, got no such cookie"),
            (json!({ "regex": "x+" }), &long, "got 9000 bytes, more than 8192"),
        ] {
            let (found, outcome) = taken(&table, body);
            assert_eq!((found, outcome.status), (None, Status::Down), "{table}");
            assert!(outcome.message.contains(words), "{table}: {}", outcome.message);
        }
    }

    #[test]
    fn cookies_and_what_is_called_a_secret_are_secret_unless_said_otherwise() {
        for (name, table, secret) in [
            ("id", json!({ "json": "$.id" }), false),
            ("id", json!({ "json": "$.id", "secret": true }), true),
            ("id", json!({ "json": "$.access_token" }), true),
            ("id", json!({ "json": "$.next_token", "secret": false }), false),
            ("csrf_token", json!({ "css": "input", "attribute": "value" }), true),
            ("id", json!({ "header": "X-Api-Key" }), true),
            ("id", json!({ "header": "location" }), false),
            ("id", json!({ "cookie": "lang" }), true),
        ] {
            assert_eq!(compile(name, &table).unwrap().secret, secret, "{name} {table}");
        }
    }

    #[test]
    fn a_place_that_cannot_be_meant_is_refused_by_name() {
        for (table, words) in [
            (json!({}), "invalid capture.x: give one of"),
            (json!({ "json": "$.a", "header": "b" }), "invalid capture.x: give one of"),
            (json!({ "json": "a" }), "invalid capture.x.json"),
            (json!({ "header": "a b" }), "invalid capture.x.header"),
            (json!({ "regex": "(" }), "invalid capture.x.regex"),
            (json!({ "css": "[" }), "invalid capture.x.css"),
            (json!({ "header": "a", "attribute": "b" }), "invalid capture.x.attribute"),
        ] {
            let error = compile("x", &table).err().unwrap().to_string();
            assert!(error.contains(words), "{error}");
        }
    }
}
