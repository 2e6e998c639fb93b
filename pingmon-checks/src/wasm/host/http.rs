//! `http`: requests, over the same transport as those of the `http` kind.

use tokio::time::Instant;
use wasmtime::component::Resource;

use super::{MAX_READ, Reach, Session};
use crate::{
    fault::Fault,
    http::fetch::{Asked, Fetched},
    wasm::{
        bindings::pingmon::check::{
            http::{self, Header, Request, Response},
            types,
        },
        verdict,
    },
};

/// The body of an answer, and what of it has come but wasn't read.
#[allow(unreachable_pub, reason = "generated code names it")]
pub struct Body {
    answer: Fetched,
    rest: hyper::body::Bytes,
}

impl Reach {
    /// Asks for something that is granted, on each redirect too, and brings the head of the answer.
    pub(super) async fn fetch(&self, asked: Asked, deadline: Instant) -> Result<Fetched, Fault> {
        let permit = |url: &url::Url| self.standing.grant.url(url);
        self.services()?.fetcher.fetch(asked, self.span.started_at, deadline, permit).await
    }
}

impl http::Host for Session {
    async fn fetch(&mut self, request: Request) -> wasmtime::Result<Result<Response, types::Fault>> {
        self.call()?;
        self.traffic(request.body.len())?;
        let asked = Asked {
            method: request.method,
            url: request.url,
            headers: request.headers.into_iter().map(|header| (header.name, header.value)).collect(),
            body: request.body,
            redirects: request.redirects.into(),
        };
        let answer = match self.reach.clone().fetch(asked, self.reach.span.deadline).await {
            Ok(answer) => answer,
            Err(fault) => return Ok(Err(fault.into())),
        };
        let text = |value: &[u8]| String::from_utf8_lossy(value).into_owned();
        let headers = answer.headers.iter();
        let headers = headers.map(|(name, value)| Header { name: name.to_string(), value: text(value.as_bytes()) });
        let headers: Vec<_> = headers.collect();
        self.traffic(headers.iter().map(|header| header.name.len() + header.value.len()).sum())?;
        let (status, url, phases) = (answer.status, answer.url.to_string(), verdict::phases(&answer.timing));
        let body = self.table.push(Body { answer, rest: hyper::body::Bytes::new() })?;
        Ok(Ok(Response { status, url, headers, phases, body }))
    }
}

impl http::HostBody for Session {
    async fn read(&mut self, body: Resource<Body>) -> wasmtime::Result<Result<Vec<u8>, types::Fault>> {
        self.call()?;
        let deadline = self.reach.span.deadline;
        let body = self.table.get_mut(&body)?;
        if body.rest.is_empty() {
            match body.answer.piece(deadline).await {
                Ok(piece) => body.rest = piece,
                Err(fault) => return Ok(Err(fault.into())),
            }
        }
        let piece = body.rest.split_to(body.rest.len().min(MAX_READ)).to_vec();
        self.traffic(piece.len())?;
        Ok(Ok(piece))
    }

    async fn drop(&mut self, body: Resource<Body>) -> wasmtime::Result<()> {
        self.table.delete(body)?;
        Ok(())
    }
}
