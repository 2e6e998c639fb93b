//! Long random interleavings of everything that workers, people and time do to a store, each step compared with a plain
//! model of what must come of it. A failure is shrunk to the shortest story that still fails.

mod model;
mod moves;
mod story;
mod view;

use std::sync::atomic::Ordering;

use proptest::test_runner::{Config, RngSeed, TestRunner};
use proptest_state_machine::ReferenceStateMachine;
use tokio::runtime;

use self::{model::Model, moves::Move, story::Story};
use super::{Harness, fixture::Fixture};

/// Most moves in one story.
const MOVES: usize = 60;

/// Runs stories on fresh stores, an eighth of `PROPTEST_CASES` (32 unless set): each is some 40 cases by itself.
///
/// # Panics
/// When a store and the model differ; the message has the shortest such story and the seed.
pub fn check<H: Harness>(fresh: impl AsyncFn() -> H) {
    let mut config = Config { failure_persistence: None, ..Config::default() };
    config.cases = (config.cases / 8).max(1);
    if config.rng_seed == RngSeed::Random {
        config.rng_seed = RngSeed::Fixed(fastrand::u64(..));
    }
    let seed = config.rng_seed;
    let runtime = runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let outcome = TestRunner::new(config).run(&Model::sequential_strategy(1..=MOVES), |(model, moves, seen)| {
        let moves = moves.into_iter().inspect(|_| {
            // Tells the strategy how far the story came, so that what wasn't seen is cut off first.
            if let Some(seen) = &seen {
                seen.fetch_add(1, Ordering::SeqCst);
            }
        });
        runtime.block_on(async {
            tell(Story::new(Fixture::new(fresh().await)).await, model, moves).await;
        });
        Ok(())
    });
    if let Err(failure) = outcome {
        panic!("{failure}\nto see it again: PROPTEST_RNG_SEED={seed}");
    }
}

/// Goes through one story, comparing answers and state after each move.
async fn tell(mut story: Story, mut model: Model, moves: impl Iterator<Item = Move>) {
    for next in moves {
        model = Model::apply(model, &next);
        let answer = story.make(next, &model).await;
        assert_eq!(answer, model.answer, "the answer to {next:?}");
        let view = story.view(&model).await;
        assert_eq!(view, model.view(), "after {next:?}");
        for (n, monitor) in &view.monitors {
            monitor.assert_line_is_whole(model.resumed(*n));
            monitor.assert_incidents_alternate();
        }
    }
}
