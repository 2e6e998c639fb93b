//! Reading what a target says until it is what was expected, and judging it. Sends nothing.

use pingmon_core::{error::Result, outcome::Outcome};
use regex::bytes::Regex;
use tokio::io::{AsyncRead, AsyncReadExt as _};

use super::config::{self, Reply};
use crate::fault::{self, Fault};

/// Most of a reply that is shown, in bytes.
const MAX_SHOWN: usize = 512;

/// An expected reply, compiled.
pub(super) struct ExpectedReply {
    config: Reply,
    pattern: Option<Regex>,
    most: usize,
}

impl ExpectedReply {
    /// Compiles the expectation on a reply of which `most` bytes are read.
    ///
    /// # Errors
    /// [`pingmon_core::error::Error::Config`] naming what can't be meant.
    pub(super) fn compile(config: config::Reply, most: usize) -> Result<Self> {
        let pattern = config.pattern()?;
        Ok(Self { config, pattern, most })
    }

    /// Reads into `heard` until the expectation is met, the target ends the connection or there is enough of it.
    ///
    /// # Errors
    /// When the connection breaks.
    pub(super) async fn hear<S: AsyncRead + Unpin>(&self, stream: &mut S, heard: &mut Vec<u8>) -> Result<(), Fault> {
        while heard.len() < self.most && !self.is_met(heard) {
            let room = self.most - heard.len();
            match stream.take(room as u64).read_buf(heard).await {
                Ok(0) => return Ok(()),
                Ok(_) => {}
                // A target may end TLS without saying so once it has said all.
                Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => return Ok(()),
                Err(error) => return Err(fault::talking(&error)),
            }
        }
        Ok(())
    }

    fn is_met(&self, heard: &[u8]) -> bool {
        let Reply { starts, contains, .. } = &self.config;
        starts.as_ref().is_none_or(|start| heard.starts_with(start.as_slice()))
            && contains.as_ref().is_none_or(|part| find(heard, part.as_slice()))
            && self.pattern.as_ref().is_none_or(|pattern| pattern.is_match(heard))
    }

    /// Records a reply that isn't what was expected.
    pub(super) fn judge(&self, heard: &[u8], outcome: &mut Outcome) {
        if self.is_met(heard) {
            return;
        }
        let actual = if heard.is_empty() { "nothing".to_owned() } else { shown(heard) };
        outcome.fail(self.config.level.into(), "reply", self.wanted(), actual);
    }

    fn wanted(&self) -> String {
        let Reply { starts, contains, .. } = &self.config;
        let start = starts.as_ref().map(|start| format!("{} at its start", shown(start.as_slice())));
        let part = contains.as_ref().map(|part| format!("{} in it", shown(part.as_slice())));
        let pattern = self.pattern.as_ref().map(|pattern| format!("a match of /{pattern}/"));
        [start, part, pattern].into_iter().flatten().collect::<Vec<_>>().join(" and ")
    }
}

/// Bytes for people: what can't be printed is escaped.
fn shown(bytes: &[u8]) -> String {
    let (head, more) = bytes.split_at(bytes.len().min(MAX_SHOWN));
    format!("\"{}\"{}", head.escape_ascii(), if more.is_empty() { "" } else { " and more" })
}

fn find(heard: &[u8], part: &[u8]) -> bool {
    heard.windows(part.len()).any(|window| window == part)
}
