//! Saying who asks: what is in the config becomes a header where it can be known before the answer; `digest` answers
//! a challenge, `oauth2` fetches a token first.

pub(super) mod config;
pub(super) mod digest;
pub(super) mod oauth2;

use base64::{Engine as _, prelude::BASE64_STANDARD};
use pingmon_core::error::{Error, Result};
use secrecy::{ExposeSecret as _, SecretString};

use self::config::Login;
use super::config::Config;

/// The value of the header `authorization`, where the config alone says it.
///
/// # Errors
/// [`Error::Config`] when credentials are given twice or can't be sent.
pub(super) fn header(config: &Config) -> Result<Option<SecretString>> {
    let given = [
        ("basic", config.basic.is_some()),
        ("digest", config.digest.is_some()),
        ("bearer", config.bearer.is_some()),
        ("authorization", config.authorization.is_some()),
        ("oauth2", config.oauth2.is_some()),
        ("headers.authorization", config.headers.keys().any(|name| name.eq_ignore_ascii_case("authorization"))),
    ];
    let given: Vec<_> = given.iter().filter(|(_, given)| *given).map(|(name, _)| *name).collect();
    if let [one, other, ..] = given[..] {
        return Err(Error::config(one, format!("credentials are given twice; keep it or {other}")));
    }
    if let Some(Login { username, password }) = &config.basic {
        return basic("basic.username", username, password).map(Some);
    }
    if let Some(token) = &config.bearer {
        return Ok(Some(format!("Bearer {}", token.expose_secret()).into()));
    }
    let Some(other) = &config.authorization else { return Ok(None) };
    let is_token = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c);
    if other.scheme.is_empty() || !other.scheme.chars().all(is_token) {
        return Err(Error::config("authorization.scheme", "it isn't one word; write one such as \"ApiKey\""));
    }
    Ok(Some(format!("{} {}", other.scheme, other.credentials.expose_secret()).into()))
}

/// Credentials for basic authentication (RFC 7617).
///
/// # Errors
/// [`Error::Config`] naming `field` when the user's name can't be told from the password.
pub(super) fn basic(field: &str, username: &str, password: &SecretString) -> Result<SecretString> {
    if username.contains(':') {
        return Err(Error::config(field, "it holds a colon, which basic authentication can't send; use another name"));
    }
    let pair = format!("{username}:{}", password.expose_secret());
    Ok(format!("Basic {}", BASE64_STANDARD.encode(pair)).into())
}

#[cfg(test)]
mod tests {
    use pingmon_core::check::parse_config;
    use serde_json::{Value, json};

    use super::*;

    fn header_of(extra: Value) -> Result<String> {
        let mut config = json!({ "url": "http://a.example" });
        config.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
        header(&parse_config(&config)?).map(|value| value.map_or_else(String::new, |v| v.expose_secret().to_owned()))
    }

    #[test]
    fn each_scheme_is_written_as_its_rfc_has_it() {
        for (config, expected) in [
            (json!({}), ""),
            (
                json!({ "basic": { "username": "Aladdin", "password": "open:sesame" } }),
                "Basic QWxhZGRpbjpvcGVuOnNlc2FtZQ==",
            ),
            (json!({ "bearer": "t0ken" }), "Bearer t0ken"),
            (json!({ "authorization": { "scheme": "ApiKey", "credentials": "k=1" } }), "ApiKey k=1"),
            (json!({ "digest": { "username": "u", "password": "p" } }), ""),
        ] {
            assert_eq!(header_of(config).unwrap(), expected);
        }
    }

    #[test]
    fn credentials_that_are_given_twice_or_cannot_be_sent_are_refused() {
        let login = json!({ "username": "u", "password": "p" });
        for (config, words) in [
            (json!({ "basic": login, "bearer": "t" }), "invalid basic: credentials are given twice; keep it or bearer"),
            (json!({ "bearer": "t", "headers": { "Authorization": "x" } }), "keep it or headers.authorization"),
            (json!({ "basic": { "username": "a:b", "password": "p" } }), "invalid basic.username: it holds a colon"),
            (json!({ "authorization": { "scheme": "A B", "credentials": "" } }), "invalid authorization.scheme"),
        ] {
            let error = header_of(config).unwrap_err().to_string();
            assert!(error.contains(words), "{error}");
        }
    }
}
