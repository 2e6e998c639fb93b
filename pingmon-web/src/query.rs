//! What a request asks for: ids in the path, limits and cursors in the query. Whatever can't be understood is refused by
//! name.

use std::{error::Error as _, fmt, str::FromStr};

use axum::{
    extract::{FromRequestParts, Path, Query},
    http::{Uri, request::Parts},
};
use pingmon_core::time::Timestamp;
use serde::{Deserialize, Serialize, Serializer, de::DeserializeOwned};

use crate::failure::Failure;

/// Rows answered when a request doesn't say.
const DEFAULT_LIMIT: usize = 100;
/// Most rows answered.
const MAX_LIMIT: usize = 1_000;

/// The query as `T`; unknown and malformed fields are refused.
pub(crate) struct Params<T>(pub(crate) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Params<T> {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Failure> {
        parse(&parts.uri).map(Self)
    }
}

fn parse<T: DeserializeOwned>(uri: &Uri) -> Result<T, Failure> {
    Query::try_from_uri(uri).map(|Query(params)| params).map_err(|rejection| {
        let reason = rejection.source().map_or_else(|| rejection.body_text(), ToString::to_string);
        Failure::BadQuery(reason)
    })
}

/// The id in the path.
pub(crate) struct Id<T>(pub(crate) T);

impl<T: FromStr, S: Send + Sync> FromRequestParts<S> for Id<T> {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Failure> {
        // A host may nest the router under parameters of its own: ours is the last.
        let params = Path::<Vec<(String, String)>>::from_request_parts(parts, state).await;
        let text = params.ok().and_then(|Path(mut params)| params.pop()).map(|(_, text)| text).unwrap_or_default();
        let refused = |_| Failure::NotFound("anything of that id: an id is a UUID".into());
        text.parse().map(Self).map_err(refused)
    }
}

/// How many rows: 100 unless said, at most 1,000.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub(crate) struct Limit(usize);

impl Limit {
    pub(crate) const fn get(self) -> usize {
        self.0
    }
}

impl Default for Limit {
    fn default() -> Self {
        Self(DEFAULT_LIMIT)
    }
}

impl TryFrom<String> for Limit {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        match text.parse() {
            Ok(limit @ 1..=MAX_LIMIT) => Ok(Self(limit)),
            _ => Err(format!("write a number from 1 to {MAX_LIMIT}")),
        }
    }
}

/// Where in a list ordered by falling instants to go on: before `at`, having seen `seen` rows of that very instant.
/// Written as the instant, and `~seen` where rows share it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub(crate) struct Cursor {
    pub(crate) at: Timestamp,
    pub(crate) seen: usize,
}

/// Most rows of one instant that a cursor can lie behind.
const MAX_SEEN: usize = 10_000;

impl Cursor {
    /// The cursor behind the last of `shown` instants, which came after `from`.
    pub(crate) fn behind(shown: &[Timestamp], from: Option<Self>) -> Option<Self> {
        let at = *shown.last()?;
        let tied = shown.iter().rev().take_while(|instant| **instant == at).count();
        let earlier = from.filter(|from| from.at == at && tied == shown.len()).map_or(0, |from| from.seen);
        Some(Self { at, seen: tied + earlier })
    }
}

impl TryFrom<String> for Cursor {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let (at, seen) = text.split_once('~').unwrap_or((&text, "0"));
        let at = at.parse().map_err(|_| "write an RFC 3339 time such as 2026-11-22T10:00:00Z".to_owned())?;
        match seen.parse() {
            Ok(seen @ 0..=MAX_SEEN) => Ok(Self { at, seen }),
            _ => Err("write the value of \"next\" just as it was answered".into()),
        }
    }
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}~{}", self.at, self.seen)
    }
}

impl Serialize for Cursor {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_micros(seconds * 1_000_000)
    }

    #[test]
    fn a_cursor_counts_the_rows_of_its_instant_across_pages() {
        assert_eq!(Cursor::behind(&[], None), None);
        let first = Cursor::behind(&[at(9), at(5), at(5)], None).unwrap();
        assert_eq!(first, Cursor { at: at(5), seen: 2 });
        let second = Cursor::behind(&[at(5), at(5), at(5)], Some(first)).unwrap();
        assert_eq!(second, Cursor { at: at(5), seen: 5 });
        assert_eq!(Cursor::behind(&[at(5), at(4)], Some(second)), Some(Cursor { at: at(4), seen: 1 }));
    }

    #[test]
    fn a_cursor_reads_back_as_it_was_written() {
        let cursor = Cursor { at: at(1_790_000_000), seen: 3 };
        assert_eq!(Cursor::try_from(cursor.to_string()), Ok(cursor));
        assert_eq!(Cursor::try_from("2026-11-22T10:00:00Z".to_owned()).unwrap().seen, 0);
        for bad in ["", "yesterday", "2026-11-22T10:00:00Z~x", "2026-11-22T10:00:00Z~99999"] {
            Cursor::try_from(bad.to_owned()).expect_err(bad);
        }
    }

    #[test]
    fn a_bad_query_is_refused_by_the_name_of_its_field() {
        #[derive(Debug, Deserialize)]
        #[serde(deny_unknown_fields)]
        #[allow(dead_code, reason = "only read by serde")]
        struct Asked {
            limit: Option<Limit>,
        }
        for (query, text) in [
            ("/?limit=0", "invalid query: limit: write a number from 1 to 1000"),
            ("/?limit=x", "invalid query: limit: write a number from 1 to 1000"),
            ("/?limit=1001", "invalid query: limit: write a number from 1 to 1000"),
            ("/?limt=3", "unknown field `limt`, expected `limit`"),
        ] {
            let failure = parse::<Asked>(&query.parse().unwrap()).unwrap_err().to_string();
            assert!(failure.contains(text), "{failure}");
        }
        assert_eq!(parse::<Asked>(&"/?limit=7".parse().unwrap()).unwrap().limit, Some(Limit(7)));
    }
}
