//! What a scenario found: figures, aims that were met or missed, and laws that held or were broken.

use std::fmt;

use comfy_table::{Table, presets};

use crate::ledger::distribution::Distribution;

/// Most violations of one law that are shown.
const SHOWN: usize = 3;

/// What a scenario found. Shown as tables.
#[derive(Default)]
pub struct Report {
    title: String,
    figures: Vec<(String, String)>,
    histograms: Vec<(String, String)>,
    aims: Vec<(String, bool, String)>,
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

    /// Notes lengths of time, with their histogram.
    pub(crate) fn distribution(&mut self, name: impl Into<String>, times: &Distribution) {
        let name = name.into();
        self.figure(name.clone(), times);
        self.histograms.push((name, times.histogram()));
    }

    /// Notes whether a figure is as good as it is to be; what it is depends on the machine.
    pub(crate) fn aim(&mut self, aim: impl Into<String>, met: bool, found: impl fmt::Display) {
        self.aims.push((aim.into(), met, found.to_string()));
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
    pub fn held(&self) -> bool {
        self.laws.iter().all(|(_, broken_by)| broken_by.is_empty())
    }

    /// Whether every aim was met.
    pub fn met(&self) -> bool {
        self.aims.iter().all(|(_, met, _)| *met)
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut figures = table([self.title.as_str(), ""]);
        for (name, value) in &self.figures {
            figures.add_row([name, value]);
        }
        writeln!(f, "{figures}")?;
        self.histograms.iter().try_for_each(|(name, histogram)| write!(f, "{name}\n{histogram}"))?;
        if !self.aims.is_empty() {
            let mut aims = table(["aim", "found", ""]);
            for (aim, met, found) in &self.aims {
                aims.add_row([aim.as_str(), found, if *met { "met" } else { "MISSED" }]);
            }
            writeln!(f, "{aims}")?;
        }
        let mut laws = table(["law", ""]);
        for (law, broken_by) in &self.laws {
            laws.add_row([law.as_str(), if broken_by.is_empty() { "held" } else { "BROKEN" }]);
        }
        writeln!(f, "{laws}")?;
        for (law, broken_by) in self.laws.iter().filter(|(_, broken_by)| !broken_by.is_empty()) {
            writeln!(f, "BROKEN {} times: {law}", broken_by.len())?;
            broken_by.iter().take(SHOWN).try_for_each(|violation| writeln!(f, "  {violation}"))?;
        }
        Ok(())
    }
}

fn table<const N: usize>(header: [&str; N]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::ASCII_BORDERS_ONLY_CONDENSED).set_header(header);
    table
}
