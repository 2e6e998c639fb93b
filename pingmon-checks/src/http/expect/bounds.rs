//! How many there may be: an exact number, or bounds.

use std::{borrow::Cow, fmt};

use pingmon_core::error::{Error, Result};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{
    Deserialize, Deserializer,
    de::{self, value::MapAccessDeserializer},
};

/// `3`, or `{ at_least = 1, at_most = 5 }` of which one may be left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Bounds {
    at_least: Option<usize>,
    at_most: Option<usize>,
}

/// Bounds as they are written.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Table {
    /// No fewer than this.
    pub(super) at_least: Option<usize>,
    /// No more than this.
    pub(super) at_most: Option<usize>,
}

impl From<Table> for Bounds {
    fn from(Table { at_least, at_most }: Table) -> Self {
        Self { at_least, at_most }
    }
}

impl Bounds {
    /// This many.
    pub(super) const fn exactly(number: usize) -> Self {
        Self { at_least: Some(number), at_most: Some(number) }
    }

    /// # Errors
    /// [`Error::Config`] naming `field` when nothing is bounded or nothing could lie within.
    pub(super) fn validate(&self, field: &str) -> Result<()> {
        match (self.at_least, self.at_most) {
            (None, None) => Err(Error::config(field, "it bounds nothing; give a number, `at_least` or `at_most`")),
            (Some(least), Some(most)) if most < least => {
                let reason = format!("nothing is at least {least} and at most {most}; raise it");
                Err(Error::config(format!("{field}.at_most"), reason))
            }
            _ => Ok(()),
        }
    }

    pub(super) fn hold(&self, number: usize) -> bool {
        self.at_least.is_none_or(|least| number >= least) && self.at_most.is_none_or(|most| number <= most)
    }

    /// Whether they hold for every number from this one on.
    pub(super) fn hold_from(&self, number: usize) -> bool {
        self.at_most.is_none() && self.hold(number)
    }
}

impl fmt::Display for Bounds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.at_least, self.at_most) {
            (Some(least), Some(most)) if least == most => write!(f, "{least}"),
            (Some(least), Some(most)) => write!(f, "{least} to {most}"),
            (Some(least), None) => write!(f, "at least {least}"),
            (None, Some(most)) => write!(f, "at most {most}"),
            (None, None) => f.write_str("any"),
        }
    }
}

impl<'de> Deserialize<'de> for Bounds {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct NumberOrTable;
        impl<'de> de::Visitor<'de> for NumberOrTable {
            type Value = Bounds;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a whole number, or { at_least = 1, at_most = 5 }")
            }

            fn visit_u64<E: de::Error>(self, number: u64) -> Result<Bounds, E> {
                let number = usize::try_from(number).map_err(E::custom)?;
                Ok(Bounds::exactly(number))
            }

            fn visit_i64<E: de::Error>(self, number: i64) -> Result<Bounds, E> {
                let number =
                    u64::try_from(number).map_err(|_| E::invalid_value(de::Unexpected::Signed(number), &self))?;
                self.visit_u64(number)
            }

            fn visit_map<A: de::MapAccess<'de>>(self, map: A) -> Result<Bounds, A::Error> {
                Table::deserialize(MapAccessDeserializer::new(map)).map(Bounds::from)
            }
        }
        deserializer.deserialize_any(NumberOrTable)
    }
}

impl JsonSchema for Bounds {
    fn schema_name() -> Cow<'static, str> {
        "Bounds".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "an exact number, or bounds",
            "anyOf": [{ "type": "integer", "minimum": 0 }, generator.subschema_for::<Table>()],
        })
    }
}
