//! Laws of silences as stores keep them. What follows from one is the engine's business.

#![allow(missing_docs, reason = "each law's name is its sentence")]

use std::{slice, time::Duration};

use super::fixture::{ALL, Fixture};
use crate::{
    error::Error,
    id::SilenceId,
    matcher::Matcher,
    silence::{Draft, End, Silence},
    store::{history::Retention, silences::SilenceFilter},
    time::{Span, Timestamp},
};

const HOUR: Duration = Duration::from_secs(3_600);

fn hours(count: u32) -> Draft {
    Draft::new(
        Matcher::all().monitors(["shop", "ünïcödé 日本"]).label("team", "shop"),
        End::After(Span(HOUR * count)),
        "anna",
    )
}

async fn alive(f: &Fixture) -> Vec<Silence> {
    f.store.silences(SilenceFilter::all().alive(), ALL).await.unwrap()
}

async fn all(f: &Fixture) -> Vec<Silence> {
    f.store.silences(SilenceFilter::all(), ALL).await.unwrap()
}

pub async fn a_silence_begins_and_ends_by_the_stores_clock_and_is_read_back_as_it_was_answered(f: Fixture) {
    let now = f.now().await;
    let silence = f.store.silence(hours(1).comment("naïve \"quoted\"").maintenance()).await.unwrap();
    assert_eq!((silence.from, silence.until), (now, now + HOUR));
    assert_eq!(silence, hours(1).comment("naïve \"quoted\"").maintenance().begin(silence.id, now).unwrap());
    assert_eq!(f.second().silences(SilenceFilter::all().alive(), ALL).await.unwrap(), slice::from_ref(&silence));
    f.advance(HOUR - Duration::from_micros(1)).await;
    assert_eq!(alive(&f).await, slice::from_ref(&silence));
    f.advance(Duration::from_micros(1)).await;
    assert_eq!(alive(&f).await, []);
    assert_eq!(all(&f).await, [silence]);
}

pub async fn a_silence_that_is_ended_early_is_over_from_then_on(f: Fixture) {
    let on = f.store.silence(hours(2)).await.unwrap();
    let planned = f.store.silence(hours(2).from(f.now().await + HOUR)).await.unwrap();
    f.advance(HOUR / 2).await;
    let now = f.now().await;
    assert_eq!(f.store.end_silence(on.id).await.unwrap(), on.clone().ended(now));
    let never = f.store.end_silence(planned.id).await.unwrap();
    assert_eq!((never.from, never.until), (now, now));
    assert_eq!(alive(&f).await, []);
    assert_eq!(all(&f).await.len(), 2);
    for id in [on.id, planned.id, SilenceId::new()] {
        assert!(matches!(f.store.end_silence(id).await, Err(Error::NotFound { .. })));
    }
}

pub async fn silences_are_listed_latest_end_first_up_to_the_limit(f: Fixture) {
    let mut made = Vec::new();
    for count in [2, 1, 3] {
        made.push(f.store.silence(hours(count)).await.unwrap().id);
    }
    let ids = |silences: Vec<Silence>| silences.into_iter().map(|silence| silence.id).collect::<Vec<_>>();
    assert_eq!(ids(all(&f).await), [made[2], made[0], made[1]]);
    assert_eq!(ids(f.store.silences(SilenceFilter::all().alive(), 2).await.unwrap()), [made[2], made[0]]);
}

pub async fn a_silence_that_can_not_be_meant_is_refused_and_not_kept(f: Fixture) {
    let past = Draft::new(Matcher::all(), End::At(f.now().await), "anna");
    for draft in [past, hours(0), hours(31 * 24 + 1), hours(1).comment("a\nb")] {
        assert!(matches!(f.store.silence(draft).await, Err(Error::Config { .. })));
    }
    assert_eq!(all(&f).await, []);
}

pub async fn pruning_removes_silences_that_ended_earlier_and_none_that_are_not_over(f: Fixture) {
    let (first, second) = (f.store.silence(hours(1)).await.unwrap(), f.store.silence(hours(2)).await.unwrap());
    let last = f.store.silence(hours(24)).await.unwrap();
    f.advance(HOUR * 3).await;
    let keep = |before| Retention::new(Timestamp::from_micros(0), before);
    assert_eq!(f.store.prune(keep(first.until), ALL).await.unwrap(), 0);
    assert_eq!(f.store.prune(keep(second.until), ALL).await.unwrap(), 1);
    assert_eq!(all(&f).await, [last.clone(), second]);
    assert_eq!(f.store.prune(keep(Timestamp::MAX), ALL).await.unwrap(), 1);
    assert_eq!(all(&f).await, [last]);
}
