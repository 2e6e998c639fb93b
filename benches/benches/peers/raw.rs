//! The raw limit: a socket, hyper and rustls with nothing around them.

use std::sync::Arc;

use http_body_util::{BodyExt as _, Empty};
use hyper::{Request, body::Bytes, client::conn::http1};
use hyper_util::rt::TokioIo;
use pingmon_core::tls;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
};
use tokio_rustls::TlsConnector;

pub(crate) async fn tcp(host: &str, port: u16) {
    TcpStream::connect((host, port)).await.unwrap();
}

pub(crate) async fn http(host: &str, port: u16) {
    exchange(TcpStream::connect((host, port)).await.unwrap(), host).await;
}

/// A full handshake for each probe, against the system's roots: what a check does.
pub(crate) fn connector() -> TlsConnector {
    TlsConnector::from(Arc::new(tls::client_config().unwrap()))
}

pub(crate) async fn https(connector: &TlsConnector, host: &str, port: u16) {
    let stream = TcpStream::connect((host, port)).await.unwrap();
    let name = host.to_owned().try_into().unwrap();
    exchange(connector.connect(name, stream).await.unwrap(), host).await;
}

async fn exchange(stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static, host: &str) {
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.unwrap();
    let request = Request::get("/health").header("host", host).body(Empty::<Bytes>::new()).unwrap();
    let answered = async {
        let response = sender.send_request(request).await.unwrap();
        assert!(response.status().is_success());
        let body = response.into_body().collect().await.unwrap().to_bytes();
        assert!(body.len() > 1_000);
    };
    // nginx closes first; how it does is no matter.
    let (_, ()) = tokio::join!(connection, answered);
}
