//! What every channel of this crate is made of: a name, a config, and how the config opens it. From that comes the kind
//! that a config file names.

use std::{marker::PhantomData, sync::Arc};

use pingmon_core::{
    check::parse_config,
    error::Result,
    notifier::{Notifier, NotifierKind},
};
use schemars::{JsonSchema, Schema};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::{Name, dial::Dialer};

/// How long a channel may be set to wait; the engine itself waits no longer than 30 s.
#[cfg(any(feature = "_http", feature = "email", feature = "command"))]
pub(crate) const TIMEOUTS: std::ops::RangeInclusive<std::time::Duration> =
    std::time::Duration::from_millis(1)..=std::time::Duration::from_secs(30);

/// A channel that a config opens.
pub(crate) trait Channel: Notifier + Sized + 'static {
    /// Its entry in the list of channels.
    const NAME: Name;
    /// What may be said about it. Its documentation is that of the config file.
    type Config: DeserializeOwned + JsonSchema;

    /// # Errors
    /// [`Error::Config`](pingmon_core::error::Error::Config) naming the bad field.
    fn open(config: Self::Config, dialer: &Dialer) -> Result<Self>;
}

/// The kind of one channel.
pub(crate) struct Kind<C> {
    dialer: Arc<Dialer>,
    channel: PhantomData<fn() -> C>,
}

impl<C> Kind<C> {
    pub(crate) fn new(dialer: &Arc<Dialer>) -> Self {
        Self { dialer: Arc::clone(dialer), channel: PhantomData }
    }
}

impl<C: Channel> NotifierKind for Kind<C> {
    fn name(&self) -> &'static str {
        C::NAME.as_str()
    }

    fn schema(&self) -> Schema {
        schemars::schema_for!(C::Config)
    }

    fn build(&self, config: &Value) -> Result<Arc<dyn Notifier>> {
        let nothing = Value::Object(Map::new());
        let config = parse_config(if config.is_null() { &nothing } else { config })?;
        Ok(Arc::new(C::open(config, &self.dialer)?))
    }
}
