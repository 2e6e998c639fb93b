//! A body as expectations see it: as text in its charset, as JSON, as XML, as a page, each worked out once and only when
//! asked for.

use std::{
    borrow::Cow,
    cell::OnceCell,
    time::{Duration, Instant},
};

use encoding_rs::{Encoding, UTF_8};
use html5ever::{
    driver,
    tendril::{StrTendril, TendrilSink as _},
};
use hyper::header::{CONTENT_TYPE, HeaderMap};
use scraper::{Html, HtmlTreeSink};
use serde_json::Value;

use super::answer::Answer;

/// Most nodes of an XML document.
const MAX_NODES: u32 = 1_000_000;
/// Most time for taking a page apart. Pages that are nested absurdly deep take time that grows with the square of their
/// length.
const MAX_PARSING: Duration = Duration::from_millis(250);
/// How much of a page is taken apart between two looks at the clock, in bytes.
const PIECE: usize = 4 * 1024;

/// The body of an answer.
pub(super) struct Document<'a> {
    bytes: &'a [u8],
    /// Whether there was more than was read.
    pub(super) cut: bool,
    charset: Option<String>,
    text: OnceCell<Result<Cow<'a, str>, String>>,
    json: OnceCell<Result<Value, String>>,
    html: OnceCell<Result<Html, String>>,
}

impl<'a> Document<'a> {
    pub(super) fn new(answer: &'a Answer) -> Self {
        Self {
            bytes: &answer.body,
            cut: answer.cut,
            charset: charset(&answer.headers),
            text: OnceCell::new(),
            json: OnceCell::new(),
            html: OnceCell::new(),
        }
    }

    /// Bytes that were read.
    pub(super) const fn len(&self) -> usize {
        self.bytes.len()
    }

    /// The body as text in the charset it says it has, UTF-8 unless it says so.
    ///
    /// # Errors
    /// Why it isn't text, in words.
    pub(super) fn text(&self) -> Result<&str, &str> {
        let text = self.text.get_or_init(|| decode(self.bytes, self.charset.as_deref(), self.cut));
        text.as_deref().map_err(String::as_str)
    }

    /// The body as JSON (RFC 8259), nested up to 127 levels.
    ///
    /// # Errors
    /// Why it isn't JSON, in words.
    pub(super) fn json(&self) -> Result<&Value, &str> {
        let parse = || match self.text() {
            Ok(text) => serde_json::from_str(text).map_err(|e| format!("a body that isn't JSON: {e}")),
            Err(reason) => Err(reason.to_owned()),
        };
        self.json.get_or_init(parse).as_ref().map_err(String::as_str)
    }

    /// Whether the body is well-formed XML 1.0 without a DTD.
    ///
    /// # Errors
    /// Why it isn't, in words.
    pub(super) fn xml(&self) -> Result<(), String> {
        let options = roxmltree::ParsingOptions { allow_dtd: false, nodes_limit: MAX_NODES, ..Default::default() };
        let parsed = roxmltree::Document::parse_with_options(self.text()?, options);
        parsed.map(drop).map_err(|error| format!("a body that isn't XML: {error}"))
    }

    /// The body as a page. What browsers would mend is mended.
    ///
    /// # Errors
    /// Why it can't be read as one, in words.
    pub(super) fn html(&self) -> Result<&Html, &str> {
        let parse = || self.text().map_err(str::to_owned).and_then(page);
        self.html.get_or_init(parse).as_ref().map_err(String::as_str)
    }

    /// The first `most` bytes for people to look at, with what isn't text replaced.
    pub(super) fn excerpt(&self, most: usize) -> String {
        let cut = self.bytes.len() > most;
        let part = &self.bytes[..self.bytes.len().min(most)];
        let text = match decode(part, self.charset.as_deref(), true) {
            Ok(text) => text,
            Err(_) => String::from_utf8_lossy(part),
        };
        if cut || self.cut { format!("{text}…") } else { text.into_owned() }
    }
}

fn page(text: &str) -> Result<Html, String> {
    let started = Instant::now();
    let mut parser = driver::parse_document(HtmlTreeSink::new(Html::new_document()), driver::ParseOpts::default());
    let mut rest = text;
    while !rest.is_empty() {
        if started.elapsed() > MAX_PARSING {
            return Err(format!("a page that takes more than {MAX_PARSING:?} to take apart"));
        }
        let (piece, after) = rest.split_at(rest.floor_char_boundary(PIECE));
        parser.process(StrTendril::from(piece));
        rest = after;
    }
    Ok(parser.finish())
}

fn charset(headers: &HeaderMap) -> Option<String> {
    let value = headers.get(CONTENT_TYPE)?.to_str().ok()?;
    value.split(';').skip(1).find_map(|parameter| {
        let (name, value) = parameter.split_once('=')?;
        name.trim().eq_ignore_ascii_case("charset").then(|| value.trim().trim_matches('"').to_owned())
    })
}

/// Decodes strictly; when the body was cut, a character cut in two at its end is left out.
fn decode<'a>(bytes: &'a [u8], charset: Option<&str>, cut: bool) -> Result<Cow<'a, str>, String> {
    let encoding = match charset {
        Some(label) => {
            Encoding::for_label(label.as_bytes()).ok_or_else(|| format!("a body in the unknown charset {label:?}"))?
        }
        None => UTF_8,
    };
    let whole = encoding.decode_with_bom_removal(bytes);
    if !whole.1 {
        return Ok(whole.0);
    }
    // No charset takes more than four bytes a character.
    let shorter = (1..4).filter(|_| cut).filter_map(|less| bytes.get(..bytes.len().checked_sub(less)?));
    for part in shorter {
        if let (text, false) = encoding.decode_with_bom_removal(part) {
            return Ok(text);
        }
    }
    Err(format!("a body that isn't valid {}", encoding.name()))
}

#[cfg(test)]
mod tests {
    use hyper::header::HeaderValue;

    use super::*;

    fn text(content_type: &'static str, body: &[u8], cut: bool) -> Result<String, String> {
        let answer = Answer {
            headers: HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static(content_type))]),
            body: body.to_vec(),
            cut,
            ..Answer::sample()
        };
        Document::new(&answer).text().map(str::to_owned).map_err(str::to_owned)
    }

    #[test]
    fn a_body_is_read_in_the_charset_it_says_it_has() {
        assert_eq!(text("text/plain", "grün".as_bytes(), false).unwrap(), "grün");
        assert_eq!(text("text/plain; Charset=\"ISO-8859-1\"", b"gr\xfcn", false).unwrap(), "grün");
        assert_eq!(text("text/plain; charset=utf-8", b"gr\xfcn", false).unwrap_err(), "a body that isn't valid UTF-8");
        let error = text("text/plain; charset=klingon", b"x", false).unwrap_err();
        assert_eq!(error, "a body in the unknown charset \"klingon\"");
    }

    #[test]
    fn a_character_cut_in_two_is_an_error_only_if_the_body_was_whole() {
        let half = &"grün".as_bytes()[..3];
        assert_eq!(text("text/plain", half, true).unwrap(), "gr");
        assert!(text("text/plain", half, false).is_err());
    }
}
