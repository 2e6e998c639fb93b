//! The headers by which a site protects its visitors, as one expectation.

use std::time::Duration;

use hyper::header::{
    CONTENT_SECURITY_POLICY, HeaderMap, HeaderName, REFERRER_POLICY, STRICT_TRANSPORT_SECURITY, X_CONTENT_TYPE_OPTIONS,
    X_FRAME_OPTIONS,
};
use pingmon_core::{
    error::{Error, Result},
    outcome::{Outcome, Status},
    time::Span,
};
use schemars::JsonSchema;
use serde::Deserialize;

use super::shown;
use crate::{http::answer::Answer, levels::Level};

/// Half a year, below which browsers and scanners call HSTS weak.
const HSTS_MAX_AGE: Span = Span(Duration::from_secs(180 * 86_400));

/// Which protections are expected. `{}` means all.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct SecurityHeaders {
    /// The protections that have to be there; all of them if nothing is said.
    #[serde(default = "all")]
    require: Vec<Protection>,
    /// The least `max-age` of `hsts`; 180 days if nothing is said.
    #[serde(default = "half_a_year")]
    hsts_max_age: Span,
    /// How bad it is when one is missing: `"degraded"` or `"down"` (the default).
    #[serde(default)]
    level: Level,
}

/// Something to protect visitors from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum Protection {
    /// `Strict-Transport-Security` with a long `max-age`, over HTTPS.
    Hsts,
    /// `X-Content-Type-Options: nosniff`.
    Nosniff,
    /// `X-Frame-Options: DENY` or `SAMEORIGIN`, or `frame-ancestors` in the content security policy.
    Framing,
    /// `Content-Security-Policy` that isn't empty.
    Csp,
    /// `Referrer-Policy` other than `unsafe-url`.
    Referrer,
}

fn all() -> Vec<Protection> {
    use Protection::{Csp, Framing, Hsts, Nosniff, Referrer};
    vec![Hsts, Nosniff, Framing, Csp, Referrer]
}

fn half_a_year() -> Span {
    HSTS_MAX_AGE
}

impl SecurityHeaders {
    /// # Errors
    /// [`Error::Config`] when nothing is required.
    pub(super) fn validate(&self) -> Result<()> {
        if self.require.is_empty() {
            let reason = "nothing is required; name a protection, or leave it out to mean all";
            return Err(Error::config("expect.security_headers.require", reason));
        }
        Ok(())
    }

    pub(super) fn judge(&self, answer: &Answer, outcome: &mut Outcome) {
        let Answer { url, headers, .. } = answer;
        let https = url.scheme() == "https";
        for protection in &self.require {
            if protection.is_given(headers, self.hsts_max_age, https) {
                continue;
            }
            let (word, name, expected) = protection.describe(self.hsts_max_age);
            let found: Vec<_> = values(headers, &name).map(|value| shown(&value)).collect();
            let actual = match (found.is_empty(), protection) {
                (_, Protection::Hsts) if !https => "plain HTTP, over which it means nothing".to_owned(),
                (true, _) => format!("no {name}"),
                (false, _) => found.join(", "),
            };
            outcome.fail(Status::from(self.level), format!("security_headers.{word}"), expected, actual);
        }
    }
}

impl Protection {
    fn is_given(self, headers: &HeaderMap, hsts_max_age: Span, https: bool) -> bool {
        let has =
            |name: &HeaderName, fits: &dyn Fn(&str) -> bool| values(headers, name).any(|value| fits(value.trim()));
        let is_one_of = |value: &str, words: &[&str]| words.iter().any(|word| value.eq_ignore_ascii_case(word));
        match self {
            // Browsers heed the first one only (RFC 6797, section 8.1).
            Self::Hsts => {
                let first = values(headers, &STRICT_TRANSPORT_SECURITY).next();
                https && first.and_then(|value| max_age(&value)).is_some_and(|age| age >= hsts_max_age.0)
            }
            Self::Nosniff => has(&X_CONTENT_TYPE_OPTIONS, &|value| is_one_of(value, &["nosniff"])),
            Self::Framing => {
                has(&X_FRAME_OPTIONS, &|value| is_one_of(value, &["deny", "sameorigin"]))
                    || has(&CONTENT_SECURITY_POLICY, &|value| value.to_ascii_lowercase().contains("frame-ancestors"))
            }
            Self::Csp => has(&CONTENT_SECURITY_POLICY, &|value| !value.is_empty()),
            // Of a list, the last policy that is known counts.
            Self::Referrer => {
                let last = values(headers, &REFERRER_POLICY).last();
                let last = last.as_deref().and_then(|value| value.rsplit(',').next()).map(str::trim);
                last.is_some_and(|policy| !policy.is_empty() && !is_one_of(policy, &["unsafe-url"]))
            }
        }
    }

    fn describe(self, hsts_max_age: Span) -> (&'static str, HeaderName, String) {
        match self {
            Self::Hsts => {
                let expected = format!("strict-transport-security for {hsts_max_age} or longer");
                ("hsts", STRICT_TRANSPORT_SECURITY, expected)
            }
            Self::Nosniff => ("nosniff", X_CONTENT_TYPE_OPTIONS, "x-content-type-options: nosniff".to_owned()),
            Self::Framing => {
                let expected = "x-frame-options DENY or SAMEORIGIN, or frame-ancestors in the policy".to_owned();
                ("framing", X_FRAME_OPTIONS, expected)
            }
            Self::Csp => ("csp", CONTENT_SECURITY_POLICY, "a content-security-policy".to_owned()),
            Self::Referrer => ("referrer", REFERRER_POLICY, "a referrer-policy other than unsafe-url".to_owned()),
        }
    }
}

fn values(headers: &HeaderMap, name: &HeaderName) -> impl Iterator<Item = String> {
    headers.get_all(name).iter().map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned())
}

fn max_age(value: &str) -> Option<Duration> {
    let seconds = value.split(';').find_map(|directive| {
        let (name, seconds) = directive.split_once('=')?;
        name.trim().eq_ignore_ascii_case("max-age").then(|| seconds.trim().trim_matches('"'))
    })?;
    seconds.parse().ok().map(Duration::from_secs)
}
