//! Links that stand in notices: to the pages, and one by which whoever holds it may acknowledge an incident for a week.

use std::{fmt, time::Duration};

use hmac::{Hmac, KeyInit as _, Mac as _};
use pingmon_core::{
    error::{Error, Result},
    id::IncidentId,
    incident::Event,
    notification::{Link, Notification},
    time::Timestamp,
};
use serde::Deserialize;
use sha2::Sha256;

/// How long a link to acknowledge is good, counted from the event that its notice tells of.
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

    /// Where a notice leads to: the monitor's page, and while the incident is open the page that acknowledges it.
    pub fn links(&self, notice: &Notification) -> Vec<Link> {
        let details = Link::new("Details", format!("{}/monitors/{}", self.url, notice.monitor.id));
        if notice.event == Event::Resolved {
            return vec![details];
        }
        let (incident, expires) = (notice.incident.id, seconds(notice.at + VALID));
        let signature = hex::encode(self.sign(incident, expires).finalize().into_bytes());
        let query = format!("expires={expires}&signature={signature}");
        vec![details, Link::new("Acknowledge", format!("{}/acknowledge/{incident}?{query}", self.url))]
    }

    /// Whether a link to acknowledge that incident is one of ours and still good.
    pub(crate) fn is_good(&self, incident: IncidentId, signed: &Signed, now: Timestamp) -> bool {
        let signature = hex::decode(&signed.signature).unwrap_or_default();
        let is_ours = self.sign(incident, signed.expires).verify_slice(&signature).is_ok();
        is_ours && seconds(now) <= signed.expires
    }

    fn sign(&self, incident: IncidentId, expires: i64) -> Hmac<Sha256> {
        self.mac.clone().chain_update(format!("acknowledge {incident} until {expires}"))
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

/// What a signed link says beside the incident.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Signed {
    expires: i64,
    signature: String,
}
