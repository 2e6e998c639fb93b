//! The plug-ins of a config, for people.

use pingmon_checks::wasm::Info;

use super::{grid, one_line};

/// How many digits of a hash tell plug-ins apart.
const SHORT_HASH: usize = 12;

/// What they are, a line each.
pub(crate) fn table(infos: &[&Info]) -> String {
    if infos.is_empty() {
        return "no plug-in is declared: add a [[plugin]] with name and file to the config".to_owned();
    }
    let mut table = grid::titled(["NAME", "VERSION", "BYTES", "SHA-256", "CHECKS"]);
    for info in infos {
        let (name, version, about) = (one_line(&info.name), one_line(&info.version), one_line(&info.description));
        let hash = info.sha256.chars().take(SHORT_HASH).collect();
        table.add_row([name, version, info.size.to_string(), hash, about]);
    }
    grid::text(table)
}
