//! The embedded templates and the frame that every page is drawn in.

use axum::response::Html;
use minijinja::{Environment, UndefinedBehavior, value::Serde};
use serde::Serialize;

use super::wording::When;
use crate::{face::Shared, failure::Failure, links::Links};

/// Names end in `.html`, which is what turns escaping on.
const TEMPLATES: [(&str, &str); 9] = [
    ("layout.html", include_str!("../../templates/layout.html")),
    ("parts.html", include_str!("../../templates/parts.html")),
    ("overview.html", include_str!("../../templates/overview.html")),
    ("monitor.html", include_str!("../../templates/monitor.html")),
    ("incidents.html", include_str!("../../templates/incidents.html")),
    ("notices.html", include_str!("../../templates/notices.html")),
    ("acknowledge.html", include_str!("../../templates/acknowledge.html")),
    ("silence.html", include_str!("../../templates/silence.html")),
    ("failure.html", include_str!("../../templates/failure.html")),
];

pub(crate) struct Templates(Environment<'static>);

/// What every template is given.
#[derive(Serialize)]
struct Frame<'a, T> {
    site: &'a str,
    links: &'a Links,
    updated: When,
    version: &'static str,
    page: &'a T,
}

impl Templates {
    pub(crate) fn embedded() -> Self {
        let mut environment = Environment::new();
        environment.set_undefined_behavior(UndefinedBehavior::Strict);
        for (name, source) in TEMPLATES {
            if let Err(error) = environment.add_template(name, source) {
                tracing::error!(name, error = &error as &dyn std::error::Error, "failed to read an embedded template");
            }
        }
        Self(environment)
    }

    /// Draws a page.
    pub(super) fn render<T: Serialize>(
        &self,
        name: &str,
        shared: &Shared,
        links: &Links,
        page: &T,
    ) -> Result<Html<String>, Failure> {
        let now = shared.now();
        let updated = When::seen_from(now, now);
        let frame = Frame { site: shared.title(), links, updated, version: env!("CARGO_PKG_VERSION"), page };
        let drawn = self.0.get_template(name).and_then(|template| template.render(Serde(&frame)));
        drawn.map(Html).map_err(|error| {
            tracing::error!(name, error = &error as &dyn std::error::Error, "failed to draw a page");
            Failure::Unrenderable
        })
    }
}
