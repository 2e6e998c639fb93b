//! What a connection has to do besides answering: hyper's own futures, driven by whoever waits for the answer. So no
//! task outlives a run, and what a run costs is in the run.

use std::{
    future::{Future, poll_fn},
    pin::{Pin, pin},
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll},
};

use futures_util::{StreamExt as _, stream::FuturesUnordered};
use hyper::rt::Executor;

type Job = Pin<Box<dyn Future<Output = ()> + Send>>;

/// A connection's futures.
#[derive(Default)]
pub(super) struct Work {
    queue: Queue,
    running: FuturesUnordered<Job>,
}

/// Where hyper puts what it wants to have done.
#[derive(Clone, Default)]
pub(super) struct Queue(Arc<Mutex<Vec<Job>>>);

impl<F: Future<Output = ()> + Send + 'static> Executor<F> for Queue {
    fn execute(&self, job: F) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(Box::pin(job));
    }
}

impl Queue {
    fn take(&self) -> Vec<Job> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Work {
    pub(super) fn queue(&self) -> Queue {
        self.queue.clone()
    }

    /// Takes on another future.
    pub(super) fn add(&mut self, job: impl Future<Output = ()> + Send + 'static) {
        self.running.push(Box::pin(job));
    }

    /// Waits for `wanted` and does meanwhile what there is to do.
    pub(super) async fn until<F: Future>(&mut self, wanted: F) -> F::Output {
        let mut wanted = pin!(wanted);
        poll_fn(|cx| {
            let polled = wanted.as_mut().poll(cx);
            if polled.is_pending() {
                self.poll(cx);
            }
            polled
        })
        .await
    }

    /// Does what can be done without waiting.
    pub(super) async fn catch_up(&mut self) {
        poll_fn(|cx| {
            self.poll(cx);
            Poll::Ready(())
        })
        .await;
    }

    fn poll(&mut self, cx: &mut Context<'_>) {
        loop {
            let new = self.queue.take();
            let nothing_new = new.is_empty();
            self.running.extend(new);
            match self.running.poll_next_unpin(cx) {
                Poll::Ready(Some(())) => {}
                Poll::Ready(None) | Poll::Pending if nothing_new => return,
                Poll::Ready(None) | Poll::Pending => {}
            }
        }
    }
}

impl Drop for Work {
    fn drop(&mut self) {
        // A job that was never begun may hold the queue that holds it.
        drop(self.queue.take());
    }
}
