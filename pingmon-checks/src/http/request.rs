//! From config to the request that is sent on each run: parsed once, refused early. The URL is shown to people in its
//! redacted form only.

use reqwest::{
    Client, Method, Request, Url,
    header::{AUTHORIZATION, CONTENT_LENGTH, HeaderMap, HeaderName, HeaderValue, TRANSFER_ENCODING},
};
use secrecy::{ExposeSecret as _, SecretString};

use pingmon_core::error::{Error, Result};

use super::config::{Basic, Config};

const MAX_URL: usize = 8_192;
const MAX_HEADERS: usize = 64;
const MAX_VALUE: usize = 8_192;
const MAX_REQUEST_BODY: usize = 1024 * 1024;

/// Builds the request.
///
/// # Errors
/// [`Error::Config`] naming the field that can't be sent.
pub(super) fn build(client: &Client, config: &Config) -> Result<Request> {
    let mut request = client.request(method(&config.method)?, url(&config.url)?).headers(headers(config)?);
    if let Some(Basic { username, password }) = &config.basic {
        request = request.basic_auth(username, Some(password.expose_secret()));
    }
    if let Some(body) = &config.body {
        if body.len() > MAX_REQUEST_BODY {
            return Err(Error::config("body", format!("more than {MAX_REQUEST_BODY} bytes; send a shorter one")));
        }
        request = request.body(body.clone());
    }
    request.build().map_err(|e| Error::config("url", format!("it can't be asked for: {}", e.without_url())))
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

fn headers(config: &Config) -> Result<HeaderMap> {
    let mut headers = HeaderMap::new();
    for (name, values) in &config.headers {
        let field = format!("headers.{name}");
        let name = HeaderName::from_bytes(name.as_bytes())
            .map_err(|_| Error::config(&field, "it isn't a header's name; write letters, digits and `-`"))?;
        if name == CONTENT_LENGTH || name == TRANSFER_ENCODING {
            return Err(Error::config(field, "it is worked out from `body`; leave it out"));
        }
        for value in &values.0 {
            headers.append(name.clone(), secret_value(&field, "", value)?);
        }
    }
    if let Some(token) = &config.bearer {
        headers.append(AUTHORIZATION, secret_value("bearer", "Bearer ", token)?);
    }
    if headers.len() > MAX_HEADERS {
        return Err(Error::config("headers", format!("more than {MAX_HEADERS} values; send fewer")));
    }
    match headers.get_all(AUTHORIZATION).iter().count() + usize::from(config.basic.is_some()) {
        0 | 1 => Ok(headers),
        _ => Err(Error::config(
            "basic",
            "credentials are given twice; keep one of basic, bearer and headers.authorization",
        )),
    }
}

fn secret_value(field: &str, prefix: &str, secret: &SecretString) -> Result<HeaderValue> {
    let secret = secret.expose_secret();
    if secret.len() > MAX_VALUE {
        return Err(Error::config(field, format!("more than {MAX_VALUE} bytes; send a shorter value")));
    }
    let mut value = HeaderValue::try_from(format!("{prefix}{secret}")).map_err(|_| {
        Error::config(field, "it holds characters that a header can't, such as a line break; remove them")
    })?;
    value.set_sensitive(true);
    Ok(value)
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

    fn parts(config: &Value) -> Result<(Method, Url, HeaderMap)> {
        let config: Config = parse_config(config)?;
        Ok((method(&config.method)?, url(&config.url)?, headers(&config)?))
    }

    #[test]
    fn what_cannot_be_sent_is_refused_by_the_name_of_its_field() {
        for (config, words) in [
            (json!({ "url": "shop.example/health" }), "invalid url: it can't be read"),
            (json!({ "url": "ftp://shop.example" }), "invalid url: the scheme \"ftp\" isn't http or https"),
            (json!({ "url": "http://user:pw@shop.example" }), "invalid url: it holds credentials"),
            (json!({ "url": "http://shop.example:0" }), "invalid url: port 0"),
            (json!({ "url": "http://" }), "invalid url: it can't be read"),
            (json!({ "url": "http://a.example", "method": "get" }), "write it in capitals"),
            (json!({ "url": "http://a.example", "method": "CONNECT" }), "opens a tunnel"),
            (json!({ "url": "http://a.example", "method": "NO SPACE" }), "isn't a method"),
            (
                json!({ "url": "http://a.example", "headers": { "a b": "c" } }),
                "invalid headers.a b: it isn't a header's name",
            ),
            (json!({ "url": "http://a.example", "headers": { "a": "b\r\nc" } }), "such as a line break"),
            (json!({ "url": "http://a.example", "headers": { "content-length": "1" } }), "worked out from `body`"),
            (json!({ "url": "http://a.example", "headers": { "a": 1 } }), "a header's value or a list of them"),
            (json!({ "url": "http://a.example", "colour": 1 }), "unknown field `colour`"),
            (
                json!({ "url": "http://a.example", "bearer": "t", "basic": { "username": "u", "password": "p" } }),
                "credentials are given twice",
            ),
        ] {
            let error = parts(&config).unwrap_err().to_string();
            assert!(error.contains(words), "{config}: {error}");
        }
    }

    #[test]
    fn headers_are_sent_as_written_and_never_shown() {
        let config = json!({ "url": "http://a.example", "bearer": "s3cret", "headers": { "X-Tag": ["a", "b"] } });
        let (_, _, headers) = parts(&config).unwrap();
        assert_eq!(headers[AUTHORIZATION], "Bearer s3cret");
        assert_eq!(headers.get_all("x-tag").iter().collect::<Vec<_>>(), ["a", "b"]);
        assert!(!format!("{headers:?}").contains("s3cret"));
    }

    #[test]
    fn a_url_is_shown_without_credentials_query_values_and_fragment() {
        let shown = |text: &str| redacted(&Url::parse(text).unwrap());
        assert_eq!(shown("https://u:p@a.example/x?token=abc&b=1#frag"), "https://a.example/x?token=…&b=…");
        assert_eq!(shown("http://a.example/x"), "http://a.example/x");
    }
}
