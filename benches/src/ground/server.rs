//! An HTTP server on a port of this machine that can be closed and opened again. What it answers is others' business.

use std::{
    net::{Ipv4Addr, SocketAddr},
    time::Duration,
};

use axum::Router;
use tokio::{
    net::TcpListener,
    task::JoinSet,
    time::{Instant, sleep, timeout},
};
use tokio_util::sync::CancellationToken;

use crate::Result;

/// How long requests under way may take to end when the server is closed.
const GRACE: Duration = Duration::from_millis(500);
/// How long to try to get the same port again.
const PATIENCE: Duration = Duration::from_secs(5);

pub(super) struct Server {
    pub(super) address: SocketAddr,
    router: Router,
    open: Option<(CancellationToken, JoinSet<()>)>,
}

impl Server {
    /// Listens on a free port.
    pub(super) async fn open(router: Router) -> Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let mut server = Self { address: listener.local_addr()?, router, open: None };
        server.serve(listener);
        Ok(server)
    }

    /// Closes the listener: from now on connections are refused.
    pub(super) async fn close(&mut self) {
        let Some((stop, mut serving)) = self.open.take() else { return };
        stop.cancel();
        // Connections that somebody keeps open don't keep the listener open: it is gone by now.
        let _ = timeout(GRACE, serving.join_next()).await;
    }

    /// Listens on the same port again.
    pub(super) async fn reopen(&mut self) -> Result<()> {
        let until = Instant::now() + PATIENCE;
        let listener = loop {
            match TcpListener::bind(self.address).await {
                Err(_) if Instant::now() < until => sleep(Duration::from_millis(20)).await,
                bound => break bound?,
            }
        };
        self.serve(listener);
        Ok(())
    }

    fn serve(&mut self, listener: TcpListener) {
        let stop = CancellationToken::new();
        let serve = axum::serve(listener, self.router.clone()).with_graceful_shutdown(stop.clone().cancelled_owned());
        let mut serving = JoinSet::new();
        serving.spawn(async { serve.await.unwrap_or_default() });
        self.open = Some((stop, serving));
    }
}
