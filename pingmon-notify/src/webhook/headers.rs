//! Headers of one's own on a webhook: fixed values, or templates over the facts.

use pingmon_core::{
    error::{Error, Result},
    notification::Notification,
};
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};

use super::unsendable;
use crate::{medium::Medium, template::Template, text::one_line};

/// Most headers of one's own on a webhook.
pub const MAX_HEADERS: usize = 32;

/// Headers that the channel or HTTP itself sets.
const RESERVED: [&str; 8] =
    ["connection", "content-length", "content-type", "host", "idempotency-key", "te", "transfer-encoding", "upgrade"];
/// Longest value that a template makes, in characters.
const MAX_VALUE: usize = 1_000;

#[derive(Clone, Default)]
pub(super) struct Headers(Vec<(HeaderName, Value)>);

#[derive(Clone)]
enum Value {
    Fixed(HeaderValue),
    Template(Template),
}

impl Headers {
    /// # Errors
    /// [`Error::Config`] when name or value isn't fit for a header, or there is no room for another.
    pub(super) fn add(&mut self, name: &str, value: &str) -> Result<()> {
        let field = format!("headers.{name}");
        let name = match HeaderName::try_from(name) {
            Ok(name) if RESERVED.contains(&name.as_str()) || name.as_str().starts_with("webhook-") => {
                return Err(Error::config(field, "is set by the channel itself: leave it out"));
            }
            Ok(name) => name,
            Err(_) => return Err(Error::config("headers", format!("{name:?} is not the name of a header"))),
        };
        if self.0.len() == MAX_HEADERS {
            return Err(Error::config("headers", format!("more than the {MAX_HEADERS} allowed")));
        }
        let value = if value.contains("{{") || value.contains("{%") {
            // What is wrong with it isn't repeated: the value may be a secret.
            let refuse = |_| Error::config(&field, "is no template that works for every notice");
            Value::Template(Template::new(&field, value, Medium::Plain).map_err(refuse)?)
        } else {
            let Ok(mut fixed) = HeaderValue::try_from(value) else {
                return Err(Error::config(field, "its value holds characters that a header can't"));
            };
            fixed.set_sensitive(true);
            Value::Fixed(fixed)
        };
        self.0.push((name, value));
        Ok(())
    }

    /// The headers of one notice.
    ///
    /// # Errors
    /// [`Error::Delivery`] when a template fails for it.
    pub(super) fn of(&self, notice: &Notification) -> Result<HeaderMap> {
        let mut headers = HeaderMap::new();
        for (name, value) in &self.0 {
            let value = match value {
                Value::Fixed(value) => value.clone(),
                Value::Template(template) => {
                    let text = one_line(&template.render(notice).map_err(|e| unsendable(&e))?, MAX_VALUE);
                    let mut value = HeaderValue::try_from(text).map_err(|e| unsendable(&e))?;
                    value.set_sensitive(true);
                    value
                }
            };
            headers.insert(name.clone(), value);
        }
        Ok(headers)
    }
}
