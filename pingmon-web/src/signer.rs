//! Links that stand in notices: to the pages, and those by which whoever holds them may acknowledge an incident or silence
//! a monitor for a week.

use std::{fmt, time::Duration};

use hmac::{Hmac, KeyInit as _, Mac as _};
use pingmon_core::{
    error::{Error, Result},
    id::{IncidentId, MonitorId},
    incident::Event,
    notification::{Link, Notification},
    time::Timestamp,
};
use serde::Deserialize;
use sha2::Sha256;

/// How long a signed link is good, counted from the event that its notice tells of.
const VALID: Duration = Duration::from_secs(7 * 86_400);
/// The shortest key.
const MIN_KEY: usize = 16;

/// Makes the links of notices, and knows its own again. Replicas that share a store share its address and key.
#[derive(Clone)]
pub struct Signer {
    url: String,
    mac: Hmac<Sha256>,
}

impl Signer {
    /// A signer for a face that readers find at `url`, such as `https://status.example.com`, with a secret key.
    ///
    /// # Errors
    /// [`Error::Config`] naming `public_url` when that is no `http` or `https` URL, or `link_key` when that is shorter than
    /// 16 bytes.
    pub fn new(url: &str, key: &str) -> Result<Self> {
        if !(url.starts_with("https://") || url.starts_with("http://")) || url.contains(['?', '#', ' ']) {
            return Err(Error::config("public_url", "is no address such as \"https://status.example.com\""));
        }
        if key.len() < MIN_KEY {
            return Err(Error::config("link_key", format!("is shorter than {MIN_KEY} bytes")));
        }
        let mac = Hmac::new_from_slice(key.as_bytes()).map_err(|error| Error::config("link_key", error.to_string()))?;
        Ok(Self { url: url.trim_end_matches('/').to_owned(), mac })
    }

    /// Where a notice leads to: the monitor's page, and while the incident is open the pages that acknowledge it and silence
    /// the monitor.
    pub fn links(&self, notice: &Notification) -> Vec<Link> {
        let details = Link::new("Details", format!("{}/monitors/{}", self.url, notice.monitor.id));
        if notice.event == Event::Resolved {
            return vec![details];
        }
        let expires = seconds(notice.at + VALID);
        let signed = |text, deed: Deed| {
            let signature = hex::encode(self.sign(deed, expires).finalize().into_bytes());
            let (page, id) = deed.parts();
            Link::new(text, format!("{}/{page}/{id}?expires={expires}&signature={signature}", self.url))
        };
        let acknowledge = signed("Acknowledge", Deed::Acknowledge(notice.incident.id));
        vec![details, acknowledge, signed("Silence for 1 h", Deed::Silence(notice.monitor.id))]
    }

    /// Whether a link to do that is one of ours and still good.
    pub(crate) fn is_good(&self, deed: Deed, signed: &Signed, now: Timestamp) -> bool {
        let signature = hex::decode(&signed.signature).unwrap_or_default();
        let is_ours = self.sign(deed, signed.expires).verify_slice(&signature).is_ok();
        is_ours && seconds(now) <= signed.expires
    }

    fn sign(&self, deed: Deed, expires: i64) -> Hmac<Sha256> {
        let (page, id) = deed.parts();
        self.mac.clone().chain_update(format!("{page} {id} until {expires}"))
    }
}

/// What a signed link lets its holder do.
#[derive(Clone, Copy)]
pub(crate) enum Deed {
    Acknowledge(IncidentId),
    Silence(MonitorId),
}

impl Deed {
    /// The page on which it is done, and with what.
    fn parts(self) -> (&'static str, String) {
        match self {
            Self::Acknowledge(incident) => ("acknowledge", incident.to_string()),
            Self::Silence(monitor) => ("silence", monitor.to_string()),
        }
    }
}

fn seconds(at: Timestamp) -> i64 {
    at.as_micros() / 1_000_000
}

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Signer").field("url", &self.url).finish_non_exhaustive()
    }
}

/// What a signed link says beside what it is for.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Signed {
    expires: i64,
    signature: String,
}
