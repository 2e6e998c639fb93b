//! Takes secrets out of what is kept of a run: what we sent, and what a name next to it calls a secret.

use std::{borrow::Cow, sync::Arc};

use hyper::header::{HeaderName, HeaderValue, SET_COOKIE};
use pingmon_core::{
    error::{Error, Result},
    outcome::Outcome,
};
use regex::Regex;
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::Value;

/// Shorter ones would take out half of any text.
const SHORTEST: usize = 4;
/// What stands in a secret's place.
pub(super) const TAKEN_OUT: &str = "…";
/// `"password": "…"`, `token=…`, `Authorization: Bearer …`.
const NAMED: &str = concat!(
    r#"(?i)([\w.-]*(?:passw(?:or)?d|passphrase|secret|token|api[_-]?key|credential|authorization|cookie|session[_-]?id)"#,
    r#"[\w.-]*["']?\s*[:=]\s*["']?)((?:bearer\s+|basic\s+|digest\s+)?[^\s"'&,;<>{}\[\]]+)"#,
);

/// Finds what a name next to it calls a secret. All checks share one: it takes 150 KiB.
#[derive(Clone, Debug)]
pub(super) struct Named(Arc<Regex>);

impl Named {
    /// # Errors
    /// [`Error::Probe`], which only a slip in the pattern above can bring about.
    pub(super) fn new() -> Result<Self> {
        let named = Regex::new(NAMED).map_err(|error| Error::probe(error.to_string()))?;
        Ok(Self(Arc::new(named)))
    }
}

/// Knows the secrets of one check.
pub(super) struct Redactor {
    sent: Box<[SecretString]>,
    named: Named,
}

impl Redactor {
    /// One that knows what is `sent`.
    pub(super) fn new(named: Named, sent: impl IntoIterator<Item = SecretString>) -> Self {
        let long_enough = |secret: &SecretString| secret.expose_secret().len() >= SHORTEST;
        Self { sent: sent.into_iter().filter(long_enough).collect(), named }
    }

    /// A text from outside, without secrets.
    pub(super) fn text<'a>(&self, text: &'a str) -> Cow<'a, str> {
        let mut clean = self.named.0.replace_all(text, concat!("${1}", "…"));
        for secret in &self.sent {
            if clean.contains(secret.expose_secret()) {
                clean = clean.replace(secret.expose_secret(), TAKEN_OUT).into();
            }
        }
        clean
    }

    /// A header's value without secrets: of a cookie its name, of a header that is called a secret nothing.
    pub(super) fn header(&self, name: &HeaderName, value: &HeaderValue) -> String {
        let value = String::from_utf8_lossy(value.as_bytes());
        if *name == SET_COOKIE {
            return format!("{}={TAKEN_OUT}", value.split('=').next().unwrap_or_default());
        }
        if names_a_secret(name.as_str()) {
            return TAKEN_OUT.to_owned();
        }
        self.text(&value).into_owned()
    }

    /// What a run says to people, without secrets.
    pub(super) fn outcome(&self, outcome: &mut Outcome) {
        self.clean(&mut outcome.message);
        for failure in &mut outcome.failed {
            self.clean(&mut failure.actual);
        }
        outcome.evidence.values_mut().for_each(|value| self.value(value));
    }

    fn value(&self, value: &mut Value) {
        match value {
            Value::String(text) => self.clean(text),
            Value::Array(items) => items.iter_mut().for_each(|item| self.value(item)),
            Value::Object(fields) => fields.values_mut().for_each(|item| self.value(item)),
            _ => {}
        }
    }

    fn clean(&self, text: &mut String) {
        if let Cow::Owned(clean) = self.text(text) {
            *text = clean;
        }
    }
}

/// Whether what has this name is a secret.
pub(super) fn names_a_secret(name: &str) -> bool {
    const WORDS: [&str; 9] =
        ["password", "passwd", "passphrase", "secret", "token", "key", "credential", "authorization", "cookie"];
    let name = name.to_ascii_lowercase();
    WORDS.iter().any(|word| name.contains(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_sent_and_what_is_called_a_secret_is_taken_out() {
        let redactor = Redactor::new(Named::new().unwrap(), ["t0ps3cret".into(), "abc".into()]);
        for (text, clean) in [
            ("hello t0ps3cret, abc", "hello …, abc"),
            (r#"{"access_token":"xyz","id":7,"Password": "p w"}"#, r#"{"access_token":"…","id":7,"Password": "… w"}"#),
            ("a=1&api_key=xyz&b=2", "a=1&api_key=…&b=2"),
            ("authorization: Bearer xyz\r\naccept: */*", "authorization: …\r\naccept: */*"),
            ("client.secret = 'xyz'", "client.secret = '…'"),
            ("the token of our thanks", "the token of our thanks"),
        ] {
            assert_eq!(redactor.text(text), clean);
        }
    }

    #[test]
    fn of_a_cookie_only_the_name_stays() {
        let redactor = Redactor::new(Named::new().unwrap(), []);
        let shown = |name: &'static str, value: &'static str| {
            redactor.header(&HeaderName::from_static(name), &HeaderValue::from_static(value))
        };
        assert_eq!(shown("set-cookie", "sid=xyz; HttpOnly"), "sid=…");
        assert_eq!(shown("x-api-key", "xyz"), "…");
        assert_eq!(shown("server", "nginx"), "nginx");
    }
}
