//! The bytes of a connection, and who wants to know of them: the clock, when a request has left, and whoever explains
//! what broke, since hyper doesn't pass on every cause.

use std::{
    io::{self, IoSlice},
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll},
};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::flood::Flood;
use crate::{fault::Fault, http::fault, stopwatch::Stopwatch};

/// What bytes can be read from and written to.
pub(super) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

/// A connection of whatever kind.
pub(super) type Wire = Box<dyn Stream>;

/// What is seen of a connection; a kept one serves one run after the other.
#[derive(Clone, Default)]
pub(super) struct Observer(Arc<Mutex<Seen>>);

#[derive(Default)]
struct Seen {
    /// Whose clock is told.
    clock: Option<Clock>,
    flood: Flood,
    broken: Option<Fault>,
}

struct Clock {
    watch: Arc<Stopwatch>,
    /// Whether only the next piece to leave is the request's.
    once: bool,
}

impl Observer {
    /// A request is about to be sent: tells `watch` from now on; only of the next piece if `once`.
    pub(super) fn tell(&self, watch: &Arc<Stopwatch>, once: bool, http2: bool) {
        let mut seen = self.seen();
        seen.clock = Some(Clock { watch: Arc::clone(watch), once });
        seen.flood.await_answer(http2);
    }

    /// The answer's head has come: tells nobody any more.
    pub(super) fn rest(&self) {
        let mut seen = self.seen();
        seen.clock = None;
        seen.flood.answered();
    }

    /// What broke the connection, if something did.
    pub(super) fn broken(&self) -> Option<Fault> {
        self.seen().broken.clone()
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Refuses to read more of interim answers without end.
    fn bounded(&self) -> io::Result<()> {
        let mut seen = self.seen();
        if seen.flood.is_over() {
            seen.broken = Some(Fault::down("response_too_large", "interim responses (1xx) without end"));
            return Err(io::Error::other("too many interim responses"));
        }
        Ok(())
    }

    fn read(&self, read: &Poll<io::Result<()>>, came: &[u8]) {
        match read {
            Poll::Ready(Ok(())) => self.seen().flood.read(came),
            // What the target says last, as by an alert, explains a broken write too.
            Poll::Ready(Err(error)) => self.seen().broken = Some(fault::of_wire(error)),
            Poll::Pending => {}
        }
    }

    fn wrote(&self, written: &Poll<io::Result<usize>>) {
        let mut seen = self.seen();
        match (written, &seen.clock) {
            (Poll::Pending, Some(clock)) => clock.watch.stalled(),
            (Poll::Ready(Ok(1..)), Some(clock)) => {
                clock.watch.sent();
                if clock.once {
                    seen.clock = None;
                }
            }
            (Poll::Ready(Err(error)), _) => drop(seen.broken.get_or_insert_with(|| fault::of_wire(error))),
            _ => {}
        }
    }
}

/// A connection whose writes are observed.
pub(super) struct ObservedWire {
    wire: Wire,
    observer: Observer,
}

impl ObservedWire {
    pub(super) const fn new(wire: Wire, observer: Observer) -> Self {
        Self { wire, observer }
    }
}

impl AsyncRead for ObservedWire {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, to: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        self.observer.bounded()?;
        let before = to.filled().len();
        let read = Pin::new(&mut self.wire).poll_read(cx, to);
        self.observer.read(&read, &to.filled()[before..]);
        read
    }
}

impl AsyncWrite for ObservedWire {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.wire).poll_write(cx, bytes);
        self.observer.wrote(&written);
        written
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        pieces: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.wire).poll_write_vectored(cx, pieces);
        self.observer.wrote(&written);
        written
    }

    fn is_write_vectored(&self) -> bool {
        self.wire.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.wire).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.wire).poll_shutdown(cx)
    }
}
