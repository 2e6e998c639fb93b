//! A flow: requests one after the other, each a probe of its own, with values and cookies carried along and one verdict.

pub(super) mod capture;
pub(super) mod config;
mod verdict;

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use async_trait::async_trait;
use pingmon_core::{
    check::{Check, CheckContext, parse_config},
    error::{Error, Result},
    outcome::{Outcome, Status},
};
use serde_json::{Map, Value};
use tokio::time::Instant;
use url::Url;

use self::{capture::Capture, config::Step, verdict::Verdict};
use super::{
    Http,
    auth::oauth2::OAuth2,
    config::Config,
    probe::{Probe, Session},
    redact::{Named, Redactor, TAKEN_OUT},
    request::{
        self, Place,
        template::{REQUEST_ID, Variables, in_url},
    },
};
use crate::{deadline::own_limit, latency::Latency};

/// Most steps of a flow.
const MAX_STEPS: usize = 20;
/// Most values captured in a flow.
const MAX_CAPTURES: usize = 32;
/// Longest name of a step or a value, in bytes.
const MAX_NAME: usize = 64;
/// Longest URL that others are relative to, in bytes.
const MAX_BASE: usize = 8_192;
/// Most of a captured value that is shown, in characters.
const MAX_SHOWN: usize = 200;
/// What belongs to steps alone.
const OF_STEPS: [&str; 3] = ["method", "query", "body"];

/// A flow of steps.
pub(super) struct Flow {
    steps: Box<[Part]>,
    latency: Option<Latency>,
    secrets: Named,
}

/// One step.
struct Part {
    name: Box<str>,
    always: bool,
    captures: Box<[Capture]>,
    /// The names of captured values that the request can't do without.
    needs: Box<[Box<str>]>,
    probe: Probe,
}

impl Flow {
    /// Builds the flow of a monitor, whose config is given as it was written and as it was read.
    ///
    /// # Errors
    /// [`Error::Config`] naming the field that can't be meant, as in `steps[1].url`.
    pub(super) fn build(http: &Http, written: &Value, read: Config) -> Result<Self> {
        let nothing = Map::new();
        let monitor = written.as_object().unwrap_or(&nothing);
        if read.steps.len() > MAX_STEPS {
            let reason = format!("{} steps are more than {MAX_STEPS}; make two monitors of it", read.steps.len());
            return Err(Error::config("steps", reason));
        }
        if let Some(field) = OF_STEPS.iter().find(|field| monitor.contains_key(**field)) {
            return Err(Error::config(*field, "it belongs to one of the `steps`; move it there"));
        }
        let base = Variables::fresh().fill_url(&read.url, MAX_BASE).map_err(|reason| Error::config("url", reason))?;
        let base = request::url::parse(&base, None)?;
        let token = read.oauth2.as_ref().map(|config| http.oauth2(config).map(Arc::new)).transpose()?;
        let mut building =
            Building { http, monitor, base: &base, token, captured: BTreeSet::new(), names: BTreeSet::new() };
        let steps = read.steps.into_iter().enumerate().map(|(n, step)| {
            let named = |error| within(&format!("steps[{n}]"), error);
            building.part(step).map_err(named)
        });
        let steps = steps.collect::<Result<_>>()?;
        Ok(Self { steps, latency: read.expect.of_flow()?, secrets: http.secrets.clone() })
    }
}

/// A flow that is being built, as far as it has come.
struct Building<'a> {
    http: &'a Http,
    monitor: &'a Map<String, Value>,
    base: &'a Url,
    token: Option<Arc<OAuth2>>,
    captured: BTreeSet<String>,
    names: BTreeSet<String>,
}

impl Building<'_> {
    fn part(&mut self, step: Map<String, Value>) -> Result<Part> {
        let Step { own, mut request } = Step::read(self.monitor, step)?;
        validate_name("name", &own.name, "-_")?;
        if !self.names.insert(own.name.clone()) {
            return Err(Error::config("name", format!("another step is called {:?}; rename one", own.name)));
        }
        // All steps share one token and whoever fetches it.
        let token = request.remove("oauth2").and_then(|_| self.token.clone());
        let config: Config = parse_config(&Value::Object(request))?;
        let place = Place { base: self.base, captured: &self.captured };
        let mut probe = self.http.probe(config, Some(&place))?;
        probe.oauth2 = token;
        let needs = self.captured.iter().filter(|name| probe.plan.uses(name)).map(|name| name.as_str().into());
        let needs = needs.collect();
        let captures = own.capture.into_iter().map(|(name, table)| {
            let field = format!("capture.{}", name.escape_debug());
            validate_name(&field, &name, "_")?;
            self.captured.insert(name.clone());
            Capture::compile(&field, &name, table)
        });
        let captures = captures.collect::<Result<_>>()?;
        if self.captured.len() > MAX_CAPTURES {
            return Err(Error::config("capture", format!("more than {MAX_CAPTURES} values in a flow; take fewer")));
        }
        Ok(Part { name: own.name.into(), always: own.always, captures, needs, probe })
    }
}

/// Refuses a name that isn't made of letters, digits and the `others`.
fn validate_name(field: &str, name: &str, others: &str) -> Result<()> {
    let fits = |c: char| c.is_ascii_alphanumeric() || others.contains(c);
    if name.is_empty() || name.len() > MAX_NAME || !name.chars().all(fits) || name == REQUEST_ID {
        let others = others.chars().map(|c| format!(" and `{c}`")).collect::<String>();
        let reason = format!("{name:?} can't be a name; write letters, digits{others}, at most {MAX_NAME} of them");
        return Err(Error::config(field, reason));
    }
    Ok(())
}

fn within(place: &str, error: Error) -> Error {
    match error {
        Error::Config { field, reason } => Error::config(format!("{place}.{field}"), reason),
        other => other,
    }
}

#[async_trait]
impl Check for Flow {
    async fn run(&self, cx: &CheckContext) -> Result<Outcome> {
        let (started, limits) = (Instant::now(), self.limits(own_limit(cx.timeout)));
        let mut session = Session::new(cx.started_at);
        let mut verdict = Verdict::new();
        let mut skipped = Vec::new();
        for step in &self.steps {
            if !step.always && !verdict.goes_on() {
                continue;
            }
            if step.always && step.lacks(&session.variables) {
                skipped.push(Value::from(&*step.name));
                continue;
            }
            let deadline = started + if step.always { limits.always } else { limits.others };
            let now = cx.started_at + started.elapsed();
            let ended = match step.probe.attempt(&mut session, &step.captures, deadline, now).await {
                // It could be written with sample values: those of this run are the target's.
                Err(Error::Config { field, reason }) => {
                    Outcome::down(format!("{field}: {reason}")).evidence("error", "request_invalid")
                }
                ended => ended?,
            };
            verdict.add(&step.name, ended);
        }
        let mut outcome = verdict.finish(self.latency.as_ref());
        if outcome.status != Status::Up {
            self.explain(&session.variables, skipped, &mut outcome);
        }
        Ok(outcome)
    }
}

/// How long after its beginning a run ends.
struct Limits {
    always: Duration,
    others: Duration,
}

impl Flow {
    fn limits(&self, limit: Duration) -> Limits {
        let cleans_up = self.steps.iter().any(|step| step.always);
        Limits { always: limit, others: if cleans_up { limit * 4 / 5 } else { limit } }
    }

    /// Adds what was captured and what was left out, and takes captured secrets out of everything.
    fn explain(&self, variables: &Variables, skipped: Vec<Value>, outcome: &mut Outcome) {
        let captures = self.steps.iter().flat_map(|step| &step.captures);
        let captured = captures.filter_map(|capture| Some((capture, variables.get(&capture.name)?)));
        let (mut shown, mut secrets) = (Map::new(), Vec::new());
        for (capture, value) in captured {
            let seen = if capture.secret { TAKEN_OUT.to_owned() } else { value.chars().take(MAX_SHOWN).collect() };
            shown.insert(capture.name.to_string(), seen.into());
            if capture.secret {
                secrets.push(value.into());
                secrets.push(in_url(value).into_owned().into());
            }
        }
        for (name, value) in [("captured", Value::Object(shown)), ("skipped", Value::Array(skipped))] {
            let is_empty = value.as_object().is_some_and(Map::is_empty) || value.as_array().is_some_and(Vec::is_empty);
            if !is_empty {
                outcome.evidence.insert(name.to_owned(), value);
            }
        }
        Redactor::new(self.secrets.clone(), secrets).outcome(outcome);
    }
}

impl Part {
    fn lacks(&self, variables: &Variables) -> bool {
        self.needs.iter().any(|name| variables.get(name).is_none())
    }
}
