//! What is asked for after a redirect: a pure decision on the answer, without a connection.

use hyper::{
    HeaderMap, Method, StatusCode,
    header::{
        ACCEPT, ACCEPT_CHARSET, ACCEPT_ENCODING, ACCEPT_LANGUAGE, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_LANGUAGE,
        CONTENT_TYPE, HeaderName, LOCATION, PRAGMA, USER_AGENT,
    },
};
use url::Url;

use super::request::{
    Outgoing,
    url::{literal, redacted},
};
use crate::{dial::Dialer, fault::Fault};

/// Headers that say nothing about who asks: all that another origin gets to see.
const HARMLESS: [HeaderName; 10] = [
    ACCEPT,
    ACCEPT_CHARSET,
    ACCEPT_ENCODING,
    ACCEPT_LANGUAGE,
    CACHE_CONTROL,
    CONTENT_ENCODING,
    CONTENT_LANGUAGE,
    CONTENT_TYPE,
    PRAGMA,
    USER_AGENT,
];
/// Headers that belong to a body.
const OF_BODY: [HeaderName; 3] = [CONTENT_TYPE, CONTENT_ENCODING, CONTENT_LANGUAGE];

/// The next request; none when the answer is no redirect, or none that is to be followed. `followed` redirects were.
///
/// # Errors
/// When there were too many or this one leads where we don't go.
pub(super) fn next(
    sent: &Outgoing,
    status: StatusCode,
    headers: &HeaderMap,
    followed: usize,
    most: usize,
    dialer: &Dialer,
) -> Result<Option<Outgoing>, Fault> {
    let Some(location) = headers.get(LOCATION).filter(|_| most > 0 && is_redirect(status)) else { return Ok(None) };
    let location = std::str::from_utf8(location.as_bytes()).ok();
    let Some(url) = location.and_then(|location| sent.url.join(location).ok()) else {
        return Err(Fault::down("redirect_invalid", "redirected to something that isn't a URL"));
    };
    vet(&url, followed, most, dialer)?;
    let mut next = Outgoing { url, ..sent.clone() };
    if asks_anew(status, &sent.method) {
        next.method = Method::GET;
        next.body = Default::default();
        OF_BODY.iter().for_each(|name| drop(next.headers.remove(name)));
    }
    if next.url.origin() != sent.url.origin() {
        next.headers = sent.headers.iter().filter(|(name, _)| HARMLESS.contains(name)).fold(
            HeaderMap::new(),
            |mut kept, (name, value)| {
                kept.append(name.clone(), value.clone());
                kept
            },
        );
    }
    Ok(Some(next))
}

fn is_redirect(status: StatusCode) -> bool {
    matches!(status.as_u16(), 301 | 302 | 303 | 307 | 308)
}

/// Whether the next request is a GET without a body, as browsers and RFC 9110 have it.
fn asks_anew(status: StatusCode, method: &Method) -> bool {
    match status.as_u16() {
        301 | 302 => *method == Method::POST,
        303 => *method != Method::HEAD && *method != Method::GET,
        _ => false,
    }
}

fn vet(url: &Url, followed: usize, most: usize, dialer: &Dialer) -> Result<(), Fault> {
    if followed >= most {
        let message = format!("more than {most} redirects, the last one to {}", redacted(url));
        return Err(Fault::down("redirect_limit", message));
    }
    if !matches!(url.scheme(), "http" | "https") || url.port() == Some(0) {
        return Err(Fault::down("redirect_invalid", format!("redirected to {}, which isn't HTTP", redacted(url))));
    }
    match literal(url).map(|address| dialer.vet(address)) {
        Some(Err(fault)) => {
            Err(Fault::unknown("redirect_forbidden", format!("redirected to {}, but {fault}", redacted(url))))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use hyper::header::HeaderValue;
    use pingmon_core::dial::DialPolicy;

    use super::*;
    use crate::dial::resolver::Resolver;

    fn sent(method: Method) -> Outgoing {
        let mut headers = HeaderMap::new();
        for (name, value) in [("accept", "a"), ("authorization", "s3cret"), ("cookie", "s3cret"), ("x-key", "s3cret")] {
            headers.append(name, HeaderValue::from_static(value));
        }
        headers.append("content-type", HeaderValue::from_static("text/plain"));
        let url = Url::parse("https://a.example/x/y?q").unwrap();
        Outgoing { method, url, headers, body: "body".into() }
    }

    fn after(method: Method, status: u16, location: &str, followed: usize) -> Result<Option<Outgoing>, Fault> {
        let dialer = Dialer::new(DialPolicy::open(), Resolver::system());
        let headers = HeaderMap::from_iter([(LOCATION, HeaderValue::from_str(location).unwrap())]);
        next(&sent(method), StatusCode::from_u16(status).unwrap(), &headers, followed, 2, &dialer)
    }

    #[test]
    fn a_hop_is_followed_within_the_limit_to_http_and_to_permitted_addresses_only() {
        assert_eq!(after(Method::GET, 302, "../z", 1).unwrap().unwrap().url.as_str(), "https://a.example/z");
        assert!(after(Method::GET, 200, "/z", 0).unwrap().is_none());
        assert!(after(Method::GET, 304, "/z", 0).unwrap().is_none());
        for (followed, to, kind) in [
            (2, "https://a.example/", "redirect_limit"),
            (0, "file:///etc/passwd", "redirect_invalid"),
            (0, "http://", "redirect_invalid"),
            (0, "http://a.example:0/", "redirect_invalid"),
            (0, "http://169.254.169.254/latest", "redirect_forbidden"),
            (0, "http://2852039166/", "redirect_forbidden"),
            (0, "http://0xa9.0376.43518/", "redirect_forbidden"),
            (0, "http://[::ffff:a9fe:a9fe]/", "redirect_forbidden"),
        ] {
            let fault = after(Method::GET, 302, to, followed).expect_err("it isn't followed");
            assert_eq!(fault.outcome().evidence["error"], kind, "{to}");
        }
    }

    #[test]
    fn the_method_and_the_body_are_kept_where_the_status_says_so() {
        for (method, status, expected, body) in [
            (Method::POST, 301, Method::GET, false),
            (Method::POST, 302, Method::GET, false),
            (Method::PUT, 302, Method::PUT, true),
            (Method::PUT, 303, Method::GET, false),
            (Method::HEAD, 303, Method::HEAD, true),
            (Method::POST, 307, Method::POST, true),
            (Method::POST, 308, Method::POST, true),
        ] {
            let next = after(method.clone(), status, "/z", 0).unwrap().unwrap();
            let found = (next.method, !next.body.is_empty(), next.headers.contains_key(CONTENT_TYPE));
            assert_eq!(found, (expected, body, body), "{method} {status}");
        }
    }

    #[test]
    fn credentials_and_unknown_headers_are_dropped_when_host_port_or_scheme_changes() {
        for (to, kept) in [
            ("/elsewhere", true),
            ("https://a.example:443/", true),
            ("https://b.example/", false),
            ("https://sub.a.example/", false),
            ("https://a.example:8443/", false),
            ("http://a.example/", false),
        ] {
            let next = after(Method::GET, 302, to, 0).unwrap().unwrap();
            assert_eq!(next.headers["accept"], "a");
            assert_eq!(next.headers.values().any(|value| value == "s3cret"), kept, "{to}");
        }
    }
}
