//! `wasi:http`: requests of those who know no other way, such as libraries of a language. They take the same road as those
//! of `http`: the grant, the dial policy, the transport, the limits and the deadline. Follows no redirect: whoever asks
//! does, by another request.

use http_body_util::{BodyExt as _, Limited, StreamBody};
use hyper::{HeaderMap, Request, Response, body::Frame, header::CONTENT_LENGTH};
use tokio::time::{Instant, timeout_at};
use wasmtime_wasi_http::{Error, RequestOptions, WasiBody, WasiHttpCtxView, WasiHttpHooks, WasiHttpView};

use super::{MAX_READ, Reach, Session};
use crate::{
    fault::Fault,
    http::fetch::{Asked, Fetched},
    wasm::limits::{Budget, Halt},
};

/// Sends what a run asks for by `wasi:http`.
pub(super) struct Sender {
    pub(super) reach: Reach,
    pub(super) budget: Budget,
}

type Ended = Box<dyn Future<Output = Result<(), Error>> + Send>;
type Answered = Result<(Response<WasiBody>, Ended), Error>;

impl WasiHttpView for Session {
    fn http(&mut self) -> WasiHttpCtxView<'_> {
        WasiHttpCtxView { hooks: &mut self.sender, table: &mut self.table, ctx: &mut self.http }
    }
}

impl WasiHttpHooks for Sender {
    fn send_request(
        &mut self,
        request: Request<WasiBody>,
        options: Option<RequestOptions>,
        _: Ended,
    ) -> Box<dyn Future<Output = Answered> + Send> {
        let (reach, budget) = (self.reach.clone(), self.budget.clone());
        let wait = options.and_then(|options| options.first_byte_timeout);
        let by = wait.and_then(|wait| Instant::now().checked_add(wait));
        let deadline = by.map_or(reach.span.deadline, |by| by.min(reach.span.deadline));
        Box::new(async move {
            let answer = send(reach, budget, request, deadline).await?;
            // The connection ends with the body: there is nothing else to wait for.
            let ended: Ended = Box::new(std::future::ready(Ok(())));
            Ok((answer, ended))
        })
    }

    fn set_host_header(&mut self) -> bool {
        // The transport sets it.
        false
    }

    fn p2_outgoing_body_chunk_size(&mut self) -> usize {
        MAX_READ
    }
}

async fn send(
    reach: Reach,
    budget: Budget,
    request: Request<WasiBody>,
    deadline: Instant,
) -> Result<Response<WasiBody>, Error> {
    budget.call().map_err(too_much)?;
    let (head, body) = request.into_parts();
    let whole = timeout_at(deadline, Limited::new(body, budget.left()).collect()).await;
    let whole = whole.map_err(|_| Error::ConnectionWriteTimeout)?;
    let body = whole.map_err(|_| Error::HttpRequestBodySize(None))?.to_bytes();
    budget.traffic(body.len()).map_err(too_much)?;
    let asked = Asked {
        method: head.method.to_string(),
        url: head.uri.to_string(),
        headers: texts(&head.headers)?,
        body: body.into(),
        redirects: 0,
    };
    let answer = reach.fetch(asked, deadline).await.map_err(|fault| code(&fault))?;
    let mut response = Response::new(());
    *response.status_mut() = answer.status.try_into().map_err(|_| Error::HttpProtocolError)?;
    *response.headers_mut() = answer.headers.clone();
    budget
        .traffic(response.headers().iter().map(|(name, value)| name.as_str().len() + value.len()).sum())
        .map_err(too_much)?;
    Ok(response.map(|()| stream(answer, budget, reach.span.deadline)))
}

/// The body of an answer as it comes.
fn stream(answer: Fetched, budget: Budget, deadline: Instant) -> WasiBody {
    let pieces = futures_util::stream::try_unfold(answer, move |mut answer| {
        let budget = budget.clone();
        async move {
            let piece = answer.piece(deadline).await.map_err(|fault| code(&fault))?;
            budget.traffic(piece.len()).map_err(too_much)?;
            Ok((!piece.is_empty()).then(|| (Frame::data(piece), answer)))
        }
    });
    StreamBody::new(pieces).boxed_unsync()
}

fn texts(headers: &HeaderMap) -> Result<Vec<(String, String)>, Error> {
    // Its length is the transport's business, and was held against the body.
    let theirs = headers.iter().filter(|(name, _)| *name != CONTENT_LENGTH);
    let text = |value: &hyper::header::HeaderValue| value.to_str().map(str::to_owned);
    let read = theirs.map(|(name, value)| Ok((name.to_string(), text(value)?)));
    let read: Result<_, hyper::header::ToStrError> = read.collect();
    read.map_err(|_| Error::InternalError(Some("a header isn't text".to_owned())))
}

/// What wasi:http has for a fault; where it has no word, ours.
fn code(fault: &Fault) -> Error {
    tracing::debug!(kind = fault.kind(), "a request by wasi:http failed: {fault}");
    match fault.kind() {
        "not_granted" => Error::HttpRequestDenied,
        "dial_forbidden" => Error::DestinationIpProhibited,
        "dns_not_found" => Error::DestinationNotFound,
        "dns_timeout" => Error::DnsTimeout,
        "connect_refused" => Error::ConnectionRefused,
        "connection_reset" | "connection_closed" => Error::ConnectionTerminated,
        "timeout" | "connect_timeout" => Error::ConnectionTimeout,
        _ => Error::InternalError(Some(fault.to_string())),
    }
}

fn too_much(halt: Halt) -> Error {
    Error::InternalError(Some(format!("the plug-in was stopped: {halt}")))
}
