//! The plug-ins of a config and of its store, for people and for scripts.

use pingmon_checks::wasm::Info;
use pingmon_core::store::plugins::StoredPlugin;
use serde_json::{Value, json};

use super::{grid, one_line};

/// How many digits of a hash tell plug-ins apart.
const SHORT_HASH: usize = 12;

/// What they are, a line each.
pub(crate) fn table(declared: &[&Info], stored: &[StoredPlugin]) -> String {
    if declared.is_empty() && stored.is_empty() {
        return "there is no plug-in: add a [[plugin]] with name and file to the config, or `pingmon plugin add` one to the \
                store"
            .to_owned();
    }
    let mut table = grid::titled(["NAME", "IN", "IS A", "VERSION", "BYTES", "SHA-256", "ABOUT"]);
    let short = |hash: &str| hash.chars().take(SHORT_HASH).collect::<String>();
    for info in declared {
        let (name, version, about) = (one_line(&info.name), one_line(&info.version), one_line(&info.description));
        let purpose = info.purpose.to_string();
        table.add_row([name, "file".to_owned(), purpose, version, info.size.to_string(), short(&info.sha256), about]);
    }
    for plugin in stored {
        let signed = if plugin.signature.is_some() { ", signed" } else { "" };
        let about = match is_hidden(plugin, declared) {
            true => "hidden by the file of that name".to_owned(),
            false => format!("(added {}{signed})", plugin.added_at),
        };
        let (name, size) = (one_line(&plugin.name), plugin.size.to_string());
        table.add_row([name, "store".to_owned(), String::new(), String::new(), size, short(&plugin.sha256), about]);
    }
    grid::text(table)
}

/// The same as JSON, a line each.
pub(crate) fn json(declared: &[&Info], stored: &[StoredPlugin]) -> serde_json::Result<String> {
    let of_file = |info: &&Info| {
        let mut line = serde_json::to_value(info)?;
        line["in"] = "file".into();
        Ok(line)
    };
    let of_store = |plugin: &StoredPlugin| {
        Ok(json!({
            "name": plugin.name,
            "sha256": plugin.sha256,
            "size": plugin.size,
            "added_at": plugin.added_at,
            "signed": plugin.signature.is_some(),
            "hidden": is_hidden(plugin, declared),
            "in": "store",
        }))
    };
    let lines = declared.iter().map(of_file).chain(stored.iter().map(of_store));
    let lines: Vec<Value> = lines.collect::<serde_json::Result<_>>()?;
    Ok(lines.iter().map(Value::to_string).collect::<Vec<_>>().join("\n"))
}

fn is_hidden(plugin: &StoredPlugin, declared: &[&Info]) -> bool {
    declared.iter().any(|info| info.name == plugin.name)
}
