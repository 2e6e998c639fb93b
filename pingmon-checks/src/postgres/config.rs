//! What a `postgres` monitor may say. Reading and refusing only: judging is done where the figures come from.

use std::fmt;

use pingmon_core::{
    error::{Error, Result},
    time::Span,
};
use regex::Regex;
use schemars::JsonSchema;
use secrecy::SecretString;
use serde::{Deserialize, Deserializer, de};

use crate::{
    latency::Latency,
    levels::{Level, Levels},
    pattern,
    percent::Percent,
};

/// Longest statement, in bytes.
const MAX_SQL: usize = 64 * 1024;
/// Most rows that are counted.
pub(super) const MAX_ROWS: u64 = 10_000;

/// A PostgreSQL server that must let us in and answer; what is asked for besides must hold too. Every run opens a
/// connection of its own, reads in one read-only transaction and closes it again. PostgreSQL 10 or newer, also behind
/// a pooler in transaction mode.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "postgres")]
pub(super) struct Config {
    /// Where to connect and as whom: `postgres://user:password@host:5432/database?sslmode=verify-full`. Parameters:
    /// `sslmode` (`disable`, `allow`, `prefer` unless set, `require`, `verify-ca`, `verify-full`), and the files
    /// `sslrootcert`, `sslcert` and `sslkey`. Only `verify-full` gives TLS the host's name, which a server that is
    /// chosen by name (SNI) needs. The directory of a Unix socket takes the place of the host, percent-encoded:
    /// `postgres://user@%2Frun%2Fpostgresql/database`.
    #[schemars(with = "String")]
    pub(super) url: SecretString,
    /// A statement of your own and what its answer must be.
    pub(super) query: Option<Query>,
    /// Client connections in percent of those that ordinary roles may have: `max_connections` less the reserved ones.
    pub(super) connections: Option<Levels<Percent>>,
    /// Age of the oldest open transaction on the server. Needs the role `pg_read_all_stats` to see those of other
    /// roles; without it the result is unknown while any are hidden.
    pub(super) longest_transaction: Option<Levels<Span>>,
    /// How many sessions wait for a lock that another one holds.
    pub(super) blocked_locks: Option<Levels<u64>>,
    /// How slow is too slow, from resolving the name to the last answer: `"500ms"` (degraded), or
    /// `{ degraded = "500ms", down = "2s" }`.
    pub(super) latency: Option<Latency>,
}

/// A statement and what its answer must be. Without expectations it has to succeed.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Query {
    /// One statement that reads: `select …`, `with … select …`, `values …` or `table …`. It runs through a cursor in a
    /// read-only transaction, with a time limit within the monitor's timeout; anything that writes is refused by the
    /// server.
    pub(super) sql: String,
    /// How many rows it must return; counting stops after 10,000.
    pub(super) rows: Option<Rows>,
    /// What the first column of the first row must be.
    pub(super) value: Option<Expected>,
    /// How old the first column of the first row, a timestamp, may be at most by the server's clock. Without a time
    /// zone it is taken as UTC.
    pub(super) age: Option<Span>,
    /// How bad an answer is that isn't as expected.
    #[serde(default)]
    pub(super) level: Level,
}

/// A number of rows.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Rows {
    /// Fewest.
    pub(super) min: Option<u64>,
    /// Most.
    pub(super) max: Option<u64>,
    /// Exactly so many.
    pub(super) equals: Option<u64>,
}

/// What a value must be; all that is said must hold. NULL and no row meet nothing.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Expected {
    /// Exactly this; numbers are compared as numbers.
    pub(super) equals: Option<Scalar>,
    /// A number below this.
    pub(super) less: Option<f64>,
    /// A number above this.
    pub(super) greater: Option<f64>,
    /// A text that this regular expression finds something in.
    pub(super) matches: Option<Pattern>,
}

/// A text, a number or a boolean.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(untagged, expecting = "a text, a number or a boolean")]
pub(super) enum Scalar {
    /// `true` or `false`.
    Bool(bool),
    /// A number.
    Number(f64),
    /// Anything else, as the server writes it.
    Text(String),
}

impl fmt::Display for Scalar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bool(value) => value.fmt(f),
            Self::Number(value) => value.fmt(f),
            Self::Text(value) => write!(f, "{value:?}"),
        }
    }
}

/// A regular expression, compiled once.
#[derive(JsonSchema)]
#[schemars(with = "String")]
pub(super) struct Pattern(pub(super) Regex);

impl<'de> Deserialize<'de> for Pattern {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        pattern::parse(&text).map(Self).map_err(de::Error::custom)
    }
}

impl Config {
    /// Refuses what can't be meant.
    ///
    /// # Errors
    /// [`Error::Config`] naming the field.
    pub(super) fn validate(&self) -> Result<()> {
        if let Some(levels) = &self.connections {
            levels.validate("connections")?;
        }
        if let Some(levels) = &self.longest_transaction {
            levels.validate("longest_transaction")?;
        }
        if let Some(levels) = &self.blocked_locks {
            levels.validate("blocked_locks")?;
        }
        if let Some(latency) = &self.latency {
            latency.validate("latency")?;
        }
        self.query.as_ref().map_or(Ok(()), Query::validate)
    }
}

impl Query {
    fn validate(&self) -> Result<()> {
        if self.sql.trim().is_empty() || self.sql.len() > MAX_SQL || self.sql.contains('\0') {
            let reason = format!("must be one statement of 1 to {MAX_SQL} bytes without NUL characters");
            return Err(Error::config("query.sql", reason));
        }
        if let Some(rows) = &self.rows {
            rows.validate()?;
        }
        match &self.value {
            Some(Expected { equals: None, less: None, greater: None, matches: None }) => {
                Err(Error::config("query.value", "says nothing; add equals, less, greater or matches"))
            }
            _ => Ok(()),
        }
    }
}

impl Rows {
    fn validate(&self) -> Result<()> {
        let Self { min, max, equals } = *self;
        for (field, bound) in [("min", min), ("max", max), ("equals", equals)] {
            if let Some(bound) = bound.filter(|bound| *bound > MAX_ROWS) {
                let reason =
                    format!("{bound} is more than the {MAX_ROWS} rows that are counted; select count(*) instead");
                return Err(Error::config(format!("query.rows.{field}"), reason));
            }
        }
        match (min, max, equals) {
            (None, None, None) => Err(Error::config("query.rows", "says nothing; add min, max or equals")),
            (Some(_), _, Some(_)) | (_, Some(_), Some(_)) => {
                Err(Error::config("query.rows", "equals excludes min and max; leave one of them out"))
            }
            (Some(min), Some(max), None) if max < min => {
                Err(Error::config("query.rows.max", format!("{max} is below min, which is {min}")))
            }
            _ => Ok(()),
        }
    }
}
