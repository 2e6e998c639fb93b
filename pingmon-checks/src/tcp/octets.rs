//! Bytes as they are written in a config: as text, in hexadecimal digits or in base64.

use std::{borrow::Cow, fmt};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{
    Deserialize, Deserializer,
    de::{self, value::MapAccessDeserializer},
};

/// Most bytes that may be given.
const MAX_OCTETS: usize = 64 * 1024;

/// One or more bytes. Their `Debug` form doesn't show them: what is sent may hold a password.
#[derive(Clone, PartialEq)]
pub(super) struct Octets(Vec<u8>);

/// Bytes that aren't text, in one of two forms.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Encoded {
    /// Two hexadecimal digits a byte; blanks between them don't count: `"de ad be ef"`.
    hex: Option<String>,
    /// Base64 (RFC 4648) with padding.
    base64: Option<String>,
}

impl Octets {
    pub(super) fn as_slice(&self) -> &[u8] {
        &self.0
    }

    fn new(bytes: Vec<u8>) -> Result<Self, String> {
        match bytes.len() {
            0 => Err("it is empty; write something".to_owned()),
            len if len > MAX_OCTETS => Err(format!("{len} bytes are more than {MAX_OCTETS}; write fewer")),
            _ => Ok(Self(bytes)),
        }
    }
}

impl TryFrom<Encoded> for Octets {
    type Error = String;

    fn try_from(encoded: Encoded) -> Result<Self, String> {
        match (encoded.hex, encoded.base64) {
            (Some(digits), None) => {
                let digits: String = digits.split_whitespace().collect();
                Self::new(hex::decode(digits).map_err(|e| format!("it isn't hexadecimal: {e}"))?)
            }
            (None, Some(text)) => Self::new(STANDARD.decode(text).map_err(|e| format!("it isn't base64: {e}"))?),
            _ => Err("it is a text, or a table of either hex or base64".to_owned()),
        }
    }
}

impl<'de> Deserialize<'de> for Octets {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct TextOrEncoded;
        impl<'de> de::Visitor<'de> for TextOrEncoded {
            type Value = Octets;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text, { hex = \"0d0a\" } or { base64 = \"DQo=\" }")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Octets, E> {
                Octets::new(text.as_bytes().to_vec()).map_err(E::custom)
            }

            fn visit_map<A: de::MapAccess<'de>>(self, map: A) -> Result<Octets, A::Error> {
                let encoded = Encoded::deserialize(MapAccessDeserializer::new(map))?;
                encoded.try_into().map_err(de::Error::custom)
            }
        }
        deserializer.deserialize_any(TextOrEncoded)
    }
}

impl JsonSchema for Octets {
    fn schema_name() -> Cow<'static, str> {
        "Octets".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "1 to 65,536 bytes: a text, or bytes in hexadecimal digits or base64",
            "anyOf": [{ "type": "string" }, generator.subschema_for::<Encoded>()],
        })
    }
}

impl fmt::Debug for Octets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes", self.0.len())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn read(config: Value) -> Result<Octets, String> {
        serde_json::from_value(config).map_err(|error| error.to_string())
    }

    #[test]
    fn bytes_are_text_hexadecimal_or_base64() {
        for config in [json!("\r\nok"), json!({ "hex": "0d0a 6F6b" }), json!({ "base64": "DQpvaw==" })] {
            assert_eq!(read(config.clone()).unwrap().as_slice(), b"\r\nok", "{config}");
        }
        assert_eq!(format!("{:?}", read(json!("secret")).unwrap()), "6 bytes");
    }

    #[test]
    fn what_is_none_of_these_is_refused_with_the_reason() {
        for (config, words) in [
            (json!(""), "it is empty"),
            (json!({ "hex": "0d0" }), "isn't hexadecimal"),
            (json!({ "base64": "?" }), "isn't base64"),
            (json!({ "base32": "" }), "unknown field"),
            (json!({}), "either hex or base64"),
            (json!("x".repeat(MAX_OCTETS + 1)), "more than 65536"),
            (json!(1), "a text"),
        ] {
            let error = read(config).unwrap_err();
            assert!(error.contains(words), "{error}");
        }
    }
}
