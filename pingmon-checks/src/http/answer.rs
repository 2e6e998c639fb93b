//! What came back, as far as it was read, and the facts of how it came. What `expect` judges; judges nothing itself.

use std::net::SocketAddr;

use hyper::{HeaderMap, StatusCode, Version};
use url::Url;

use crate::stopwatch::Timing;

/// An answer as far as it was read.
pub(super) struct Answer {
    pub(super) status: StatusCode,
    /// The version of HTTP it came in: 1.0, 1.1 or 2.
    pub(super) version: Version,
    pub(super) headers: HeaderMap,
    /// What was asked for in the end: where the last redirect led.
    pub(super) url: Url,
    /// The redirects that were followed, in order.
    pub(super) redirects: Vec<Redirect>,
    /// Whom the last connection led to: the target, or its proxy. None for a Unix socket.
    pub(super) address: Option<SocketAddr>,
    /// What was agreed upon with the target by TLS; none without TLS.
    pub(super) tls: Option<Session>,
    /// The body after decompression, up to the limit.
    pub(super) body: Vec<u8>,
    /// Whether there was more of a body than the limit.
    pub(super) cut: bool,
    /// Bytes of the body as they came, before decompression.
    pub(super) received: u64,
    /// How long the run took until it had the answer, by phase and in all, summed over redirects.
    pub(super) timing: Timing,
}

/// A redirect that was followed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Redirect {
    pub(super) status: StatusCode,
    pub(super) from: Url,
    pub(super) to: Url,
}

/// What two sides agreed upon by TLS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Session {
    /// The version of TLS: `1.2` or `1.3`.
    pub(super) version: &'static str,
    /// The cipher suite by its name in the IANA registry, as in `TLS_AES_128_GCM_SHA256`.
    pub(super) cipher: String,
    /// The certificates the target sent, in DER, its own first.
    pub(super) certificates: Vec<Vec<u8>>,
}

#[cfg(test)]
impl Answer {
    /// An empty answer to be varied.
    pub(super) fn sample() -> Self {
        use crate::stopwatch::{Phase, Stopwatch};
        Self {
            status: StatusCode::OK,
            version: Version::HTTP_11,
            headers: HeaderMap::new(),
            url: Url::parse("http://a.example").unwrap(),
            redirects: Vec::new(),
            address: None,
            tls: None,
            body: Vec::new(),
            cut: false,
            received: 0,
            timing: Stopwatch::start(Phase::Connect).stop(),
        }
    }
}
