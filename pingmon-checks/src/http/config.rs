//! What an `http` monitor may say. Reading only: what it means is worked out in `request` and `expect`.

use std::{borrow::Cow, collections::BTreeMap, fmt};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use secrecy::SecretString;
use serde::{
    Deserialize, Deserializer,
    de::{self, value::SeqAccessDeserializer},
};

use super::expect::config::Expect;

/// Most redirects that may be asked for.
pub(super) const MAX_REDIRECTS: usize = 20;
/// Most of an answer's body that may be asked for, in bytes after decompression.
pub(super) const MAX_BODY: usize = 16 * 1024 * 1024;

/// One request over a connection of its own, and what its answer has to be.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "http")]
pub(super) struct Config {
    /// What to ask for: `http` or `https`, at most 8,192 characters. Credentials go into `basic`, not in here.
    pub(super) url: String,
    /// The request's method, in capitals; any but `CONNECT`.
    #[serde(default = "get")]
    pub(super) method: String,
    /// Headers to send, at most 64: `{ accept = "text/html", x-tag = ["a", "b"] }`. Values are kept secret.
    #[serde(default)]
    pub(super) headers: BTreeMap<String, Values>,
    /// The request's body, at most 1 MiB.
    pub(super) body: Option<String>,
    /// Most redirects to follow, at most 20; with 0 the redirect itself is the answer. To another
    /// host, port or scheme, `basic`, `bearer` and the headers `authorization` and `cookie` are not sent on; other
    /// headers are.
    #[serde(default = "redirects")]
    #[schemars(range(max = 20))]
    pub(super) redirects: usize,
    /// Credentials for HTTP basic authentication (RFC 7617).
    pub(super) basic: Option<Basic>,
    /// A bearer token (RFC 6750); a secret.
    #[schemars(with = "Option<String>")]
    pub(super) bearer: Option<SecretString>,
    /// What the answer has to be. Every expectation is judged; one that can't be judged counts as not met.
    #[serde(default)]
    pub(super) expect: Expect,
    /// Most of the body to read, in bytes after decompression, at most 16 MiB; the rest is not looked at.
    /// JSON can take eighty times as much memory for the moment in which it is judged.
    #[serde(default = "max_body")]
    #[schemars(range(max = 16_777_216))]
    pub(super) max_body: usize,
}

/// Credentials for HTTP basic authentication.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Basic {
    /// The user; without a colon.
    pub(super) username: String,
    /// The password; a secret.
    #[schemars(with = "String")]
    pub(super) password: SecretString,
}

fn get() -> String {
    "GET".to_owned()
}

const fn redirects() -> usize {
    10
}

const fn max_body() -> usize {
    1024 * 1024
}

/// The value of a header, or several to be sent one after the other.
pub(super) struct Values(pub(super) Vec<SecretString>);

impl<'de> Deserialize<'de> for Values {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct OneOrMore;
        impl<'de> de::Visitor<'de> for OneOrMore {
            type Value = Values;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a header's value or a list of them")
            }

            fn visit_str<E: de::Error>(self, value: &str) -> Result<Values, E> {
                Ok(Values(vec![value.into()]))
            }

            fn visit_seq<A: de::SeqAccess<'de>>(self, values: A) -> Result<Values, A::Error> {
                Vec::deserialize(SeqAccessDeserializer::new(values)).map(Values)
            }
        }
        deserializer.deserialize_any(OneOrMore)
    }
}

impl JsonSchema for Values {
    fn schema_name() -> Cow<'static, str> {
        "HeaderValues".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "the value of a header, or several to be sent one after the other",
            "anyOf": [{ "type": "string" }, { "type": "array", "items": { "type": "string" } }],
        })
    }
}
