//! OAuth 2.0 client credentials (RFC 6749, section 4.4): fetches a token under the same dial policy, keeps it and fetches
//! the next before it expires. The token endpoint isn't the target: what it does wrong is `unknown`.

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use hyper::header::HeaderValue;
use pingmon_core::{
    error::{Error, Result},
    time::Timestamp,
};
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::time::Instant;
use url::form_urlencoded::byte_serialize;

use super::{
    basic,
    config::{ClientAuth, OAuth2 as Config},
};
use crate::{
    fault::Fault,
    http::{
        cookies::Jar,
        exchange::{Exchange, Sender},
        request::{Outgoing, Plan, header::secret_value, template::Variables},
        run::Run,
    },
};

/// Most further fields for the token endpoint.
const MAX_PARAMS: usize = 16;
/// How long a token is kept that doesn't say how long it's good for.
const UNSTATED: Duration = Duration::from_secs(300);
/// How long before its end a token is replaced, or a tenth of its time if that is less.
const MARGIN: Duration = Duration::from_secs(60);

/// Fetches tokens and keeps the last one.
pub(in crate::http) struct OAuth2 {
    sender: Sender,
    request: Outgoing,
    kept: Mutex<Option<Token>>,
}

/// A token as a header's value.
#[derive(Clone)]
pub(in crate::http) struct Token {
    pub(in crate::http) header: HeaderValue,
    good_until: Instant,
    /// Whether it was fetched in this run.
    pub(in crate::http) fresh: bool,
}

/// What a token endpoint answers.
#[derive(Deserialize)]
struct Grant {
    access_token: SecretString,
    token_type: Option<String>,
    expires_in: Option<Value>,
}

impl OAuth2 {
    /// The request that is sent to the token endpoint, as a config of its own.
    ///
    /// # Errors
    /// [`Error::Config`] when it can't be sent.
    pub(in crate::http) fn config(config: &Config) -> Result<Value> {
        if config.params.len() > MAX_PARAMS {
            return Err(Error::config("oauth2.params", format!("more than {MAX_PARAMS} fields; send fewer")));
        }
        let mut form: BTreeMap<&str, &str> = config.params.iter().map(|(name, value)| (&**name, &**value)).collect();
        form.insert("grant_type", "client_credentials");
        form.extend(config.scope.as_deref().map(|scope| ("scope", scope)));
        let mut headers = json!({ "accept": "application/json" });
        match config.client_auth {
            ClientAuth::Body => {
                form.insert("client_id", &config.client_id);
                form.insert("client_secret", config.client_secret.expose_secret());
            }
            ClientAuth::Basic => {
                // Both are encoded as in a form first (RFC 6749, section 2.3.1).
                let encoded = |text: &str| byte_serialize(text.as_bytes()).collect::<String>();
                let secret = encoded(config.client_secret.expose_secret()).into();
                let value = basic("oauth2.client_id", &encoded(&config.client_id), &secret)?;
                headers["authorization"] = value.expose_secret().into();
            }
        }
        Ok(json!({
            "url": config.token_url, "method": "POST", "headers": headers, "body": { "form": form }, "redirects": 0,
        }))
    }

    /// Fetches tokens by `plan`'s request through `sender`.
    ///
    /// # Errors
    /// [`Error::Config`] when the token endpoint can't be asked.
    pub(in crate::http) fn new(plan: &Plan, sender: Sender) -> Result<Self> {
        let request = plan.request(&Variables::default())?;
        sender.transport.vet("oauth2.token_url", &request.url)?;
        Ok(Self { sender, request, kept: Mutex::default() })
    }

    /// A token that is good for a while, fetched within `limit` unless there is one.
    ///
    /// # Errors
    /// When there is none to be had.
    pub(in crate::http) async fn token(&self, limit: Duration, now: Timestamp) -> Result<Token, Fault> {
        let kept = self.kept().clone().filter(|token| Instant::now() < token.good_until);
        if let Some(token) = kept {
            return Ok(token);
        }
        let token = self.fetch(limit, now).await?;
        *self.kept() = Some(Token { fresh: false, ..token.clone() });
        Ok(token)
    }

    /// Forgets the token, which was refused.
    pub(in crate::http) fn forget(&self) {
        *self.kept() = None;
    }

    fn kept(&self) -> MutexGuard<'_, Option<Token>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn fetch(&self, limit: Duration, now: Timestamp) -> Result<Token, Fault> {
        let asked = Instant::now();
        let first = self.sender.transport.first_phase(&self.request.url);
        let mut run = Run::start(first, Jar::new(now));
        let answer = match self.sender.exchange(self.request.clone(), &mut run, limit).await {
            Exchange::Complete(answer) => answer,
            Exchange::Broken { fault, .. } => return Err(failed(&fault.to_string())),
        };
        if !answer.status.is_success() {
            return Err(failed(&format!("the token endpoint said {}{}", answer.status, reason(&answer.body))));
        }
        let grant = serde_json::from_slice(&answer.body);
        let grant: Grant = grant.map_err(|_| failed("the token endpoint's answer holds no access_token"))?;
        grant.into_token(asked)
    }
}

impl Grant {
    fn into_token(self, asked: Instant) -> Result<Token, Fault> {
        if let Some(kind) = self.token_type.filter(|kind| !kind.eq_ignore_ascii_case("bearer")) {
            return Err(failed(&format!("the token is of the type {kind:?}, and only bearer tokens are known")));
        }
        let text = format!("Bearer {}", self.access_token.expose_secret());
        let header = secret_value("access_token", &text).map_err(|error| failed(&error.to_string()))?;
        let seconds = match self.expires_in {
            Some(Value::Number(number)) => number.as_f64(),
            Some(Value::String(text)) => text.parse().ok(),
            _ => None,
        };
        let good_for = seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok()).unwrap_or(UNSTATED);
        // A token for ever is still looked after once a day.
        let good_for = good_for.min(Duration::from_secs(24 * 60 * 60));
        Ok(Token { header, good_until: asked + good_for - MARGIN.min(good_for / 10), fresh: true })
    }
}

/// The error's code, which is one of a few words (RFC 6749, section 5.2).
fn reason(body: &[u8]) -> String {
    let code = serde_json::from_slice::<Value>(body).ok().and_then(|body| Some(body["error"].as_str()?.to_owned()));
    let is_code = |code: &String| code.len() <= 64 && code.chars().all(|c| c.is_ascii_lowercase() || c == '_');
    code.filter(is_code).map_or_else(String::new, |code| format!(" ({code})"))
}

fn failed(reason: &str) -> Fault {
    Fault::unknown("token_failed", format!("no token could be fetched: {reason}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(grant: Value) -> Result<Duration, String> {
        let now = Instant::now();
        let token = serde_json::from_value::<Grant>(grant).unwrap().into_token(now);
        token.map(|token| token.good_until - now).map_err(|fault| fault.to_string())
    }

    #[tokio::test]
    async fn a_token_is_replaced_before_it_expires() {
        for (expires_in, seconds) in [
            (json!(3600), 3540.0),
            (json!("3600"), 3540.0),
            (json!(100), 90.0),
            (json!(0), 0.0),
            (json!(-5), 270.0),
            (json!(null), 270.0),
            (json!(1e12), 86_340.0),
        ] {
            let good_for = token(json!({ "access_token": "t", "token_type": "Bearer", "expires_in": expires_in }));
            assert_eq!(good_for.unwrap().as_secs_f64(), seconds, "{expires_in}");
        }
        assert!(token(json!({ "access_token": "t", "token_type": "mac" })).unwrap_err().contains("only bearer"));
        assert!(!token(json!({ "access_token": "s3\ncret" })).unwrap_err().contains("s3"));
    }
}
