//! CONFIG.md says what the schema says: it is rendered from `pingmon schema` and compared. With `PINGMON_UPDATE=1` in
//! the environment it is written instead.

use std::{fmt::Write as _, fs, path::Path, sync::LazyLock};

use serde_json::{Map, Value};

const HEAD: &str = "\
# The config file

Every field of `pingmon.toml`. This page is rendered from `pingmon schema` by a test; the schema itself, in JSON, gives
editors completion and checks. `pingmon validate` checks a file.

* A length of time is written with its unit: `\"500ms\"`, `\"30s\"`, `\"5m\"`, `\"1h 30m\"`, `\"7days\"`.
* Any text may hold `${VAR}` or `${VAR:-default}`; `$${` stands for `${`. A text in a check's or a notifier's table, and a
  secret of the process (`store.url`, `web.admin_token`, `web.link_key`, `heartbeat.url`), may also be `{ file = \"…\" }`: what
  that file holds, relative to the config file.
* Unknown keys are refused.
";

/// The deepest table that gets a section of its own.
const MAX_DEPTH: usize = 6;

#[test]
#[allow(clippy::disallowed_methods, reason = "whoever runs the test may have the page written")]
fn the_config_reference_says_what_the_schema_says() {
    let output = assert_cmd::Command::cargo_bin("pingmon").unwrap().arg("schema").output().unwrap();
    let schema: Value = serde_json::from_slice(&output.stdout).unwrap();
    let rendered = render(&schema);
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../CONFIG.md");
    if std::env::var_os("PINGMON_UPDATE").is_some() {
        fs::write(&path, &rendered).unwrap();
    }
    let written = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        written == rendered,
        "CONFIG.md is out of date: run this test with PINGMON_UPDATE=1 and commit what it writes"
    );
}

fn render(schema: &Value) -> String {
    let mut page = Page { schema, text: HEAD.to_owned(), open: Vec::new() };
    for (name, field) in fields(schema) {
        let list = field.get("type").is_some_and(|kind| kind == "array");
        let table = if list { &field["items"] } else { field };
        let title = if list { format!("[[{name}]]") } else { format!("[{name}]") };
        page.section(&title, table, 0);
    }
    page.text
}

struct Page<'a> {
    schema: &'a Value,
    text: String,
    /// The tables on the way to the present one, which may hold themselves.
    open: Vec<&'a Value>,
}

impl<'a> Page<'a> {
    fn section(&mut self, title: &str, field: &'a Value, depth: usize) {
        let table = self.resolve(field);
        if depth > MAX_DEPTH || self.open.iter().any(|open| std::ptr::eq(*open, table)) {
            return;
        }
        let _ = writeln!(self.text, "\n{} `{title}`\n", if depth == 0 { "##" } else { "###" });
        let _ = writeln!(self.text, "{}\n", one_line(table));
        let mut inner = Vec::new();
        if !fields(table).is_empty() {
            self.text.push_str("| field | takes | default | |\n|---|---|---|---|\n");
        }
        for (name, field) in fields(table) {
            let (takes, tables) = self.takes(field, 0);
            let required = table["required"].as_array().is_some_and(|all| all.iter().any(|one| one == name.as_str()));
            let default = match field.get("default").filter(|default| !default.is_null()) {
                _ if required => "*required*".to_owned(),
                Some(default) if !default.is_object() && *default != "" => format!("`{default}`"),
                _ => String::new(),
            };
            let about = if one_line(field).is_empty() { one_line(self.resolve(field)) } else { one_line(field) };
            let _ = writeln!(self.text, "| `{name}` | {takes} | {default} | {about} |");
            // What a table around this one has too is described there.
            if self.open.iter().any(|open| fields(open).get(name) == Some(field)) {
                continue;
            }
            inner.extend(tables.into_iter().map(|table| (format!("{}.{name}", title.trim_matches(['[', ']'])), table)));
        }
        self.open.push(table);
        for (title, table) in inner {
            self.section(&title, table, depth + 1);
        }
        self.open.pop();
    }

    /// What a field takes, in words, and the tables among that.
    fn takes(&self, field: &'a Value, depth: usize) -> (String, Vec<&'a Value>) {
        if depth > MAX_DEPTH {
            return (String::new(), Vec::new());
        }
        if let Some(name) = field["$ref"].as_str().and_then(|path| path.rsplit('/').next()) {
            let named = match name {
                "Span" => Some("length of time"),
                "Threshold" => Some("number of runs, length of time, or `\"never\"`"),
                "SecretFile" => Some(""),
                _ => None,
            };
            return match named {
                Some(words) => (words.to_owned(), Vec::new()),
                None => self.takes(self.resolve(field), depth + 1),
            };
        }
        if let Some(value) = field.get("const") {
            return (format!("`{value}`"), Vec::new());
        }
        if let Some(values) = field["enum"].as_array() {
            return (values.iter().map(|value| format!("`{value}`")).collect::<Vec<_>>().join(", "), Vec::new());
        }
        let choices =
            ["anyOf", "oneOf"].iter().filter(|_| fields(field).is_empty()).find_map(|key| field[key].as_array());
        if let Some(choices) = choices {
            let taken = choices.iter().map(|choice| self.takes(choice, depth + 1));
            let (mut words, tables): (Vec<_>, Vec<_>) = taken.unzip();
            words.retain(|words| !words.is_empty());
            words.dedup();
            return (words.join(" or "), tables.concat());
        }
        self.takes_type(field, depth)
    }

    fn takes_type(&self, field: &'a Value, depth: usize) -> (String, Vec<&'a Value>) {
        let kinds = match &field["type"] {
            Value::Array(kinds) => kinds.iter().filter_map(Value::as_str).collect(),
            kind => kind.as_str().into_iter().collect::<Vec<_>>(),
        };
        let (mut words, mut tables) = (Vec::new(), Vec::new());
        for kind in kinds {
            match kind {
                "object" if fields(field).is_empty() => {
                    let each = self.resolve(&field["additionalProperties"]);
                    let of_tables = !fields(each).is_empty();
                    words.push(if of_tables { "table of tables" } else { "table of texts" }.to_owned());
                    tables.extend(of_tables.then_some(each));
                }
                "object" => {
                    words.push("table".to_owned());
                    tables.push(field);
                }
                "array" => {
                    let (inner, found) = self.takes(&field["items"], depth + 1);
                    words.push(format!("list of {inner}"));
                    tables.extend(found);
                }
                "string" => words.push("text".to_owned()),
                "boolean" => words.push("`true`, `false`".to_owned()),
                "integer" | "number" => words.push(number(field)),
                _ => {}
            }
        }
        (words.join(" or "), tables)
    }

    fn resolve(&self, field: &'a Value) -> &'a Value {
        let target = field["$ref"].as_str().and_then(|path| self.schema.pointer(path.trim_start_matches('#')));
        target.map_or(field, |target| self.resolve(target))
    }
}

fn number(field: &Value) -> String {
    let bound = |key: &str| field.get(key).filter(|bound| bound.as_f64().is_some_and(|bound| bound != 0.0));
    match (bound("minimum"), bound("maximum")) {
        (Some(least), Some(most)) => format!("number, {least} to {most}"),
        (None, Some(most)) => format!("number, at most {most}"),
        (Some(least), None) => format!("number, at least {least}"),
        (None, None) => "number".to_owned(),
    }
}

fn fields(table: &Value) -> &Map<String, Value> {
    static NONE: LazyLock<Map<String, Value>> = LazyLock::new(Map::new);
    table["properties"].as_object().unwrap_or(&NONE)
}

fn one_line(field: &Value) -> String {
    let text = field["description"].as_str().unwrap_or_default();
    text.split_whitespace().collect::<Vec<_>>().join(" ").replace('|', "\\|")
}
