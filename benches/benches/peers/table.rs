//! The table: turns of every prober one after the other, so that all see the same minutes.

use std::time::Duration;

use comfy_table::{Table, presets};

use crate::{
    exporter::Exporter,
    ground::Ground,
    prober::{self, Turn},
};

const FORMS: [&str; 3] = ["http", "https", "tcp"];
const IN_FLIGHT: [usize; 3] = [1, 64, 512];
/// How often each prober has its turn.
const TURNS: usize = 3;

/// All turns of one prober.
#[derive(Default)]
struct Turns(Vec<Turn>);

impl Turns {
    /// Probes a second on its core, the median of all turns.
    fn rate(&self) -> f64 {
        let mut rates: Vec<_> = self.0.iter().map(|turn| turn.probes / turn.wall.as_secs_f64()).collect();
        rates.sort_by(f64::total_cmp);
        rates[rates.len() / 2]
    }

    /// Microseconds on the processor for one probe.
    fn cpu(&self) -> f64 {
        let cpu: Duration = self.0.iter().map(|turn| turn.cpu).sum();
        cpu.as_secs_f64() * 1e6 / self.0.iter().map(|turn| turn.probes).sum::<f64>()
    }

    fn megabytes(&self) -> u64 {
        self.0.iter().map(|turn| turn.rss_kib).max().unwrap_or_default() / 1024
    }

    fn cell(&self) -> String {
        format!("{:.0} ({:.0} us, {} MiB)", self.rate(), self.cpu(), self.megabytes())
    }
}

pub(crate) fn print() {
    let ground = Ground::start();
    let exporter = Exporter::start(&ground);
    let mut table = Table::new();
    table.load_style(presets::ASCII_MARKDOWN).set_header([
        "probes/s on one core",
        "raw",
        "check",
        "blackbox_exporter",
        "check / raw",
        "check / exporter",
    ]);
    for form in FORMS {
        let port = if form == "https" { ground.https } else { ground.http };
        for in_flight in IN_FLIGHT {
            let (mut raw, mut check, mut peer) = (Turns::default(), Turns::default(), Turns::default());
            for _ in 0..TURNS {
                raw.0.push(prober::turn(&ground, &format!("raw {form}"), port, in_flight));
                check.0.push(prober::turn(&ground, form, port, in_flight));
                peer.0.push(exporter.turn(&ground, form, port, in_flight));
            }
            let ratio = |than: &Turns| format!("{:.2}", than.cpu() / check.cpu());
            let case = format!("{form}, {in_flight} in flight");
            table.add_row([case, raw.cell(), check.cell(), peer.cell(), ratio(&raw), ratio(&peer)]);
        }
    }
    println!("{table}");
    println!("Ratios are those of the processor time for one probe, which other work on the machine moves least.");
}
