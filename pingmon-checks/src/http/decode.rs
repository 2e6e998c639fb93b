//! A body as it comes in: undone of its compression piece by piece and kept up to the limit, where it stops. Holds no
//! more than the limit, whatever a body unpacks to.

use std::io::{self, ErrorKind, Write};

use brotli::DecompressorWriter;
use flate2::write::{DeflateDecoder, MultiGzDecoder, ZlibDecoder};

/// What may come beyond the limit before decompression: compression can make a little body larger.
const RAW_SLACK: u64 = 64 * 1024;
const BROTLI_BUFFER: usize = 4 * 1024;

/// A body that is being read.
pub(super) struct Body {
    coding: Coding,
    /// Bytes as they came.
    pub(super) received: u64,
    most: usize,
}

enum Coding {
    Plain(Kept),
    Gzip(Box<MultiGzDecoder<Kept>>),
    /// Either zlib or bare deflate, as its first byte will tell: servers mean both by the word.
    Deflate(Kept),
    Zlib(Box<ZlibDecoder<Kept>>),
    BareDeflate(Box<DeflateDecoder<Kept>>),
    Brotli(Box<DecompressorWriter<Kept>>),
}

/// What was kept, up to the limit.
#[derive(Default)]
struct Kept {
    bytes: Vec<u8>,
    most: usize,
    cut: bool,
}

impl Write for Kept {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let room = self.most - self.bytes.len();
        self.bytes.extend_from_slice(&bytes[..bytes.len().min(room)]);
        if bytes.len() > room {
            self.cut = true;
            return Err(ErrorKind::WriteZero.into());
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Body {
    /// A body of which `most` bytes are kept. A coding that isn't known is left as it is.
    pub(super) fn new(coding: Option<&[u8]>, most: usize) -> Self {
        let kept = Kept { most, ..Kept::default() };
        let coding = match coding.map(<[u8]>::to_ascii_lowercase).as_deref() {
            Some(b"gzip" | b"x-gzip") => Coding::Gzip(Box::new(MultiGzDecoder::new(kept))),
            Some(b"deflate") => Coding::Deflate(kept),
            Some(b"br") => Coding::Brotli(Box::new(DecompressorWriter::new(kept, BROTLI_BUFFER))),
            _ => Coding::Plain(kept),
        };
        Self { coding, received: 0, most }
    }

    /// Takes in the next piece and says whether more is wanted.
    ///
    /// # Errors
    /// When it can't be decompressed.
    pub(super) fn take(&mut self, mut piece: &[u8]) -> io::Result<bool> {
        self.received += piece.len() as u64;
        self.tell_deflate(piece);
        while !piece.is_empty() {
            match self.writer().write(piece) {
                // The compressed stream has ended: what follows it is of no interest.
                Ok(0) => break,
                Ok(taken) => piece = &piece[taken..],
                Err(_) if self.kept().cut => return Ok(false),
                Err(error) => return Err(error),
            }
        }
        if self.received > 2 * self.most as u64 + RAW_SLACK {
            self.kept_mut().cut = true;
        }
        Ok(!self.kept().cut)
    }

    /// Checks that the compressed stream is whole.
    ///
    /// # Errors
    /// When it isn't.
    pub(super) fn finish(&mut self) -> io::Result<()> {
        if self.received == 0 {
            return Ok(());
        }
        let ended = match &mut self.coding {
            Coding::Plain(_) | Coding::Deflate(_) => Ok(()),
            Coding::Gzip(gzip) => gzip.try_finish(),
            Coding::Zlib(zlib) => zlib.try_finish(),
            Coding::BareDeflate(deflate) => deflate.try_finish(),
            Coding::Brotli(brotli) => brotli.close(),
        };
        if self.kept().cut { Ok(()) } else { ended }
    }

    /// What was kept, and whether there was more.
    pub(super) fn into_kept(mut self) -> (Vec<u8>, bool) {
        // Of a body that broke off, what a decoder still holds back.
        let _ = self.writer().flush();
        let kept = std::mem::take(self.kept_mut());
        (kept.bytes, kept.cut)
    }

    fn tell_deflate(&mut self, piece: &[u8]) {
        if let (Coding::Deflate(kept), Some(first)) = (&mut self.coding, piece.first()) {
            let kept = std::mem::take(kept);
            // A zlib header names the method 8 in its low half; a bare block that begins so is very rare.
            self.coding = if first & 0x0f == 8 {
                Coding::Zlib(Box::new(ZlibDecoder::new(kept)))
            } else {
                Coding::BareDeflate(Box::new(DeflateDecoder::new(kept)))
            };
        }
    }

    fn writer(&mut self) -> &mut dyn Write {
        match &mut self.coding {
            Coding::Plain(kept) | Coding::Deflate(kept) => kept,
            Coding::Gzip(gzip) => gzip,
            Coding::Zlib(zlib) => zlib,
            Coding::BareDeflate(deflate) => deflate,
            Coding::Brotli(brotli) => brotli,
        }
    }

    fn kept(&self) -> &Kept {
        match &self.coding {
            Coding::Plain(kept) | Coding::Deflate(kept) => kept,
            Coding::Gzip(gzip) => gzip.get_ref(),
            Coding::Zlib(zlib) => zlib.get_ref(),
            Coding::BareDeflate(deflate) => deflate.get_ref(),
            Coding::Brotli(brotli) => brotli.get_ref(),
        }
    }

    fn kept_mut(&mut self) -> &mut Kept {
        match &mut self.coding {
            Coding::Plain(kept) | Coding::Deflate(kept) => kept,
            Coding::Gzip(gzip) => gzip.get_mut(),
            Coding::Zlib(zlib) => zlib.get_mut(),
            Coding::BareDeflate(deflate) => deflate.get_mut(),
            Coding::Brotli(brotli) => brotli.get_mut(),
        }
    }
}

#[cfg(test)]
mod tests {
    use flate2::{
        Compression,
        write::{DeflateEncoder, GzEncoder, ZlibEncoder},
    };

    use super::*;

    fn compressed(coding: &str, text: &[u8]) -> Vec<u8> {
        let best = Compression::best();
        macro_rules! by {
            ($encoder:expr) => {{
                let mut encoder = $encoder;
                encoder.write_all(text).unwrap();
                encoder.finish().unwrap()
            }};
        }
        match coding {
            "gzip" => by!(GzEncoder::new(Vec::new(), best)),
            "zlib" => by!(ZlibEncoder::new(Vec::new(), best)),
            "deflate" => by!(DeflateEncoder::new(Vec::new(), best)),
            _ => {
                let mut bytes = Vec::new();
                brotli::CompressorWriter::new(&mut bytes, 4_096, 9, 22).write_all(text).unwrap();
                bytes
            }
        }
    }

    fn decoded(coding: &str, bytes: &[u8], most: usize, piece: usize) -> io::Result<(Vec<u8>, bool, u64)> {
        let coding = if coding == "zlib" { "deflate" } else { coding };
        let mut body = Body::new(Some(coding.as_bytes()), most);
        let more = bytes.chunks(piece).map(|piece| body.take(piece)).find(|more| !matches!(more, Ok(true)));
        if more.transpose()?.is_none() {
            body.finish()?;
        }
        let received = body.received;
        let (bytes, cut) = body.into_kept();
        Ok((bytes, cut, received))
    }

    #[test]
    fn a_body_in_each_coding_is_undone_in_pieces_of_any_size() {
        let text: Vec<u8> = (0..100_000_u32).flat_map(|n| (n % 251).to_le_bytes()).collect();
        for coding in ["gzip", "zlib", "deflate", "br"] {
            let bytes = compressed(coding, &text);
            for piece in [1, 7, 100_000] {
                let (found, cut, received) = decoded(coding, &bytes, text.len(), piece).unwrap();
                assert!(found == text && !cut && received == bytes.len() as u64, "{coding} in pieces of {piece}");
            }
        }
        assert_eq!(decoded("unheard-of", b"as it is", 100, 3).unwrap().0, b"as it is");
    }

    #[test]
    fn a_bomb_is_cut_at_the_limit_and_not_unpacked_further() {
        let zeros = vec![0; 32 * 1024 * 1024];
        for coding in ["gzip", "zlib", "deflate", "br"] {
            let bomb = compressed(coding, &zeros);
            let (found, cut, _) = decoded(coding, &bomb, 10_000, 16 * 1024).unwrap();
            assert!(cut && found.len() == 10_000, "{coding}: {}", found.len());
        }
    }

    #[test]
    fn a_stream_that_unpacks_to_nothing_for_ever_is_cut_too() {
        let nothing = compressed("gzip", b"").repeat(50_000);
        let (found, cut, received) = decoded("gzip", &nothing, 1_000, 8 * 1024).unwrap();
        assert!(cut && found.is_empty() && received < 100_000, "{received}");
    }

    #[test]
    fn what_is_not_in_its_coding_or_breaks_off_is_an_error() {
        for coding in ["gzip", "br"] {
            assert!(decoded(coding, b"\xff\xff not compressed at all", 100, 100).is_err(), "{coding}");
            let bytes = compressed(coding, b"hello hello hello hello");
            assert!(decoded(coding, &bytes[..bytes.len() - 3], 100, 100).is_err(), "{coding}");
        }
        assert_eq!(decoded("gzip", b"", 100, 1).unwrap().0, b"");
    }
}
