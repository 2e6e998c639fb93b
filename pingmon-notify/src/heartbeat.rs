//! A sign of life to somebody who watches the watcher (a dead man's switch such as Healthchecks or a push monitor of
//! another pingmon): sent only while the engine does its work. What it is when nothing comes is the far end's business.

use std::time::Duration;

use pingmon_core::{dial::DialPolicy, engine::vitals::Vitals, error::Result, time::Span};
use secrecy::{ExposeSecret as _, SecretString};
use tokio::time::{MissedTickBehavior, interval};

use crate::{dial::Dialer, endpoint::Endpoint, request::Request};

/// How far apart signs of life may be.
const EVERY: std::ops::RangeInclusive<Duration> = Duration::from_secs(10)..=Duration::from_secs(86_400);

/// Sends signs of life.
pub struct Heartbeat {
    endpoint: Endpoint,
    every: Duration,
}

impl Heartbeat {
    /// A heartbeat that asks for `url` with GET, dialling only what `policy` permits; from 10 s to a day apart.
    ///
    /// # Errors
    /// [`Error::Config`](pingmon_core::error::Error::Config) naming `url` or `every`, or when the system's TLS roots can't be used.
    pub fn new(url: &SecretString, every: Duration, policy: &DialPolicy) -> Result<Self> {
        Span(every).within("every", EVERY)?;
        Ok(Self { endpoint: Endpoint::new(&Dialer::new(policy)?, "url", url.expose_secret())?, every })
    }

    /// Sends a sign of life each interval in which the engine whose `vitals` these are did its work: its claims were
    /// renewed, verdicts recorded, and the outbox looked into for its `channels`. Says in the log what keeps it from it.
    /// Ends only by being dropped.
    pub async fn beat(&self, vitals: impl Fn() -> Vitals, channels: usize) {
        let mut ticks = interval(self.every);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        ticks.tick().await;
        let mut earlier = vitals();
        loop {
            ticks.tick().await;
            let now = vitals();
            let stalled = now.stalled_since(&earlier, channels);
            earlier = now;
            if !stalled.is_empty() {
                tracing::warn!(reasons = stalled.join("; "), "no heartbeat: the engine doesn't do its work");
            } else if let Err(error) = self.endpoint.send(&Request::get()).await {
                tracing::warn!(error = error.chain(), "the heartbeat didn't arrive");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering::SeqCst};

    use tokio::{
        io::{AsyncReadExt as _, AsyncWriteExt as _},
        net::TcpListener,
        sync::mpsc,
    };

    use super::*;

    #[tokio::test]
    async fn a_sign_of_life_is_sent_for_each_interval_in_which_the_engine_did_its_work_and_for_no_other() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/ping/s3cr3t-token", listener.local_addr().unwrap());
        let endpoint = Endpoint::new(&Dialer::new(&DialPolicy::open()).unwrap(), "url", &url).unwrap();
        let heartbeat = Heartbeat { endpoint, every: Duration::from_millis(5) };
        let (asked, mut requests) = mpsc::unbounded_channel();
        let serve = async {
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                let mut head = vec![0; 1_024];
                let length = stream.read(&mut head).await.unwrap();
                asked.send(String::from_utf8_lossy(&head[..length]).into_owned()).unwrap();
                stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n").await.unwrap();
            }
        };
        // The session is renewed twice more, then no longer.
        let (readings, done) = (AtomicU64::new(0), tokio::sync::Notify::new());
        let vitals = || {
            let reading = readings.fetch_add(1, SeqCst);
            if reading == 10 {
                done.notify_one();
            }
            let mut vitals = Vitals::default();
            vitals.renewed = reading.min(2);
            vitals
        };
        tokio::select! {
            () = heartbeat.beat(vitals, 0) => {}
            () = serve => {}
            () = done.notified() => {}
        }
        let mut heads = Vec::new();
        while let Ok(head) = requests.try_recv() {
            heads.push(head);
        }
        assert_eq!(heads.len(), 2, "{heads:?}");
        assert!(heads[0].starts_with("GET /ping/s3cr3t-token HTTP/1.1\r\n"), "{}", heads[0]);
    }

    #[test]
    fn an_interval_out_of_range_and_a_url_that_is_none_are_refused_by_name() {
        let new = |url: &str, seconds| {
            let url = SecretString::from(url);
            Heartbeat::new(&url, Duration::from_secs(seconds), &DialPolicy::open()).err().unwrap().to_string()
        };
        assert_eq!(new("https://hc.example/x", 1), "invalid every: 1s is out of range: from 10s to 1day");
        assert!(new("hc.example", 60).starts_with("invalid url"));
    }
}
