//! A connection that speaks HTTP: sends one request after the other and hands out the answer's body piece by piece.

use std::net::SocketAddr;

use http_body_util::{BodyExt as _, Full};
use hyper::{
    Request, Uri, Version,
    body::{Bytes, Frame, Incoming},
    client::conn::{http1, http2},
    header::{HOST, HeaderValue, PROXY_AUTHORIZATION},
    http::response::Parts,
};
use hyper_util::rt::TokioIo;

use super::{
    wire::{ObservedWire, Observer, Wire},
    work::Work,
};
use crate::{
    fault::Fault,
    http::{answer::Session, fault, request::Outgoing, run::Run},
    stopwatch::Phase,
};

/// Most of an answer's head, in bytes.
const MAX_HEAD: usize = 64 * 1024;

/// An open connection.
pub(in crate::http) struct Connection {
    sender: Sender,
    work: Work,
    observer: Observer,
    pub(super) facts: Facts,
}

/// What is known of a connection from its beginning.
#[derive(Clone, Default)]
pub(in crate::http) struct Facts {
    pub(in crate::http) address: Option<SocketAddr>,
    pub(in crate::http) tls: Option<Session>,
    /// What the HTTP proxy at the other end wants to hear with each request; it forwards by the whole URL.
    pub(super) proxied: Option<Option<HeaderValue>>,
}

enum Sender {
    Http1(http1::SendRequest<Full<Bytes>>),
    Http2(http2::SendRequest<Full<Bytes>>),
}

/// An answer of which the head has come.
pub(in crate::http) struct Response {
    pub(in crate::http) head: Parts,
    body: Incoming,
    pub(super) connection: Connection,
}

impl Connection {
    /// Begins to speak HTTP/2 or HTTP/1.1.
    pub(super) async fn open(wire: Wire, http2: bool, facts: Facts) -> Result<Self, Fault> {
        let observer = Observer::default();
        let io = TokioIo::new(ObservedWire::new(wire, observer.clone()));
        let mut work = Work::default();
        let opened = if http2 {
            let mut builder = http2::Builder::new(work.queue());
            builder.max_header_list_size(MAX_HEAD as u32);
            work.until(builder.handshake(io)).await.map(|(sender, connection)| {
                work.add(async { drop(connection.await) });
                Sender::Http2(sender)
            })
        } else {
            http1::Builder::new().max_header_size(MAX_HEAD).handshake(io).await.map(|(sender, connection)| {
                work.add(async { drop(connection.await) });
                Sender::Http1(sender)
            })
        };
        let explain = |error| observer.broken().unwrap_or_else(|| fault::of(&error, Phase::Request));
        let sender = opened.map_err(explain)?;
        Ok(Self { sender, work, observer, facts })
    }

    /// Sends a request and waits for the head of its answer.
    pub(super) async fn send(mut self, request: &Outgoing, run: &Run) -> Result<Response, Fault> {
        let http2 = matches!(self.sender, Sender::Http2(_));
        // What else HTTP/2 writes before the answer comes has to do with the server's settings.
        let once = http2 && request.body.is_empty();
        let request = self.compose(request, http2)?;
        run.watch.enter(Phase::Request);
        self.observer.tell(&run.watch, once, http2);
        let answer = match &mut self.sender {
            Sender::Http1(sender) => self.work.until(sender.send_request(request)).await,
            Sender::Http2(sender) => self.work.until(sender.send_request(request)).await,
        };
        self.observer.rest();
        let explain = |error| self.observer.broken().unwrap_or_else(|| fault::of(&error, run.watch.current()));
        let (head, body) = answer.map_err(explain)?.into_parts();
        Ok(Response { head, body, connection: self })
    }

    fn compose(&self, request: &Outgoing, http2: bool) -> Result<Request<Full<Bytes>>, Fault> {
        let url = &request.url;
        let mut headers = request.headers.clone();
        let authority = &url[url::Position::BeforeHost..url::Position::AfterPort];
        let host = match headers.get(HOST) {
            Some(host) => host.clone(),
            None => HeaderValue::try_from(authority).map_err(|_| unsendable())?,
        };
        let path = &url[url::Position::BeforePath..url::Position::AfterQuery];
        let uri = if http2 {
            headers.remove(HOST);
            let authority = host.to_str().map_err(|_| unsendable())?;
            Uri::builder().scheme(url.scheme()).authority(authority).path_and_query(path).build().ok()
        } else {
            headers.insert(HOST, host);
            match &self.facts.proxied {
                Some(authorization) => {
                    headers.extend(authorization.clone().map(|value| (PROXY_AUTHORIZATION, value)));
                    Uri::try_from(&url[..url::Position::AfterQuery]).ok()
                }
                None => Uri::try_from(path).ok(),
            }
        };
        let mut composed = Request::new(Full::new(request.body.clone()));
        *composed.method_mut() = request.method.clone();
        *composed.uri_mut() = uri.ok_or_else(unsendable)?;
        *composed.headers_mut() = headers;
        *composed.version_mut() = if http2 { Version::HTTP_2 } else { Version::HTTP_11 };
        Ok(composed)
    }

    /// Whether another request can be sent.
    pub(super) async fn is_open(&mut self) -> bool {
        self.work.catch_up().await;
        match &self.sender {
            Sender::Http1(sender) => sender.is_ready(),
            Sender::Http2(sender) => sender.is_ready(),
        }
    }
}

fn unsendable() -> Fault {
    Fault::unknown("request_invalid", "the URL or its host can't be put into a request")
}

impl Response {
    /// Where the answer came from.
    pub(in crate::http) const fn facts(&self) -> &Facts {
        &self.connection.facts
    }

    /// The next piece of the body; none at its end.
    ///
    /// # Errors
    /// When the rest can't be had.
    pub(in crate::http) async fn piece(&mut self) -> Option<Result<Frame<Bytes>, Fault>> {
        let Connection { work, observer, .. } = &mut self.connection;
        let frame = work.until(self.body.frame()).await?;
        Some(frame.map_err(|error| observer.broken().unwrap_or_else(|| fault::of(&error, Phase::Transfer))))
    }
}
