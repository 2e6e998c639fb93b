//! One exchange: sends the request, reads the answer up to its limit, and says in which phase it broke. Judges nothing.

use std::{net::SocketAddr, time::Duration};

use reqwest::{Client, Request, Response, StatusCode, Url, header::HeaderMap};
use tokio::time::{Instant, timeout_at};

use super::{client::Run, fault};
use crate::{fault::Fault, stopwatch::Phase};

/// An answer as far as it was read.
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    /// Where the last redirect led.
    pub(super) url: Url,
    pub(super) address: Option<SocketAddr>,
    pub(super) body: Vec<u8>,
    /// Whether there was more of a body than the limit.
    pub(super) cut: bool,
}

/// How an exchange ended.
pub(super) enum Exchange {
    /// With an answer, read to its end or to the limit.
    Complete(Answer),
    /// Before that.
    Broken { fault: Fault, answer: Option<Answer> },
}

/// Sends `request` and reads at most `max_body` bytes of the answer, all within `limit`. Runs in the scope of `run`.
pub(super) async fn exchange(
    client: &Client,
    request: Request,
    run: &Run,
    max_body: usize,
    limit: Duration,
) -> Exchange {
    let deadline = Instant::now() + limit;
    let broken = |error: &reqwest::Error| fault::of(error, run.watch.current());
    let late = || Fault::timeout(run.watch.current().as_str(), limit);

    let mut response = match timeout_at(deadline, client.execute(request)).await {
        Ok(Ok(response)) => response,
        Ok(Err(error)) => return Exchange::Broken { fault: broken(&error), answer: None },
        Err(_) => return Exchange::Broken { fault: late(), answer: None },
    };
    run.watch.enter(Phase::Transfer);
    let mut answer = Answer::without_body(&mut response);
    match timeout_at(deadline, answer.read_body(&mut response, max_body)).await {
        Ok(Ok(())) => Exchange::Complete(answer),
        Ok(Err(error)) => Exchange::Broken { fault: broken(&error), answer: Some(answer) },
        Err(_) => Exchange::Broken { fault: late(), answer: Some(answer) },
    }
}

impl Answer {
    fn without_body(response: &mut Response) -> Self {
        Self {
            status: response.status(),
            url: response.url().clone(),
            address: response.remote_addr(),
            headers: std::mem::take(response.headers_mut()),
            body: Vec::new(),
            cut: false,
        }
    }

    async fn read_body(&mut self, response: &mut Response, most: usize) -> reqwest::Result<()> {
        while let Some(chunk) = response.chunk().await? {
            let room = most - self.body.len();
            self.body.extend_from_slice(&chunk[..chunk.len().min(room)]);
            if chunk.len() > room {
                self.cut = true;
                break;
            }
        }
        Ok(())
    }
}
