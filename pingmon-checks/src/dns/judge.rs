//! Holds an answer against what is expected of it. Pure: all facts are given.

use std::collections::BTreeSet;

use hickory_resolver::proto::{
    op::{Message, ResponseCode},
    rr::{Name, RData, Record, RecordType},
};
use pingmon_core::outcome::{Metric, Outcome};
use regex::Regex;

use super::{
    config::{Bounds, Count, Expect, Rcode, Ttl, rcode_word},
    record,
};

/// Most records that are shown.
const MAX_SHOWN: usize = 32;

/// An expectation, compiled.
pub(super) struct Judge {
    pub(super) expect: Expect,
    pub(super) kind: RecordType,
    pub(super) name: Name,
    pub(super) matches: Option<Regex>,
}

/// What an answer says.
pub(super) struct Found {
    code: ResponseCode,
    authoritative: bool,
    /// The records of the type, as text, each with how long it may be kept in seconds.
    records: Vec<(String, u32)>,
}

impl Found {
    /// The answer in one line.
    pub(super) fn summary(&self) -> String {
        match self.records.len() {
            0 => format!("{}, no record", rcode_word(self.code)),
            _ => self.shown().join(", "),
        }
    }

    /// The records for people.
    pub(super) fn shown(&self) -> Vec<&str> {
        self.records.iter().take(MAX_SHOWN).map(|(text, _)| text.as_str()).collect()
    }

    /// The code's word.
    pub(super) fn code(&self) -> String {
        rcode_word(self.code).into_owned()
    }
}

impl Judge {
    /// Whether one's own nameserver says that it couldn't find out, which tells nothing about the name.
    pub(super) fn is_trouble(&self, answer: &Message) -> bool {
        use ResponseCode as Code;
        let code = answer.metadata.response_code;
        !self.expect.rcode.is(code) && !matches!(code, Code::NoError | Code::NXDomain)
    }

    /// What the answer says to the question: records of its type at the name, or at the one it is an alias of.
    pub(super) fn find(&self, answer: &Message) -> Found {
        let mut names = vec![&self.name];
        // An alias may come after what it leads to.
        while let Some(next) = answer.answers.iter().find_map(|record| alias(record, &names)) {
            names.push(next);
        }
        let at_name = |record: &&Record| {
            record.record_type() == self.kind && names.iter().any(|name| name.eq_ignore_root(&record.name))
        };
        let records = answer.answers.iter().filter(at_name);
        Found {
            code: answer.metadata.response_code,
            authoritative: answer.metadata.authoritative,
            records: records.map(|record| (record::text(self.kind, &record.data), record.ttl)).collect(),
        }
    }

    /// Judges all expectations but those on latency and signatures.
    pub(super) fn judge(&self, found: &Found, outcome: &mut Outcome) {
        outcome.metrics.push(Metric::new("records", found.records.len() as f64, ""));
        if let Some(ttl) = found.records.iter().map(|(_, ttl)| *ttl).min() {
            outcome.metrics.push(Metric::new("ttl", f64::from(ttl), "s"));
        }
        let expect = &self.expect;
        let mut fail = |name: &str, expected: String, actual: String| {
            outcome.fail(expect.level.into(), name, expected, actual);
        };
        if !expect.rcode.is(found.code) {
            // Whatever else was expected goes with it.
            return fail("rcode", expect.rcode.to_string(), found.code());
        }
        if let Some(expected) = expect.authoritative.filter(|expected| *expected != found.authoritative) {
            let word = |own: bool| if own { "authoritative" } else { "not authoritative" }.to_owned();
            fail("authoritative", word(expected), word(found.authoritative));
        }
        self.records(found, &mut fail);
        let seconds = |span: pingmon_core::time::Span| span.0.as_secs_f64();
        if let Some(Ttl { min, max }) = expect.ttl {
            let outside =
                |ttl: f64| min.is_some_and(|min| ttl < seconds(min)) || max.is_some_and(|max| ttl > seconds(max));
            if let Some((text, ttl)) = found.records.iter().find(|(_, ttl)| outside(f64::from(*ttl))) {
                let bounds = [min.map(|min| format!(">= {min}")), max.map(|max| format!("<= {max}"))];
                let bounds: Vec<_> = bounds.into_iter().flatten().collect();
                fail("ttl", bounds.join(" and "), format!("{ttl}s of {text}"));
            }
        }
    }

    fn records(&self, found: &Found, fail: &mut impl FnMut(&str, String, String)) {
        let expect = &self.expect;
        let actual = || if found.records.is_empty() { "none".to_owned() } else { found.shown().join(", ") };
        let there: BTreeSet<&str> = found.records.iter().map(|(text, _)| text.as_str()).collect();
        let wanted = |texts: &[String]| -> BTreeSet<String> {
            texts.iter().filter_map(|text| record::normal(self.kind, text).ok()).collect()
        };
        if let Some(equals) = &expect.equals {
            let equals = wanted(equals);
            if !equals.iter().map(String::as_str).eq(there.iter().copied()) {
                let listed: Vec<_> = equals.into_iter().collect();
                fail("equals", if listed.is_empty() { "none".to_owned() } else { listed.join(", ") }, actual());
            }
        }
        let missing: Vec<_> =
            wanted(&expect.contains).into_iter().filter(|text| !there.contains(text.as_str())).collect();
        if !missing.is_empty() {
            fail("contains", format!("{} among them", missing.join(", ")), actual());
        }
        if let Some(pattern) = &self.matches
            && !there.iter().any(|text| pattern.is_match(text))
        {
            fail("matches", format!("a match of /{pattern}/"), actual());
        }
        let count = found.records.len();
        if let Some((expected, false)) = expect.count.map(|bounds| within(bounds, count)) {
            fail("count", expected, count.to_string());
        }
        if expect.none && count > 0 {
            fail("none", "none".to_owned(), actual());
        }
        if self.needs_one() && count == 0 {
            fail("records", format!("at least one of type {}", self.kind), "none".to_owned());
        }
    }

    /// Without any word on it, a record is expected to be there.
    fn needs_one(&self) -> bool {
        let Expect { rcode, equals, contains, matches, none, count, .. } = &self.expect;
        let said = equals.is_some() || !contains.is_empty() || matches.is_some() || *none || count.is_some();
        *rcode == Rcode::NoError && !said
    }
}

/// Where an alias leads that begins at one of `names`, unless that is known already.
fn alias<'a>(record: &'a Record, names: &[&Name]) -> Option<&'a Name> {
    let RData::CNAME(target) = &record.data else { return None };
    let known = |name: &Name| names.iter().any(|known| known.eq_ignore_root(name));
    (known(&record.name) && !known(&target.0)).then_some(&target.0)
}

fn within(expected: Count, count: usize) -> (String, bool) {
    match expected {
        Count::Exactly(number) => (number.to_string(), count == number),
        Count::Within(Bounds { min, max }) => {
            let words = [min.map(|min| format!(">= {min}")), max.map(|max| format!("<= {max}"))];
            let words: Vec<_> = words.into_iter().flatten().collect();
            let fits = min.is_none_or(|min| count >= min) && max.is_none_or(|max| count <= max);
            (words.join(" and "), fits)
        }
    }
}
