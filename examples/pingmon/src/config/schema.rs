//! The JSON Schema (draft 2020-12) of the whole config file: the sections of `file`, and in each `[[monitor]]` and
//! `[[notifier]]` the tables of the kinds that this program knows.

use pingmon_core::{channel::ChannelPolicy, policy::Policy};
use schemars::{Schema, generate::SchemaSettings};
use serde_json::{Map, Value, json};

use super::file::File;
use crate::kinds::Kinds;

/// The schema of a config whose references are resolved, by which a file is judged.
pub(crate) fn resolved(kinds: &Kinds) -> Value {
    let mut generator = SchemaSettings::draft2020_12().into_generator();
    let policy = generator.subschema_for::<Policy>();
    let channel = generator.subschema_for::<ChannelPolicy>();
    let mut root = generator.into_root_schema_for::<File>().to_value();
    let policy = properties_of(&root, policy.as_value());
    extend(&mut root, "Monitor", &policy);
    extend(&mut root, "Defaults", &policy);
    let channel = properties_of(&root, channel.as_value());
    extend(&mut root, "Notifier", &channel);
    let checks: Vec<_> = kinds.checks.iter().map(|(name, kind)| (name.as_str(), kind.schema())).collect();
    let notifiers: Vec<_> = kinds.notifiers.iter().map(|(name, kind)| (name.as_str(), kind.schema())).collect();
    add_kinds(&mut root, "Monitor", "check", checks);
    add_kinds(&mut root, "Notifier", "notifier", notifiers);
    if let Some(definitions) = root["$defs"].as_object_mut() {
        definitions.remove("Policy");
        definitions.remove("ChannelPolicy");
    }
    fit_toml(&mut root);
    root
}

/// The schema of a config as it is written: inside a kind's table any text may be `{ file = "…" }`, and so may the secrets of
/// the process.
pub(crate) fn written(kinds: &Kinds) -> Value {
    let mut root = resolved(kinds);
    let definitions = root["$defs"].as_object_mut().into_iter().flatten();
    let of_kinds = definitions.filter(|(name, _)| name.starts_with("check.") || name.starts_with("notifier."));
    of_kinds.for_each(|(_, schema)| allow_files(schema));
    for secret in
        ["Store/properties/url", "Web/properties/admin_token", "Web/properties/link_key", "Heartbeat/properties/url"]
    {
        if let Some(secret) = root.pointer_mut(&format!("/$defs/{secret}")) {
            allow_files(secret);
        }
    }
    root["$defs"]["SecretFile"] = json!({
        "description": "The text that a file holds, without the line end at its end; relative to the config file.",
        "type": "object",
        "properties": { "file": { "type": "string" } },
        "required": ["file"],
        "additionalProperties": false,
    });
    root
}

/// The properties of a schema that may be a reference into `$defs`.
pub(crate) fn properties_of(root: &Value, schema: &Value) -> Map<String, Value> {
    let target = schema["$ref"].as_str().and_then(|reference| root.pointer(reference.strip_prefix('#')?));
    target.unwrap_or(schema)["properties"].as_object().cloned().unwrap_or_default()
}

/// Adds properties to a definition and closes it to any other.
fn extend(root: &mut Value, definition: &str, properties: &Map<String, Value>) {
    let schema = &mut root["$defs"][definition];
    schema["additionalProperties"] = json!(false);
    for (name, property) in properties {
        schema["properties"][name] = property.clone();
    }
}

/// Adds a property for each kind to a definition, of which an instance has exactly one.
fn add_kinds(root: &mut Value, definition: &str, family: &str, kinds: Vec<(&str, Schema)>) {
    let (mut tables, mut one_of) = (Map::new(), Vec::new());
    for (name, schema) in kinds {
        let own = format!("{family}.{name}");
        adopt(root, &own, schema.to_value());
        tables.insert(name.to_owned(), json!({ "$ref": format!("#/$defs/{own}") }));
        one_of.push(json!({ "required": [name] }));
    }
    extend(root, definition, &tables);
    root["$defs"][definition]["required"] = json!(["name"]);
    // No name is no default; `fit_toml` drops the null.
    root["$defs"][definition]["properties"]["name"]["default"].take();
    root["$defs"][definition]["oneOf"] = json!(one_of);
}

/// Moves a schema with definitions of its own to `$defs/{own}`, and those to `$defs/{own}.{name}`.
fn adopt(root: &mut Value, own: &str, mut schema: Value) {
    refer_anew(&mut schema, own);
    if let Some(schema) = schema.as_object_mut() {
        schema.remove("$schema");
        schema.remove("title");
        if let Some(Value::Object(definitions)) = schema.remove("$defs") {
            for (name, definition) in definitions {
                root["$defs"][format!("{own}.{name}")] = definition;
            }
        }
    }
    root["$defs"][own] = schema;
}

fn refer_anew(schema: &mut Value, own: &str) {
    match schema {
        Value::Object(fields) => {
            if let Some(Value::String(reference)) = fields.get_mut("$ref") {
                *reference = match reference.strip_prefix("#/$defs/") {
                    Some(name) => format!("#/$defs/{own}.{name}"),
                    None => format!("#/$defs/{own}"),
                };
            }
            fields.values_mut().for_each(|value| refer_anew(value, own));
        }
        Value::Array(items) => items.iter_mut().for_each(|item| refer_anew(item, own)),
        _ => {}
    }
}

/// Takes out what TOML can't say (null) and what only Rust means (`uint8` and the like).
fn fit_toml(schema: &mut Value) {
    match schema {
        Value::Object(fields) => {
            fields.retain(|key, value| !(key == "default" && value.is_null() || key == "format" && is_of_rust(value)));
            if let Some(default) = fields.get_mut("default") {
                drop_nulls(default);
            }
            if let Some(Value::Array(types)) = fields.get_mut("type") {
                types.retain(|name| name != "null");
                if let [only] = types.as_mut_slice() {
                    fields["type"] = only.take();
                }
            }
            if let Some(Value::Array(forms)) = fields.get_mut("anyOf") {
                forms.retain(|form| form["type"] != "null");
                if let [Value::Object(only)] = forms.as_mut_slice() {
                    let only = std::mem::take(only);
                    fields.remove("anyOf");
                    only.into_iter().for_each(|(key, value)| _ = fields.entry(key).or_insert(value));
                }
            }
            fields.values_mut().for_each(fit_toml);
        }
        Value::Array(items) => items.iter_mut().for_each(fit_toml),
        _ => {}
    }
}

fn is_of_rust(format: &Value) -> bool {
    format.as_str().is_some_and(|format| ["uint", "int", "float", "double"].iter().any(|name| format.starts_with(name)))
}

fn drop_nulls(value: &mut Value) {
    if let Value::Object(fields) = value {
        fields.retain(|_, value| !value.is_null());
        fields.values_mut().for_each(drop_nulls);
    }
}

/// Lets every free text in a schema be a secret file instead.
fn allow_files(schema: &mut Value) {
    match schema {
        Value::Object(fields) => {
            let is_text = match fields.get("type") {
                Some(Value::String(name)) => name == "string",
                Some(Value::Array(names)) => names.iter().any(|name| name == "string"),
                _ => false,
            };
            fields.iter_mut().filter(|(key, _)| *key != "default").for_each(|(_, value)| allow_files(value));
            if is_text && !fields.contains_key("enum") && !fields.contains_key("const") {
                let about = ["description", "default"].map(|key| (key, fields.remove(key)));
                *schema = json!({ "anyOf": [std::mem::take(schema), { "$ref": "#/$defs/SecretFile" }] });
                for (key, value) in about {
                    value.into_iter().for_each(|value| schema[key] = value);
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(allow_files),
        _ => {}
    }
}
