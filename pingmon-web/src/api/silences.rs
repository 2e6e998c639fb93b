//! `/api/v1/silences`: what people don't want to be told of for a time.

use std::{collections::BTreeMap, sync::Arc};

use axum::{
    Json,
    extract::{State, rejection::JsonRejection},
    http::StatusCode,
};
use pingmon_core::{
    id::SilenceId,
    matcher::Matcher,
    silence::{Draft, End, Silence},
    store::silences::SilenceFilter,
    time::{Span, Timestamp},
};
use serde::{Deserialize, Serialize};

use crate::{
    admin::Admin,
    face::Shared,
    failure::Failure,
    query::{Id, Limit, Params},
};

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Asked {
    /// Those that are over too; false is the same as leaving it out.
    ended: bool,
    limit: Limit,
}

#[derive(Serialize)]
pub(super) struct Listed {
    silences: Vec<SilenceBody>,
}

#[derive(Serialize)]
pub(super) struct SilenceBody {
    id: SilenceId,
    /// With neither these nor labels it is about all.
    monitors: Vec<String>,
    labels: BTreeMap<String, String>,
    from: Timestamp,
    until: Timestamp,
    by: String,
    comment: String,
    maintenance: bool,
}

impl From<Silence> for SilenceBody {
    fn from(silence: Silence) -> Self {
        Self {
            id: silence.id,
            monitors: silence.matcher.monitors,
            labels: silence.matcher.labels,
            from: silence.from,
            until: silence.until,
            by: silence.by,
            comment: silence.comment,
            maintenance: silence.maintenance,
        }
    }
}

/// Silences that aren't over, latest end first.
pub(super) async fn list(
    State(shared): State<Arc<Shared>>,
    Params(asked): Params<Asked>,
) -> Result<Json<Listed>, Failure> {
    let filter = if asked.ended { SilenceFilter::all() } else { SilenceFilter::all().alive() };
    let rows = shared.store().silences(filter, asked.limit.get()).await?;
    Ok(Json(Listed { silences: rows.into_iter().map(SilenceBody::from).collect() }))
}

/// A silence as it is asked for.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Wanted {
    monitors: Option<Vec<String>>,
    #[serde(default)]
    labels: BTreeMap<String, String>,
    from: Option<Timestamp>,
    until: Option<Timestamp>,
    #[serde(rename = "for")]
    lasts: Option<Span>,
    by: String,
    #[serde(default)]
    comment: String,
    #[serde(default)]
    maintenance: bool,
}

impl Wanted {
    fn draft(self) -> Result<Draft, Failure> {
        let refused = |field: &str, reason: &str| Err(Failure::Refused(format!("invalid {field}: {reason}")));
        if self.monitors.as_ref().is_some_and(Vec::is_empty) {
            return refused("monitors", "names none: leave it out to silence all that have the labels");
        }
        let end = match (self.until, self.lasts) {
            (Some(until), None) => End::At(until),
            (None, Some(lasts)) => End::After(lasts),
            _ => return refused("until", "say when it ends by exactly one of \"until\" and \"for\""),
        };
        let matcher = Matcher::all().monitors(self.monitors.unwrap_or_default());
        let matcher = self.labels.into_iter().fold(matcher, |matcher, (key, value)| matcher.label(key, value));
        let mut draft = Draft::new(matcher, end, self.by);
        (draft.from, draft.comment, draft.maintenance) = (self.from, self.comment, self.maintenance);
        Ok(draft)
    }
}

/// Silences monitors.
pub(super) async fn silence(
    _: Admin,
    State(shared): State<Arc<Shared>>,
    asked: Result<Json<Wanted>, JsonRejection>,
) -> Result<(StatusCode, Json<SilenceBody>), Failure> {
    let Json(wanted) = asked.map_err(|rejection| Failure::Refused(rejection.body_text()))?;
    let silence = shared.store().silence(wanted.draft()?).await?;
    tracing::info!(id = %silence.id, "monitors were silenced at an administrator's request");
    Ok((StatusCode::CREATED, Json(silence.into())))
}

/// Ends a silence.
pub(super) async fn end(
    _: Admin,
    State(shared): State<Arc<Shared>>,
    Id(id): Id<SilenceId>,
) -> Result<Json<SilenceBody>, Failure> {
    let silence = shared.store().end_silence(id).await?;
    tracing::info!(%id, "a silence was ended at an administrator's request");
    Ok(Json(silence.into()))
}
