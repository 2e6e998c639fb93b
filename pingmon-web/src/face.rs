//! What the host decides about its face, and the state that the handlers share.

use std::{fmt, sync::Arc};

use pingmon_core::{
    engine::vitals::Vitals,
    store::Store,
    time::{Clock, SystemClock, Timestamp},
};

use crate::{
    admin::Token,
    failure::Failure,
    pages::templates::Templates,
    signer::{Deed, Signed, Signer},
};

type ReadVitals = Arc<dyn Fn() -> Vitals + Send + Sync>;

/// What to show and how: the store is all it needs.
#[derive(Clone)]
pub struct Face {
    store: Arc<dyn Store>,
    vitals: Option<ReadVitals>,
    clock: Arc<dyn Clock>,
    title: String,
    group_by: String,
    admin: Option<Token>,
    signer: Option<Signer>,
}

impl Face {
    /// A face over `store`, without an engine of its own (a read-only replica), titled "Status".
    pub fn new(store: Arc<dyn Store>) -> Self {
        Self {
            store,
            vitals: None,
            clock: Arc::new(SystemClock),
            title: "Status".into(),
            group_by: "group".into(),
            admin: None,
            signer: None,
        }
    }

    /// Lets `/readyz` and the pages tell how the engine in this process is doing: `move || handle.vitals()`.
    #[must_use]
    pub fn engine(mut self, vitals: impl Fn() -> Vitals + Send + Sync + 'static) -> Self {
        self.vitals = Some(Arc::new(vitals));
        self
    }

    /// Sets the title of the pages.
    #[must_use]
    pub fn title(mut self, title: impl Into<String>) -> Self {
        self.title = title.into();
        self
    }

    /// Sets the label by whose value the status page groups monitors; `group` unless set.
    #[must_use]
    pub fn group_by(mut self, label: impl Into<String>) -> Self {
        self.group_by = label.into();
        self
    }

    /// Lets whoever sends this token (`Authorization: Bearer …`) change things through the API; nobody can unless it is set.
    /// Only its hash is kept.
    #[must_use]
    pub fn admin_token(mut self, token: &str) -> Self {
        self.admin = Some(Token::new(token));
        self
    }

    /// Lets whoever holds a link of this signer do what it was made for: acknowledge an incident, silence a monitor.
    #[must_use]
    pub fn signer(mut self, signer: Signer) -> Self {
        self.signer = Some(signer);
        self
    }

    /// Sets what "3 min ago" is counted from: the store's clock, where that isn't this machine's.
    #[must_use]
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }
}

impl fmt::Debug for Face {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Face").field("title", &self.title).field("group_by", &self.group_by).finish_non_exhaustive()
    }
}

/// What every handler can reach.
pub(crate) struct Shared {
    face: Face,
    pub(crate) templates: Templates,
}

impl Shared {
    pub(crate) fn new(face: Face) -> Self {
        Self { face, templates: Templates::embedded() }
    }

    pub(crate) fn store(&self) -> &Arc<dyn Store> {
        &self.face.store
    }

    /// How this process's engine is doing; none when it has no engine.
    pub(crate) fn vitals(&self) -> Option<Vitals> {
        self.face.vitals.as_ref().map(|read| read())
    }

    /// The token of those who may change things.
    pub(crate) fn admin(&self) -> Option<&Token> {
        self.face.admin.as_ref()
    }

    /// Admits the holder of a link to what it was signed for.
    pub(crate) fn admit(&self, deed: Deed, signed: &Signed) -> Result<(), Failure> {
        let is_good = self.face.signer.as_ref().is_some_and(|signer| signer.is_good(deed, signed, self.now()));
        if is_good { Ok(()) } else { Err(Failure::BadLink) }
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.face.clock.now()
    }

    pub(crate) fn title(&self) -> &str {
        &self.face.title
    }

    pub(crate) fn group_by(&self) -> &str {
        &self.face.group_by
    }
}
