//! Routes: which incidents a channel is told of, by the monitor and by how bad it is. Pure decisions; they are an engine's,
//! as its channels are, and add to what the monitors name themselves.

use crate::{
    error::{Error, Result},
    incident,
    matcher::Matcher,
    monitor::{MAX_CHANNELS, name},
    outcome::Status,
};

/// Most routes of one engine.
pub const MAX_ROUTES: usize = 1_000;

/// Channels that are told of incidents of some monitors and levels.
///
/// ```
/// use pingmon_core::{matcher::Matcher, outcome::Status, route::Route};
///
/// let pager = Route::new(Matcher::all().label("team", "shop"), ["pager"]).level(Status::Down);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Route {
    /// The monitors.
    pub matcher: Matcher,
    /// The levels; all when it names none.
    pub levels: Vec<Status>,
    /// Names of the channels, at most 32.
    pub notify: Vec<String>,
}

impl Route {
    /// All incidents of the monitors that `matcher` is about go to these channels.
    pub fn new<S: Into<String>>(matcher: Matcher, channels: impl IntoIterator<Item = S>) -> Self {
        Self { matcher, levels: Vec::new(), notify: channels.into_iter().map(Into::into).collect() }
    }

    /// Only those of this level, and of others that are named so: degraded, down, or unknown for those about the monitoring.
    #[must_use]
    pub fn level(mut self, level: Status) -> Self {
        self.levels.push(level);
        self
    }

    /// Whether it is told of incidents of that level.
    pub fn takes(&self, level: Status) -> bool {
        self.levels.is_empty() || self.levels.contains(&level)
    }
}

/// Refuses routes that can't be meant, or too many; whether there are such channels is for others to say.
pub(crate) fn validate(routes: &[Route]) -> Result<()> {
    if routes.len() > MAX_ROUTES {
        return Err(Error::config("route", format!("{} of them are more than {MAX_ROUTES}; join some", routes.len())));
    }
    routes.iter().try_for_each(|Route { matcher, levels, notify }| {
        matcher.validate()?;
        if notify.is_empty() || notify.len() > MAX_CHANNELS {
            let reason = format!("names {} notifiers: from 1 to {MAX_CHANNELS}", notify.len());
            return Err(Error::config("notify", reason));
        }
        incident::levels("levels", levels)?;
        notify.iter().try_for_each(|channel| name("notify", channel))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_route_takes_the_levels_it_names_or_all() {
        let some = Route::new(Matcher::all(), ["pager"]).level(Status::Down).level(Status::Unknown);
        let takes = |route: &Route| [Status::Degraded, Status::Down, Status::Unknown].map(|level| route.takes(level));
        assert_eq!(takes(&some), [false, true, true]);
        assert_eq!(takes(&Route::new(Matcher::all(), ["pager"])), [true; 3]);
    }

    #[test]
    fn what_can_not_be_meant_is_refused_by_name() {
        let crowd = (0..=MAX_CHANNELS).map(|n| n.to_string());
        let pager = |matcher| Route::new(matcher, ["pager"]);
        for (routes, field) in [
            (vec![Route::new(Matcher::all(), [""; 0])], "notify"),
            (vec![Route::new(Matcher::all(), [" "])], "notify"),
            (vec![Route::new(Matcher::all(), crowd)], "notify"),
            (vec![pager(Matcher::all().monitors([" "]))], "monitors"),
            (vec![pager(Matcher::all()).level(Status::Up)], "levels"),
            (vec![pager(Matcher::all()); MAX_ROUTES + 1], "route"),
        ] {
            let error = validate(&routes).unwrap_err().to_string();
            assert!(error.starts_with(&format!("invalid {field}: ")), "{error}");
        }
        validate(&[pager(Matcher::all().label("team", "*")).level(Status::Down)]).unwrap();
    }
}
