//! How many lookups may be under way: names that answer never stand in line behind names that don't.

use std::{future::Future, pin::pin, time::Duration};

use tokio::{sync::Semaphore, time::timeout};

/// Lookups under way that may still answer quickly.
const QUICK: usize = 256;
/// Lookups under way that have kept us waiting.
const SLOW: usize = 256;
/// How long a lookup counts as quick: a name server that knows the answer takes a fraction of it.
const PATIENCE: Duration = Duration::from_millis(100);

/// Two lanes. A lookup begins in the quick one and has to leave it for the slow one when it takes long; if that one is
/// full, it is broken off and begins again when there is room. So a lookup waits for others for as long as these need
/// for [`PATIENCE`], however many of them are dead, and at most `QUICK + SLOW` hold sockets.
#[derive(Debug)]
pub(super) struct Budget {
    quick: Semaphore,
    slow: Semaphore,
}

impl Budget {
    pub(super) const fn new() -> Self {
        Self { quick: Semaphore::const_new(QUICK), slow: Semaphore::const_new(SLOW) }
    }

    /// Runs a lookup when there is room for it. It is begun a second time if it has to move and can't.
    pub(super) async fn run<F: Future>(&self, lookup: impl Fn() -> F) -> F::Output {
        {
            let quick = self.quick.acquire().await;
            let mut asking = pin!(lookup());
            if let Ok(answer) = timeout(PATIENCE, &mut asking).await {
                return answer;
            }
            if let Ok(_slow) = self.slow.try_acquire() {
                drop(quick);
                return asking.await;
            }
        }
        let _slow = self.slow.acquire().await;
        lookup().await
    }
}

#[cfg(test)]
mod tests {
    use std::{future::pending, sync::Arc};

    use tokio::{
        task::JoinSet,
        time::{Instant, sleep},
    };

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_lookup_that_answers_passes_any_number_that_never_do() {
        let budget = Arc::new(Budget::new());
        let mut dead = JoinSet::new();
        for _ in 0..QUICK + 3 * SLOW {
            let budget = Arc::clone(&budget);
            dead.spawn(async move { budget.run(pending::<()>).await });
        }
        tokio::task::yield_now().await;
        let started = Instant::now();
        budget.run(|| async {}).await;
        assert!(started.elapsed() <= PATIENCE * 4, "{:?}", started.elapsed());
        // Once each has had its turn, the dead wait in the slow lane only.
        sleep(PATIENCE * 8).await;
        let started = Instant::now();
        budget.run(|| async {}).await;
        assert_eq!(started.elapsed(), Duration::ZERO);
        assert_eq!((budget.quick.available_permits(), budget.slow.available_permits()), (QUICK, 0));
        dead.shutdown().await;
        assert_eq!(budget.slow.available_permits(), SLOW);
    }

    #[tokio::test(start_paused = true)]
    async fn a_lookup_that_had_to_wait_is_begun_again_and_answers() {
        let budget = Budget::new();
        let occupied = budget.slow.try_acquire_many(u32::try_from(SLOW).unwrap()).unwrap();
        let slow = budget.run(|| async {
            sleep(PATIENCE * 2).await;
            "late"
        });
        let release = async {
            sleep(PATIENCE * 5).await;
            drop(occupied);
        };
        assert_eq!(tokio::join!(slow, release).0, "late");
    }
}
