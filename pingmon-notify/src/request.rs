//! One HTTP request of a channel, before it is addressed: how, to which path below its endpoint, with what in it.

use reqwest::{
    Method,
    header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue},
};
use serde_json::Value;
use url::{Url, form_urlencoded};

/// What is sent to an endpoint.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(crate) method: Method,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
    path: Vec<String>,
    query: Vec<(&'static str, String)>,
}

impl Request {
    /// A POST of `body`, which is of the given media type.
    pub(crate) fn new(media_type: HeaderValue, body: Vec<u8>) -> Self {
        let headers = HeaderMap::from_iter([(CONTENT_TYPE, media_type)]);
        Self { method: Method::POST, headers, body, path: Vec::new(), query: Vec::new() }
    }

    /// A GET.
    #[cfg(feature = "heartbeat")]
    pub(crate) fn get() -> Self {
        Self { method: Method::GET, headers: HeaderMap::new(), body: Vec::new(), path: Vec::new(), query: Vec::new() }
    }

    /// A POST of JSON.
    pub(crate) fn json(body: &Value) -> Self {
        Self::new(HeaderValue::from_static("application/json"), body.to_string().into_bytes())
    }

    /// A POST of a form.
    pub(crate) fn form<'a>(fields: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        let body = form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
        Self::new(HeaderValue::from_static("application/x-www-form-urlencoded"), body.into_bytes())
    }

    /// Sets the method.
    pub(crate) fn method(mut self, method: Method) -> Self {
        self.method = method;
        self
    }

    /// Goes to a path below that of the endpoint; each segment is encoded by itself.
    pub(crate) fn at<S: Into<String>>(mut self, path: impl IntoIterator<Item = S>) -> Self {
        self.path = path.into_iter().map(Into::into).collect();
        self
    }

    /// Adds a parameter to the query.
    pub(crate) fn query(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.query.push((name, value.into()));
        self
    }

    /// Sets a header.
    pub(crate) fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.insert(name, value);
        self
    }

    /// Where the request goes when it is sent to `base`.
    pub(crate) fn url(&self, base: &Url) -> Url {
        let mut url = base.clone();
        if !self.path.is_empty() {
            // An http URL always has a path.
            if let Ok(mut path) = url.path_segments_mut() {
                path.pop_if_empty().extend(&self.path);
            }
        }
        if !self.query.is_empty() {
            url.query_pairs_mut().extend_pairs(&self.query);
        }
        url
    }

    /// The request for people to read: JSON is laid out, values of secret headers are not shown.
    pub(crate) fn shown(&self, target: &str) -> String {
        let mut text = format!("{} {target}\n", self.method);
        for (name, value) in &self.headers {
            let value =
                if value.is_sensitive() { "[secret]".into() } else { String::from_utf8_lossy(value.as_bytes()) };
            text.push_str(&format!("{name}: {value}\n"));
        }
        let body = match serde_json::from_slice::<Value>(&self.body) {
            Ok(json) => format!("{json:#}"),
            Err(_) => String::from_utf8_lossy(&self.body).into_owned(),
        };
        format!("{text}\n{body}")
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_path_and_a_query_are_added_to_what_the_endpoint_has_and_encoded() {
        let request = Request::json(&json!({})).at(["rooms", "!a/b:c", "x y"]).query("as", "a&b");
        for (base, url) in [
            ("https://a.example", "https://a.example/rooms/!a%2Fb:c/x%20y?as=a%26b"),
            ("https://a.example/api/", "https://a.example/api/rooms/!a%2Fb:c/x%20y?as=a%26b"),
            ("https://a.example/api?key=1", "https://a.example/api/rooms/!a%2Fb:c/x%20y?key=1&as=a%26b"),
        ] {
            assert_eq!(request.url(&Url::parse(base).unwrap()).as_str(), url);
        }
    }

    #[test]
    fn a_request_is_shown_without_its_secrets() {
        let mut secret = HeaderValue::from_static("canary");
        secret.set_sensitive(true);
        let request = Request::json(&json!({ "a": 1 })).header(HeaderName::from_static("x-key"), secret);
        let shown = request.shown("a.example");
        assert_eq!(shown, "POST a.example\ncontent-type: application/json\nx-key: [secret]\n\n{\n  \"a\": 1\n}");
    }
}
