//! Channels that are somebody's HTTP API: a notice becomes one request. A vendor says which, this module sends it.

use std::fmt;

use async_trait::async_trait;
use pingmon_core::{
    error::Result,
    notification::{Notification, Receipt},
    notifier::Notifier,
};
use schemars::JsonSchema;
use serde::de::DeserializeOwned;

use crate::{Name, answer::Answer, dial::Dialer, endpoint::Endpoint, kind::Channel, request::Request};

/// An HTTP API that takes notices.
pub(crate) trait Vendor: Send + Sync + Sized + 'static {
    /// Its entry in the list of channels.
    const NAME: Name;
    /// What may be said about it. Its documentation is that of the config file.
    type Config: DeserializeOwned + JsonSchema;

    /// Whether it keeps an alert for each incident, of which no other notice may tell.
    const ALERTS: bool = false;

    /// # Errors
    /// [`Error::Config`](pingmon_core::error::Error::Config) naming the bad field.
    fn open(config: Self::Config, dialer: &Dialer) -> Result<Self>;

    /// Where it is.
    fn endpoint(&self) -> &Endpoint;

    /// What is sent for a notice.
    fn request(&self, notice: &Notification) -> Request;

    /// What an answer of status 2xx says.
    ///
    /// # Errors
    /// [`Error::Delivery`](pingmon_core::error::Error::Delivery) when it is a refusal all the same.
    fn read(&self, notice: &Notification, answer: Answer) -> impl Future<Output = Result<Reading>> + Send {
        let _ = (notice, answer);
        async { Ok(Reading::Taken(None)) }
    }
}

/// What an answer of status 2xx may say.
pub(crate) enum Reading {
    /// The notice was taken.
    Taken(Option<Receipt>),
    /// It was not taken this way, and is to be sent in another.
    Instead(Request),
}

/// The channel to a vendor.
pub(crate) struct Post<V>(V);

impl<V: Vendor> Channel for Post<V> {
    const NAME: Name = V::NAME;
    type Config = V::Config;

    fn open(config: V::Config, dialer: &Dialer) -> Result<Self> {
        V::open(config, dialer).map(Self)
    }
}

#[async_trait]
impl<V: Vendor> Notifier for Post<V> {
    async fn send(&self, notification: &Notification) -> Result<()> {
        self.deliver(notification).await.map(drop)
    }

    async fn deliver(&self, notification: &Notification) -> Result<Option<Receipt>> {
        let Self(vendor) = self;
        let answer = vendor.endpoint().send(&vendor.request(notification)).await?;
        match vendor.read(notification, answer).await? {
            Reading::Taken(receipt) => Ok(receipt),
            Reading::Instead(request) => {
                let answer = vendor.endpoint().send(&request).await?;
                match vendor.read(notification, answer).await? {
                    Reading::Taken(receipt) => Ok(receipt),
                    Reading::Instead(_) => Err(vendor.endpoint().refusal("neither way of sending it", false)),
                }
            }
        }
    }

    fn takes_groups(&self) -> bool {
        !V::ALERTS
    }

    fn preview(&self, notification: &Notification) -> String {
        self.0.endpoint().shown(&self.0.request(notification))
    }
}

impl<V: Vendor> fmt::Debug for Post<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple(V::NAME.as_str()).field(self.0.endpoint()).finish()
    }
}
