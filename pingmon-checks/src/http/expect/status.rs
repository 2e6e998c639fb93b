//! Which status codes are right.

use std::{borrow::Cow, fmt, str::FromStr};

use pingmon_core::{
    error::{Error, Result},
    outcome::{Outcome, Status},
};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{
    Deserialize, Deserializer,
    de::{
        self,
        value::{MapAccessDeserializer, SeqAccessDeserializer},
    },
};

const MAX_RANGES: usize = 32;

/// Which status codes are right, wrong and in between.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct StatusTable {
    /// Codes of which the answer has to have one; without it as if `status` weren't given.
    allow: Option<Vec<StatusRange>>,
    /// Codes it must not have, even if `allow` names them.
    #[serde(default)]
    deny: Vec<StatusRange>,
    /// Codes with which it is degraded, whatever else is said.
    #[serde(default)]
    degraded: Vec<StatusRange>,
}

/// The rule on the status: a list of what is right, or a table.
#[derive(Debug, Default)]
pub(super) struct StatusRule(StatusTable);

impl StatusRule {
    /// Fills in what is right when nothing is said of it.
    ///
    /// # Errors
    /// [`Error::Config`] when no status could be right.
    pub(super) fn or_default(mut self, default: StatusRange) -> Result<Self> {
        let Self(StatusTable { allow, deny, degraded }) = &mut self;
        let allow = allow.get_or_insert_with(|| vec![default]);
        if allow.is_empty() {
            return Err(Error::config("expect.status", "no status could be right; name one or leave it out"));
        }
        super::limit("expect.status", allow.len().max(deny.len()).max(degraded.len()), MAX_RANGES)?;
        Ok(self)
    }

    pub(super) fn judge(&self, status: u16, outcome: &mut Outcome) {
        let Self(StatusTable { allow, deny, degraded }) = self;
        let among = |ranges: &[StatusRange]| ranges.iter().any(|range| range.contains(status));
        let allow = allow.as_deref().unwrap_or_default();
        let level = match (among(degraded), among(deny) || !among(allow)) {
            (true, _) => Status::Degraded,
            (false, true) => Status::Down,
            (false, false) => return,
        };
        let mut expected = listed(allow, " or ");
        if among(allow) {
            let but = if level == Status::Degraded { degraded } else { deny };
            expected = format!("{expected}, but not {}", listed(but, " and "));
        }
        outcome.fail(level, "status", expected, status.to_string());
    }
}

fn listed(ranges: &[StatusRange], between: &str) -> String {
    ranges.iter().map(ToString::to_string).collect::<Vec<_>>().join(between)
}

impl<'de> Deserialize<'de> for StatusRule {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ListOrTable;
        impl<'de> de::Visitor<'de> for ListOrTable {
            type Value = StatusRule;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list of status codes such as [\"2xx\", 301], or { allow = [\"2xx\"], deny = [204] }")
            }

            fn visit_seq<A: de::SeqAccess<'de>>(self, list: A) -> Result<StatusRule, A::Error> {
                let allow = Vec::deserialize(SeqAccessDeserializer::new(list))?;
                Ok(StatusRule(StatusTable { allow: Some(allow), ..StatusTable::default() }))
            }

            fn visit_map<A: de::MapAccess<'de>>(self, table: A) -> Result<StatusRule, A::Error> {
                StatusTable::deserialize(MapAccessDeserializer::new(table)).map(StatusRule)
            }
        }
        deserializer.deserialize_any(ListOrTable)
    }
}

impl JsonSchema for StatusRule {
    fn schema_name() -> Cow<'static, str> {
        "StatusRule".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "which status codes are right: a list of them, or a table",
            "anyOf": [generator.subschema_for::<Vec<StatusRange>>(), generator.subschema_for::<StatusTable>()],
        })
    }
}

/// A span of status codes: `200`, `"2xx"`, `"200-299"`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct StatusRange {
    first: u16,
    last: u16,
}

impl StatusRange {
    /// 2xx.
    pub(super) const SUCCESS: Self = Self { first: 200, last: 299 };
    /// 2xx and 3xx.
    pub(super) const UP_TO_REDIRECT: Self = Self { first: 200, last: 399 };

    pub(super) const fn contains(self, status: u16) -> bool {
        self.first <= status && status <= self.last
    }
}

impl FromStr for StatusRange {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let refused = || format!("{text:?} isn't a status between 100 and 599: write 200, \"2xx\" or \"200-299\"");
        let (first, last) = match text.split_once('-') {
            Some((first, last)) => (first.parse().ok(), last.parse().ok()),
            None => match text.strip_suffix("xx") {
                Some(class) => {
                    let first = class.parse::<u16>().ok().map(|class| class.saturating_mul(100));
                    (first, first.map(|first| first.saturating_add(99)))
                }
                None => (text.parse().ok(), text.parse().ok()),
            },
        };
        let (first, last) = first.zip(last).ok_or_else(refused)?;
        let valid = 100 <= first && first <= last && last <= 599;
        if valid { Ok(Self { first, last }) } else { Err(refused()) }
    }
}

impl fmt::Display for StatusRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { first, last } = *self;
        match (first % 100, last % 100) {
            _ if first == last => write!(f, "{first}"),
            (0, 99) if first / 100 == last / 100 => write!(f, "{}xx", first / 100),
            (0, 99) => write!(f, "{}xx to {}xx", first / 100, last / 100),
            _ => write!(f, "{first}-{last}"),
        }
    }
}

impl<'de> Deserialize<'de> for StatusRange {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct CodeOrText;
        impl de::Visitor<'_> for CodeOrText {
            type Value = StatusRange;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a status such as 200, \"2xx\" or \"200-299\"")
            }

            fn visit_u64<E: de::Error>(self, code: u64) -> Result<StatusRange, E> {
                code.to_string().parse().map_err(E::custom)
            }

            fn visit_i64<E: de::Error>(self, code: i64) -> Result<StatusRange, E> {
                code.to_string().parse().map_err(E::custom)
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<StatusRange, E> {
                text.parse().map_err(E::custom)
            }
        }
        deserializer.deserialize_any(CodeOrText)
    }
}

impl JsonSchema for StatusRange {
    fn schema_name() -> Cow<'static, str> {
        "StatusRange".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "a status (200), a class of them (\"2xx\") or a range (\"200-299\")",
            "anyOf": [
                { "type": "integer", "minimum": 100, "maximum": 599 },
                { "type": "string", "pattern": "^[1-5](xx|[0-9][0-9](-[1-5][0-9][0-9])?)$" },
            ],
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_reads_and_shows_as_it_is_written() {
        for text in ["2xx", "200", "200-204", "100-599"] {
            let shown = text.parse::<StatusRange>().unwrap().to_string();
            assert_eq!(shown, if text == "100-599" { "1xx to 5xx" } else { text });
        }
        assert_eq!(StatusRange::UP_TO_REDIRECT.to_string(), "2xx to 3xx");
    }
}
