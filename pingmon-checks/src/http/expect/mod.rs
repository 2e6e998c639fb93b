//! What an answer has to be: compiled once from the config, then held against each answer. Every rule is judged and
//! every one that isn't met is listed; one that can't be judged isn't met.

pub(super) mod config;

mod body;
mod bounds;
pub(super) mod css;
mod header;
pub(super) mod json;
mod latency;
pub(crate) mod schema;
mod security;
mod status;
mod text;
mod text_rule;
mod tls;
mod transport;

use pingmon_core::{
    error::{Error, Result},
    outcome::Outcome,
    time::Timestamp,
};
use serde_json::Value;

use self::{
    body::BodyRule,
    header::HeaderRule,
    latency::PhaseLatencies,
    security::SecurityHeaders,
    status::{StatusRange, StatusRule},
    text_rule::TextRule,
    tls::TlsRule,
    transport::{RedirectRule, protocol},
};
use super::{answer::Answer, document::Document};
use crate::latency::Latency;

const MAX_RULES: usize = 64;
/// Most of a found value that is shown, in characters.
const MAX_SHOWN: usize = 200;

/// The compiled expectations of one check. What few have is boxed: there may be a hundred thousand.
pub(super) struct Expect {
    status: StatusRule,
    headers: Box<[HeaderRule]>,
    body: Box<[BodyRule]>,
    latency: Option<Latency>,
    phases: Option<Box<PhaseLatencies>>,
    protocol: Option<Box<TextRule>>,
    redirects: Option<Box<RedirectRule>>,
    url: Option<Box<TextRule>>,
    tls: Option<Box<TlsRule>>,
    security_headers: Option<Box<SecurityHeaders>>,
    /// Whether the target must not be reachable.
    pub(super) invert: bool,
}

/// A test that failed, in words.
struct Finding {
    test: &'static str,
    expected: String,
    actual: String,
}

impl Expect {
    /// Compiles what the config says.
    ///
    /// # Errors
    /// [`Error::Config`] naming the rule that can't be meant.
    pub(super) fn compile(config: config::Expect, redirects: usize) -> Result<Self> {
        if config.invert && !config.is_otherwise_empty() {
            return Err(Error::config("expect.invert", "nothing else can be expected of what must not be reachable"));
        }
        let default = if redirects == 0 { StatusRange::UP_TO_REDIRECT } else { StatusRange::SUCCESS };
        limit("expect.headers", config.headers.len(), MAX_RULES)?;
        limit("expect.body", config.body.len(), MAX_RULES)?;
        config.latency.iter().try_for_each(|latency| latency.validate("expect.latency"))?;
        config.phases.iter().try_for_each(PhaseLatencies::validate)?;
        config.security_headers.iter().try_for_each(SecurityHeaders::validate)?;
        let headers = config.headers.into_iter().enumerate();
        let body = config.body.into_iter().enumerate();
        Ok(Self {
            status: config.status.unwrap_or_default().or_default(default)?,
            headers: headers
                .map(|(n, rule)| HeaderRule::compile(&format!("headers[{n}]"), rule))
                .collect::<Result<_>>()?,
            body: body.map(|(n, rule)| BodyRule::compile(&format!("body[{n}]"), rule)).collect::<Result<_>>()?,
            latency: config.latency,
            phases: config.phases.map(Box::new),
            protocol: config.protocol.map(|wanted| TextRule::compile("protocol", wanted)).transpose()?.map(Box::new),
            redirects: config.redirects.map(RedirectRule::compile).transpose()?.map(Box::new),
            url: config.url.map(|wanted| TextRule::compile("url", wanted)).transpose()?.map(Box::new),
            tls: config.tls.map(TlsRule::compile).transpose()?.map(Box::new),
            security_headers: config.security_headers.map(Box::new),
            invert: config.invert,
        })
    }

    /// Holds an answer that came at `now`, and its body, against all expectations.
    pub(super) fn judge(&self, answer: &Answer, body: &Document<'_>, now: Timestamp, outcome: &mut Outcome) {
        self.status.judge(answer.status.as_u16(), outcome);
        for (n, rule) in self.headers.iter().enumerate() {
            rule.judge(n, &answer.headers, now, outcome);
        }
        self.judge_transport(answer, now, outcome);
        if let Some(security_headers) = &self.security_headers {
            security_headers.judge(answer, outcome);
        }
        for (n, rule) in self.body.iter().enumerate() {
            rule.judge(n, body, outcome);
        }
        if let Some(latency) = &self.latency {
            latency.judge(answer.timing.total, outcome);
        }
        if let Some(phases) = &self.phases {
            phases.judge(&answer.timing, outcome);
        }
    }
}

impl Expect {
    fn judge_transport(&self, answer: &Answer, now: Timestamp, outcome: &mut Outcome) {
        if let Some(rule) = &self.protocol {
            rule.judge(Ok(protocol(answer.version)), "the protocol", outcome);
        }
        if let Some(rule) = &self.redirects {
            rule.judge(answer.redirects.len(), outcome);
        }
        if let Some(rule) = &self.url {
            rule.judge(Ok(answer.url.as_str()), "the last URL", outcome);
        }
        if let Some(rule) = &self.tls {
            rule.judge(answer.tls.as_ref(), now, outcome);
        }
    }
}

fn limit(field: &str, given: usize, most: usize) -> Result<()> {
    if given > most {
        return Err(Error::config(field, format!("{given} entries are more than {most}; remove some")));
    }
    Ok(())
}

/// A found text for people, cut to what they can take in.
fn shown(text: &str) -> String {
    match text.char_indices().nth(MAX_SHOWN) {
        Some((end, _)) => format!("{:?}…", &text[..end]),
        None => format!("{text:?}"),
    }
}

/// A found value for people.
fn shown_value(value: &Value) -> String {
    match value {
        Value::String(text) => shown(text),
        other => cut(&other.to_string()),
    }
}

/// A text as it stands, cut to what people can take in.
fn cut(text: &str) -> String {
    match text.char_indices().nth(MAX_SHOWN) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod fuzz;
#[cfg(test)]
mod tests;
