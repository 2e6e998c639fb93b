//! The one client of all `http` checks and the hooks by which a probe learns what happens inside it. It opens a new
//! connection for each request, repeats nothing, uses no proxy and goes only where the dial policy lets it.

use std::{
    future::Future,
    net::{IpAddr, SocketAddr},
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll},
};

use pingmon_core::error::{Error, Result};
use reqwest::{
    Client,
    dns::{Addrs, Name, Resolve, Resolving},
    redirect, retry,
};
use rustls::{
    ClientConfig, NamedGroup,
    client::{ClientSessionStore, Resumption, Tls12ClientSessionValue, Tls13ClientSessionValue},
    pki_types::ServerName,
};
use tower::{Layer, Service};
use url::{Host, Url};

use super::{answer::Redirect, request::redacted};
use crate::{
    dial::Dialer,
    fault::Fault,
    stopwatch::{Phase, Stopwatch},
};

tokio::task_local! {
    /// The run that the current task is probing for: how the hooks of a shared client know whom they serve.
    pub(super) static RUN: Arc<Run>;
}

/// What a probe and the client's hooks share.
#[derive(Debug)]
pub(super) struct Run {
    pub(super) watch: Stopwatch,
    /// Most redirects to follow.
    pub(super) redirects: usize,
    /// The port that the request goes to first.
    port: u16,
    /// The addresses that the last name resolved to.
    pub(super) addresses: Mutex<Vec<SocketAddr>>,
    followed: Mutex<Vec<Redirect>>,
}

impl Run {
    pub(super) fn start(first: Phase, url: &Url, redirects: usize) -> Arc<Self> {
        Arc::new(Self {
            watch: Stopwatch::start(first),
            redirects,
            port: port(url),
            addresses: Mutex::default(),
            followed: Mutex::default(),
        })
    }

    /// The redirects that were followed so far.
    pub(super) fn followed(&self) -> MutexGuard<'_, Vec<Redirect>> {
        self.followed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The port of the present hop.
    fn port(&self) -> u16 {
        self.followed().last().map_or(self.port, |hop| port(&hop.to))
    }

    fn found(&self, addresses: &[SocketAddr]) {
        *self.addresses.lock().unwrap_or_else(PoisonError::into_inner) = addresses.to_vec();
    }
}

fn enter(phase: Phase) {
    // Outside a run (a connection's own task) there is nobody to tell.
    let _ = RUN.try_with(|run| run.watch.enter(phase));
}

/// Builds the client.
///
/// # Errors
/// [`Error::Config`] when the TLS configuration can't be used.
pub(super) fn build(dialer: &Dialer, mut tls: ClientConfig) -> Result<Client> {
    tls.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    tls.resumption = Resumption::store(Arc::new(NoSessions));
    let hops = dialer.clone();
    Client::builder()
        .user_agent(concat!("pingmon/", env!("CARGO_PKG_VERSION")))
        .tls_backend_preconfigured(tls)
        .dns_resolver(Resolver(dialer.clone()))
        .connector_layer(ConnectPhases)
        .redirect(redirect::Policy::custom(move |attempt| follow(&hops, attempt)))
        .referer(false)
        .retry(retry::never())
        .pool_max_idle_per_host(0)
        .no_proxy()
        .build()
        .map_err(|error| Error::config("tls", format!("the HTTP client can't be built: {error}")))
}

/// The address that a URL names without a resolver being asked.
pub(super) fn literal(url: &Url) -> Option<SocketAddr> {
    let address: IpAddr = match url.host()? {
        Host::Ipv4(v4) => v4.into(),
        Host::Ipv6(v6) => v6.into(),
        Host::Domain(_) => return None,
    };
    Some(SocketAddr::new(address, port(url)))
}

fn port(url: &Url) -> u16 {
    url.port_or_known_default().unwrap_or_default()
}

fn follow(dialer: &Dialer, attempt: redirect::Attempt<'_>) -> redirect::Action {
    let limit = RUN.try_with(|run| run.redirects).unwrap_or(0);
    if limit == 0 {
        return attempt.stop();
    }
    match hop(dialer, limit, attempt.previous().len(), attempt.url()) {
        Ok(()) => {
            let from = attempt.previous().last().unwrap_or(attempt.url()).clone();
            let hop = Redirect { status: attempt.status(), from, to: attempt.url().clone() };
            let _ = RUN.try_with(|run| run.followed().push(hop));
            attempt.follow()
        }
        Err(fault) => attempt.error(fault),
    }
}

/// Whether the `nth` redirect may be followed.
fn hop(dialer: &Dialer, limit: usize, nth: usize, next: &Url) -> Result<(), Fault> {
    if nth > limit {
        return Err(Fault::down(
            "redirect_limit",
            format!("more than {limit} redirects, the last one to {}", redacted(next)),
        ));
    }
    if !matches!(next.scheme(), "http" | "https") {
        return Err(Fault::down("redirect_invalid", format!("redirected to {}, which isn't HTTP", redacted(next))));
    }
    match literal(next).map(|address| dialer.vet(address)) {
        Some(Err(fault)) => {
            Err(Fault::unknown("redirect_forbidden", format!("redirected to {}, but {fault}", redacted(next))))
        }
        _ => Ok(()),
    }
}

/// Resolves through the dialer, so that only permitted addresses reach the connector.
struct Resolver(Dialer);

impl Resolve for Resolver {
    fn resolve(&self, name: Name) -> Resolving {
        let dialer = self.0.clone();
        Box::pin(async move {
            enter(Phase::Dns);
            let port = RUN.try_with(|run| run.port()).unwrap_or_default();
            let addresses = dialer.resolve(name.as_str(), port).await?;
            let _ = RUN.try_with(|run| run.found(&addresses));
            enter(Phase::Connect);
            Ok(Box::new(addresses.into_iter()) as Addrs)
        })
    }
}

/// Marks the beginning and the end of connecting.
#[derive(Clone, Copy)]
struct ConnectPhases;

impl<S> Layer<S> for ConnectPhases {
    type Service = Phased<S>;

    fn layer(&self, connector: S) -> Phased<S> {
        Phased(connector)
    }
}

#[derive(Clone)]
struct Phased<S>(S);

impl<S, T> Service<T> for Phased<S>
where
    S: Service<T>,
    S::Future: Send + 'static,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<S::Response, S::Error>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.0.poll_ready(cx)
    }

    fn call(&mut self, target: T) -> Self::Future {
        enter(Phase::Connect);
        let connecting = self.0.call(target);
        Box::pin(async move {
            let connected = connecting.await?;
            enter(Phase::FirstByte);
            Ok(connected)
        })
    }
}

/// Remembers no TLS session, so that every run sees the target's certificate. rustls asks it for one when a handshake
/// begins, which is how the end of TCP's part is known.
#[derive(Debug)]
struct NoSessions;

impl ClientSessionStore for NoSessions {
    fn set_kx_hint(&self, _: ServerName<'static>, _: NamedGroup) {}

    fn kx_hint(&self, _: &ServerName<'_>) -> Option<NamedGroup> {
        enter(Phase::Tls);
        None
    }

    fn set_tls12_session(&self, _: ServerName<'static>, _: Tls12ClientSessionValue) {}

    fn tls12_session(&self, _: &ServerName<'_>) -> Option<Tls12ClientSessionValue> {
        None
    }

    fn remove_tls12_session(&self, _: &ServerName<'static>) {}

    fn insert_tls13_ticket(&self, _: ServerName<'static>, _: Tls13ClientSessionValue) {}

    fn take_tls13_ticket(&self, _: &ServerName<'static>) -> Option<Tls13ClientSessionValue> {
        None
    }
}

#[cfg(test)]
mod tests {
    use pingmon_core::dial::DialPolicy;

    use super::*;

    #[test]
    fn a_hop_is_followed_within_the_limit_to_http_and_to_permitted_addresses_only() {
        let dialer = Dialer::new(DialPolicy::open());
        let hop = |nth, next: &str| hop(&dialer, 2, nth, &Url::parse(next).unwrap());
        assert!(hop(2, "https://a.example/").is_ok());
        for (nth, next, kind) in [
            (3, "https://a.example/", "redirect_limit"),
            (1, "file:///etc/passwd", "redirect_invalid"),
            (1, "http://169.254.169.254/latest", "redirect_forbidden"),
            (1, "http://2852039166/", "redirect_forbidden"),
            (1, "http://[::ffff:a9fe:a9fe]/", "redirect_forbidden"),
        ] {
            assert_eq!(hop(nth, next).unwrap_err().outcome().evidence["error"], kind, "{next}");
        }
    }
}
