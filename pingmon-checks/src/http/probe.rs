//! One exchange: sends the request, reads the answer up to its limit, and says in which phase it broke. Judges nothing.

use std::time::Duration;

use reqwest::{Client, Request, Response};
use tokio::time::{Instant, timeout_at};

use super::{answer::Answer, client::Run, fault};
use crate::{fault::Fault, stopwatch::Phase};

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
    let mut answer = head(&mut response, run);
    match timeout_at(deadline, read_body(&mut answer, &mut response, max_body)).await {
        Ok(Ok(())) => Exchange::Complete(answer),
        Ok(Err(error)) => Exchange::Broken { fault: broken(&error), answer: Some(answer) },
        Err(_) => Exchange::Broken { fault: late(), answer: Some(answer) },
    }
}

fn head(response: &mut Response, run: &Run) -> Answer {
    Answer {
        status: response.status(),
        version: response.version(),
        headers: std::mem::take(response.headers_mut()),
        url: response.url().clone(),
        redirects: std::mem::take(&mut *run.followed()),
        address: response.remote_addr(),
        tls: None,
        body: Vec::new(),
        cut: false,
        received: 0,
        timing: run.watch.stop(),
    }
}

async fn read_body(answer: &mut Answer, response: &mut Response, most: usize) -> reqwest::Result<()> {
    while let Some(chunk) = response.chunk().await? {
        let room = most - answer.body.len();
        answer.received += chunk.len() as u64;
        answer.body.extend_from_slice(&chunk[..chunk.len().min(room)]);
        if chunk.len() > room {
            answer.cut = true;
            break;
        }
    }
    Ok(())
}
