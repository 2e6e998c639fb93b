//! The cookies of one run (RFC 6265): what an answer sets is sent with the requests that follow in the same run, and
//! forgotten with it.

use hyper::{
    HeaderMap,
    header::{HeaderValue, SET_COOKIE},
};
use pingmon_core::time::Timestamp;
use url::{Host, Url};

/// Most cookies that are kept; further ones are not looked at.
const MAX_COOKIES: usize = 50;
/// Most bytes of one cookie, its attributes included.
const MAX_COOKIE: usize = 4_096;

/// The cookies so far.
#[derive(Debug, Default)]
pub(super) struct Jar {
    now: Timestamp,
    cookies: Vec<Cookie>,
}

#[derive(Debug)]
struct Cookie {
    name: String,
    value: String,
    domain: String,
    /// Whether it goes to `domain` alone and not to what lies below it.
    host_only: bool,
    path: String,
    secure: bool,
}

impl Jar {
    /// An empty jar for a run that started `now`.
    pub(super) const fn new(now: Timestamp) -> Self {
        Self { now, cookies: Vec::new() }
    }

    /// Takes in what the answer from `url` sets.
    pub(super) fn store(&mut self, url: &Url, headers: &HeaderMap) {
        for value in headers.get_all(SET_COOKIE) {
            let Some((cookie, dead)) = value.to_str().ok().and_then(|text| parse(url, text, self.now)) else {
                continue;
            };
            self.cookies.retain(|c| (&c.name, &c.domain, &c.path) != (&cookie.name, &cookie.domain, &cookie.path));
            if !dead && self.cookies.len() < MAX_COOKIES {
                self.cookies.push(cookie);
            }
        }
    }

    /// The value of the cookie of that name which was set last, for whatever place.
    pub(super) fn value(&self, name: &str) -> Option<&str> {
        self.cookies.iter().rfind(|cookie| cookie.name == name).map(|cookie| cookie.value.as_str())
    }

    /// What is to be sent to `url`: those for the longest paths first.
    pub(super) fn header(&self, url: &Url) -> Option<HeaderValue> {
        let mut fitting: Vec<_> = self.cookies.iter().filter(|cookie| cookie.fits(url)).collect();
        fitting.sort_by_key(|cookie| std::cmp::Reverse(cookie.path.len()));
        let pairs: Vec<_> = fitting.iter().map(|cookie| format!("{}={}", cookie.name, cookie.value)).collect();
        let mut value = HeaderValue::try_from(pairs.join("; ")).ok().filter(|value| !value.is_empty())?;
        value.set_sensitive(true);
        Some(value)
    }
}

impl Cookie {
    fn fits(&self, url: &Url) -> bool {
        let Some(host) = url.host_str() else { return false };
        let same_host = if self.host_only { host == self.domain } else { lies_below(host, &self.domain) };
        let path = url.path();
        let below_path = path == self.path
            || path.strip_prefix(self.path.as_str()).is_some_and(|r| self.path.ends_with('/') || r.starts_with('/'));
        same_host && below_path && (!self.secure || url.scheme() == "https")
    }
}

/// Whether `host` is `domain` or a name below it.
fn lies_below(host: &str, domain: &str) -> bool {
    host == domain || host.strip_suffix(domain).is_some_and(|rest| rest.ends_with('.'))
}

/// A cookie and whether it is set only to be removed; none when the answer may not set it.
fn parse(url: &Url, text: &str, now: Timestamp) -> Option<(Cookie, bool)> {
    if text.len() > MAX_COOKIE {
        return None;
    }
    let mut parts = text.split(';');
    let (name, value) = parts.next()?.split_once('=')?;
    let host = url.host_str()?;
    let mut cookie = Cookie {
        name: name.trim().to_owned(),
        value: value.trim().to_owned(),
        domain: host.to_owned(),
        host_only: true,
        path: default_path(url),
        secure: false,
    };
    let (mut max_age, mut expired) = (None, false);
    for part in parts {
        let (key, value) = part.split_once('=').unwrap_or((part, ""));
        let value = value.trim();
        match key.trim().to_ascii_lowercase().as_str() {
            "domain" if !value.is_empty() => {
                let domain = value.strip_prefix('.').unwrap_or(value).to_ascii_lowercase();
                // A whole top-level domain is nobody's to set cookies for.
                if !may_set(url, host, &domain) {
                    return None;
                }
                cookie.host_only = domain == host && !matches!(url.host(), Some(Host::Domain(_)));
                cookie.domain = domain;
            }
            "path" if value.starts_with('/') => value.clone_into(&mut cookie.path),
            "secure" => cookie.secure = true,
            "max-age" => max_age = value.parse::<i64>().ok(),
            "expires" => expired = has_passed(value, now),
            _ => {}
        }
    }
    let dead = max_age.map_or(expired, |seconds| seconds <= 0);
    (!cookie.name.is_empty()).then_some((cookie, dead))
}

fn may_set(url: &Url, host: &str, domain: &str) -> bool {
    match url.host() {
        Some(Host::Domain(_)) => host == domain || (domain.contains('.') && lies_below(host, domain)),
        _ => host == domain,
    }
}

fn has_passed(date: &str, now: Timestamp) -> bool {
    let micros = httpdate::parse_http_date(date).ok().map(|date| match date.duration_since(std::time::UNIX_EPOCH) {
        Ok(after) => i64::try_from(after.as_micros()).unwrap_or(i64::MAX),
        Err(_) => 0,
    });
    micros.is_some_and(|micros| Timestamp::from_micros(micros) <= now)
}

/// The directory of what was asked for.
fn default_path(url: &Url) -> String {
    match url.path().rsplit_once('/') {
        Some(("", _)) | None => "/".to_owned(),
        Some((directory, _)) => directory.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent(set: &[&str], from: &str, to: &str) -> String {
        let headers: HeaderMap = set.iter().map(|text| (SET_COOKIE, HeaderValue::from_str(text).unwrap())).collect();
        let now = "2026-01-01T00:00:00Z".parse().unwrap();
        let mut jar = Jar::new(now);
        jar.store(&Url::parse(from).unwrap(), &headers);
        let value = jar.header(&Url::parse(to).unwrap());
        value.map_or_else(String::new, |value| value.to_str().unwrap().to_owned())
    }

    #[test]
    fn a_cookie_goes_where_it_was_set_for_and_nowhere_else() {
        let from = "https://www.a.example/x/y";
        for (set, to, expected) in [
            ("k=v", "https://www.a.example/x/z", "k=v"),
            ("k=v", "https://www.a.example/", ""),
            ("k=v; Path=/", "https://www.a.example/", "k=v"),
            ("k=v; path=/xx", "https://www.a.example/x", ""),
            ("k=v; Path=/", "https://a.example/", ""),
            ("k=v; Path=/", "https://b.www.a.example/", ""),
            ("k=v; Path=/; Domain=.a.example", "https://b.a.example/", "k=v"),
            ("k=v; Path=/; Domain=a.example", "https://evil-a.example/", ""),
            ("k=v; Path=/; Domain=b.example", "https://b.example/", ""),
            ("k=v; Path=/; Domain=example", "https://b.example/", ""),
            ("k=v; Path=/; Secure", "http://www.a.example/", ""),
            ("k=v; Path=/; Secure", "https://www.a.example/", "k=v"),
            ("k=a=b ; Path=/; HttpOnly; SameSite=Lax", "https://www.a.example/", "k=a=b"),
            ("novalue", "https://www.a.example/x/", ""),
        ] {
            assert_eq!(sent(&[set], from, to), expected, "{set} to {to}");
        }
    }

    #[test]
    fn a_later_cookie_replaces_an_earlier_one_and_a_dead_one_removes_it() {
        let at = "http://a.example/";
        assert_eq!(sent(&["k=1", "k=2", "l=3"], at, at), "k=2; l=3");
        assert_eq!(sent(&["k=1", "k=; Max-Age=0"], at, at), "");
        assert_eq!(sent(&["k=1", "k=; Expires=Thu, 01 Jan 1970 00:00:00 GMT"], at, at), "");
        assert_eq!(sent(&["k=1; Expires=Fri, 01 Jan 2027 00:00:00 GMT"], at, at), "k=1");
    }

    #[test]
    fn a_flood_of_cookies_is_bounded() {
        let many: Vec<_> = (0..200).map(|n| format!("k{n}=v")).collect();
        let many: Vec<_> = many.iter().map(String::as_str).collect();
        assert_eq!(sent(&many, "http://a.example/", "http://a.example/").matches('=').count(), MAX_COOKIES);
        let long = format!("k={}", "v".repeat(MAX_COOKIE));
        assert_eq!(sent(&[&long], "http://a.example/", "http://a.example/"), "");
    }
}
