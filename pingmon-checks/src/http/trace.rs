//! A trace that begins with the probe (W3C Trace Context), so that what the target did can be found by its id.

use hyper::header::{HeaderName, HeaderValue};

use super::{request::Outgoing, run::fresh_id};

const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");

/// Adds a `traceparent` to the request and says the trace's id. Every probe is sampled: somebody asked for it.
pub(super) fn begin(request: &mut Outgoing) -> String {
    let trace = fresh_id().simple().to_string();
    // The last half of an id is its random part.
    let span = fresh_id().simple().to_string().split_off(16);
    if let Ok(value) = HeaderValue::try_from(format!("00-{trace}-{span}-01")) {
        request.headers.insert(TRACEPARENT, value);
    }
    trace
}
