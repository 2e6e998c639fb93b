//! The config that is used when there is none: it watches this host and pingmon itself, and keeps what it finds beside
//! where it was started.

use std::net::SocketAddr;

use super::{Environment, Source};

/// The quick start as a config file; `${LISTEN}` stands for where the page is served.
const TEXT: &str = include_str!("quickstart.toml");

/// The quick start of a process that serves its page at `listen`.
pub(crate) fn source(listen: SocketAddr) -> Source {
    Source {
        name: "the built-in quick start".to_owned(),
        text: TEXT.replace("${LISTEN}", &listen.to_string()),
        environment: Environment::of_process(""),
    }
}
