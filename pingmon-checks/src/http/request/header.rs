//! The headers of a request: which may be given, and what a value may hold.

use std::collections::BTreeMap;

use hyper::header::{CONNECTION, CONTENT_LENGTH, HeaderName, HeaderValue, TRANSFER_ENCODING, UPGRADE};
use pingmon_core::error::{Error, Result};
use secrecy::SecretString;

use crate::http::config::Values;

const MAX_HEADERS: usize = 64;
/// Longest value, in bytes.
pub(super) const MAX_VALUE: usize = 8_192;
/// Headers that say how a message is framed, which is worked out.
const FRAMING: [HeaderName; 4] = [CONTENT_LENGTH, TRANSFER_ENCODING, CONNECTION, UPGRADE];

/// The names and values that the config gives.
///
/// # Errors
/// [`Error::Config`] naming what can't be sent.
pub(super) fn given(config: &BTreeMap<String, Values>) -> Result<Vec<(HeaderName, SecretString)>> {
    let mut headers = Vec::new();
    for (name, values) in config {
        let field = format!("headers.{}", name.escape_debug());
        let name = HeaderName::from_bytes(name.as_bytes())
            .map_err(|_| Error::config(&field, "it isn't a header's name; write letters, digits and `-`"))?;
        if FRAMING.contains(&name) {
            return Err(Error::config(field, "it is worked out from `body` and `keep_alive`; leave it out"));
        }
        headers.extend(values.0.iter().map(|value| (name.clone(), value.clone())));
    }
    if headers.len() > MAX_HEADERS {
        return Err(Error::config("headers", format!("more than {MAX_HEADERS} values; send fewer")));
    }
    Ok(headers)
}

/// A header's value that no log shows.
///
/// # Errors
/// [`Error::Config`] naming `field` when it can't be sent.
pub(in crate::http) fn secret_value(field: &str, text: &str) -> Result<HeaderValue> {
    if text.len() > MAX_VALUE {
        return Err(Error::config(field, format!("more than {MAX_VALUE} bytes; send a shorter value")));
    }
    let mut value = HeaderValue::try_from(text).map_err(|_| {
        Error::config(field, "it holds characters that a header can't, such as a line break; remove them")
    })?;
    value.set_sensitive(true);
    Ok(value)
}
