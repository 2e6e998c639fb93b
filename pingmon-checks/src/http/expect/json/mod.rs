//! Values in a JSON body: the path that finds them (`path`, `search`) and the tests on what was found (`value`).

mod number;
mod path;
mod rule;
mod search;
mod value;

use std::fmt;

use pingmon_core::error::{Error, Result};
use serde_json::Value;

pub(super) use self::{rule::JsonRule, value::JsonType};

/// A JSON path (RFC 9535) as it was written and as it is searched for.
pub(in crate::http) struct Path {
    text: Box<str>,
    query: path::Query,
}

impl Path {
    /// # Errors
    /// [`Error::Config`] naming `field` when `text` isn't a path.
    pub(in crate::http) fn parse(field: &str, text: String) -> Result<Self> {
        let query = path::Query::parse(&text).map_err(|reason| Error::config(field, reason))?;
        Ok(Self { text: text.into(), query })
    }

    /// The values the path leads to.
    ///
    /// # Errors
    /// Why the document can't be searched, in words.
    pub(in crate::http) fn find<'a>(&'a self, document: &'a Value) -> Result<Vec<&'a Value>, String> {
        search::search(&self.query, document)
    }

    /// The one value the path leads to.
    ///
    /// # Errors
    /// In words, when there is none or more than one.
    pub(in crate::http) fn find_one<'a>(&'a self, document: &'a Value) -> Result<&'a Value, String> {
        match *self.find(document)? {
            [one] => Ok(one),
            [] => Err(format!("nothing at {self}")),
            ref several => Err(format!("{} values at {self}", several.len())),
        }
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests;
