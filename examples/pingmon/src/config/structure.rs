//! Judges the structure of a config by its JSON Schema and says what is wrong in words for people.

use jsonschema::{
    JsonType, ValidationError, Validator,
    error::{TypeKind, ValidationErrorKind as Kind},
};
use serde_json::Value;

use super::{
    finding::{Finding, shorten},
    path::Path,
    schema::properties_of,
    suggest,
};

/// A schema made ready for use.
pub(crate) struct Structure {
    schema: Value,
    validator: Validator,
}

impl Structure {
    /// Prepares a schema.
    ///
    /// # Errors
    /// When a kind's schema isn't one.
    pub(crate) fn new(schema: Value) -> Result<Self, String> {
        let validator = jsonschema::draft202012::new(&schema)
            .map_err(|error| format!("the schema of a kind can't be used: {error}"))?;
        Ok(Self { schema, validator })
    }

    /// Everything about the structure of `config` that the schema refuses.
    pub(crate) fn judge(&self, config: &Value) -> Vec<Finding> {
        self.validator.iter_errors(config).flat_map(|error| self.phrase(&error, config)).collect()
    }

    fn phrase(&self, error: &ValidationError<'_>, config: &Value) -> Vec<Finding> {
        let path = Path::from_pointer(error.instance_path().as_str());
        let found = error.instance().as_ref();
        let one = |message: String| vec![Finding::new(path.clone(), message)];
        match error.kind() {
            Kind::AdditionalProperties { unexpected } | Kind::UnevaluatedProperties { unexpected } => {
                unexpected.iter().map(|key| self.unknown_key(&path, key, found, error)).collect()
            }
            // What jsonschema says of a table that may have no key at all.
            Kind::FalseSchema if error.schema_path().as_str().ends_with("/additionalProperties") => {
                let table = path.get(config).unwrap_or(found);
                let keys = table.as_object().into_iter().flatten().map(|(key, _)| key);
                keys.map(|key| self.unknown_key(&path, key, table, error)).collect()
            }
            Kind::Required { property } => vec![self.missing(&path, property.as_str().unwrap_or_default(), error)],
            Kind::Type { kind } => one(self.wrong_type(found, kind, error)),
            Kind::Enum { options } => one(not_one_of(found, options.as_array().into_iter().flatten())),
            Kind::Constant { expected_value } => one(not_one_of(found, [expected_value.as_ref()])),
            Kind::OneOfNotValid { .. } | Kind::OneOfMultipleValid { .. } if is_item(&path) => {
                self.kind_count(&path, found, error).into_iter().collect()
            }
            Kind::AnyOf { context } | Kind::OneOfNotValid { context } => {
                self.alternatives(&path, context, error, config)
            }
            Kind::Minimum { .. }
            | Kind::Maximum { .. }
            | Kind::ExclusiveMinimum { .. }
            | Kind::ExclusiveMaximum { .. } => one(self.out_of_range(found, error)),
            Kind::MinLength { limit: 1 } | Kind::MinItems { limit: 1 } | Kind::MinProperties { limit: 1 } => {
                one("is empty".to_owned())
            }
            Kind::MaxLength { limit } => one(format!("is longer than {limit} characters")),
            Kind::MaxItems { limit } | Kind::MaxProperties { limit } => one(format!("has more than {limit} entries")),
            Kind::Pattern { pattern } => one(match self.described_type(error) {
                Some(expected) => format!("is {}, expected {expected}", show(found)),
                None => format!("is {}, expected a match of the pattern {pattern}", show(found)),
            }),
            _ => one(error.masked_with("the value").to_string()),
        }
    }

    fn unknown_key(&self, path: &Path, key: &str, found: &Value, error: &ValidationError<'_>) -> Finding {
        let known = self.known_keys(error);
        let is_kind = is_item(path) && found[key].is_object();
        let what = if is_kind { "kind" } else { "key" };
        let message = match suggest::nearest(key, known.iter().map(|(key, _)| key.as_str())) {
            Some(meant) => format!("unknown {what}, did you mean \"{meant}\"?"),
            None => match known.iter().find(|(kind, of_kind)| *of_kind && self.is_field_of(kind, key, found, error)) {
                Some((kind, _)) => format!("belongs into the table \"{kind}\""),
                None => {
                    let known = known.iter().filter(|(_, of_kind)| !is_kind || *of_kind).map(|(key, _)| key.as_str());
                    format!("unknown {what}, {}", suggest::hint(key, known))
                }
            },
        };
        Finding::of_key(path.to(key), message)
    }

    /// Whether a key that was written beside the table of a kind is one of that table.
    fn is_field_of(&self, kind: &str, key: &str, found: &Value, error: &ValidationError<'_>) -> bool {
        let schema = self.parent(error).map(|parent| &parent["properties"][kind]);
        found.get(kind).is_some() && schema.is_some_and(|kind| properties_of(&self.schema, kind).contains_key(key))
    }

    /// The keys that the schema knows where the error stands, and whether each names a kind.
    fn known_keys(&self, error: &ValidationError<'_>) -> Vec<(String, bool)> {
        let properties = self.parent(error).and_then(|parent| parent["properties"].as_object());
        let is_kind = |schema: &Value| {
            schema["$ref"]
                .as_str()
                .is_some_and(|to| to.starts_with("#/$defs/check.") || to.starts_with("#/$defs/notifier."))
        };
        properties.into_iter().flatten().map(|(key, schema)| (key.clone(), is_kind(schema))).collect()
    }

    fn missing(&self, path: &Path, key: &str, error: &ValidationError<'_>) -> Finding {
        let schema = self.parent(error).map(|parent| &parent["properties"][key]);
        let hint = schema.and_then(|schema| first_line(&schema["description"]));
        Finding::new(path.to(key), hint.map_or("is missing".to_owned(), |hint| format!("is missing: {hint}")))
    }

    fn wrong_type(&self, found: &Value, kind: &TypeKind, error: &ValidationError<'_>) -> String {
        let expected = self.described_type(error).unwrap_or_else(|| names(kind));
        format!("is {}, expected {expected}", noun(found))
    }

    /// What the definition says about the type the error stands in; a property's description would tell its purpose.
    fn described_type(&self, error: &ValidationError<'_>) -> Option<String> {
        let path = Path::from_pointer(error.schema_path().as_str());
        let [definitions, _, _] = path.steps() else { return None };
        let parent = self.parent(error).filter(|parent| definitions == "$defs" && !parent["properties"].is_object())?;
        first_line(&parent["description"])
    }

    fn out_of_range(&self, found: &Value, error: &ValidationError<'_>) -> String {
        let bound = |keys: [&str; 2]| {
            let parent = self.parent(error)?;
            keys.iter().find_map(|key| parent.get(*key)).map(Value::to_string)
        };
        let least = bound(["minimum", "exclusiveMinimum"]).map(|least| format!("from {least}"));
        let most = bound(["maximum", "exclusiveMaximum"]).map(|most| format!("to {most}"));
        let range: Vec<_> = least.into_iter().chain(most).collect();
        format!("{} is out of range: {}", show(found), range.join(" "))
    }

    /// None of several forms fits: speaks about the one that fits best, or names them all.
    fn alternatives(
        &self,
        path: &Path,
        forms: &[Vec<ValidationError<'static>>],
        error: &ValidationError<'_>,
        config: &Value,
    ) -> Vec<Finding> {
        let found = error.instance().as_ref();
        let fixed: Vec<_> = forms.iter().flatten().filter_map(fixed_values).flatten().collect();
        if !fixed.is_empty() && found.is_string() && forms.iter().flatten().all(|error| is_about(error, path)) {
            return vec![Finding::new(path.clone(), not_one_of(found, fixed))];
        }
        let fits = |form: &&Vec<ValidationError<'static>>| !form.iter().any(|e| is_about(e, path) && refuses_form(e));
        let description = self.parent(error).and_then(|parent| first_line(&parent["description"]));
        let best = forms.iter().filter(fits).min_by_key(|form| form.len());
        match (best.map(|form| form.as_slice()), description) {
            (Some([only]), Some(expected)) if matches!(only.kind(), Kind::Pattern { .. }) && is_about(only, path) => {
                vec![Finding::new(path.clone(), format!("is {}, expected {expected}", show(found)))]
            }
            (Some(best), _) => best.iter().flat_map(|error| self.phrase(error, config)).collect(),
            (None, description) => {
                let expected = description.unwrap_or_else(|| type_names(forms));
                vec![Finding::new(path.clone(), format!("is {}, expected {expected}", noun(found)))]
            }
        }
    }

    /// A monitor or notifier is to have exactly one kind. An unknown one is reported as such already.
    fn kind_count(&self, path: &Path, found: &Value, error: &ValidationError<'_>) -> Option<Finding> {
        let known = self.known_keys(error);
        let kinds: Vec<_> = known.iter().filter(|(_, is_kind)| *is_kind).map(|(key, _)| key.as_str()).collect();
        let present: Vec<_> = kinds.iter().copied().filter(|kind| found.get(kind).is_some()).collect();
        if !present.is_empty() {
            let present = present.join(" and ");
            return Some(Finding::new(path.clone(), format!("has the kinds {present}: one is to stay")));
        }
        let tables = found.as_object().into_iter().flatten().filter(|(_, value)| value.is_object());
        let unknown = tables.filter(|(key, _)| !known.iter().any(|(known, _)| known == *key)).count();
        let kinds = kinds.join(", ");
        (unknown == 0).then(|| Finding::new(path.clone(), format!("has no kind: give it one of the tables {kinds}")))
    }

    /// The schema object whose keyword failed.
    fn parent(&self, error: &ValidationError<'_>) -> Option<&Value> {
        let (parent, _) = error.schema_path().as_str().rsplit_once('/')?;
        self.schema.pointer(parent)
    }
}

/// Whether the path is that of a whole monitor or notifier.
fn is_item(path: &Path) -> bool {
    matches!(path.steps(), [top, _] if top == "monitor" || top == "notifier")
}

fn is_about(error: &ValidationError<'_>, path: &Path) -> bool {
    Path::from_pointer(error.instance_path().as_str()) == *path
}

/// Whether an error says that another form was meant, rather than that this form has a flaw.
fn refuses_form(error: &ValidationError<'_>) -> bool {
    matches!(error.kind(), Kind::Type { .. } | Kind::Enum { .. } | Kind::Constant { .. } | Kind::Required { .. })
        || matches!(error.kind(), Kind::AdditionalProperties { unexpected } if
            error.instance().as_object().is_some_and(|table| table.len() == unexpected.len()))
}

fn fixed_values<'e>(error: &'e ValidationError<'_>) -> Option<Vec<&'e Value>> {
    match error.kind() {
        Kind::Enum { options } => options.as_array().map(|options| options.iter().collect()),
        Kind::Constant { expected_value } => Some(vec![expected_value]),
        _ => None,
    }
}

fn not_one_of<'v>(found: &Value, allowed: impl IntoIterator<Item = &'v Value>) -> String {
    let allowed: Vec<_> = allowed.into_iter().filter_map(Value::as_str).collect();
    let hint = found.as_str().and_then(|word| suggest::nearest(word, allowed.iter().copied()));
    let hint = hint.map(|meant| format!(", did you mean \"{meant}\"?")).unwrap_or_default();
    let allowed: Vec<_> = allowed.iter().map(|allowed| format!("\"{allowed}\"")).collect();
    match allowed.as_slice() {
        [one] => format!("is {}, expected {one}{hint}", show(found)),
        many => format!("is {}, expected one of {}{hint}", show(found), many.join(", ")),
    }
}

/// What was found, as a message may repeat it.
fn show(found: &Value) -> String {
    match found {
        Value::String(text) => format!("\"{}\"", shorten(text)),
        Value::Number(_) | Value::Bool(_) => found.to_string(),
        _ => noun(found).to_owned(),
    }
}

fn noun(value: &Value) -> &'static str {
    match value {
        Value::Null => "nothing",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "a table",
    }
}

fn names(kind: &TypeKind) -> String {
    let types = match kind {
        TypeKind::Single(one) => vec![*one],
        TypeKind::Multiple(many) => many.iter().collect(),
    };
    let names: Vec<_> = types.into_iter().map(type_name).collect();
    names.join(" or ")
}

fn type_names(forms: &[Vec<ValidationError<'static>>]) -> String {
    let mut distinct: Vec<String> = Vec::new();
    for error in forms.iter().flatten() {
        let name = match error.kind() {
            Kind::Type { kind } => names(kind),
            Kind::Required { property } => format!("a table with \"{}\"", property.as_str().unwrap_or_default()),
            _ => continue,
        };
        if !distinct.contains(&name) {
            distinct.push(name);
        }
    }
    if distinct.is_empty() { "another form".to_owned() } else { distinct.join(" or ") }
}

fn type_name(json: JsonType) -> &'static str {
    match json {
        JsonType::Null => "nothing",
        JsonType::Boolean => "true or false",
        JsonType::Integer => "a whole number",
        JsonType::Number => "a number",
        JsonType::String => "a text",
        JsonType::Array => "a list",
        JsonType::Object => "a table",
    }
}

/// The first line of a description, as a part of a sentence.
fn first_line(description: &Value) -> Option<String> {
    let line = description.as_str()?.lines().next()?;
    let line = line.strip_suffix('.').unwrap_or(line);
    let mut rest = line.chars();
    let first = rest.next()?;
    let is_word = rest.clone().next().is_none_or(|second| !second.is_uppercase());
    Some(if is_word { first.to_lowercase().chain(rest).collect() } else { line.to_owned() })
}
