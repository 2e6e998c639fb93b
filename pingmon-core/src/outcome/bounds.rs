//! The limits of an outcome: no check can flood or break a store.

use std::borrow::Cow;

use serde_json::{Map, Value};

use super::Outcome;

/// Longest message kept, in characters.
pub const MAX_MESSAGE: usize = 1_000;
/// Most failed expectations kept of one run.
pub const MAX_FAILED: usize = 32;
/// Most phases kept of one run.
pub const MAX_PHASES: usize = 32;
/// Most metrics kept of one run.
pub const MAX_METRICS: usize = 256;
/// Longest text kept in an expectation, a metric or one piece of evidence, in characters.
pub const MAX_TEXT: usize = 4_000;
/// Most pieces of evidence kept of one run.
pub const MAX_EVIDENCE: usize = 32;
/// Most evidence kept of one run, in bytes of JSON.
pub const MAX_EVIDENCE_BYTES: usize = 16 * 1024;
/// Most bytes that a monitor keeps from run to run.
pub const MAX_KEPT: usize = 64 * 1024;

impl Outcome {
    /// The same outcome within the stated limits: texts cut, NUL characters replaced, numbers finite. The
    /// engine calls it on every outcome, so that no check can flood or break a store.
    #[must_use]
    pub fn bounded(mut self) -> Self {
        clean(&mut self.message, MAX_MESSAGE);
        self.failed.truncate(MAX_FAILED);
        for failure in &mut self.failed {
            clean(&mut failure.expectation, MAX_TEXT);
            clean(&mut failure.expected, MAX_TEXT);
            clean(&mut failure.actual, MAX_TEXT);
        }
        self.phases.truncate(MAX_PHASES);
        for (name, _) in &mut self.phases {
            clean_cow(name);
        }
        self.metrics.retain(|metric| metric.value.is_finite());
        self.metrics.truncate(MAX_METRICS);
        for metric in &mut self.metrics {
            clean_cow(&mut metric.name);
            clean_cow(&mut metric.unit);
            if metric.labels.iter().any(|(key, value)| is_dirty(key, MAX_TEXT) || is_dirty(value, MAX_TEXT)) {
                metric.labels =
                    std::mem::take(&mut metric.labels).into_iter().map(|(k, v)| (cleaned(k), cleaned(v))).collect();
            }
        }
        if let Some(bytes) = self.keep.take_if(|bytes| bytes.len() > MAX_KEPT) {
            let reason = format!("not kept: {} bytes, and a monitor keeps {MAX_KEPT} at most", bytes.len());
            self.evidence.insert("keep".to_owned(), reason.into());
        }
        bound_evidence(&mut self.evidence);
        self
    }
}

/// Keeps the first pieces of evidence that fit, texts cut; what was left out is said.
fn bound_evidence(evidence: &mut Map<String, Value>) {
    let mut room = MAX_EVIDENCE_BYTES;
    let mut kept = Map::new();
    let mut dropped = 0_u32;
    for (name, mut value) in std::mem::take(evidence) {
        clean_value(&mut value, 0);
        let size = name.len() + value.to_string().len();
        if kept.len() < MAX_EVIDENCE && size <= room {
            room -= size;
            kept.insert(cleaned(name), value);
        } else {
            dropped += 1;
        }
    }
    if dropped > 0 {
        kept.insert("dropped".into(), dropped.into());
    }
    *evidence = kept;
}

/// Cleans every text inside a value; what lies deeper than 8 levels becomes null.
fn clean_value(value: &mut Value, depth: u8) {
    match value {
        Value::String(text) => clean(text, MAX_TEXT),
        Value::Array(_) | Value::Object(_) if depth == 8 => *value = Value::Null,
        Value::Array(items) => items.iter_mut().for_each(|item| clean_value(item, depth + 1)),
        Value::Object(fields) => {
            if fields.keys().any(|key| is_dirty(key, MAX_TEXT)) {
                *fields = std::mem::take(fields).into_iter().map(|(key, value)| (cleaned(key), value)).collect();
            }
            fields.values_mut().for_each(|item| clean_value(item, depth + 1));
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

fn is_dirty(text: &str, most: usize) -> bool {
    text.len() > most || text.contains('\0')
}

/// Cuts `text` at `most` characters and replaces NUL, which PostgreSQL can't hold.
fn clean(text: &mut String, most: usize) {
    if let Some((end, _)) = text.char_indices().nth(most) {
        text.truncate(end);
        text.push('…');
    }
    if text.contains('\0') {
        *text = text.replace('\0', "\u{fffd}");
    }
}

fn cleaned(mut text: String) -> String {
    clean(&mut text, MAX_TEXT);
    text
}

fn clean_cow(text: &mut Cow<'static, str>) {
    if is_dirty(text, MAX_TEXT) {
        clean(text.to_mut(), MAX_TEXT);
    }
}
