//! The chaos suite: many pingmon processes on one PostgreSQL while things are broken on purpose. Each scenario is a file:
//! what is broken, in full and in a cut that tests have time for, and what must hold all the same.
//!
//! Laws are judged from the logs of target and receiver and from the database, never from what an engine says of itself.
//! Figures depend on the machine: they are aims, judged in full only.

mod blackhole;
mod clocks;
mod crew;
mod dark;
mod engine;
mod failover;
mod in_process;
mod kill;
mod lost_answers;
mod million;
mod pooler;
mod restart;
mod resume;
mod snapshot;
mod stop;
mod upgrade;
mod wave;

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use clap::ValueEnum;
use fastrand::Rng;
use pingmon_core::time::{Clock as _, SystemClock};

use crate::{Result, ground::stand::Stand, report::Report};

/// How often an engine looks for monitors to claim: the default, which the config file doesn't set.
const POLL: Duration = Duration::from_secs(1);
/// How long something may take that isn't what is measured.
const PATIENCE: Duration = Duration::from_secs(120);
/// What may be due and not recorded when a scenario ends.
const SLACK: Duration = Duration::from_secs(2);

/// The scenarios.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Name {
    /// One of three engines is killed every few seconds, and started again.
    Kill,
    /// An engine is stopped (SIGSTOP) with runs in flight for longer than its lease, and goes on.
    Stop,
    /// All engines are killed, and come back after a while.
    Dark,
    /// PostgreSQL is restarted again and again as if it had crashed.
    Restart,
    /// The engines go through pgbouncer, which is killed, paused, and loses its server.
    Pooler,
    /// A standby without the last seconds takes the place of the primary.
    Failover,
    /// The way to the database swallows bytes both ways.
    Blackhole,
    /// The way to the database delivers requests and loses answers.
    LostAnswers,
    /// The wall clocks of the engines are an hour apart.
    Clocks,
    /// Very many monitors are due in the same second.
    Wave,
    /// A reader holds a snapshot of the database.
    Snapshot,
    /// Engines are restarted one after the other while monitors are edited, disabled and deleted.
    Upgrade,
    /// One engine with a no-op check: how much it can do, at what cost, and how late it is.
    Engine,
    /// A million monitors on one engine with a no-op check.
    Million,
}

/// How long a scenario is played, and how hard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Length {
    /// As long as it takes to judge figures too.
    Full,
    /// A few seconds at small rates: enough to judge the laws.
    Cut,
}

/// How a scenario is to be played.
#[derive(Clone, Debug)]
pub struct Order {
    /// The pingmon program.
    pub binary: PathBuf,
    /// How long and how hard.
    pub length: Length,
    /// How long the ordeal lasts instead of what is usual for that length.
    pub time: Option<Duration>,
    /// What chance is drawn from.
    pub seed: u64,
    /// Whether logs and databases are kept even if every law held.
    pub keep: bool,
}

/// One scenario: its measures, and how it is played.
trait Scenario: Sized {
    /// As long as it takes to judge figures too.
    const FULL: Self;
    /// As long as tests have time.
    const CUT: Self;

    /// How long the ordeal lasts.
    fn time(&mut self) -> &mut Duration;

    async fn play(&self, stand: &mut Stand, rng: &mut Rng) -> Result<Report>;
}

impl Name {
    /// Plays the scenario; answers what it found, and where its files lie, if they are kept: when that is wanted, or a
    /// law was broken.
    pub async fn play(self, order: &Order) -> (Result<Report>, Vec<PathBuf>) {
        match self {
            Self::Kill => play::<kill::Kill>(order).await,
            Self::Stop => play::<stop::Stop>(order).await,
            Self::Dark => play::<dark::Dark>(order).await,
            Self::Restart => play::<restart::Restart>(order).await,
            Self::Pooler => play::<pooler::Pooler>(order).await,
            Self::Failover => play::<failover::Failover>(order).await,
            Self::Blackhole => play::<blackhole::Blackhole>(order).await,
            Self::LostAnswers => play::<lost_answers::LostAnswers>(order).await,
            Self::Clocks => play::<clocks::Clocks>(order).await,
            Self::Wave => play::<wave::Wave>(order).await,
            Self::Snapshot => play::<snapshot::Snapshot>(order).await,
            Self::Upgrade => play::<upgrade::Upgrade>(order).await,
            Self::Engine => play::<engine::Engine>(order).await,
            Self::Million => play::<million::Million>(order).await,
        }
    }
}

async fn play<S: Scenario>(order: &Order) -> (Result<Report>, Vec<PathBuf>) {
    let mut scenario = match order.length {
        Length::Full => S::FULL,
        Length::Cut => S::CUT,
    };
    if let Some(time) = order.time {
        *scenario.time() = time;
    }
    let mut stand = match Stand::on_postgres(&order.binary).await {
        Ok(stand) => stand,
        Err(error) => return (Err(error), Vec::new()),
    };
    let report = scenario.play(&mut stand, &mut Rng::with_seed(order.seed)).await;
    let held = report.as_ref().is_ok_and(Report::held);
    (report, stand.end(order.keep || !held).await)
}

/// Now, in microseconds since 1970, as the database counts.
fn now() -> i64 {
    SystemClock.now().as_micros()
}

/// A length of time in microseconds.
fn micros(time: Duration) -> i64 {
    pingmon_core::time::micros(time)
}

/// Until when slots must be dealt with, if the scenario ended now.
fn due_by_now() -> i64 {
    now() - micros(SLACK)
}

/// Where the program lies that was built together with the running one: in the same directory, or the one above, where
/// tests lie.
///
/// # Errors
/// When it isn't there.
pub fn program_beside() -> Result<PathBuf> {
    let beside = std::env::current_exe()?;
    let directories = beside.ancestors().skip(1).take(2).map(Path::to_owned);
    let found = directories.map(|directory| directory.join("pingmon")).find(|program| program.is_file());
    found.ok_or_else(|| "there is no pingmon program beside this one: build it with `cargo build -p pingmon`".into())
}
