//! The page behind a signed link: its button silences a monitor for an hour. To look changes nothing, as mail scanners
//! follow links.

use std::{sync::Arc, time::Duration};

use axum::{
    Form,
    extract::{State, rejection::FormRejection},
    response::Response,
};
use pingmon_core::{
    id::MonitorId,
    incident::MAX_ACKNOWLEDGER,
    matcher::Matcher,
    monitor::Monitor,
    silence::{Draft, End, MAX_COMMENT},
    time::Span,
};
use serde::{Deserialize, Serialize};

use super::silences::{self, SilenceRow};
use crate::{
    face::Shared,
    failure::Failure,
    links::Links,
    query::{Id, Params},
    signer::{Deed, Signed},
};

/// How long the button silences.
const LASTS: Duration = Duration::from_secs(3_600);

#[derive(Serialize)]
struct SilencePage {
    id: MonitorId,
    name: String,
    /// What silences it already.
    silences: Vec<SilenceRow>,
    most: usize,
    most_comment: usize,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Answer {
    by: String,
    #[serde(default)]
    comment: String,
}

pub(super) async fn ask(
    State(shared): State<Arc<Shared>>,
    links: Links,
    Id(id): Id<MonitorId>,
    Params(signed): Params<Signed>,
) -> Result<Response, Failure> {
    shared.admit(Deed::Silence(id), &signed)?;
    let monitor = shared.store().monitor(id).await?.monitor;
    draw(&shared, &links, &monitor).await
}

pub(super) async fn silence(
    State(shared): State<Arc<Shared>>,
    links: Links,
    Id(id): Id<MonitorId>,
    Params(signed): Params<Signed>,
    answer: Result<Form<Answer>, FormRejection>,
) -> Result<Response, Failure> {
    shared.admit(Deed::Silence(id), &signed)?;
    let Form(answer) = answer.map_err(|rejection| Failure::Refused(rejection.body_text()))?;
    let monitor = shared.store().monitor(id).await?.monitor;
    // The button pressed twice, or the page sent again.
    if silences::on(shared.store().as_ref(), Some(&monitor), shared.now()).await?.is_empty() {
        let matcher = Matcher::all().monitors([&monitor.definition.name]);
        let draft = Draft::new(matcher, End::After(Span(LASTS)), answer.by).comment(answer.comment);
        shared.store().silence(draft).await?;
        tracing::info!(%id, "a monitor was silenced by a signed link");
    }
    draw(&shared, &links, &monitor).await
}

async fn draw(shared: &Shared, links: &Links, monitor: &Monitor) -> Result<Response, Failure> {
    let page = SilencePage {
        id: monitor.id,
        name: monitor.definition.name.clone(),
        silences: silences::on(shared.store().as_ref(), Some(monitor), shared.now()).await?,
        most: MAX_ACKNOWLEDGER,
        most_comment: MAX_COMMENT,
    };
    Ok(super::form(shared.templates.render("silence.html", shared, links, &page)?))
}
