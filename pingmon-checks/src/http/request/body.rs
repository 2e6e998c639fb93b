//! The body of a request in the forms it can be written in.

use std::{borrow::Cow, cell::Cell, collections::BTreeMap, fmt};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use hyper::{body::Bytes, header::HeaderValue};
use pingmon_core::error::{Error, Result};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use secrecy::{ExposeSecret as _, SecretString};
use serde::{
    Deserialize, Deserializer,
    de::{self, value::MapAccessDeserializer},
};
use serde_json::Value;
use url::form_urlencoded;

use super::template::Variables;
use crate::http::config::Values;

const MAX_BODY: usize = 1024 * 1024;

/// What is sent along.
pub(in crate::http) enum Body {
    /// As it is.
    Text(SecretString),
    /// Written as something else.
    Encoded(Encoded),
}

/// A body written as something else: exactly one of these.
#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(in crate::http) enum Encoded {
    /// Any value, sent as JSON with the content type `application/json` unless another is given.
    Json(Value),
    /// Fields, sent as `application/x-www-form-urlencoded`.
    Form(BTreeMap<String, Values>),
    /// Bytes, written in base64.
    #[schemars(with = "String")]
    Base64(SecretString),
}

impl Body {
    /// The bytes to send and their content type, where the form says it.
    ///
    /// # Errors
    /// [`Error::Config`] naming what can't be sent.
    pub(super) fn fill(&self, variables: &Variables) -> Result<(Bytes, Option<HeaderValue>)> {
        // Values that are filled in may be long, and many texts may name them: all together have one limit.
        let room = Cell::new(MAX_BODY);
        let filled = |text: &str| {
            let filled = variables.fill(text, room.get().max(text.len()));
            let filled = filled.map_err(|reason| Error::config("body", reason))?.into_owned();
            room.set(room.get().saturating_sub(filled.len()));
            Ok(filled)
        };
        let (bytes, content_type) = match self {
            Self::Text(text) => (filled(text.expose_secret())?.into_bytes(), None),
            Self::Encoded(Encoded::Json(value)) => {
                let mut value = value.clone();
                fill_json(&mut value, &filled)?;
                (value.to_string().into_bytes(), Some(HeaderValue::from_static("application/json")))
            }
            Self::Encoded(Encoded::Form(fields)) => {
                let mut form = form_urlencoded::Serializer::new(String::new());
                for (name, values) in fields {
                    for value in &values.0 {
                        form.append_pair(name, &filled(value.expose_secret())?);
                    }
                }
                let content_type = HeaderValue::from_static("application/x-www-form-urlencoded");
                (form.finish().into_bytes(), Some(content_type))
            }
            Self::Encoded(Encoded::Base64(text)) => {
                let bytes = BASE64_STANDARD.decode(text.expose_secret().replace(['\r', '\n'], ""));
                let refused =
                    |_| Error::config("body.base64", "it isn't base64; write what `base64` makes of the bytes");
                (bytes.map_err(refused)?, None)
            }
        };
        if bytes.len() > MAX_BODY {
            return Err(Error::config("body", format!("more than {MAX_BODY} bytes; send a shorter one")));
        }
        Ok((bytes.into(), content_type))
    }

    /// Whether one of its texts passes the test.
    pub(super) fn has_text(&self, test: &dyn Fn(&str) -> bool) -> bool {
        match self {
            Self::Text(text) => test(text.expose_secret()),
            Self::Encoded(Encoded::Json(value)) => test(&value.to_string()),
            Self::Encoded(Encoded::Form(fields)) => {
                fields.values().flat_map(|values| &values.0).any(|value| test(value.expose_secret()))
            }
            Self::Encoded(Encoded::Base64(_)) => false,
        }
    }
}

fn fill_json(value: &mut Value, filled: &dyn Fn(&str) -> Result<String>) -> Result<()> {
    match value {
        Value::String(text) => *text = filled(text)?,
        Value::Array(values) => values.iter_mut().try_for_each(|value| fill_json(value, filled))?,
        Value::Object(fields) => fields.values_mut().try_for_each(|value| fill_json(value, filled))?,
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
    Ok(())
}

impl<'de> Deserialize<'de> for Body {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct TextOrTable;
        impl<'de> de::Visitor<'de> for TextOrTable {
            type Value = Body;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text, { json = … }, { form = … } or { base64 = \"…\" }")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Body, E> {
                Ok(Body::Text(text.into()))
            }

            fn visit_map<A: de::MapAccess<'de>>(self, map: A) -> Result<Body, A::Error> {
                Encoded::deserialize(MapAccessDeserializer::new(map)).map(Body::Encoded)
            }
        }
        deserializer.deserialize_any(TextOrTable)
    }
}

impl JsonSchema for Body {
    fn schema_name() -> Cow<'static, str> {
        "RequestBody".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let encoded = generator.subschema_for::<Encoded>();
        json_schema!({ "description": "a text, or one written as something else", "anyOf": [{ "type": "string" }, encoded] })
    }
}
