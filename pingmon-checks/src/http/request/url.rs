//! URLs: which can be asked, what they name, and how they are shown.

use std::net::SocketAddr;

use pingmon_core::error::{Error, Result};
use url::{Host, Url};

/// Longest URL, in bytes.
pub(super) const MAX_URL: usize = 8_192;

/// Reads a URL, which may be relative to `base`.
///
/// # Errors
/// [`Error::Config`] when it can't be asked.
pub(in crate::http) fn parse(text: &str, base: Option<&Url>) -> Result<Url> {
    let refused = |reason: String| Error::config("url", reason);
    if text.len() > MAX_URL {
        return Err(refused(format!("more than {MAX_URL} bytes; write a shorter one")));
    }
    let url = Url::options().base_url(base).parse(text).map_err(|e| {
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

/// The address that a URL names without a resolver being asked.
pub(in crate::http) fn literal(url: &Url) -> Option<SocketAddr> {
    let port = url.port_or_known_default()?;
    match url.host()? {
        Host::Ipv4(v4) => Some((v4, port).into()),
        Host::Ipv6(v6) => Some((v6, port).into()),
        Host::Domain(_) => None,
    }
}

/// A URL without what may be secret: no credentials, no fragment, and of the query its names only.
pub(in crate::http) fn redacted(url: &Url) -> String {
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
    use super::*;

    #[test]
    fn a_url_is_shown_without_credentials_query_values_and_fragment() {
        let shown = |text: &str| redacted(&Url::parse(text).unwrap());
        assert_eq!(shown("https://u:p@a.example/x?token=abc&b=1#frag"), "https://a.example/x?token=…&b=…");
        assert_eq!(shown("http://a.example/x"), "http://a.example/x");
    }
}
