//! Getting a request to a target and the head of its answer back: over which route, with which TLS, by which version
//! of HTTP. One request at a time; redirects, cookies and credentials are the caller's business.

pub(super) mod config;
pub(super) mod connection;
pub(super) mod tls;

mod flood;
mod identity;
mod proxy;
mod route;
mod wire;
mod work;

use std::sync::{Arc, Mutex, PoisonError};

use pingmon_core::error::{Error, Result};
use rustls::ClientConfig;
use url::{Origin, Url};

use self::{
    config::HttpVersion,
    connection::{Connection, Facts, Response},
    route::Route,
    tls::Tls,
};
use super::{
    config::Config,
    request::{Outgoing, url::literal},
    run::Run,
};
use crate::{dial::Dialer, fault::Fault, stopwatch::Phase};

/// What a check's connections are made by.
pub(super) struct Transport {
    pub(super) dialer: Dialer,
    route: Route,
    tls: Tls,
    version: Option<HttpVersion>,
    /// The connection of the run before, and to where it leads; none when each run opens its own.
    kept: Option<Box<Kept>>,
}

type Kept = Mutex<Option<(Origin, Connection)>>;

impl Transport {
    /// Makes connections as the config says, varying the TLS of `base`. `local` says whether the dial policy lets
    /// monitors go where it can't look: to Unix sockets and through proxies that resolve names.
    ///
    /// # Errors
    /// [`Error::Config`] naming what can't be used.
    pub(super) fn compile(config: &mut Config, dialer: &Dialer, local: bool, base: &Arc<ClientConfig>) -> Result<Self> {
        Ok(Self {
            route: Route::compile(config, dialer, local)?,
            tls: Tls::compile(base, &config.tls, config.http_version)?,
            version: config.http_version,
            kept: config.keep_alive.then(Box::default),
            dialer: dialer.clone(),
        })
    }

    /// Refuses a URL whose address may not be dialled.
    ///
    /// # Errors
    /// [`Error::Config`] naming `field`.
    pub(super) fn vet(&self, field: &str, url: &Url) -> Result<()> {
        let vetted = literal(url).map_or(Ok(()), |address| self.dialer.vet(address));
        vetted.map_err(|fault| Error::config(field, fault.to_string()))
    }

    /// The phase that a run begins with.
    pub(super) fn first_phase(&self, url: &Url) -> Phase {
        self.route.first_phase(url)
    }

    /// Sends a request and waits for the head of its answer. `home` says whether it goes to the origin that the
    /// monitor names: only there counts what was said of the target.
    ///
    /// # Errors
    /// When none comes.
    pub(super) async fn send(&self, request: &Outgoing, home: bool, run: &mut Run) -> Result<Response, Fault> {
        if let Some(connection) = self.reuse(&request.url).await {
            match connection.send(request, run).await {
                // The target may have closed it in the same moment, which says nothing about the target.
                Err(fault) if fault.is_closing() && request.method.is_idempotent() => {}
                ended => return ended,
            }
        }
        self.connect(&request.url, home, run).await?.send(request, run).await
    }

    /// Keeps the connection of an answer that was read to its end, if connections are to be kept.
    pub(super) fn keep(&self, url: &Url, response: Response) {
        if let Some(kept) = &self.kept {
            *kept.lock().unwrap_or_else(PoisonError::into_inner) = Some((url.origin(), response.connection));
        }
    }

    async fn reuse(&self, url: &Url) -> Option<Connection> {
        let kept = self.kept.as_ref()?.lock().unwrap_or_else(PoisonError::into_inner).take();
        let (_, mut connection) = kept.filter(|(origin, _)| *origin == url.origin())?;
        connection.is_open().await.then_some(connection)
    }

    async fn connect(&self, url: &Url, home: bool, run: &mut Run) -> Result<Connection, Fault> {
        let reached = self.route.reach(url, home, run).await?;
        let mut facts = Facts { address: reached.address, tls: None, proxied: reached.forwarded };
        if url.scheme() != "https" {
            return Connection::open(reached.wire, self.version == Some(HttpVersion::Http2), facts).await;
        }
        run.watch.enter(Phase::Tls);
        let stream = self.tls.handshake(reached.wire, url, home).await?;
        let http2 = tls::chose_http2(&stream);
        if self.version == Some(HttpVersion::Http2) && !http2 {
            return Err(Fault::down("http2_refused", "the target doesn't speak HTTP/2: it didn't choose it in TLS"));
        }
        facts.tls = tls::session(&stream);
        Connection::open(Box::new(stream), http2, facts).await
    }
}
