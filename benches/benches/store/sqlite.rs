//! What a store takes for its busiest calls, on a file with synchronous = FULL as a service runs it: completing runs in
//! batches, claiming, reading a page of results, and starting with many monitors.

use std::{
    borrow::Cow,
    cell::LazyCell,
    hint::black_box,
    time::{Duration, Instant},
};

use criterion::{BenchmarkId, Criterion, Throughput};
use pingmon_core::{
    id::SessionId,
    store::{
        catalog::Catalog as _,
        claims::{Claim, Claims as _, SessionInfo, Verdict},
        history::History as _,
    },
};
use pingmon_store::sqlite::SqliteStore;
use tempfile::TempDir;
use tokio::runtime::Runtime;

use crate::work::{EVERY, KIND, LEASE, MONITORS, definitions, run};

struct Bench {
    store: SqliteStore,
    session: SessionId,
    _directory: TempDir,
}

impl Bench {
    async fn new(monitors: usize) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let store =
            SqliteStore::open(&format!("sqlite:{}", directory.path().join("bench.db").display())).await.unwrap();
        store.put(definitions(monitors)).await.unwrap();
        let session = SessionId::new();
        store.renew(&SessionInfo::new(session, "bench", "0", 1), LEASE).await.unwrap();
        Self { store, session, _directory: directory }
    }

    async fn claim(&self, limit: usize) -> Vec<Claim> {
        self.store.claim(self.session, &[Cow::Borrowed(KIND)], limit).await.unwrap()
    }

    async fn claim_all(&self, limit: usize) -> Vec<Claim> {
        let mut all = Vec::with_capacity(MONITORS);
        loop {
            let claims = self.claim(limit).await;
            if claims.is_empty() {
                return all;
            }
            all.extend(claims);
        }
    }

    async fn release(&self, claims: &[Claim]) {
        let monitors: Vec<_> = claims.iter().map(|claim| claim.monitor.id).collect();
        self.store.release(self.session, &monitors).await.unwrap();
    }

    /// Runs the next slot of these monitors.
    async fn complete(&self, claims: &mut [Claim]) {
        let batch: Vec<_> = claims.iter().map(run).collect();
        let verdicts = self.store.complete(self.session, &batch).await.unwrap();
        assert!(verdicts.iter().all(|verdict| *verdict == Verdict::Accepted));
        claims.iter_mut().for_each(|claim| claim.slot = claim.slot + EVERY);
    }
}

/// Batches wander over all monitors, as slots spread over time do.
fn complete(c: &mut Criterion, runtime: &Runtime) {
    let mut held = LazyCell::new(|| {
        let bench = runtime.block_on(Bench::new(MONITORS));
        let mut claims = runtime.block_on(bench.claim_all(5_000));
        fastrand::Rng::with_seed(7).shuffle(&mut claims);
        (bench, claims)
    });
    let mut group = c.benchmark_group("sqlite/complete");
    for size in [1, 50, 200, 1_000] {
        group.throughput(Throughput::Elements(size as u64));
        group.bench_function(BenchmarkId::from_parameter(size), |b| {
            let (bench, claims) = &mut *held;
            let mut at = 0;
            b.iter(|| {
                at = if at + size > claims.len() { 0 } else { at };
                runtime.block_on(bench.complete(&mut claims[at..at + size]));
                at += size;
            });
        });
    }
    group.finish();
}

/// Claim, complete and give back in batches: what the figure of other stores counts as one unit.
fn claim_and_complete(c: &mut Criterion, runtime: &Runtime) {
    let mut group = c.benchmark_group("sqlite/claim+complete+release");
    group.throughput(Throughput::Elements(500));
    group.bench_function("500", |b| {
        let bench = runtime.block_on(Bench::new(MONITORS));
        b.iter(|| {
            runtime.block_on(async {
                let mut claims = bench.claim(500).await;
                bench.complete(&mut claims).await;
                bench.release(&claims).await;
            });
        });
    });
    group.finish();
}

fn claim(c: &mut Criterion, runtime: &Runtime) {
    let bench = LazyCell::new(|| runtime.block_on(Bench::new(MONITORS)));
    let mut group = c.benchmark_group("sqlite/claim of 100,000 free");
    for size in [1, 1_000, 5_000] {
        group.throughput(Throughput::Elements(size as u64));
        group.bench_function(BenchmarkId::from_parameter(size), |b| {
            b.iter_custom(|rounds| {
                let mut taken = Duration::ZERO;
                for _ in 0..rounds {
                    let begun = Instant::now();
                    let claims = runtime.block_on(bench.claim(size));
                    taken += begun.elapsed();
                    runtime.block_on(bench.release(&claims));
                }
                taken
            });
        });
    }
    group.finish();
}

/// 1,000 monitors with 1,000 runs each.
fn read(c: &mut Criterion, runtime: &Runtime) {
    c.bench_function("sqlite/latest 100 of one monitor at 1 M rows", |b| {
        let bench = runtime.block_on(Bench::new(1_000));
        let mut claims = runtime.block_on(bench.claim_all(1_000));
        for _ in 0..1_000 {
            runtime.block_on(bench.complete(&mut claims));
        }
        let mut random = fastrand::Rng::with_seed(7);
        b.iter(|| {
            let monitor = claims[random.usize(..claims.len())].monitor.id;
            black_box(runtime.block_on(bench.store.records(monitor, None, 100)).unwrap());
        });
    });
}

/// Opens an empty file, defines 100,000 monitors in one call and claims them all.
fn start(c: &mut Criterion, runtime: &Runtime) {
    let mut group = c.benchmark_group("sqlite/start with 100,000 monitors");
    group.sample_size(10);
    group.bench_function("open+put", |b| b.iter(|| runtime.block_on(Bench::new(MONITORS)).session));
    for size in [1_000, 5_000] {
        group.bench_function(format!("open+put+claim in {size}s"), |b| {
            b.iter(|| {
                runtime.block_on(async {
                    let bench = Bench::new(MONITORS).await;
                    assert_eq!(bench.claim_all(size).await.len(), MONITORS);
                });
            });
        });
    }
    group.finish();
}

pub(crate) fn all(c: &mut Criterion) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    start(c, &runtime);
    claim(c, &runtime);
    complete(c, &runtime);
    claim_and_complete(c, &runtime);
    read(c, &runtime);
}
