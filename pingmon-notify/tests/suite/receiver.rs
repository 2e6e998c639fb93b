//! A receiver of webhooks: an HTTP server on this host that keeps what it was sent and answers as it is told.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
};

use axum::{
    Router,
    body::Bytes,
    http::{HeaderMap, Method, Uri},
    response::{IntoResponse, Response},
};
use tokio::{net::TcpListener, task::JoinSet};

/// One request as it came in.
#[derive(Clone, Debug)]
pub(crate) struct Received {
    pub(crate) method: Method,
    pub(crate) uri: Uri,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Received {
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap()
    }
}

/// Serves until it is dropped.
pub(crate) struct Receiver {
    pub(crate) address: SocketAddr,
    received: Arc<Mutex<Vec<Received>>>,
    _server: JoinSet<()>,
}

impl Receiver {
    /// Answers each request with what `answer` makes of it; `None` never answers.
    pub(crate) async fn answering<R: IntoResponse>(
        answer: impl Fn(&Received) -> Option<R> + Clone + Send + Sync + 'static,
    ) -> Self {
        let received = Arc::new(Mutex::new(Vec::new()));
        let log = Arc::clone(&received);
        let handler = move |method: Method, uri: Uri, headers: HeaderMap, body: Bytes| {
            let request = Received { method, uri, headers, body };
            let response: Option<Response> = answer(&request).map(IntoResponse::into_response);
            log.lock().unwrap_or_else(PoisonError::into_inner).push(request);
            async move {
                match response {
                    Some(response) => response,
                    None => std::future::pending().await,
                }
            }
        };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let mut server = JoinSet::new();
        server.spawn(async move { axum::serve(listener, Router::new().fallback(handler)).await.unwrap() });
        Self { address, received, _server: server }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// What has come in so far.
    pub(crate) fn received(&self) -> Vec<Received> {
        self.received.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
