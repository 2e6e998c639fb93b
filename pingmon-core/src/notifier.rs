//! The contract of a notifier: hands one notice to one channel. Queueing, retry and order are the dispatcher's business.

use std::sync::Arc;

use async_trait::async_trait;
use schemars::Schema;
use serde_json::Value;

use crate::{
    error::Result,
    notification::{Notification, Receipt},
};

/// One configured channel.
#[async_trait]
pub trait Notifier: Send + Sync {
    /// Sends one notice. `Ok` means that the far end has taken it. A repeat bears the same
    /// [`id`](Notification::id), so that a receiver can tell.
    ///
    /// # Errors
    /// [`Error::Delivery`](crate::error::Error::Delivery), saying whether a later attempt can help.
    async fn send(&self, notification: &Notification) -> Result<()>;

    /// The same, for a channel whose later notices of the incident refer to its first: what this answers comes back as
    /// their [`receipt`](Notification::receipt). Such a channel implements this one and has `send` drop the receipt.
    ///
    /// # Errors
    /// As [`send`](Self::send).
    async fn deliver(&self, notification: &Notification) -> Result<Option<Receipt>> {
        self.send(notification).await.map(|()| None)
    }

    /// Whether one of its messages may tell of several incidents. Not where each incident is an alert of its own, which its
    /// later notices update and close.
    fn takes_groups(&self) -> bool {
        true
    }

    /// What would be sent, for people to look at: sends nothing and shows no secret. A channel that only writes text
    /// needn't say more than its headline.
    fn preview(&self, notification: &Notification) -> String {
        notification.headline()
    }
}

/// A family of channels that differ in config only: what a `[[notifier]]` table of the config file names.
pub trait NotifierKind: Send + Sync + 'static {
    /// The word for it in a definition: lower case, digits and `_`.
    fn name(&self) -> &'static str;

    /// JSON Schema (draft 2020-12) of its config.
    fn schema(&self) -> Schema;

    /// Builds a channel: parses once, refuses early.
    ///
    /// # Errors
    /// [`Error::Config`](crate::error::Error::Config) naming the bad field.
    fn build(&self, config: &Value) -> Result<Arc<dyn Notifier>>;
}
