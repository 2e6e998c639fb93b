//! The page of notices: those given up, and those on their way. What arrived is told by the incidents.

use std::sync::Arc;

use axum::{extract::State, response::Html};
use pingmon_core::{
    id::{DeliveryId, MonitorId},
    notification::{Delivery, DeliveryState},
    store::outbox::DeliveryFilter,
    time::Timestamp,
};
use serde::Serialize;

use super::wording::When;
use crate::{face::Shared, failure::Failure, links::Links};

/// Notices of each sort on the page, the latest.
const PAGE: usize = 100;

#[derive(Serialize)]
struct NoticesPage {
    dead: Vec<NoticeRow>,
    pending: Vec<NoticeRow>,
    most: usize,
}

#[derive(Serialize)]
struct NoticeRow {
    id: DeliveryId,
    monitor: MonitorId,
    channel: String,
    headline: String,
    at: When,
    attempts: u32,
    error: Option<String>,
    /// In whose message it is told.
    leader: Option<DeliveryId>,
}

impl NoticeRow {
    fn new(delivery: Delivery, now: Timestamp) -> Self {
        let notice = &delivery.notification;
        Self {
            id: delivery.id(),
            monitor: notice.monitor.id,
            channel: notice.channel.clone(),
            headline: notice.headline(),
            at: When::seen_from(now, notice.at),
            attempts: delivery.attempts,
            error: delivery.last_error,
            leader: delivery.leader,
        }
    }
}

pub(super) async fn page(State(shared): State<Arc<Shared>>, links: Links) -> Result<Html<String>, Failure> {
    let (dead, pending) = (rows(&shared, DeliveryState::Dead).await?, rows(&shared, DeliveryState::Pending).await?);
    shared.templates.render("notices.html", &shared, &links, &NoticesPage { dead, pending, most: PAGE })
}

async fn rows(shared: &Shared, state: DeliveryState) -> Result<Vec<NoticeRow>, Failure> {
    let now = shared.now();
    let deliveries = shared.store().deliveries(DeliveryFilter::all().state(state), PAGE).await?;
    Ok(deliveries.into_iter().map(|delivery| NoticeRow::new(delivery, now)).collect())
}
