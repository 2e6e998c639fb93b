//! A network between the store and its server that can be cut: a TCP proxy whose way is set while it runs.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{
        TcpListener, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::watch,
    task::JoinSet,
};

/// What becomes of the bytes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Way {
    Open,
    /// None arrives, in either direction.
    Silent,
    /// Requests arrive, answers don't.
    Answerless,
    /// All arrive but the answer to a COMMIT, and nothing after it on its connection.
    CommitAnswerless,
}

/// A proxy in front of one port of this machine.
pub(crate) struct Proxy {
    pub(crate) port: u16,
    way: watch::Sender<Way>,
    _accepting: JoinSet<()>,
}

impl Proxy {
    /// In front of `upstream`, on any port.
    pub(crate) async fn new(upstream: u16) -> Self {
        Self::on(0, upstream).await
    }

    /// In front of `upstream`, on `port`.
    pub(crate) async fn on(port: u16, upstream: u16) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", port)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (way, watched) = watch::channel(Way::Open);
        let mut accepting = JoinSet::new();
        accepting.spawn(accept(listener, upstream, watched));
        Self { port, way, _accepting: accepting }
    }

    pub(crate) fn set(&self, way: Way) {
        self.way.send_replace(way);
    }
}

async fn accept(listener: TcpListener, upstream: u16, way: watch::Receiver<Way>) {
    let mut connections = JoinSet::new();
    loop {
        let (client, _) = listener.accept().await.unwrap();
        let way = way.clone();
        connections.spawn(async move {
            let Ok(server) = TcpStream::connect(("127.0.0.1", upstream)).await else { return };
            let _ = client.set_nodelay(true);
            let _ = server.set_nodelay(true);
            let ((from_client, to_client), (from_server, to_server)) = (client.into_split(), server.into_split());
            let cut = Arc::new(AtomicBool::new(false));
            // Whichever side hangs up, both are.
            tokio::select! {
                () = requests(from_client, to_server, way.clone(), &cut) => {}
                () = answers(from_server, to_client, way, &cut) => {}
            }
        });
    }
}

async fn requests(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, way: watch::Receiver<Way>, cut: &AtomicBool) {
    let mut bytes = vec![0; 64 * 1024];
    while let Ok(n @ 1..) = from.read(&mut bytes).await {
        let way = *way.borrow();
        if way == Way::CommitAnswerless && bytes[..n].windows(7).any(|part| part == b"COMMIT\0") {
            cut.store(true, Ordering::SeqCst);
        }
        if way != Way::Silent && to.write_all(&bytes[..n]).await.is_err() {
            return;
        }
    }
}

async fn answers(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, way: watch::Receiver<Way>, cut: &AtomicBool) {
    let mut bytes = vec![0; 64 * 1024];
    while let Ok(n @ 1..) = from.read(&mut bytes).await {
        let lost = matches!(*way.borrow(), Way::Silent | Way::Answerless) || cut.load(Ordering::SeqCst);
        if !lost && to.write_all(&bytes[..n]).await.is_err() {
            return;
        }
    }
}
