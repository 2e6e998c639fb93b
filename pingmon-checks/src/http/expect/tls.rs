//! What was agreed upon by TLS, and the certificates that came with it.

use pingmon_core::{
    error::{Error, Result},
    outcome::{Outcome, Status},
    time::Timestamp,
};
use schemars::JsonSchema;
use serde::Deserialize;

use super::text_rule::{TextRule, Wanted};
use crate::{
    certificate::{Certificate, first_to_expire},
    days_left::DaysLeft,
    http::answer::Session,
    levels::Level,
};

/// Most ciphers and names that may be listed.
const MAX_LISTED: usize = 64;
const NO_TLS: &str = "no TLS";

/// What is expected of TLS and of the certificates. Over plain HTTP none of it is met.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct TlsTable {
    /// The lowest version of TLS that is right.
    min_version: Option<Version>,
    /// Cipher suites of which one has to be in use, by their IANA names: `["TLS13_AES_256_GCM_SHA384"]`. At most 64.
    ciphers: Option<Vec<String>>,
    /// How few days before the target's own certificate expires are too few: `14` (degraded), or
    /// `{ degraded = 14, down = 3 }`.
    days_left: Option<DaysLeft>,
    /// The same for the first certificate of the chain, as it was sent, to expire.
    chain_days_left: Option<DaysLeft>,
    /// Who has to have signed the target's certificate, as in `{ contains = "Let's Encrypt" }`.
    issuer: Option<Wanted>,
    /// Names that the target's certificate has to be valid for, at most 64.
    names: Option<Vec<String>>,
    /// How bad it is when `min_version`, `ciphers` or `names` isn't met: `"degraded"` or `"down"` (the default).
    #[serde(default)]
    level: Level,
}

/// A version of TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize, JsonSchema)]
enum Version {
    /// TLS 1.2.
    #[serde(rename = "1.2")]
    V1_2,
    /// TLS 1.3.
    #[serde(rename = "1.3")]
    V1_3,
}

impl Version {
    const fn as_str(self) -> &'static str {
        match self {
            Self::V1_2 => "1.2",
            Self::V1_3 => "1.3",
        }
    }
}

/// The compiled rule.
pub(super) struct TlsRule {
    min_version: Option<Version>,
    ciphers: Option<Vec<String>>,
    days_left: Option<DaysLeft>,
    chain_days_left: Option<DaysLeft>,
    issuer: Option<TextRule>,
    names: Vec<String>,
    level: Level,
}

impl TlsRule {
    /// # Errors
    /// [`Error::Config`] naming what can't be meant.
    pub(super) fn compile(table: TlsTable) -> Result<Self> {
        let TlsTable { min_version, ciphers, days_left, chain_days_left, issuer, names, level } = table;
        if ciphers.as_ref().is_some_and(Vec::is_empty) {
            return Err(Error::config("expect.tls.ciphers", "no cipher could be right; name one or leave it out"));
        }
        let names: Vec<_> = names.unwrap_or_default().iter().map(|name| name.to_ascii_lowercase()).collect();
        super::limit("expect.tls.ciphers", ciphers.as_ref().map_or(0, Vec::len), MAX_LISTED)?;
        super::limit("expect.tls.names", names.len(), MAX_LISTED)?;
        for (field, days) in [("days_left", days_left), ("chain_days_left", chain_days_left)] {
            days.iter().try_for_each(|days| days.validate(&format!("expect.tls.{field}")))?;
        }
        let issuer = issuer.map(|wanted| TextRule::compile("tls.issuer", wanted)).transpose()?;
        Ok(Self { min_version, ciphers, days_left, chain_days_left, issuer, names, level })
    }

    /// Holds what was agreed upon at `now` against the rule.
    pub(super) fn judge(&self, session: Option<&Session>, now: Timestamp, outcome: &mut Outcome) {
        let level = Status::from(self.level);
        if let Some(least) = self.min_version {
            let version = session.map_or(NO_TLS, |session| session.version);
            if session.is_none() || version < least.as_str() {
                outcome.fail(level, "tls.min_version", format!("TLS {} or newer", least.as_str()), version);
            }
        }
        if let Some(ciphers) = &self.ciphers {
            let cipher = session.map_or(NO_TLS, |session| session.cipher.as_str());
            if !ciphers.iter().any(|wanted| wanted.eq_ignore_ascii_case(cipher)) {
                outcome.fail(level, "tls.ciphers", ciphers.join(" or "), cipher);
            }
        }
        if self.reads_certificates() {
            let read = |session: &Session| session.certificates.iter().map(|der| Certificate::parse(der)).collect();
            let chain: Result<Vec<_>, String> = session.map_or_else(|| Err(NO_TLS.to_owned()), read);
            self.judge_chain(&chain, now, outcome);
        }
    }

    fn reads_certificates(&self) -> bool {
        self.days_left.is_some() || self.chain_days_left.is_some() || self.issuer.is_some() || !self.names.is_empty()
    }

    fn judge_chain(&self, chain: &Result<Vec<Certificate>, String>, now: Timestamp, outcome: &mut Outcome) {
        let leaf = match chain {
            Ok(chain) => chain.first().ok_or("no certificate"),
            Err(reason) => Err(reason.as_str()),
        };
        let first = chain.as_ref().ok().and_then(|chain| first_to_expire(chain));
        let days = [
            ("tls.days_left", self.days_left, leaf),
            ("tls.chain_days_left", self.chain_days_left, leaf.map(|leaf| first.unwrap_or(leaf))),
        ];
        for (name, days, certificate) in days {
            match (days, certificate) {
                (Some(days), Ok(certificate)) => days.judge(name, certificate.days_left(now), outcome),
                (Some(_), Err(reason)) => outcome.fail(Status::Down, name, "a certificate", reason),
                (None, _) => {}
            }
        }
        if let Some(issuer) = &self.issuer {
            issuer.judge(leaf.map(|leaf| leaf.issuer.as_str()), "the issuer", outcome);
        }
        for name in &self.names {
            let valid = leaf.is_ok_and(|leaf| leaf.names.iter().any(|pattern| covers(pattern, name)));
            if !valid {
                let actual = leaf.map_or_else(str::to_owned, |leaf| leaf.names.join(", "));
                let expected = format!("a certificate for {name}");
                outcome.fail(Status::from(self.level), "tls.names", expected, super::cut(&actual));
            }
        }
    }
}

/// Whether a name in a certificate stands for `name`: a `*` for one label on the left (RFC 9525).
fn covers(pattern: &str, name: &str) -> bool {
    match pattern.strip_prefix("*.") {
        Some(parent) => name.split_once('.').is_some_and(|(label, rest)| !label.is_empty() && rest == parent),
        None => pattern == name,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn session() -> Session {
        let mut params = rcgen::CertificateParams::new(["*.shop.example".to_owned()]).unwrap();
        params.distinguished_name.push(rcgen::DnType::CommonName, "Test CA");
        (params.not_before, params.not_after) = (rcgen::date_time_ymd(2026, 1, 1), rcgen::date_time_ymd(2026, 1, 11));
        let key = rcgen::KeyPair::generate().unwrap();
        Session {
            version: "1.2",
            cipher: "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256".to_owned(),
            certificates: vec![params.self_signed(&key).unwrap().der().to_vec()],
        }
    }

    fn missed(rule: &Value, session: Option<&Session>) -> String {
        let rule = TlsRule::compile(serde_json::from_value(rule.clone()).unwrap()).unwrap();
        let mut outcome = Outcome::up("");
        rule.judge(session, "2026-01-10T00:00:00Z".parse().unwrap(), &mut outcome);
        let line = |f: &pingmon_core::outcome::Failure| format!("{}: {} / {}", f.expectation, f.expected, f.actual);
        outcome.failed.iter().map(line).collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn each_expectation_of_tls_passes_fails_and_is_not_met_without_tls() {
        let session = session();
        for (passes, fails, words) in [
            (
                json!({ "min_version": "1.2" }),
                json!({ "min_version": "1.3" }),
                "tls.min_version: TLS 1.3 or newer / 1.2",
            ),
            (
                json!({ "ciphers": ["TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256"] }),
                json!({ "ciphers": ["TLS_AES_128_GCM_SHA256"] }),
                "tls.ciphers: TLS_AES_128_GCM_SHA256 / TLS_ECDHE",
            ),
            (json!({ "days_left": 1 }), json!({ "days_left": 2 }), "tls.days_left: >= 2 days / 1 days"),
            (json!({ "chain_days_left": 1 }), json!({ "chain_days_left": { "down": 2 } }), "tls.chain_days_left"),
            (
                json!({ "issuer": { "contains": "Test CA" } }),
                json!({ "issuer": { "contains": "Other" } }),
                "tls.issuer.contains: the issuer with \"Other\" / \"CN=",
            ),
            (
                json!({ "names": ["www.shop.example"] }),
                json!({ "names": ["shop.example", "a.b.shop.example"] }),
                "tls.names: a certificate for shop.example / *.shop.example",
            ),
        ] {
            assert_eq!(missed(&passes, Some(&session)), "");
            assert!(missed(&fails, Some(&session)).contains(words), "{}", missed(&fails, Some(&session)));
            assert!(missed(&passes, None).ends_with("no TLS"), "{passes}");
        }
        let garbled = Session { certificates: vec![vec![1, 2, 3]], ..session };
        assert!(missed(&json!({ "days_left": 1 }), Some(&garbled)).contains("can't be read"));
        let bare = Session { certificates: Vec::new(), ..garbled };
        assert!(missed(&json!({ "names": ["a"] }), Some(&bare)).contains("no certificate"));
    }
}
