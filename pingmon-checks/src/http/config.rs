//! What an `http` monitor may say. Reading only: what it means is worked out in `request`, `auth`, `transport` and
//! `expect`.

use std::{borrow::Cow, collections::BTreeMap, fmt, net::IpAddr, path::PathBuf};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use secrecy::SecretString;
use serde::{
    Deserialize, Deserializer,
    de::{self, value::SeqAccessDeserializer},
};
use serde_json::{Map, Value};

use super::{
    auth::config::{Authorization, Login, OAuth2},
    expect::config::Expect,
    request::body::Body,
    steps::config::Step,
    transport::config::{Family, HttpVersion, Tls},
};

/// Most redirects that may be asked for.
pub(super) const MAX_REDIRECTS: usize = 20;
/// Most of an answer's body that may be asked for, in bytes after decompression.
pub(super) const MAX_BODY: usize = 16 * 1024 * 1024;

/// One request over a connection of its own, and what its answer has to be; or several in `steps`. In `url`, `query`,
/// `headers`, `bearer` and `body`, `{{request_id}}` stands for an identifier that is new with each run.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "http")]
pub(super) struct Config {
    /// What to ask for: `http` or `https`, at most 8,192 characters. Credentials go into `basic`, not in here.
    pub(super) url: String,
    /// The request's method, in capitals; any but `CONNECT`.
    #[serde(default = "get")]
    pub(super) method: String,
    /// Parameters to add to the URL's query, at most 64: `{ q = "shoes", tag = ["a", "b"] }`. Values are kept secret.
    #[serde(default)]
    pub(super) query: BTreeMap<String, Values>,
    /// Headers to send, at most 64: `{ accept = "text/html", x-tag = ["a", "b"] }`; `host` and `user-agent` as given.
    /// Values are kept secret.
    #[serde(default)]
    pub(super) headers: BTreeMap<String, Values>,
    /// The request's body, at most 1 MiB: a text, `{ json = … }`, `{ form = … }` or `{ base64 = "…" }`.
    pub(super) body: Option<Body>,
    /// Credentials for HTTP basic authentication (RFC 7617).
    pub(super) basic: Option<Login>,
    /// Credentials for HTTP digest authentication (RFC 7616) by SHA-512/256, SHA-256 or MD5.
    pub(super) digest: Option<Login>,
    /// A bearer token (RFC 6750); a secret.
    #[schemars(with = "Option<String>")]
    pub(super) bearer: Option<SecretString>,
    /// Credentials of another scheme: `{ scheme = "ApiKey", credentials = "…" }`.
    pub(super) authorization: Option<Authorization>,
    /// A token fetched by OAuth 2.0 client credentials (RFC 6749), kept and fetched anew before it expires.
    pub(super) oauth2: Option<OAuth2>,
    /// Sends a `traceparent` (W3C Trace Context) that is new with each run; a failure's evidence names its trace.
    #[serde(default)]
    pub(super) traceparent: bool,
    /// The version of HTTP to speak; negotiated unless it's given. `"2"` without TLS begins with it unasked.
    pub(super) http_version: Option<HttpVersion>,
    /// Most redirects to follow, at most 20; with 0 the redirect itself is the answer. To another host, port or scheme
    /// no credentials, no client certificate and none but the most common headers are sent on.
    #[serde(default = "redirects")]
    #[schemars(range(max = 20))]
    pub(super) redirects: usize,
    /// Keeps the connection for the next run. Cheaper, but hides trouble with names, connecting and TLS.
    #[serde(default)]
    pub(super) keep_alive: bool,
    /// What TLS is to do differently.
    #[serde(default)]
    pub(super) tls: Tls,
    /// Goes through a proxy: `http://`, `socks5://` or, letting the proxy resolve names, `socks5h://`, with
    /// `user:password@` where it asks for them; a secret. No proxy is used unless it's given here.
    #[schemars(with = "Option<String>")]
    pub(super) proxy: Option<SecretString>,
    /// Which addresses to use when the host has both IPv4 and IPv6; unless it's given, what answers first.
    pub(super) ip_family: Option<Family>,
    /// Addresses to dial, at most 16, instead of asking what the URL's host resolves to.
    #[schemars(with = "Vec<String>")]
    #[serde(default)]
    pub(super) resolve_to: Vec<IpAddr>,
    /// Where to connect to, `host:port`, instead of the URL's; `host` and the name in TLS stay the URL's.
    pub(super) connect_to: Option<String>,
    /// The path of a Unix socket to connect to instead of the URL's host.
    pub(super) unix_socket: Option<PathBuf>,
    /// The address of this machine to connect from.
    #[schemars(with = "Option<String>")]
    pub(super) source_address: Option<IpAddr>,
    /// What the answer has to be. Every expectation is judged; one that can't be judged counts as not met.
    #[serde(default)]
    pub(super) expect: Expect,
    /// Most of the body to read, in bytes after decompression (gzip, deflate and brotli are asked for, zstd isn't), at
    /// most 16 MiB; the rest is not looked at.
    /// JSON can take eighty times as much memory for the moment in which it is judged.
    #[serde(default = "max_body")]
    #[schemars(range(max = 16_777_216))]
    pub(super) max_body: usize,
    /// Requests that are sent one after the other instead of one, at most 20: a flow. Its `url`s are relative to the
    /// monitor's; `method`, `query`, `body` and `expect` belong to the steps, but for `expect.latency`, which is then
    /// about all of them together. A step that fails ends the flow, but for the steps that run `always`.
    #[serde(default)]
    #[schemars(with = "Vec<Step>", length(max = 20))]
    pub(super) steps: Vec<Map<String, Value>>,
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

/// A value, or several to be sent one after the other.
pub(super) struct Values(pub(super) Vec<SecretString>);

impl<'de> Deserialize<'de> for Values {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct OneOrMore;
        impl<'de> de::Visitor<'de> for OneOrMore {
            type Value = Values;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a value (text) or a list of them")
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
        "Values".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "a value, or several to be sent one after the other",
            "anyOf": [{ "type": "string" }, { "type": "array", "items": { "type": "string" } }],
        })
    }
}
