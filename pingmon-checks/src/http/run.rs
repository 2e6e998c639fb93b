//! What one run carries along from hop to hop: its clock, its cookies and where it has been.

use std::{net::SocketAddr, sync::Arc};

use uuid::Uuid;

use super::{answer::Redirect, cookies::Jar};
use crate::stopwatch::{Phase, Stopwatch};

/// One run.
pub(super) struct Run {
    pub(super) watch: Arc<Stopwatch>,
    pub(super) jar: Jar,
    /// The redirects that were followed so far.
    pub(super) redirects: Vec<Redirect>,
    /// Whether it's the proxy that is being dialled: that it can't be reached isn't the target's fault.
    pub(super) dialling_proxy: bool,
    /// The addresses that the last connection was tried at.
    pub(super) addresses: Vec<SocketAddr>,
}

impl Run {
    /// Starts the clock of a run that has these cookies.
    pub(super) fn start(first: Phase, jar: Jar) -> Self {
        Self {
            watch: Arc::new(Stopwatch::start(first)),
            jar,
            redirects: Vec::new(),
            dialling_proxy: false,
            addresses: Vec::new(),
        }
    }
}

/// An identifier that nobody used before.
pub(super) fn fresh_id() -> Uuid {
    Uuid::now_v7()
}
