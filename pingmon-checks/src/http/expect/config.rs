//! What a monitor may expect of an answer, as it is written. Reading only: siblings compile and judge it.

use std::borrow::Cow;

use pingmon_core::{
    error::{Error, Result},
    time::Span,
};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, de};
use serde_json::Value;

use super::{
    body::Format, bounds::Bounds, json::JsonType, latency::PhaseLatencies, security::SecurityHeaders,
    status::StatusRule, text::Texts, text_rule::Wanted, tls::TlsTable, transport::Redirects,
};
use crate::{latency::Latency, levels::Level};

/// What the answer has to be.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct Expect {
    /// Status codes of which the answer has to have one: `["2xx", 301, "400-404"]`, or which of them are right, wrong
    /// or degraded: `{ allow = ["2xx"], deny = [204], degraded = [429] }`. At most 32 a list. Without it `["2xx"]`, and
    /// `["2xx", "3xx"]` if `redirects` is 0.
    pub(super) status: Option<StatusRule>,
    /// What must hold of the answer's headers, at most 64 rules.
    #[serde(default)]
    pub(super) headers: Vec<HeaderRule>,
    /// What must hold of the answer's body, at most 64 rules.
    #[serde(default)]
    pub(super) body: Vec<BodyRule>,
    /// How slow is too slow, from resolving the name to the end of the body: `"500ms"` (degraded), or
    /// `{ degraded = "500ms", down = "2s" }`.
    pub(super) latency: Option<Latency>,
    /// The same for each phase. One that a run doesn't have, as `tls` over plain HTTP, took no time.
    pub(super) phases: Option<PhaseLatencies>,
    /// The version of HTTP that the answer has to come in: `"HTTP/2"`, `"HTTP/1.1"` or `"HTTP/1.0"`, or a table such as
    /// `{ equals = "HTTP/2", level = "degraded" }`.
    pub(super) protocol: Option<Wanted>,
    /// How many redirects there have to be on the way to the answer: `1`, or `{ at_most = 2 }`.
    pub(super) redirects: Option<Redirects>,
    /// Where the last redirect has to lead: a URL, or a table such as `{ starts_with = "https://" }`.
    pub(super) url: Option<Wanted>,
    /// What was agreed upon by TLS, and the certificates.
    pub(super) tls: Option<TlsTable>,
    /// The headers by which a site protects its visitors: `{}` asks for all of them.
    pub(super) security_headers: Option<SecurityHeaders>,
    /// Whether it must *not* be reachable: up while the name can't be resolved or no connection comes about, down when
    /// one does. Nothing else can be expected together with it.
    #[serde(default)]
    pub(super) invert: bool,
}

/// A rule on one header; what is given of it must hold together. Of a header that comes several times, one value has to
/// fit, and none may be what it must not.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct HeaderRule {
    /// The header's name, in capitals or not.
    pub(super) name: String,
    /// Whether the header has to be there (`true`) or must not be (`false`).
    pub(super) present: Option<bool>,
    /// What the value has to be.
    pub(super) equals: Option<String>,
    /// What the value must not be.
    pub(super) not_equals: Option<String>,
    /// What has to be found in the value.
    pub(super) contains: Option<String>,
    /// What must not be found in the value.
    pub(super) not_contains: Option<String>,
    /// What the value has to begin with.
    pub(super) starts_with: Option<String>,
    /// What the value has to end with.
    pub(super) ends_with: Option<String>,
    /// A regular expression that has to be found in the value.
    pub(super) matches: Option<String>,
    /// A regular expression that must not be found in the value.
    pub(super) not_matches: Option<String>,
    /// The most time by which a date, as in `Last-Modified` or `Date`, may differ from the present: `"1day"`.
    pub(super) max_age: Option<Span>,
    /// How bad it is when the rule isn't met: `"degraded"` or `"down"` (the default).
    #[serde(default)]
    pub(super) level: Level,
}

/// A rule on the body as text, with `json` on values in it, or with `css` on elements of a page; what is given of it must
/// hold together.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct BodyRule {
    /// A JSON path (RFC 9535) such as `"$.status"` or `"$.items[*].id"`: the rest of the rule is then about every value
    /// found there, at least one. At most 1,000 bytes and a million steps of search.
    pub(super) json: Option<String>,
    /// A CSS selector such as `"h1.title"`: the rest of the rule is then about the text of every element it finds, at
    /// least one, without the white space around it. At most 1,000 bytes.
    pub(super) css: Option<String>,
    /// With `css`: the attribute that is meant instead of the text.
    pub(super) attribute: Option<String>,
    /// With `json` or `css`: whether something has to be there (`true`) or must not be (`false`).
    pub(super) exists: Option<bool>,
    /// With `json` or `css`: how many values or elements have to be found: `3` or `{ at_least = 1, at_most = 5 }`.
    pub(super) count: Option<Bounds>,
    /// With `json`: all values that are found, in order. An empty list means none.
    pub(super) values: Option<Vec<Value>>,
    /// What the body, or the value, has to be. Numbers are compared as numbers: 1 equals 1.0. With `json`,
    /// `{ json = "$.other" }` means the value there.
    pub(super) equals: Option<Value>,
    /// What the body, or the value, must not be; as `equals`.
    pub(super) not_equals: Option<Value>,
    /// With `json`: values of which it has to be one.
    pub(super) one_of: Option<Vec<Value>>,
    /// What has to be found in the body, or in the value: a part of a text, or an element of a list.
    pub(super) contains: Option<Value>,
    /// What must not be found in the body, or in the value, which then is a string.
    pub(super) not_contains: Option<String>,
    /// What the body, or the value, has to begin with.
    pub(super) starts_with: Option<String>,
    /// What the body, or the value, has to end with.
    pub(super) ends_with: Option<String>,
    /// Whether the body, or the value (a text, list or object), has to be empty.
    pub(super) empty: Option<bool>,
    /// A regular expression that has to be found in the body, or in the value, which then is a string.
    pub(super) matches: Option<String>,
    /// A regular expression that must not be found in the body, or in the value, which then is a string.
    pub(super) not_matches: Option<String>,
    /// With `json`: what the value has to be: `"string"`, `"integer"` and so on.
    pub(super) r#type: Option<JsonType>,
    /// With `json`: how many characters, elements or fields the value has to have: `3` or `{ at_least = 1 }`.
    pub(super) length: Option<Bounds>,
    /// With `json`: the value has to be a number below this one, or below that at `{ json = "$.other" }`.
    pub(super) less: Option<Limit>,
    /// With `json`: the value has to be a number above this one; as `less`.
    pub(super) greater: Option<Limit>,
    /// With `json`: the value has to be this number or a greater one; as `less`.
    pub(super) at_least: Option<Limit>,
    /// With `json`: the value has to be this number or a smaller one; as `less`.
    pub(super) at_most: Option<Limit>,
    /// A JSON Schema that the body, or the value, has to fit: a table or JSON in a text, at most 64 KiB. References lead
    /// to places within it (`"#/$defs/name"`) and not back to themselves; patterns have no look-around.
    pub(super) schema: Option<Value>,
    /// What the body has to be as a whole: well-formed `"json"` or `"xml"` (without a DTD).
    pub(super) format: Option<Format>,
    /// How many bytes the body has to have, after decompression: `1024` or `{ at_least = 1, at_most = 65536 }`.
    pub(super) size: Option<Bounds>,
    /// How bad it is when the rule isn't met: `"degraded"` or `"down"` (the default).
    #[serde(default)]
    pub(super) level: Level,
}

impl Expect {
    /// What is expected of a flow as a whole.
    ///
    /// # Errors
    /// [`Error::Config`] when something is expected that only the answer to one step can be.
    pub(in crate::http) fn of_flow(mut self) -> Result<Option<Latency>> {
        let latency = self.latency.take();
        if self.invert || !self.is_otherwise_empty() {
            return Err(Error::config(
                "expect",
                "of a flow only `latency` can be expected; the rest belongs to a step",
            ));
        }
        latency.iter().try_for_each(|latency| latency.validate("expect.latency"))?;
        Ok(latency)
    }

    /// Whether nothing is said but `invert`.
    pub(super) fn is_otherwise_empty(&self) -> bool {
        let Self { status, headers, body, latency, phases, protocol, redirects, url, tls, security_headers, invert: _ } =
            self;
        status.is_none()
            && headers.is_empty()
            && body.is_empty()
            && latency.is_none()
            && phases.is_none()
            && protocol.is_none()
            && redirects.is_none()
            && url.is_none()
            && tls.is_none()
            && security_headers.is_none()
    }
}

impl HeaderRule {
    /// The tests on text, taken out of the rule.
    pub(super) fn texts(&mut self) -> Texts {
        Texts {
            equals: self.equals.take(),
            not_equals: self.not_equals.take(),
            contains: self.contains.take(),
            not_contains: self.not_contains.take(),
            starts_with: self.starts_with.take(),
            ends_with: self.ends_with.take(),
            empty: None,
            matches: self.matches.take(),
            not_matches: self.not_matches.take(),
        }
    }
}

impl BodyRule {
    /// The tests on text, taken out of the rule of the given name.
    ///
    /// # Errors
    /// [`Error::Config`] when something else than a text is given.
    pub(super) fn texts(&mut self, field: &str) -> Result<Texts> {
        let text = |name: &str, value: Option<Value>| match value {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => Err(Error::config(format!("{field}.{name}"), "a body is text; write a string, or give `json`")),
        };
        Ok(Texts {
            equals: text("equals", self.equals.take())?,
            not_equals: text("not_equals", self.not_equals.take())?,
            contains: text("contains", self.contains.take())?,
            not_contains: self.not_contains.take(),
            starts_with: self.starts_with.take(),
            ends_with: self.ends_with.take(),
            empty: self.empty.take(),
            matches: self.matches.take(),
            not_matches: self.not_matches.take(),
        })
    }

    /// Refuses what is left of a rule after all that it can mean was taken out.
    ///
    /// # Errors
    /// [`Error::Config`] naming the field and what it would take.
    pub(super) fn refuse_rest(&self, field: &str) -> Result<()> {
        let json = "`json`, the path of the value that is meant";
        let left = [
            ("exists", self.exists.is_some(), "`json` or `css`, which say what is meant"),
            ("count", self.count.is_some(), "`json` or `css`, which say what is meant"),
            ("attribute", self.attribute.is_some(), "`css`, the element that is meant"),
            ("values", self.values.is_some(), json),
            ("one_of", self.one_of.is_some(), json),
            ("type", self.r#type.is_some(), json),
            ("length", self.length.is_some(), json),
            ("less", self.less.is_some(), json),
            ("greater", self.greater.is_some(), json),
            ("at_least", self.at_least.is_some(), json),
            ("at_most", self.at_most.is_some(), json),
            ("schema", self.schema.is_some(), json),
            ("format", self.format.is_some(), "a rule of its own, without `json` and `css`"),
            ("size", self.size.is_some(), "a rule of its own, without `json` and `css`"),
        ];
        match left.iter().find(|(_, given, _)| *given) {
            Some((name, _, needs)) => Err(Error::config(format!("{field}.{name}"), format!("it needs {needs}"))),
            None => Ok(()),
        }
    }
}

/// A number, or the path of one: `{ json = "$.limit" }`.
pub(super) struct Limit(pub(super) Value);

impl<'de> Deserialize<'de> for Limit {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = Value::deserialize(deserializer)?;
        let is_path = value
            .as_object()
            .is_some_and(|fields| fields.len() == 1 && fields.get("json").is_some_and(Value::is_string));
        if value.is_number() || is_path {
            return Ok(Self(value));
        }
        Err(de::Error::custom(format_args!("{value} is neither a number nor {{ json = \"$.limit\" }}")))
    }
}

impl JsonSchema for Limit {
    fn schema_name() -> Cow<'static, str> {
        "Limit".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let path = json_schema!({
            "type": "object",
            "properties": { "json": { "type": "string", "description": "The path of the number that is meant." } },
            "required": ["json"],
            "additionalProperties": false,
        });
        json_schema!({ "description": "a number, or the path of one", "anyOf": [{ "type": "number" }, path] })
    }
}
