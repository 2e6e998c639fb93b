//! Maintenance: when monitors are worked on, as far as that is known beforehand. Runs go on meanwhile; what they open is
//! recorded and announced only if it is still open when the maintenance is over.

use crate::{error::Result, matcher::Matcher, monitor, notification::Subject, time::Timestamp, window::Window};

/// The evidence of a run that wasn't up during maintenance: which one it was. Such runs don't count in what a target was up.
pub const EVIDENCE: &str = "maintenance";
/// Most maintenances of one engine.
pub const MAX_MAINTENANCES: usize = 1_000;

/// Monitors that are worked on, and when.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Maintenance {
    /// What people call it.
    pub name: String,
    /// When.
    pub window: Window,
    /// Which monitors.
    pub matcher: Matcher,
}

impl Maintenance {
    /// Work on the monitors that `matcher` is about.
    pub fn new(name: impl Into<String>, window: Window, matcher: Matcher) -> Self {
        Self { name: name.into(), window, matcher }
    }

    /// Refuses what can't be meant.
    pub(crate) fn validate(&self) -> Result<()> {
        monitor::name("name", &self.name)?;
        self.matcher.validate()
    }

    /// When the work on that monitor ends that goes on at an instant; none when there is none.
    pub fn until(&self, monitor: &Subject, at: Timestamp) -> Option<Timestamp> {
        if self.matcher.matches(monitor) { self.window.end_of(at) } else { None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        id::MonitorId,
        monitor::{Definition, Monitor, State},
    };

    #[test]
    fn work_on_a_monitor_ends_with_its_window_and_others_are_not_worked_on() {
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        let window = Window::once(at("2026-11-22T10:00:00Z"), at("2026-11-22T12:00:00Z")).unwrap();
        let work = Maintenance::new("deploy", window, Matcher::all().monitors(["shop"]));
        let subject =
            |name: &str| Subject::of(&Monitor::new(MonitorId::new(), 1, State::Active, Definition::new(name, "http")));
        assert_eq!(work.until(&subject("shop"), at("2026-11-22T11:00:00Z")), Some(at("2026-11-22T12:00:00Z")));
        assert_eq!(work.until(&subject("shop"), at("2026-11-22T12:00:00Z")), None);
        assert_eq!(work.until(&subject("db"), at("2026-11-22T11:00:00Z")), None);
    }
}
