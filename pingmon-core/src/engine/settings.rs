//! What a host may set about an engine, with its limits.

use std::{collections::HashMap, time::Duration};

use crate::{
    error::{Error, Result},
    maintenance::{MAX_MAINTENANCES, Maintenance},
    notification::DEFAULT_EXPIRY,
    time::Span,
};

/// Most runs at the same time in one engine.
pub const MAX_CONCURRENCY: usize = 65_536;

/// What a host may set about an engine.
#[derive(Clone, Debug)]
pub(super) struct Settings {
    /// Most runs at the same time.
    pub(super) concurrency: usize,
    /// Most runs at the same time of one kind.
    pub(super) concurrency_of: HashMap<String, usize>,
    /// How long the session counts as alive without renewing.
    pub(super) lease: Duration,
    /// How often an engine looks for monitors to claim.
    pub(super) poll: Duration,
    /// Weight when monitors are shared out.
    pub(super) capacity: u32,
    /// Where it runs, for people.
    pub(super) host: String,
    /// Version of the program it runs in.
    pub(super) version: String,
    /// How long runs and gaps are kept.
    pub(super) keep_results: Duration,
    /// How long closed incidents and settled deliveries are kept.
    pub(super) keep_incidents: Duration,
    /// How long a delivery is tried.
    pub(super) expiry: Duration,
    /// How long runs under way may take to end when the engine stops.
    pub(super) grace: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            concurrency: 256,
            concurrency_of: HashMap::new(),
            lease: Duration::from_secs(15),
            poll: Duration::from_secs(1),
            capacity: 1,
            host: String::new(),
            version: String::new(),
            keep_results: Duration::from_secs(30 * 86_400),
            keep_incidents: Duration::from_secs(365 * 86_400),
            expiry: DEFAULT_EXPIRY,
            grace: Duration::from_secs(5),
        }
    }
}

impl Settings {
    /// Refuses what is out of range, naming it.
    pub(super) fn validate(&self) -> Result<()> {
        for (kind, limit) in &self.concurrency_of {
            count(&format!("concurrency of {kind}"), *limit)?;
        }
        count("concurrency", self.concurrency)?;
        let (century, ten_minutes) = (Duration::from_secs(100 * 366 * 86_400), Duration::from_secs(600));
        Span(self.lease).within("lease", Duration::from_secs(1)..=ten_minutes)?;
        Span(self.poll).within("poll", Duration::from_millis(10)..=Duration::from_secs(60))?;
        Span(self.keep_results).within("retention of results", Duration::from_secs(3_600)..=century)?;
        Span(self.keep_incidents).within("retention of incidents", Duration::from_secs(3_600)..=century)?;
        Span(self.expiry).within("expiry", Duration::from_secs(60)..=Duration::from_secs(31 * 86_400))?;
        Span(self.grace).within("grace", Duration::ZERO..=ten_minutes)
    }
}

/// Refuses maintenances that can't be meant, or too many.
pub(super) fn maintenances(maintenances: &[Maintenance]) -> Result<()> {
    if maintenances.len() > MAX_MAINTENANCES {
        let count = maintenances.len();
        return Err(Error::config(
            "maintenance",
            format!("{count} of them are more than {MAX_MAINTENANCES}; join some"),
        ));
    }
    maintenances.iter().try_for_each(Maintenance::validate)
}

fn count(field: &str, count: usize) -> Result<()> {
    if (1..=MAX_CONCURRENCY).contains(&count) {
        return Ok(());
    }
    Err(Error::config(field, format!("{count} is out of range: from 1 to {MAX_CONCURRENCY}")))
}
