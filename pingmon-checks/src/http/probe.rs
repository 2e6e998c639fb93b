//! One request and what its answer has to be: asks, judges, and explains what went wrong. Which requests a run has is
//! the business of whoever owns the probe.

use std::sync::Arc;

use hyper::{StatusCode, header::AUTHORIZATION};
use pingmon_core::{
    error::Result,
    outcome::{Outcome, Status},
    time::Timestamp,
};
use tokio::time::Instant;
use url::Url;

use super::{
    auth::oauth2::OAuth2,
    cookies::Jar,
    document::Document,
    evidence,
    exchange::{Exchange, Sender},
    expect::Expect,
    last_good::LastGood,
    redact::Redactor,
    request::{
        Plan,
        template::{REQUEST_ID, Variables},
    },
    run::Run,
    steps::capture::{Capture, Source},
    trace,
};
use crate::stopwatch::Phase;

/// A compiled request with its expectations.
pub(super) struct Probe {
    pub(super) plan: Plan,
    pub(super) sender: Sender,
    pub(super) oauth2: Option<Arc<OAuth2>>,
    pub(super) traceparent: bool,
    pub(super) redactor: Redactor,
    pub(super) expect: Expect,
    pub(super) last_good: LastGood,
}

/// What the requests of one run share.
pub(super) struct Session {
    pub(super) variables: Variables,
    pub(super) jar: Jar,
}

impl Session {
    /// What a run has that starts `now`.
    pub(super) fn new(now: Timestamp) -> Self {
        Self { variables: Variables::fresh(), jar: Jar::new(now) }
    }
}

impl Probe {
    /// Asks and judges until `deadline`; the run started `now`. Of the answer, `captures` go into the session.
    ///
    /// # Errors
    /// When the request can't be written with what the session holds.
    pub(super) async fn attempt(
        &self,
        session: &mut Session,
        captures: &[Capture],
        deadline: Instant,
        now: Timestamp,
    ) -> Result<Outcome> {
        loop {
            let mut request = self.plan.request(&session.variables)?;
            let mut kept_token = None;
            if let Some(oauth2) = &self.oauth2 {
                match oauth2.token(deadline - Instant::now(), now).await {
                    Ok(token) => {
                        request.headers.insert(AUTHORIZATION, token.header);
                        kept_token = (!token.fresh).then_some(oauth2);
                    }
                    Err(fault) => return Ok(fault.outcome().evidence("phase", "token")),
                }
            }
            let trace = self.traceparent.then(|| trace::begin(&mut request));
            let url = request.url.clone();
            let jar = std::mem::take(&mut session.jar);
            let mut run = Run::start(self.sender.transport.first_phase(&url), jar);
            let exchange = self.sender.exchange(request, &mut run, deadline - Instant::now()).await;
            // A token that was good until now may have been revoked: once more with a new one.
            if let (Some(oauth2), Exchange::Complete(answer)) = (kept_token, &exchange)
                && answer.status == StatusCode::UNAUTHORIZED
            {
                oauth2.forget();
                session.jar = run.jar;
                continue;
            }
            let mut outcome = self.conclude(exchange, &url, &run, now, captures, &mut session.variables);
            if outcome.status != Status::Up {
                let request_id = session.variables.get(REQUEST_ID).filter(|_| self.plan.varies()).map(str::to_owned);
                for (name, id) in [("request_id", request_id), ("trace_id", trace)] {
                    if let Some(id) = id {
                        outcome = outcome.evidence(name, id);
                    }
                }
            }
            session.jar = run.jar;
            return Ok(outcome);
        }
    }

    fn conclude(
        &self,
        exchange: Exchange,
        url: &Url,
        run: &Run,
        started_at: Timestamp,
        captures: &[Capture],
        variables: &mut Variables,
    ) -> Outcome {
        let phase = run.watch.current();
        let timing = run.watch.stop();
        let mut outcome = match exchange {
            _ if self.expect.invert => inverted(exchange, phase),
            Exchange::Complete(answer) => {
                let mut outcome = Outcome::up(answer.status.to_string());
                let body = Document::new(&answer);
                let now = started_at + timing.total;
                self.expect.judge(&answer, &body, now, &mut outcome);
                let source = Source { answer: &answer, body: &body, jar: &run.jar };
                captures.iter().for_each(|capture| capture.apply(&source, variables, &mut outcome));
                if outcome.status == Status::Up {
                    self.last_good.remember(&answer, now);
                    outcome
                } else {
                    let outcome = evidence::of_answer(&answer, &self.redactor, outcome);
                    self.last_good.compare(Some(&answer), &timing, outcome)
                }
            }
            Exchange::Broken { fault, answer } => {
                let outcome = fault.outcome().evidence("phase", phase.as_str());
                let outcome = self.last_good.compare(answer.as_ref(), &timing, outcome);
                match answer {
                    Some(answer) => evidence::of_answer(&answer, &self.redactor, outcome),
                    None => evidence::of_attempt(url, run, outcome),
                }
            }
        };
        if outcome.status != Status::Up {
            self.redactor.outcome(&mut outcome);
        }
        timing.stamp(outcome)
    }
}

/// The verdict on what must not be reachable. A connection that came about is one too many, whatever became of it.
fn inverted(exchange: Exchange, phase: Phase) -> Outcome {
    let (reached, actual) = match exchange {
        Exchange::Complete(answer) => (answer.address, format!("the answer {}", answer.status)),
        Exchange::Broken { fault, .. } if !fault.is_down() => return fault.outcome(),
        Exchange::Broken { fault, .. } if matches!(phase, Phase::Dns | Phase::Connect) => {
            return Outcome::up(format!("not reachable, as it should be: {fault}"));
        }
        Exchange::Broken { fault, answer } => {
            (answer.and_then(|answer| answer.address), format!("a connection, then in {}: {fault}", phase.as_str()))
        }
    };
    let mut outcome = Outcome::up("");
    outcome.fail(Status::Down, "invert", "no connection", actual);
    match reached {
        Some(address) => outcome.evidence("address", address.to_string()),
        None => outcome,
    }
}
