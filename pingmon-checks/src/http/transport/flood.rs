//! Interim answers (1xx) that never end: neither hyper nor h2 counts them, and h2 keeps every one.

/// Most bytes of HTTP/1 before the final answer: the largest head, and interim ones on the way.
const MAX_BYTES: usize = 256 * 1024;
/// Most heads in HTTP/2 to one request, each of at most 64 KiB: interim ones, the final one and the trailers.
const MAX_HEADS: usize = 32;
/// The type of a frame that begins a head (RFC 9113, section 6.2).
const HEADERS: u8 = 1;

/// Counts what comes in answer to a request.
#[derive(Default)]
pub(super) enum Flood {
    /// Nothing is waited for.
    #[default]
    Quiet,
    Http1 {
        bytes: usize,
    },
    Http2(Frames),
}

/// Where reading stands in a sequence of frames.
#[derive(Default)]
pub(super) struct Frames {
    header: [u8; 9],
    /// How much of the header has come.
    known: usize,
    /// How much of the frame's payload is still to come.
    payload: usize,
    heads: usize,
}

impl Flood {
    /// A request is about to be sent: begins to count anew.
    pub(super) fn await_answer(&mut self, http2: bool) {
        match self {
            // Frames go on where they are.
            Self::Http2(frames) => frames.heads = 0,
            _ if http2 => *self = Self::Http2(Frames::default()),
            _ => *self = Self::Http1 { bytes: 0 },
        }
    }

    /// The final answer has begun.
    pub(super) fn answered(&mut self) {
        if let Self::Http1 { .. } = self {
            *self = Self::Quiet;
        }
    }

    /// Whether more came than any answer needs; asked before more is read.
    pub(super) const fn is_over(&self) -> bool {
        match self {
            Self::Quiet => false,
            Self::Http1 { bytes } => *bytes > MAX_BYTES,
            Self::Http2(frames) => frames.heads > MAX_HEADS,
        }
    }

    /// Takes in what has come.
    pub(super) fn read(&mut self, came: &[u8]) {
        match self {
            Self::Quiet => {}
            Self::Http1 { bytes } => *bytes += came.len(),
            Self::Http2(frames) => frames.read(came),
        }
    }
}

impl Frames {
    fn read(&mut self, mut came: &[u8]) {
        while !came.is_empty() {
            let skipped = self.payload.min(came.len());
            self.payload -= skipped;
            came = &came[skipped..];
            let taken = (self.header.len() - self.known).min(came.len());
            self.header[self.known..self.known + taken].copy_from_slice(&came[..taken]);
            self.known += taken;
            came = &came[taken..];
            if self.known == self.header.len() {
                let [high, middle, low, kind, ..] = self.header;
                self.payload = usize::from(high) << 16 | usize::from(middle) << 8 | usize::from(low);
                self.heads += usize::from(kind == HEADERS);
                self.known = 0;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A frame of a type with a payload of a length.
    fn frame(kind: u8, length: u8) -> Vec<u8> {
        [vec![0, 0, length, kind, 4, 0, 0, 0, 1], vec![1; usize::from(length)]].concat()
    }

    #[test]
    fn heads_are_counted_wherever_the_bytes_are_cut() {
        let bytes = [frame(4, 0), frame(1, 30), frame(0, 200), frame(1, 0), frame(9, 1)].concat();
        for piece in [1, 2, 8, 9, 10, 500] {
            let mut frames = Frames::default();
            bytes.chunks(piece).for_each(|piece| frames.read(piece));
            assert_eq!((frames.heads, frames.known, frames.payload), (2, 0, 0), "{piece}");
        }
    }

    #[test]
    fn what_is_too_much_is_counted_anew_for_each_request() {
        let head = frame(1, 5);
        let mut flood = Flood::default();
        for http2 in [false, true] {
            flood.read(&vec![0; MAX_BYTES + 1]);
            assert!(!flood.is_over());
            for _ in 0..2 {
                flood.await_answer(http2);
                assert!(!flood.is_over());
                (0..=MAX_BYTES / head.len()).for_each(|_| flood.read(&head));
                assert!(flood.is_over());
            }
            flood = Flood::default();
        }
        flood.await_answer(false);
        flood.answered();
        flood.read(&vec![0; MAX_BYTES + 1]);
        assert!(!flood.is_over());
    }
}
