//! The far end: an HTTP server that notes which notice came with which key, and the channel that posts to it.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use async_trait::async_trait;
use pingmon_core::{
    error::{Error, Result},
    notification::Notification,
    notifier::Notifier,
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    task::JoinSet,
};

/// What came: the event and its key, repeats included.
type Log = Arc<Mutex<Vec<(String, String)>>>;

pub(super) struct Receiver {
    pub(super) address: SocketAddr,
    log: Log,
    _serving: JoinSet<()>,
}

impl Receiver {
    pub(super) async fn open() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (address, log) = (listener.local_addr().unwrap(), Log::default());
        let mut serving = JoinSet::new();
        serving.spawn(serve(listener, Arc::clone(&log)));
        Self { address, log, _serving: serving }
    }

    /// What tells whether an event has come.
    pub(super) fn watch(&self) -> impl Fn(&str) -> bool + Clone + Send + Sync + 'static {
        let log = Arc::clone(&self.log);
        move |event| log.lock().unwrap().iter().any(|(came, _)| came == event)
    }

    /// The keys that came with an event, in their order.
    pub(super) fn keys(&self, event: &str) -> Vec<String> {
        let log = self.log.lock().unwrap();
        log.iter().filter(|(came, _)| came == event).map(|(_, key)| key.clone()).collect()
    }
}

async fn serve(listener: TcpListener, log: Log) {
    loop {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            match stream.read_u8().await {
                Ok(byte) => head.push(byte),
                Err(_) => break,
            }
        }
        let head = String::from_utf8(head).unwrap();
        let field = |name: &str| head.lines().find_map(|line| line.strip_prefix(name)).map(str::to_owned);
        if let (Some(event), Some(key)) = (field("event: "), field("idempotency-key: ")) {
            log.lock().unwrap().push((event, key));
        }
        // Whoever asked may have been killed.
        let _ = stream.write_all(b"HTTP/1.1 204 No Content\r\nconnection: close\r\n\r\n").await;
    }
}

/// A channel that posts notices to a receiver.
#[derive(Clone, Copy)]
pub(super) struct Post(pub(super) SocketAddr);

impl Post {
    async fn post(self, notice: &Notification) -> std::io::Result<String> {
        let (event, key) = (notice.event, notice.id);
        let mut stream = TcpStream::connect(self.0).await?;
        let head = format!("POST / HTTP/1.1\r\nhost: x\r\nevent: {event}\r\nidempotency-key: {key}\r\n\r\n");
        stream.write_all(head.as_bytes()).await?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await?;
        Ok(answer)
    }
}

#[async_trait]
impl Notifier for Post {
    async fn send(&self, notice: &Notification) -> Result<()> {
        match self.post(notice).await {
            Ok(answer) if answer.starts_with("HTTP/1.1 204 ") => Ok(()),
            other => Err(Error::Delivery { reason: format!("{other:?}"), retryable: true, retry_after: None }),
        }
    }
}
