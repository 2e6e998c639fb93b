//! Whether an answer is signed, and validly so up to a trusted key. The chain of keys is fetched the way the answer was.

use std::{
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
};

use futures_util::{
    StreamExt as _,
    stream::{self, Stream},
};
use hickory_resolver::{
    net::{DnsError, DnsHandle, NetError, dnssec::DnssecDnsHandle, runtime::TokioRuntimeProvider},
    proto::{
        dnssec::{Proof, TrustAnchors},
        op::{DnsRequest, DnsRequestOptions, DnsResponse, Message},
        rr::Record,
    },
};

use super::exchange::Way;

/// Most questions about keys that one answer may cause.
const MAX_QUESTIONS: usize = 64;

/// Validates `answer`, the one to `question`.
///
/// # Errors
/// Why it isn't secure.
pub(super) async fn validate(
    way: Way,
    question: &Message,
    answer: &Message,
    anchors: &Arc<TrustAnchors>,
) -> Result<(), String> {
    let Some(query) = question.queries.first() else { return Err("nothing was asked".to_owned()) };
    let ready = DnsResponse::from_message(answer.clone()).map_err(|e| format!("it can't be validated: {e}"))?;
    let keys = Keys { way, ready: Arc::new(Mutex::new(Some(ready))), left: Arc::new(Mutex::new(MAX_QUESTIONS)) };
    let handle = DnssecDnsHandle::with_trust_anchor(keys, Arc::clone(anchors));
    let mut options = DnsRequestOptions::default();
    options.edns_set_dnssec_ok = true;
    let validated = match handle.lookup(query.clone(), options).next().await {
        Some(Ok(response)) => response.into_message(),
        Some(Err(NetError::Dns(DnsError::Nsec { proof, .. }))) => return Err(word(proof).to_owned()),
        Some(Err(error)) => return Err(format!("it can't be validated: {error}")),
        None => return Err("it can't be validated".to_owned()),
    };
    // That there is no record is proven by records about it.
    let records = if validated.answers.is_empty() { &validated.authorities } else { &validated.answers };
    let signed = |record: &&Record| !record.record_type().is_rrsig();
    match records.iter().filter(signed).map(|record| record.proof).min_by_key(|proof| *proof as u8) {
        Some(Proof::Secure) => Ok(()),
        worst => Err(word(worst.unwrap_or(Proof::Insecure)).to_owned()),
    }
}

const fn word(proof: Proof) -> &'static str {
    match proof {
        Proof::Secure => "secure",
        Proof::Insecure => "insecure: it isn't signed",
        Proof::Bogus => "bogus: a signature is missing, wrong or out of date",
        Proof::Indeterminate => "indeterminate: the chain of keys can't be followed",
    }
}

/// Answers the first question with what is there already and asks for the rest.
#[derive(Clone)]
struct Keys {
    way: Way,
    ready: Arc<Mutex<Option<DnsResponse>>>,
    left: Arc<Mutex<usize>>,
}

impl Keys {
    async fn answer(self, request: DnsRequest) -> Result<DnsResponse, NetError> {
        let ready = self.ready.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(ready) = ready {
            return Ok(ready);
        }
        let left = {
            let mut left = self.left.lock().unwrap_or_else(PoisonError::into_inner);
            let before = *left;
            *left = before.saturating_sub(1);
            before
        };
        if left == 0 {
            return Err(NetError::Msg(format!("more than {MAX_QUESTIONS} questions about keys")));
        }
        let (question, _) = request.into_parts();
        let answer = self.way.ask(&question).await.map_err(|fault| NetError::Msg(fault.to_string()))?;
        Ok(DnsResponse::from_message(answer)?)
    }
}

impl DnsHandle for Keys {
    type Response = Pin<Box<dyn Stream<Item = Result<DnsResponse, NetError>> + Send>>;
    type Runtime = TokioRuntimeProvider;

    fn send(&self, request: DnsRequest) -> Self::Response {
        Box::pin(stream::once(self.clone().answer(request)))
    }
}
