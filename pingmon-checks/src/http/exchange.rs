//! One exchange: sends a request, answers a challenge, follows redirects and reads the answer up to its limit, and says
//! in which phase it broke. Judges nothing.

use std::time::Duration;

use hyper::{
    StatusCode,
    header::{AUTHORIZATION, CONTENT_ENCODING, COOKIE, HeaderValue},
    http::response::Parts,
};
use tokio::time::{Instant, timeout_at};
use url::Url;

use super::{
    answer::{Answer, Redirect},
    auth::digest::Digest,
    decode::Body,
    redirect,
    request::Outgoing,
    run::{Run, fresh_id},
    transport::{
        Transport,
        connection::{Facts, Response},
    },
};
use crate::{fault::Fault, stopwatch::Phase};

/// What sends requests and brings answers.
pub(super) struct Sender {
    pub(super) transport: Transport,
    pub(super) digest: Option<Digest>,
    /// Most redirects to follow.
    pub(super) redirects: usize,
    /// Most bytes of a body to keep.
    pub(super) max_body: usize,
}

/// How an exchange ended.
pub(super) enum Exchange {
    /// With an answer, read to its end or to the limit.
    Complete(Answer),
    /// Before that.
    Broken { fault: Fault, answer: Option<Answer> },
}

/// An answer that is being read.
struct Reading {
    head: Parts,
    url: Url,
    facts: Facts,
    body: Body,
}

impl Sender {
    /// Sends `request` and brings the answer, all within `limit`.
    pub(super) async fn exchange(&self, request: Outgoing, run: &mut Run, limit: Duration) -> Exchange {
        let deadline = Instant::now() + limit;
        let mut reading = None;
        let ended = timeout_at(deadline, self.answer(request, run, &mut reading)).await;
        let ended = ended.unwrap_or_else(|_| Err(late(run, limit)));
        let answer = reading.map(|reading| reading.finish(run));
        match (ended, answer) {
            (Ok(()), Some(answer)) => Exchange::Complete(answer),
            (Ok(()), None) => {
                Exchange::Broken { fault: Fault::unknown("request_invalid", "nothing was asked"), answer: None }
            }
            (Err(fault), answer) => Exchange::Broken { fault, answer },
        }
    }

    async fn answer(&self, first: Outgoing, run: &mut Run, reading: &mut Option<Reading>) -> Result<(), Fault> {
        let home = first.url.origin();
        let mut request = first;
        let mut authorization = None;
        loop {
            let at_home = request.url.origin() == home;
            let sent = complete(&request, authorization.as_ref(), run);
            let response = self.transport.send(&sent, at_home, run).await?;
            run.jar.store(&request.url, &response.head.headers);
            if authorization.is_none() && at_home {
                authorization = self.meet_challenge(&response.head, &request);
                if authorization.is_some() {
                    continue;
                }
            }
            let (status, headers) = (response.head.status, &response.head.headers);
            let followed = run.redirects.len();
            let next = redirect::next(&request, status, headers, followed, self.redirects, &self.transport.dialer)?;
            let Some(next) = next else {
                return self.read(response, request.url, run, reading).await;
            };
            run.redirects.push(Redirect { status, from: request.url, to: next.url.clone() });
            request = next;
            authorization = None;
        }
    }

    fn meet_challenge(&self, head: &Parts, request: &Outgoing) -> Option<HeaderValue> {
        let digest = self.digest.as_ref().filter(|_| head.status == StatusCode::UNAUTHORIZED)?;
        digest.answer(&head.headers, request, &fresh_id().simple().to_string())
    }

    async fn read(
        &self,
        mut response: Response,
        url: Url,
        run: &Run,
        reading: &mut Option<Reading>,
    ) -> Result<(), Fault> {
        run.watch.enter(Phase::Transfer);
        let coding = response.head.headers.get(CONTENT_ENCODING).map(HeaderValue::as_bytes);
        let body = Body::new(coding, self.max_body);
        let head = std::mem::replace(&mut response.head, hyper::Response::new(()).into_parts().0);
        let facts = response.facts().clone();
        let body = &mut reading.insert(Reading { head, url: url.clone(), facts, body }).body;
        while let Some(frame) = response.piece().await {
            let frame = frame?;
            let Some(piece) = frame.data_ref() else { continue };
            if !body.take(piece).map_err(|error| undecodable(&error))? {
                return Ok(());
            }
        }
        body.finish().map_err(|error| undecodable(&error))?;
        self.transport.keep(&url, response);
        Ok(())
    }
}

pub(super) fn late(run: &Run, limit: Duration) -> Fault {
    if run.dialling_proxy {
        return Fault::unknown("proxy_failed", format!("the proxy couldn't be reached within {limit:?}"));
    }
    Fault::timeout(run.watch.current().as_str(), limit)
}

fn undecodable(error: &std::io::Error) -> Fault {
    Fault::down("invalid_body", format!("the body can't be decompressed: {error}"))
}

/// A request with what this run adds to it.
fn complete(request: &Outgoing, authorization: Option<&HeaderValue>, run: &Run) -> Outgoing {
    let mut sent = request.clone();
    if let Some(value) = authorization {
        sent.headers.insert(AUTHORIZATION, value.clone());
    }
    if let Some(cookies) = run.jar.header(&request.url) {
        // Cookies that are written in the config come first; all go into one line.
        let own = sent.headers.get(COOKIE).map(|own| [own.as_bytes(), b"; ", cookies.as_bytes()].concat());
        let mut all = own.and_then(|all| HeaderValue::from_bytes(&all).ok()).unwrap_or(cookies);
        all.set_sensitive(true);
        sent.headers.insert(COOKIE, all);
    }
    sent
}

impl Reading {
    fn finish(self, run: &mut Run) -> Answer {
        let received = self.body.received;
        let (body, cut) = self.body.into_kept();
        Answer {
            status: self.head.status,
            version: self.head.version,
            headers: self.head.headers,
            url: self.url,
            redirects: std::mem::take(&mut run.redirects),
            address: self.facts.address,
            tls: self.facts.tls,
            body,
            cut,
            received,
            timing: run.watch.stop(),
        }
    }
}
