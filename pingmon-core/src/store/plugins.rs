//! Plug-ins that lie in the store, so that all engines run the same bytes. A store keeps bytes and what their hash is said
//! to be; whoever reads them checks that, and knows what they are.

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use super::catalog::Change;
use crate::{
    error::{Error, Result},
    time::Timestamp,
};

/// Most bytes of a plug-in.
pub const MAX_PLUGIN: usize = 256 * 1024 * 1024;
/// Longest name of a plug-in, in characters.
pub const MAX_NAME: usize = 200;
/// Longest signature of a plug-in, in bytes.
pub const MAX_SIGNATURE: usize = 1_000;

/// A plug-in as a store lists it: without its bytes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct StoredPlugin {
    /// What monitors call it.
    pub name: String,
    /// SHA-256 of its bytes, as 64 lower-case hexadecimal digits.
    pub sha256: String,
    /// How many bytes it has.
    pub size: u64,
    /// Who vouches for the bytes, in a form that the store doesn't know.
    pub signature: Option<String>,
    /// When it was added, or replaced last.
    pub added_at: Timestamp,
}

impl StoredPlugin {
    /// A plug-in as read from a store.
    pub const fn new(name: String, sha256: String, size: u64, signature: Option<String>, added_at: Timestamp) -> Self {
        Self { name, sha256, size, signature, added_at }
    }
}

/// A plug-in to be stored.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct NewPlugin {
    /// What monitors are to call it, up to [`MAX_NAME`] characters.
    pub name: String,
    /// SHA-256 of its bytes, as 64 lower-case hexadecimal digits.
    pub sha256: String,
    /// Who vouches for the bytes.
    pub signature: Option<String>,
    /// The bytes, up to [`MAX_PLUGIN`].
    pub bytes: Vec<u8>,
}

impl std::fmt::Debug for NewPlugin {
    /// Without the bytes.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("NewPlugin").field("name", &self.name).field("sha256", &self.sha256).finish_non_exhaustive()
    }
}

impl NewPlugin {
    /// A plug-in that nobody signed.
    pub fn new(name: impl Into<String>, sha256: impl Into<String>, bytes: Vec<u8>) -> Self {
        Self { name: name.into(), sha256: sha256.into(), signature: None, bytes }
    }

    /// Adds a signature.
    #[must_use]
    pub fn signature(mut self, signature: Option<String>) -> Self {
        self.signature = signature;
        self
    }

    /// Refuses what lies outside of the stated limits; stores call it.
    ///
    /// # Errors
    /// [`Error::Config`] naming the field.
    pub fn validate(&self) -> Result<()> {
        let refused = |field: &str, reason: String| Err(Error::config(field, reason));
        let Self { name, sha256, signature, bytes } = self;
        if name.trim().is_empty() || name.chars().nth(MAX_NAME).is_some() || name.chars().any(char::is_control) {
            return refused("name", format!("is to have 1 to {MAX_NAME} characters, none of them a control character"));
        }
        if sha256.len() != 64 || !sha256.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')) {
            return refused("sha256", "is to be 64 lower-case hexadecimal digits".to_owned());
        }
        if signature.as_ref().is_some_and(|signature| signature.len() > MAX_SIGNATURE || signature.contains('\0')) {
            return refused("signature", format!("is to have at most {MAX_SIGNATURE} bytes, none of them NUL"));
        }
        if bytes.is_empty() || bytes.len() > MAX_PLUGIN {
            return refused("file", format!("has {} bytes; a plug-in has 1 to {MAX_PLUGIN}", bytes.len()));
        }
        Ok(())
    }
}

/// The plug-ins in the store.
#[async_trait]
pub trait Plugins: Send + Sync {
    /// Adds a plug-in, or replaces the one of that name, all or nothing. The same bytes and signature again change nothing.
    ///
    /// # Errors
    /// [`Error::Config`] when it is out of its limits; store errors.
    async fn put_plugin(&self, plugin: NewPlugin) -> Result<Change>;

    /// Removes a plug-in. Bytes that no other name has go with it.
    ///
    /// # Errors
    /// `NotFound` when there is none of that name; store errors.
    async fn remove_plugin(&self, name: &str) -> Result<()>;

    /// All plug-ins, by name (in the order of its UTF-8 bytes).
    ///
    /// # Errors
    /// Store errors.
    async fn plugins(&self) -> Result<Vec<StoredPlugin>>;

    /// The bytes that were stored under that hash. It isn't checked: that is for whoever uses them.
    ///
    /// # Errors
    /// `NotFound` when no plug-in has that hash, or has it no more; store errors.
    async fn plugin_bytes(&self, sha256: &str) -> Result<Vec<u8>>;
}

/// There is no plug-in of that name.
pub fn no_plugin(name: &str) -> Error {
    Error::not_found(format!("plug-in \"{name}\" in the store"))
}

/// There are no bytes of that hash, or no longer.
pub fn no_bytes(sha256: &str) -> Error {
    Error::not_found(format!("plug-in with the SHA-256 {sha256} in the store"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_lies_outside_of_the_limits_is_refused_by_its_field() {
        let good = || NewPlugin::new("queue", "0a".repeat(32), vec![1]);
        good().validate().unwrap();
        for (plugin, field) in [
            (NewPlugin { name: " ".into(), ..good() }, "name"),
            (NewPlugin { name: "a\nb".into(), ..good() }, "name"),
            (NewPlugin { name: "n".repeat(MAX_NAME + 1), ..good() }, "name"),
            (NewPlugin { sha256: "0A".repeat(32), ..good() }, "sha256"),
            (NewPlugin { sha256: "00".into(), ..good() }, "sha256"),
            (good().signature(Some("s".repeat(MAX_SIGNATURE + 1))), "signature"),
            (NewPlugin { bytes: vec![], ..good() }, "file"),
        ] {
            let Err(Error::Config { field: found, .. }) = plugin.validate() else { panic!("{plugin:?}") };
            assert_eq!(found, field);
        }
    }
}
