//! From config to the request that is sent on each run: read and refused early, filled with what is new in a run.

pub(super) mod body;
pub(super) mod header;
pub(super) mod template;
pub(super) mod url;

use std::collections::{BTreeMap, BTreeSet};

use ::url::{Origin, Url};
use hyper::{
    HeaderMap, Method,
    body::Bytes,
    header::{ACCEPT, ACCEPT_ENCODING, AUTHORIZATION, CONTENT_TYPE, HOST, HeaderName, HeaderValue, USER_AGENT},
};
use pingmon_core::error::{Error, Result};
use secrecy::{ExposeSecret as _, SecretString};

use self::{
    body::Body,
    header::{MAX_VALUE, secret_value},
    template::{Variables, has_placeholder, names},
    url::MAX_URL,
};
use super::config::{Config, Values};

const MAX_QUERY: usize = 64;
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
#[allow(clippy::large_enum_variant, reason = "nearly all are fixed: a box for each would cost what it saves")]
pub(super) enum Plan {
    /// The same in each run.
    Fixed(Box<Outgoing>),
    /// Filled in each run.
    Varying(Box<Template>),
}

/// Where the step of a flow stands: what its texts may use, and where it may go.
pub(super) struct Place<'a> {
    /// What its URL is relative to.
    pub(super) base: &'a Url,
    /// The names of values that the steps before it capture.
    pub(super) captured: &'a BTreeSet<String>,
}

/// What a run could know there.
pub(super) fn sample(place: Option<&Place<'_>>) -> Variables {
    sampled(place, "a")
}

fn sampled(place: Option<&Place<'_>>, value: &str) -> Variables {
    let mut sample = Variables::fresh();
    let captured = place.into_iter().flat_map(|place| place.captured);
    captured.for_each(|name| sample.set(name, value.to_owned()));
    sample
}

/// A request with placeholders.
pub(super) struct Template {
    method: Method,
    url: String,
    query: BTreeMap<String, Values>,
    headers: Vec<(HeaderName, SecretString)>,
    body: Option<Body>,
    home: Option<Home>,
}

/// What a step's URL is relative to, and the origin that captured values can't lead it away from.
struct Home {
    base: Url,
    origin: Option<Origin>,
}

impl Plan {
    /// Reads what the config says about the request. `authorization` is sent along; `place` is where a step stands.
    ///
    /// # Errors
    /// [`Error::Config`] naming the field that can't be sent.
    pub(super) fn compile(
        config: &mut Config,
        authorization: Option<SecretString>,
        place: Option<&Place<'_>>,
    ) -> Result<Self> {
        let mut template = Template::read(config, authorization, place.map(|place| place.base))?;
        let sample = template.fill(&sample(place))?;
        if !template.has_text(&has_placeholder) {
            return Ok(Self::Fixed(Box::new(sample)));
        }
        if let Some(home) = &mut template.home {
            home.origin = Some(sample.url.origin());
            // Another value must not lead elsewhere.
            template.fill(&sampled(place, "b"))?;
        }
        Ok(Self::Varying(Box::new(template)))
    }

    /// The request of a run.
    ///
    /// # Errors
    /// [`Error::Config`] when a value of this run can't be sent.
    pub(super) fn request(&self, variables: &Variables) -> Result<Outgoing> {
        let mut request = match self {
            Self::Fixed(request) => (**request).clone(),
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

    /// Whether the request has a placeholder of that name.
    pub(super) fn uses(&self, name: &str) -> bool {
        match self {
            Self::Fixed(_) => false,
            Self::Varying(template) => template.has_text(&|text| names(text).any(|used| used == name)),
        }
    }
}

impl Template {
    fn read(config: &mut Config, authorization: Option<SecretString>, base: Option<&Url>) -> Result<Self> {
        let query = std::mem::take(&mut config.query);
        if query.values().map(|values| values.0.len()).sum::<usize>() > MAX_QUERY {
            return Err(Error::config("query", format!("more than {MAX_QUERY} values; send fewer")));
        }
        let mut headers = header::given(&config.headers)?;
        headers.extend(authorization.map(|value| (AUTHORIZATION, value)));
        if headers.iter().filter(|(name, _)| name == AUTHORIZATION).count() > 1 {
            let reason = "credentials are given twice; keep one of basic, bearer, authorization and this header";
            return Err(Error::config("headers.authorization", reason));
        }
        if headers.iter().filter(|(name, _)| name == HOST).count() > 1 {
            return Err(Error::config("headers.host", "more than one host; a request has one"));
        }
        Ok(Self {
            method: method(&config.method)?,
            url: std::mem::take(&mut config.url),
            query,
            headers,
            body: config.body.take(),
            home: base.map(|base| Home { base: base.clone(), origin: None }),
        })
    }

    /// Whether one of its texts passes the test.
    fn has_text(&self, test: &dyn Fn(&str) -> bool) -> bool {
        let secret = |text: &SecretString| test(text.expose_secret());
        test(&self.url)
            || self.query.values().flat_map(|values| &values.0).any(secret)
            || self.headers.iter().any(|(_, value)| secret(value))
            || self.body.as_ref().is_some_and(|body| body.has_text(test))
    }

    fn fill(&self, variables: &Variables) -> Result<Outgoing> {
        let mut headers = HeaderMap::new();
        for (name, value) in &self.headers {
            let field = format!("headers.{name}");
            let value = value.expose_secret();
            let value = variables.fill(value, MAX_VALUE.max(value.len()));
            let value = value.map_err(|reason| Error::config(&field, reason))?;
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
        Ok(Outgoing { method: self.method.clone(), url: self.url(variables)?, headers, body: bytes })
    }

    fn url(&self, variables: &Variables) -> Result<Url> {
        let refused = |reason| Error::config("url", reason);
        let filled = variables.fill_url(&self.url, MAX_URL).map_err(refused)?;
        let mut url = url::parse(&filled, self.home.as_ref().map(|home| &home.base))?;
        let origin = self.home.as_ref().and_then(|home| home.origin.as_ref());
        if origin.is_some_and(|origin| *origin != url.origin()) {
            let reason =
                "a captured value leads it to another origin; write scheme, host and port without placeholders";
            return Err(refused(reason.to_owned()));
        }
        for (name, values) in &self.query {
            for value in &values.0 {
                let value = value.expose_secret();
                let value = variables.fill(value, MAX_URL.max(value.len()));
                let value = value.map_err(|reason| Error::config(format!("query.{name}"), reason))?;
                url.query_pairs_mut().append_pair(name, &value);
            }
        }
        Ok(url)
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

#[cfg(test)]
mod tests;
