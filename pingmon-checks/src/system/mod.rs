//! The `system` kind: the host that pingmon runs on. Measures and judges one moment; "above 80 percent for five
//! minutes" is the policy's `open_after`.

mod config;
mod judge;
mod sample;
mod units;

use std::{borrow::Cow, sync::Arc};

use async_trait::async_trait;
use pingmon_core::{
    check::{Check, CheckContext, CheckKind, parse_config},
    error::{Error, Result},
    outcome::Outcome,
};
use schemars::Schema;
use serde_json::Value;
use tokio::sync::Mutex;

use crate::{
    deadline::own_limit,
    judgement::Judgement,
    system::{
        config::Config,
        sample::{FileSystem, Sample, Sampler},
    },
};

/// The `system` kind.
///
/// Its checks share the previous sample, so that use of the processors and traffic are averages since the last run
/// of any of them; only the very first run has to wait for a second sample. Runs keep to a thread of their own
/// ([`Isolation::Thread`](pingmon_core::check::Isolation)), the default, since a file system can block its reader for
/// as long as it likes. While one does, later runs wait for it, in vain but without a blocked thread each, and end as
/// unknown.
#[derive(Default)]
pub struct System {
    host: Arc<Host>,
}

impl System {
    /// A kind without a sample yet; reading starts with the first run.
    pub fn new() -> Self {
        Self::default()
    }
}

impl CheckKind for System {
    fn name(&self) -> Cow<'static, str> {
        "system".into()
    }

    fn schema(&self) -> Schema {
        schemars::schema_for!(Config)
    }

    fn build(&self, config: &Value) -> Result<Arc<dyn Check>> {
        let config = if config.is_null() { Config::default() } else { parse_config(config)? };
        config.validate()?;
        Ok(Arc::new(SystemCheck { config: config.or_everything(), host: Arc::clone(&self.host) }))
    }
}

/// What all checks of the kind read from.
#[derive(Default)]
struct Host {
    sampler: Mutex<Option<Sampler>>,
    /// Held while file systems are read, which can take for ever.
    disks: Mutex<()>,
}

impl Host {
    async fn sample(&self, processes: bool) -> Result<Sample> {
        let mut sampler = self.sampler.lock().await;
        let sampler = match &mut *sampler {
            Some(sampler) => sampler,
            none => none.insert(Sampler::new()?),
        };
        Ok(sampler.sample(processes).await)
    }

    async fn file_systems(&self) -> Result<Vec<FileSystem>> {
        let _alone = self.disks.lock().await;
        sample::file_systems()
    }
}

struct SystemCheck {
    config: Config,
    host: Arc<Host>,
}

#[async_trait]
impl Check for SystemCheck {
    async fn run(&self, cx: &CheckContext) -> Result<Outcome> {
        let stuck = |_| Error::probe("a file system or another reading of this host doesn't answer");
        tokio::time::timeout(own_limit(cx.timeout), self.measure()).await.map_err(stuck)?
    }
}

impl SystemCheck {
    async fn measure(&self) -> Result<Outcome> {
        let wanted = &self.config;
        let processes = wanted.process.as_deref().unwrap_or_default();
        let sample = self.host.sample(!processes.is_empty()).await?;
        let mut judgement = Judgement::new();
        let mut summary = Vec::new();
        if let Some(levels) = &wanted.cpu {
            summary.push(judge::cpu(&mut judgement, levels, &sample));
        }
        if let Some(levels) = &wanted.memory {
            summary.push(judge::memory(&mut judgement, levels, sample.memory));
        }
        if let Some(levels) = &wanted.swap {
            summary.push(judge::swap(&mut judgement, levels, sample.swap));
        }
        if let Some(levels) = &wanted.load {
            summary.push(judge::load(&mut judgement, levels, &sample));
        }
        if let Some(disks) = &wanted.disk {
            summary.push(judge::disk(&mut judgement, disks, &self.host.file_systems().await?));
        }
        if let Some(interfaces) = &wanted.network {
            summary.push(judge::network(&mut judgement, interfaces, &sample.interfaces));
        }
        summary.extend(processes.iter().map(|wanted| judge::process(&mut judgement, wanted, &sample.processes)));
        summary.retain(|part| !part.is_empty());
        Ok(judgement.finish(summary.join(", ")))
    }
}
