//! The page behind a signed link: says what fails, and a button says that somebody sees to it. To look changes nothing, as
//! mail scanners follow links.

use std::sync::Arc;

use axum::{
    Form,
    extract::{State, rejection::FormRejection},
    response::Response,
};
use pingmon_core::{
    id::IncidentId,
    incident::{Incident, MAX_ACKNOWLEDGER},
};
use serde::{Deserialize, Serialize};

use super::{incidents::IncidentRow, wording::When};
use crate::{
    face::Shared,
    failure::Failure,
    links::Links,
    query::{Id, Params},
    reading,
    signer::{Deed, Signed},
};

#[derive(Serialize)]
struct AcknowledgePage {
    incident: IncidentRow,
    by: Option<String>,
    at: Option<When>,
    /// Whether it can be acknowledged.
    open: bool,
    most: usize,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Answer {
    by: String,
}

pub(super) async fn ask(
    State(shared): State<Arc<Shared>>,
    links: Links,
    Id(id): Id<IncidentId>,
    Params(signed): Params<Signed>,
) -> Result<Response, Failure> {
    shared.admit(Deed::Acknowledge(id), &signed)?;
    let incident = shared.store().incident(id).await?;
    draw(&shared, &links, &incident).await
}

pub(super) async fn acknowledge(
    State(shared): State<Arc<Shared>>,
    links: Links,
    Id(id): Id<IncidentId>,
    Params(signed): Params<Signed>,
    answer: Result<Form<Answer>, FormRejection>,
) -> Result<Response, Failure> {
    shared.admit(Deed::Acknowledge(id), &signed)?;
    let Form(answer) = answer.map_err(|rejection| Failure::Refused(rejection.body_text()))?;
    let incident = shared.store().acknowledge(id, &answer.by).await?;
    tracing::info!(%id, "an incident was acknowledged by a signed link");
    draw(&shared, &links, &incident).await
}

async fn draw(shared: &Shared, links: &Links, incident: &Incident) -> Result<Response, Failure> {
    let now = shared.now();
    let names = reading::names(shared.store(), std::iter::once(incident.monitor)).await?;
    let page = AcknowledgePage {
        incident: IncidentRow::new(incident, &names, now),
        by: incident.acknowledged_by.clone(),
        at: incident.acknowledged_at.map(|at| When::seen_from(now, at)),
        open: incident.closed_at.is_none() && incident.acknowledged_at.is_none(),
        most: MAX_ACKNOWLEDGER,
    };
    Ok(super::form(shared.templates.render("acknowledge.html", shared, links, &page)?))
}
