//! What a scenario found: figures, and laws that held or were broken.

use std::fmt;

use comfy_table::{Table, presets};

/// Most violations of one law that are shown.
const SHOWN: usize = 3;

#[derive(Default)]
pub(crate) struct Report {
    title: String,
    figures: Vec<(String, String)>,
    laws: Vec<(String, Vec<String>)>,
}

impl Report {
    pub(crate) fn new(title: impl Into<String>) -> Self {
        Self { title: title.into(), ..Self::default() }
    }

    /// Notes a figure.
    pub(crate) fn figure(&mut self, name: impl Into<String>, value: impl fmt::Display) {
        self.figures.push((name.into(), value.to_string()));
    }

    /// Notes a law with everything that breaks it.
    pub(crate) fn law(&mut self, law: impl Into<String>, broken_by: impl IntoIterator<Item = String>) {
        self.laws.push((law.into(), broken_by.into_iter().collect()));
    }

    /// Notes a law that one condition decides.
    pub(crate) fn must(&mut self, law: impl Into<String>, holds: bool, found: impl fmt::Display) {
        self.law(law, (!holds).then(|| found.to_string()));
    }

    /// Whether every law held.
    pub(crate) fn held(&self) -> bool {
        self.laws.iter().all(|(_, broken_by)| broken_by.is_empty())
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut figures = Table::new();
        figures.load_style(presets::ASCII_BORDERS_ONLY_CONDENSED).set_header([self.title.as_str(), ""]);
        for (name, value) in &self.figures {
            figures.add_row([name, value]);
        }
        let mut laws = Table::new();
        laws.load_style(presets::ASCII_BORDERS_ONLY_CONDENSED).set_header(["law", ""]);
        for (law, broken_by) in &self.laws {
            laws.add_row([law.as_str(), if broken_by.is_empty() { "held" } else { "BROKEN" }]);
        }
        writeln!(f, "{figures}\n{laws}")?;
        for (law, broken_by) in self.laws.iter().filter(|(_, broken_by)| !broken_by.is_empty()) {
            writeln!(f, "BROKEN {} times: {law}", broken_by.len())?;
            broken_by.iter().take(SHOWN).try_for_each(|violation| writeln!(f, "  {violation}"))?;
        }
        Ok(())
    }
}
