//! Answers without measure: bombs, floods and silence.

use std::{future::Future, io::Write as _, time::Duration};

use pingmon_core::dial::DialPolicy;
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::{attempt, http, judge};
use crate::server::{Server, ok, read_request, send};

/// A server that answers over and over with what `next` makes.
async fn endless<F, Fut>(first: &'static str, next: F) -> Server
where
    F: Fn() -> Fut + Clone + Send + Sync + 'static,
    Fut: Future<Output = &'static [u8]> + Send,
{
    Server::start(move |mut stream| {
        let next = next.clone();
        async move {
            read_request(&mut stream).await;
            send(&mut stream, first.as_bytes()).await;
            while stream.write_all(next().await).await.is_ok() {}
        }
    })
    .await
}

fn encoded(encoding: &str, body: &[u8]) -> Vec<u8> {
    let head = format!("HTTP/1.1 200 OK\r\ncontent-encoding: {encoding}\r\ncontent-length: {}\r\n\r\n", body.len());
    [head.as_bytes(), body].concat()
}

/// 8 MiB of zeros in some KiB.
fn gzip_bomb() -> Vec<u8> {
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    (0..8).for_each(|_| gzip.write_all(&[0; 1024 * 1024]).unwrap());
    gzip.finish().unwrap()
}

/// 1 GiB of zeros in 32 KiB: a frame of run-length blocks of 128 KiB each (RFC 8878).
fn zstd_bomb() -> Vec<u8> {
    let mut frame = vec![0x28, 0xb5, 0x2f, 0xfd, 0x00, 0x38];
    for block in 0..8_192_u32 {
        let header = (131_072 << 3) | (1 << 1) | u32::from(block == 8_191);
        frame.extend_from_slice(&header.to_le_bytes()[..3]);
        frame.push(0);
    }
    frame
}

/// 8 MiB of zeros in some hundred bytes, for which the reader has to keep the largest window.
fn brotli_bomb() -> Vec<u8> {
    let mut bomb = Vec::new();
    let mut brotli = brotli::CompressorWriter::new(&mut bomb, 1024 * 1024, 2, 24);
    (0..8).for_each(|_| brotli.write_all(&[0; 1024 * 1024]).unwrap());
    drop(brotli);
    bomb
}

/// What an HTTP/2 server that was asked one thing says over and over: `:status: 103`.
async fn endless_hints() -> Server {
    Server::start(|mut stream| async move {
        let mut asked = Vec::new();
        // A frame of headers that ends stream 1.
        while !asked.windows(6).any(|bytes| bytes == b"\x01\x05\0\0\0\x01") {
            if stream.read_buf(&mut asked).await.unwrap_or(0) == 0 {
                return;
            }
        }
        send(&mut stream, b"\0\0\0\x04\0\0\0\0\0").await;
        let hint = b"\0\0\x05\x01\x04\0\0\0\x01\x08\x03103".repeat(1_000);
        while stream.write_all(&hint).await.is_ok() {}
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn interim_answers_in_http2_are_not_collected_without_end() {
    let server = endless_hints().await;
    let config = json!({ "url": server.url("/"), "http_version": "2" });
    let row = attempt("interim answers in HTTP/2", http(DialPolicy::open()), &config);
    assert_eq!(row.verdict, "down response_too_large");
    judge("interim answers in HTTP/2", &[row]);
}

#[tokio::test(flavor = "multi_thread")]
async fn no_answer_takes_more_time_or_memory_than_its_limits() {
    let wanted = json!({ "body": [{ "contains": "wanted" }] });
    let cut = |bomb: &[u8], encoding| Server::saying(encoded(encoding, bomb));
    let chain = Server::answering(|request| {
        let nth: u32 = request["GET /".len()..].split(' ').next().unwrap().parse().unwrap_or(0);
        match nth {
            31 => ok("text/plain", "wanted"),
            _ => format!("HTTP/1.1 302 Found\r\nlocation: /{}\r\ncontent-length: 0\r\n\r\n", nth + 1).into_bytes(),
        }
    })
    .await;
    let nap = || tokio::time::sleep(Duration::from_millis(5));
    let slow = move || async move {
        nap().await;
        b"a".as_slice()
    };
    let interim = move || async move {
        nap().await;
        b"HTTP/1.1 103 Early Hints\r\n\r\n".as_slice()
    };
    let hints = || async { b"HTTP/1.1 103 Early Hints\r\nlink: </a.css>\r\n\r\n".as_slice() };
    let block = || async { [b'a'; 65_536].as_slice() };
    let header = || async { b"x-spam: spam spam spam spam\r\n".as_slice() };
    let chunk = || async { b"4\r\nspam\r\n".as_slice() };
    let extension = || async { b"spamspamspamspamspamspamspamspam".as_slice() };
    let many: String = (0..10_000).map(|n| format!("x-{n}: v\r\n")).collect();
    let mut rows = Vec::new();
    for (name, server, expected) in [
        ("gzip bomb", cut(&gzip_bomb(), "gzip").await, "down expectation"),
        ("brotli bomb", cut(&brotli_bomb(), "br").await, "down expectation"),
        ("zstd bomb", cut(&zstd_bomb(), "zstd").await, "down "),
        ("endless body", endless("HTTP/1.1 200 OK\r\n\r\n", block).await, "down expectation"),
        (
            "endless chunks",
            endless("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n", chunk).await,
            "down expectation",
        ),
        (
            "endless chunk extension",
            endless("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4;", extension).await,
            "down ",
        ),
        (
            "endless trailers",
            endless("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n0\r\n", header).await,
            "down ",
        ),
        ("slow body, a byte in 5 ms", endless("HTTP/1.1 200 OK\r\n\r\n", slow).await, "down timeout"),
        ("slow header", endless("HTTP/1.1 200 OK\r\nx-slow: ", slow).await, "down timeout"),
        ("silence", endless("", || async { std::future::pending().await }).await, "down timeout"),
        ("endless headers", endless("HTTP/1.1 200 OK\r\n", header).await, "down response_too_large"),
        ("endless status line", endless("HTTP/1.1 200 ", block).await, "down "),
        ("10,000 headers", Server::saying(format!("HTTP/1.1 200 OK\r\n{many}\r\n")).await, "down response_too_large"),
        ("interim answers, one in 5 ms", endless("", interim).await, "down timeout"),
        ("interim answers without pause", endless("", hints).await, "down response_too_large"),
        (
            "a length of 2^63",
            Server::saying("HTTP/1.1 200 OK\r\ncontent-length: 9223372036854775808\r\n\r\n").await,
            "down ",
        ),
        (
            "two lengths",
            Server::saying("HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nab").await,
            "down ",
        ),
        ("31 redirects", chain, "down redirect_limit"),
    ] {
        let config = json!({ "url": server.url("/"), "max_body": 65_536, "redirects": 20, "expect": wanted });
        let row = attempt(name, http(DialPolicy::open()), &config);
        assert!(row.verdict.starts_with(expected), "{name}: {}", row.verdict);
        if name == "31 redirects" {
            assert_eq!(server.accepted(), 21);
        }
        rows.push(row);
    }
    judge("answers without measure", &rows);
}
