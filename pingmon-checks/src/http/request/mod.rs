//! From config to the request that is sent on each run: read and refused early, filled with what is new in a run. The
//! URL is shown to people in its redacted form only.

pub(super) mod body;
pub(super) mod template;

use std::{collections::BTreeMap, net::SocketAddr};

use hyper::{
    HeaderMap, Method,
    body::Bytes,
    header::{
        ACCEPT, ACCEPT_ENCODING, AUTHORIZATION, CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, HOST, HeaderName,
        HeaderValue, TRANSFER_ENCODING, UPGRADE, USER_AGENT,
    },
};
use pingmon_core::error::{Error, Result};
use secrecy::{ExposeSecret as _, SecretString};
use url::{Host, Url};

use self::{
    body::Body,
    template::{Variables, has_placeholder},
};
use super::config::{Config, Values};

const MAX_URL: usize = 8_192;
const MAX_HEADERS: usize = 64;
const MAX_QUERY: usize = 64;
const MAX_VALUE: usize = 8_192;
/// Headers that say how a message is framed, which is worked out.
const FRAMING: [HeaderName; 4] = [CONTENT_LENGTH, TRANSFER_ENCODING, CONNECTION, UPGRADE];
const OURS: &str = concat!("pingmon/", env!("CARGO_PKG_VERSION"));

/// A request as it is sent to one URL.
#[derive(Clone, Debug)]
pub(super) struct Outgoing {
    pub(super) method: Method,
    pub(super) url: Url,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

/// The request of a check. None keeps the headers that every request has: there may be a hundred thousand checks.
pub(super) enum Plan {
    /// The same in each run.
    Fixed(Outgoing),
    /// Filled in each run.
    Varying(Box<Template>),
}

impl Plan {
    /// Reads what the config says about the request. `authorization` is sent along.
    ///
    /// # Errors
    /// [`Error::Config`] naming the field that can't be sent.
    pub(super) fn compile(config: &mut Config, authorization: Option<SecretString>) -> Result<Self> {
        let template = Template::compile(config, authorization)?;
        let sample = template.fill(&Variables::fresh())?;
        Ok(if template.varies() { Self::Varying(Box::new(template)) } else { Self::Fixed(sample) })
    }

    /// The request of a run.
    ///
    /// # Errors
    /// [`Error::Config`] when a value of this run can't be sent.
    pub(super) fn request(&self, variables: &Variables) -> Result<Outgoing> {
        let mut request = match self {
            Self::Fixed(request) => request.clone(),
            Self::Varying(template) => template.fill(variables)?,
        };
        for (name, value) in [(USER_AGENT, OURS), (ACCEPT, "*/*"), (ACCEPT_ENCODING, "gzip, deflate, br")] {
            request.headers.entry(name).or_insert(HeaderValue::from_static(value));
        }
        Ok(request)
    }

    /// Whether the request differs from run to run.
    pub(super) const fn varies(&self) -> bool {
        matches!(self, Self::Varying(_))
    }
}

/// What the config says about a request, with the placeholders for what is new in a run.
pub(super) struct Template {
    method: Method,
    url: String,
    query: BTreeMap<String, Values>,
    headers: Vec<(HeaderName, SecretString)>,
    body: Option<Body>,
}

impl Template {
    fn compile(config: &mut Config, authorization: Option<SecretString>) -> Result<Self> {
        let query = std::mem::take(&mut config.query);
        if query.values().map(|values| values.0.len()).sum::<usize>() > MAX_QUERY {
            return Err(Error::config("query", format!("more than {MAX_QUERY} values; send fewer")));
        }
        let mut headers = headers(&config.headers)?;
        headers.extend(authorization.map(|value| (AUTHORIZATION, value)));
        if headers.iter().filter(|(name, _)| name == AUTHORIZATION).count() > 1 {
            let reason = "credentials are given twice; keep one of basic, bearer, authorization and this header";
            return Err(Error::config("headers.authorization", reason));
        }
        if headers.iter().filter(|(name, _)| name == HOST).count() > 1 {
            return Err(Error::config("headers.host", "more than one host; a request has one"));
        }
        let (method, url) = (method(&config.method)?, std::mem::take(&mut config.url));
        Ok(Self { method, url, query, headers, body: config.body.take() })
    }

    fn varies(&self) -> bool {
        let secret = |text: &SecretString| has_placeholder(text.expose_secret());
        has_placeholder(&self.url)
            || self.query.values().flat_map(|values| &values.0).any(secret)
            || self.headers.iter().any(|(_, value)| secret(value))
            || self.body.as_ref().is_some_and(Body::varies)
    }

    fn fill(&self, variables: &Variables) -> Result<Outgoing> {
        let filled = variables.fill(&self.url).map_err(|reason| Error::config("url", reason))?;
        let mut url = url(&filled)?;
        for (name, values) in &self.query {
            for value in &values.0 {
                let field = || format!("query.{name}");
                let value = variables.fill(value.expose_secret()).map_err(|reason| Error::config(field(), reason))?;
                url.query_pairs_mut().append_pair(name, &value);
            }
        }
        let mut headers = HeaderMap::new();
        for (name, value) in &self.headers {
            let field = format!("headers.{name}");
            let value = variables.fill(value.expose_secret()).map_err(|reason| Error::config(&field, reason))?;
            headers.append(name.clone(), secret_value(&field, &value)?);
        }
        let mut bytes = Bytes::new();
        if let Some(body) = &self.body {
            let (filled, content_type) = body.fill(variables)?;
            bytes = filled;
            if let Some(content_type) = content_type {
                headers.entry(CONTENT_TYPE).or_insert(content_type);
            }
        }
        Ok(Outgoing { method: self.method.clone(), url, headers, body: bytes })
    }
}

fn method(text: &str) -> Result<Method> {
    let refused = |reason: &str| Error::config("method", format!("{text:?} {reason}"));
    if text.chars().any(|c| c.is_ascii_lowercase()) {
        return Err(refused("has lower-case letters and methods are case-sensitive; write it in capitals"));
    }
    match Method::from_bytes(text.as_bytes()) {
        Ok(Method::CONNECT) => Err(refused("opens a tunnel and can't be checked; use another method")),
        Ok(method) => Ok(method),
        Err(_) => Err(refused("isn't a method; write one such as \"GET\" or \"POST\"")),
    }
}

fn url(text: &str) -> Result<Url> {
    let refused = |reason: String| Error::config("url", reason);
    if text.len() > MAX_URL {
        return Err(refused(format!("more than {MAX_URL} bytes; write a shorter one")));
    }
    let url = Url::parse(text).map_err(|e| {
        refused(format!("it can't be read ({e}); write it in full, as in \"https://shop.example/health\""))
    })?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(refused(format!("the scheme {:?} isn't http or https", url.scheme())));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(refused("it holds credentials; write basic = { username = \"…\", password = \"…\" }".to_owned()));
    }
    if url.port() == Some(0) {
        return Err(refused("port 0 can't be dialled; write one between 1 and 65535".to_owned()));
    }
    Ok(url)
}

fn headers(config: &BTreeMap<String, Values>) -> Result<Vec<(HeaderName, SecretString)>> {
    let mut headers = Vec::new();
    for (name, values) in config {
        let field = format!("headers.{}", name.escape_debug());
        let name = HeaderName::from_bytes(name.as_bytes())
            .map_err(|_| Error::config(&field, "it isn't a header's name; write letters, digits and `-`"))?;
        if FRAMING.contains(&name) {
            return Err(Error::config(field, "it is worked out from `body` and `keep_alive`; leave it out"));
        }
        headers.extend(values.0.iter().map(|value| (name.clone(), value.clone())));
    }
    if headers.len() > MAX_HEADERS {
        return Err(Error::config("headers", format!("more than {MAX_HEADERS} values; send fewer")));
    }
    Ok(headers)
}

/// A header's value that no log shows.
///
/// # Errors
/// [`Error::Config`] naming `field` when it can't be sent.
pub(super) fn secret_value(field: &str, text: &str) -> Result<HeaderValue> {
    if text.len() > MAX_VALUE {
        return Err(Error::config(field, format!("more than {MAX_VALUE} bytes; send a shorter value")));
    }
    let mut value = HeaderValue::try_from(text).map_err(|_| {
        Error::config(field, "it holds characters that a header can't, such as a line break; remove them")
    })?;
    value.set_sensitive(true);
    Ok(value)
}

/// The address that a URL names without a resolver being asked.
pub(super) fn literal(url: &Url) -> Option<SocketAddr> {
    let port = url.port_or_known_default()?;
    match url.host()? {
        Host::Ipv4(v4) => Some((v4, port).into()),
        Host::Ipv6(v6) => Some((v6, port).into()),
        Host::Domain(_) => None,
    }
}

/// A URL without what may be secret: no credentials, no fragment, and of the query its names only.
pub(super) fn redacted(url: &Url) -> String {
    let mut shown = url.clone();
    // Refused for URLs that can't have them, which is as good.
    let _ = shown.set_username("");
    let _ = shown.set_password(None);
    shown.set_fragment(None);
    if url.query().is_some() {
        shown.set_query(None);
        let names: Vec<_> = url.query_pairs().map(|(name, _)| format!("{}=…", name.escape_default())).collect();
        return format!("{shown}?{}", names.join("&"));
    }
    shown.into()
}

#[cfg(test)]
mod tests {
    use pingmon_core::check::parse_config;
    use serde_json::{Value, json};

    use super::*;

    fn request(config: &Value) -> Result<Outgoing> {
        Plan::compile(&mut parse_config(config)?, None)?.request(&Variables::fresh())
    }

    #[test]
    fn what_cannot_be_sent_is_refused_by_the_name_of_its_field() {
        let a = "http://a.example";
        let many: Vec<_> = (0..65).map(|n| n.to_string()).collect();
        for (config, words) in [
            (json!({ "url": "shop.example/health" }), "invalid url: it can't be read"),
            (json!({ "url": "ftp://shop.example" }), "invalid url: the scheme \"ftp\" isn't http or https"),
            (json!({ "url": "http://user:pw@shop.example" }), "invalid url: it holds credentials"),
            (json!({ "url": "http://shop.example:0" }), "invalid url: port 0"),
            (json!({ "url": "http://" }), "invalid url: it can't be read"),
            (json!({ "url": "http://a.example/{{token}}" }), "invalid url: {{token}} has no value"),
            (json!({ "url": a, "method": "get" }), "write it in capitals"),
            (json!({ "url": a, "method": "CONNECT" }), "opens a tunnel"),
            (json!({ "url": a, "method": "NO SPACE" }), "isn't a method"),
            (json!({ "url": a, "query": { "q": many } }), "invalid query: more than 64 values"),
            (json!({ "url": a, "headers": { "a b": "c" } }), "invalid headers.a b: it isn't a header's name"),
            (json!({ "url": a, "headers": { "a": "b\r\nc" } }), "such as a line break"),
            (json!({ "url": a, "headers": { "a": "{{x}}" } }), "invalid headers.a: {{x}} has no value"),
            (json!({ "url": a, "headers": { "content-length": "1" } }), "worked out from `body`"),
            (json!({ "url": a, "headers": { "Host": ["a", "b"] } }), "invalid headers.host: more than one"),
            (json!({ "url": a, "headers": { "a": 1 } }), "a value (text) or a list of them"),
            (json!({ "url": a, "colour": 1 }), "unknown field `colour`"),
            (json!({ "url": a, "body": 5 }), "expected a text, { json = … }"),
            (json!({ "url": a, "body": { "jsn": 5 } }), "unknown variant `jsn`"),
            (json!({ "url": a, "body": { "base64": "?" } }), "invalid body.base64: it isn't base64"),
            (json!({ "url": a, "body": "x".repeat(1024 * 1024 + 1) }), "invalid body: more than"),
        ] {
            let error = request(&config).unwrap_err().to_string();
            assert!(error.contains(words), "{config}: {error}");
        }
    }

    #[test]
    fn headers_are_sent_as_written_and_never_shown() {
        let config = json!({ "url": "http://a.example", "headers": { "X-Tag": ["a", "s3cret"], "user-agent": "me" } });
        let request = request(&config).unwrap();
        assert_eq!(request.headers.get_all("x-tag").iter().collect::<Vec<_>>(), ["a", "s3cret"]);
        assert_eq!(request.headers[USER_AGENT], "me");
        assert!(!format!("{:?}", request.headers).contains("s3cret"));
    }

    #[test]
    fn a_body_is_written_in_the_form_it_is_given_in() {
        let json = "application/json";
        let form = "application/x-www-form-urlencoded";
        for (body, expected, content_type) in [
            (json!("text"), "text", ""),
            (json!({ "json": { "a": [1, "b"] } }), r#"{"a":[1,"b"]}"#, json),
            (json!({ "form": { "a": "1 & 2", "b": ["x", "ü"] } }), "a=1+%26+2&b=x&b=%C3%BC", form),
            (json!({ "base64": "aGVs\nbG8=" }), "hello", ""),
        ] {
            let request = request(&json!({ "url": "http://a.example", "body": body })).unwrap();
            assert_eq!(request.body, expected);
            assert_eq!(request.headers.get(CONTENT_TYPE).map_or("", |v| v.to_str().unwrap()), content_type);
        }
        let config = json!({ "url": "http://a.example", "body": { "json": 1 }, "headers": { "Content-Type": "a/b" } });
        assert_eq!(request(&config).unwrap().headers[CONTENT_TYPE], "a/b");
    }

    #[test]
    fn what_is_new_with_each_run_is_filled_in_everywhere() {
        let id = "{{request_id}}";
        let config = json!({
            "url": format!("http://a.example/{id}"),
            "query": { "q": format!("<{id}>") },
            "headers": { "x-id": id },
            "body": { "json": { "id": id } },
        });
        let plan = Plan::compile(&mut parse_config(&config).unwrap(), None).unwrap();
        let variables = Variables::fresh();
        let id = variables.get(template::REQUEST_ID).unwrap();
        let request = plan.request(&variables).unwrap();
        assert_eq!(request.url.as_str(), format!("http://a.example/{id}?q=%3C{id}%3E"));
        assert_eq!(request.headers["x-id"], id);
        assert_eq!(request.body, format!("{{\"id\":\"{id}\"}}"));
        assert_ne!(plan.request(&Variables::fresh()).unwrap().url, request.url);
    }

    #[test]
    fn a_url_is_shown_without_credentials_query_values_and_fragment() {
        let shown = |text: &str| redacted(&Url::parse(text).unwrap());
        assert_eq!(shown("https://u:p@a.example/x?token=abc&b=1#frag"), "https://a.example/x?token=…&b=…");
        assert_eq!(shown("http://a.example/x"), "http://a.example/x");
    }
}
