//! One request on behalf of code that isn't ours: sent over the same transport as a monitor's, to URLs that its caller
//! permits, on the first hop and on each redirect. Reads no body by itself; judges nothing.

use hyper::{
    HeaderMap, Method,
    body::Bytes,
    header::{
        CONNECTION, CONTENT_LENGTH, HOST, HeaderName, HeaderValue, TE, TRAILER, TRANSFER_ENCODING, UPGRADE, USER_AGENT,
    },
};
use pingmon_core::{check::parse_config, error::Result, time::Timestamp, tls};
use serde_json::json;
use tokio::time::{Instant, timeout_at};
use url::Url;

use super::{
    answer::Redirect,
    config::{Config, MAX_REDIRECTS},
    cookies::Jar,
    exchange::late,
    redirect,
    request::Outgoing,
    run::Run,
    transport::{self, Transport, connection::Response},
};
use crate::{
    dial::Dialer,
    fault::Fault,
    stopwatch::{Phase, Timing},
};

/// Most headers of a request.
const MAX_HEADERS: usize = 64;
/// What is the connection's business, and `host`, by which one could get to another target behind the same address.
const NOT_YOURS: [HeaderName; 7] = [HOST, CONNECTION, CONTENT_LENGTH, TE, TRAILER, TRANSFER_ENCODING, UPGRADE];

/// What is asked for.
pub(crate) struct Asked {
    pub(crate) method: String,
    pub(crate) url: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
    /// Most redirects to follow.
    pub(crate) redirects: usize,
}

/// An answer of which the head has come.
pub(crate) struct Fetched {
    pub(crate) status: u16,
    /// What was asked for in the end.
    pub(crate) url: Url,
    pub(crate) headers: HeaderMap,
    pub(crate) timing: Timing,
    response: Response,
}

/// Sends requests, each on a connection of its own.
pub(crate) struct Fetcher {
    transport: Transport,
}

impl Fetcher {
    /// One that dials by `dialer` and trusts what the system trusts.
    ///
    /// # Errors
    /// [`pingmon_core::error::Error::Config`] when the system's TLS roots can't be used.
    pub(crate) fn new(dialer: &Dialer) -> Result<Self> {
        let usual = transport::tls::usual(tls::client_config()?);
        let mut plain: Config = parse_config(&json!({ "url": "http://localhost" }))?;
        Ok(Self { transport: Transport::compile(&mut plain, dialer, false, &usual)? })
    }

    /// Sends a request and brings the head of the answer before the deadline. `permit` is asked about each URL.
    ///
    /// # Errors
    /// When none comes, or when a URL isn't permitted.
    pub(crate) async fn fetch(
        &self,
        asked: Asked,
        now: Timestamp,
        deadline: Instant,
        permit: impl Fn(&Url) -> Result<(), Fault> + Sync,
    ) -> Result<Fetched, Fault> {
        let most = asked.redirects.min(MAX_REDIRECTS);
        let first = compose(asked)?;
        permit(&first.url)?;
        let mut run = Run::start(self.transport.first_phase(&first.url), Jar::new(now));
        let limit = deadline.saturating_duration_since(Instant::now());
        let ended = timeout_at(deadline, self.follow(first, most, &mut run, permit)).await;
        ended.unwrap_or_else(|_| Err(late(&run, limit)))
    }

    async fn follow(
        &self,
        first: Outgoing,
        most: usize,
        run: &mut Run,
        permit: impl Fn(&Url) -> Result<(), Fault> + Sync,
    ) -> Result<Fetched, Fault> {
        let home = first.url.origin();
        let mut request = first;
        loop {
            let at_home = request.url.origin() == home;
            let mut response = self.transport.send(&request, at_home, run).await?;
            let (status, headers) = (response.head.status, &response.head.headers);
            let followed = run.redirects.len();
            let next = redirect::next(&request, status, headers, followed, most, &self.transport.dialer)?;
            let Some(next) = next else {
                let headers = std::mem::take(&mut response.head.headers);
                let (status, url, timing) = (status.as_u16(), request.url, run.watch.stop());
                return Ok(Fetched { status, url, headers, timing, response });
            };
            permit(&next.url)
                .map_err(|fault| Fault::unknown("redirect_forbidden", format!("redirected, but {fault}")))?;
            run.redirects.push(Redirect { status, from: request.url, to: next.url.clone() });
            request = next;
        }
    }
}

impl Fetched {
    /// The next piece of the body; empty at its end.
    ///
    /// # Errors
    /// When the rest can't be had before the deadline.
    pub(crate) async fn piece(&mut self, deadline: Instant) -> Result<Bytes, Fault> {
        let limit = deadline.saturating_duration_since(Instant::now());
        loop {
            let piece = timeout_at(deadline, self.response.piece()).await;
            let frame = match piece.map_err(|_| Fault::timeout(Phase::Transfer.as_str(), limit))? {
                Some(frame) => frame?,
                None => return Ok(Bytes::new()),
            };
            match frame.into_data() {
                Ok(piece) if !piece.is_empty() => return Ok(piece),
                _ => {}
            }
        }
    }
}

fn compose(asked: Asked) -> Result<Outgoing, Fault> {
    let invalid = |reason: String| Fault::unknown("request_invalid", reason);
    let url = Url::parse(&asked.url).map_err(|error| invalid(format!("the URL can't be read: {error}")))?;
    if !matches!(url.scheme(), "http" | "https") || url.port() == Some(0) || !url.username().is_empty() {
        return Err(invalid("the URL isn't http or https, or holds credentials".to_owned()));
    }
    let method = Method::from_bytes(asked.method.as_bytes()).ok().filter(|method| *method != Method::CONNECT);
    let method = method.ok_or_else(|| invalid("the method can't be used".to_owned()))?;
    if asked.headers.len() > MAX_HEADERS {
        return Err(invalid(format!("it has more than {MAX_HEADERS} headers")));
    }
    let mut headers = HeaderMap::new();
    for (name, value) in asked.headers {
        let read = HeaderName::try_from(&name).ok().zip(HeaderValue::try_from(value).ok());
        let is_ours = |name: &HeaderName| NOT_YOURS.contains(name) || name.as_str().starts_with("proxy-");
        let (name, value) = read.filter(|(name, _)| !is_ours(name)).ok_or_else(|| {
            invalid(format!("the header {:?} can't be sent", name.chars().take(100).collect::<String>()))
        })?;
        headers.append(name, value);
    }
    if !headers.contains_key(USER_AGENT) {
        headers.insert(USER_AGENT, HeaderValue::from_static(concat!("pingmon/", env!("CARGO_PKG_VERSION"))));
    }
    Ok(Outgoing { method, url, headers, body: asked.body.into() })
}
