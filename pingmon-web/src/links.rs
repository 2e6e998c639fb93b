//! Links relative to the page they stand on: right under any prefix, nested or behind a proxy that strips one.

use std::convert::Infallible;

use axum::{
    extract::{FromRequestParts, NestedPath, OriginalUri},
    http::request::Parts,
};
use serde::Serialize;

/// Where the face begins, as seen from the page that is asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Links {
    /// Put before `incidents`, `monitors/…`, `pingmon.css`; ends with `/`.
    pub(crate) root: String,
    /// The status page.
    pub(crate) home: String,
}

impl Links {
    /// `original` is the path the host's router was asked for, `inner` the part of it after the prefix this router is
    /// nested at, `slashed` whether that prefix ends with a slash.
    fn between(original: &str, inner: &str, slashed: bool) -> Self {
        let base = original.strip_suffix(inner).unwrap_or_default();
        if inner == "/" || base == original {
            let last = last_segment(original);
            let root = if last.is_empty() { "./".to_owned() } else { format!("./{last}/") };
            return Self { root, home: format!("./{last}") };
        }
        let depth = inner.matches('/').count().saturating_sub(1);
        let root = if depth == 0 { "./".to_owned() } else { "../".repeat(depth) };
        let home = match last_segment(base) {
            "" => root.clone(),
            _ if slashed => root.clone(),
            last => format!("{root}../{last}"),
        };
        Self { root, home }
    }
}

fn last_segment(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or_default()
}

impl<S: Send + Sync> FromRequestParts<S> for Links {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        let inner = parts.uri.path();
        let original = parts.extensions.get::<OriginalUri>().map_or(inner, |uri| uri.path());
        let slashed = parts.extensions.get::<NestedPath>().is_some_and(|path| path.as_str().ends_with('/'));
        Ok(Self::between(original, inner, slashed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a browser makes of a relative link on a page at `page`.
    fn resolve(page: &str, link: &str) -> String {
        let mut path: Vec<&str> = page.split('/').collect();
        path.pop();
        for part in link.split('/') {
            match part {
                "." => {}
                ".." if path.len() > 1 => drop(path.pop()),
                ".." => {}
                part => path.push(part),
            }
        }
        path.join("/").replace("//", "/")
    }

    #[test]
    fn links_resolve_under_every_way_of_mounting() {
        for (original, inner, slashed, home) in [
            ("/", "/", false, "/"),
            ("/incidents", "/incidents", false, "/"),
            ("/monitors/7", "/monitors/7", false, "/"),
            ("/status", "/", false, "/status"),
            ("/status/incidents", "/incidents", false, "/status"),
            ("/status/monitors/7", "/monitors/7", false, "/status"),
            ("/status/", "/", true, "/status/"),
            ("/status/monitors/7", "/monitors/7", true, "/status/"),
            ("/a/b:c/monitors/7", "/monitors/7", false, "/a/b:c"),
            ("/a/b:c", "/", false, "/a/b:c"),
        ] {
            let links = Links::between(original, inner, slashed);
            assert_eq!(resolve(original, &links.home), home, "{original}: {links:?}");
            let sheet = resolve(original, &format!("{}pingmon.css", links.root));
            assert_eq!(sheet, format!("{}/pingmon.css", home.trim_end_matches('/')), "{original}: {links:?}");
        }
    }
}
