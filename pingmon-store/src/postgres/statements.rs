//! From the SQL in these files to what the server is sent: the name of the schema is put in once for each statement.

use std::{
    collections::HashMap,
    sync::{Arc, PoisonError, RwLock},
};

use pingmon_core::error::{Error, Result};
use sqlx::{AssertSqlSafe, SqlSafeStr as _, SqlStr};

/// Longest name that PostgreSQL keeps, in bytes.
const MAX_NAME: usize = 63;

/// The schema that holds a store's tables, by a name that needs no escaping.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Schema(String);

impl Schema {
    /// # Errors
    /// [`Error::Config`] naming `store.schema` when it isn't a plain identifier.
    pub(super) fn parse(name: &str) -> Result<Self> {
        let mut bytes = name.bytes();
        let begins = bytes.next().is_some_and(|byte| byte.is_ascii_lowercase() || byte == b'_');
        let goes_on = bytes.all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_');
        if begins && goes_on && name.len() <= MAX_NAME && !name.starts_with("pg_") {
            return Ok(Self(name.to_owned()));
        }
        let reason = "is to be up to 63 lower-case letters, digits and underscores, beginning with neither a digit nor \
                      \"pg_\": write \"pingmon\"";
        Err(Error::config("store.schema", reason))
    }

    /// The statement that a template stands for. Safe, because the name is.
    pub(super) fn fill(&self, template: &str) -> String {
        template.replace("{schema}", &format!("\"{}\"", self.0))
    }
}

/// The statements of one store.
pub(super) struct Statements {
    schema: Schema,
    filled: RwLock<HashMap<&'static str, Arc<str>>>,
}

impl Statements {
    pub(super) fn new(schema: Schema) -> Self {
        Self { schema, filled: RwLock::default() }
    }

    /// The statement of a template, filled in at its first use.
    pub(super) fn get(&self, template: &'static str) -> SqlStr {
        let known = self.filled.read().unwrap_or_else(PoisonError::into_inner).get(template).cloned();
        let statement = known.unwrap_or_else(|| {
            let mut filled = self.filled.write().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(filled.entry(template).or_insert_with(|| self.schema.fill(template).into()))
        });
        AssertSqlSafe(statement).into_sql_str()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_schema_is_a_plain_identifier() {
        for good in ["pingmon", "_p2", "user", &"x".repeat(63)] {
            assert_eq!(Schema::parse(good).unwrap().fill("{schema}"), format!("\"{good}\""));
        }
        for bad in ["", "2p", "Pingmon", "a b", "a\"b", "a;drop", "pg_own", "é", &"x".repeat(64)] {
            let error = Schema::parse(bad).unwrap_err().to_string();
            assert!(error.starts_with("invalid store.schema: is to be"), "{bad}: {error}");
        }
    }

    #[test]
    fn a_statement_names_its_schema_wherever_it_stands() {
        let schema = Schema::parse("watch").unwrap();
        assert_eq!(schema.fill("SELECT {schema}.clock() FROM {schema}.x"), "SELECT \"watch\".clock() FROM \"watch\".x");
    }
}
