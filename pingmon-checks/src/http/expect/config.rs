//! What a monitor may expect of an answer, as it is written. Reading only: siblings compile and judge it.

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;

use super::status::StatusRange;
use crate::{latency::Latency, levels::Level};

/// What the answer has to be.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct Expect {
    /// Status codes of which the answer has to have one, at most 32: `["2xx", 301, "400-404"]`. Without it
    /// `["2xx"]`, and `["2xx", "3xx"]` if `redirects` is 0.
    pub(super) status: Option<Vec<StatusRange>>,
    /// What must hold of the answer's headers, at most 64 rules.
    #[serde(default)]
    pub(super) headers: Vec<HeaderRule>,
    /// What must hold of the answer's body, at most 64 rules.
    #[serde(default)]
    pub(super) body: Vec<BodyRule>,
    /// How slow is too slow, from resolving the name to the end of the body: `"500ms"` (degraded), or
    /// `{ degraded = "500ms", down = "2s" }`.
    pub(super) latency: Option<Latency>,
}

/// A rule on one header; what is given of it must hold together. Of a header that comes several times, one value has to
/// fit.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct HeaderRule {
    /// The header's name, in capitals or not.
    pub(super) name: String,
    /// Whether the header has to be there (`true`) or must not be (`false`).
    pub(super) present: Option<bool>,
    /// What the value has to be.
    pub(super) equals: Option<String>,
    /// A regular expression that has to be found in the value.
    pub(super) matches: Option<String>,
    /// How bad it is when the rule isn't met: `"degraded"` or `"down"` (the default).
    #[serde(default)]
    pub(super) level: Level,
}

/// A rule on the body as text, or with `json` on values in it; what is given of it must hold together.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct BodyRule {
    /// A JSON path (RFC 9535) such as `"$.status"` or `"$.items[*].id"`: the rest of the rule is then about every value
    /// found there, at least one. At most 1,000 characters, one `..`, three commas, `$` at the start only.
    pub(super) json: Option<String>,
    /// With `json`: whether something has to be there (`true`) or must not be (`false`).
    pub(super) exists: Option<bool>,
    /// What the body, or the value, has to be. Numbers are compared as numbers: 1 equals 1.0.
    pub(super) equals: Option<Value>,
    /// What has to be found in the body, or in the value, which then is a string.
    pub(super) contains: Option<String>,
    /// What must not be found in the body, or in the value, which then is a string.
    pub(super) not_contains: Option<String>,
    /// A regular expression that has to be found in the body, or in the value, which then is a string.
    pub(super) matches: Option<String>,
    /// With `json`: the value has to be a number below this.
    pub(super) less: Option<f64>,
    /// With `json`: the value has to be a number above this.
    pub(super) greater: Option<f64>,
    /// How bad it is when the rule isn't met: `"degraded"` or `"down"` (the default).
    #[serde(default)]
    pub(super) level: Level,
}
