//! A notifier of one's own: a pager whose line is busy at first. An outage is provoked, confirmed, announced and ended.
//!
//! ```sh
//! cargo run -p pingmon-examples --bin custom_notifier
//! ```
//! It ends by itself after the recovery was announced.
#![allow(clippy::print_stdout, reason = "a program that tells people what it does")]

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU32, Ordering::Relaxed},
    },
    time::Duration,
};

use async_trait::async_trait;
use pingmon_core::{
    check,
    engine::Engine,
    error::{Error, Result},
    incident::Event,
    monitor::Definition,
    notification::Notification,
    notifier::Notifier,
    outcome::Outcome,
    policy::{Policy, Threshold},
};
use pingmon_examples::Failure;
use pingmon_store::memory::MemoryStore;
use tokio::sync::watch;

/// Where notices go. It only hands one over and says what became of it: queueing, retries, order and expiry are the
/// engine's dispatcher's business, and survive restarts with a store that does.
struct Pager {
    calls: AtomicU32,
    paged: watch::Sender<Option<Event>>,
}

#[async_trait]
impl Notifier for Pager {
    async fn send(&self, notification: &Notification) -> Result<()> {
        if self.calls.fetch_add(1, Relaxed) == 0 {
            println!("attempt {} failed: the line is busy", notification.id);
            // Worth another attempt; the engine backs off first, or waits as long as the far end asks for.
            let reason = "the line is busy".to_owned();
            return Err(Error::Delivery { reason, retryable: true, retry_after: None });
        }
        // A repeat bears the same id: that is how a receiver tells.
        println!("attempt {} {}: {}", notification.id, notification.event, notification.headline());
        self.paged.send_replace(Some(notification.event));
        Ok(())
    }
}

#[tokio::main]
async fn main() -> Result<(), Failure> {
    // The target: a switch that this program turns off and on.
    let works = Arc::new(AtomicBool::new(true));
    let switch = Arc::clone(&works);
    let lamp = check::from_fn("lamp", move |_| {
        let works = switch.load(Relaxed);
        async move { Ok(if works { Outcome::up("it burns") } else { Outcome::down("it is dark") }) }
    });

    // Two failures in a row open an incident, one success resolves it; those who are named are told.
    let (paged, mut pages) = watch::channel(None);
    let pager = Arc::new(Pager { calls: AtomicU32::new(0), paged });
    let mut policy = Policy::default();
    policy.open_after = Threshold::Count(2);
    policy.close_after = Threshold::Count(1);
    let engine = Engine::builder(Arc::new(MemoryStore::new()))
        .kind(lamp.cooperative())
        .notifier("pager", pager)
        .monitor(Definition::new("lighthouse", "lamp").every(Duration::from_secs(1)).policy(policy).notify(["pager"]))
        .poll(Duration::from_millis(100))
        .build()?;

    // The engine stops when the story is over.
    let story = async {
        println!("the lamp goes out");
        works.store(false, Relaxed);
        let opened = pages.wait_for(|page| *page == Some(Event::Opened)).await.is_ok();
        println!("the lamp is lit again");
        works.store(true, Relaxed);
        assert!(opened && pages.wait_for(|page| *page == Some(Event::Resolved)).await.is_ok(), "the pager has gone");
    };
    let summary = engine.run(story).await?;
    println!("{summary}");
    Ok(())
}
