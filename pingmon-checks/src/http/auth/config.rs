//! The ways to say who asks, as they are written.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use secrecy::SecretString;
use serde::Deserialize;

/// A user and a password.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct Login {
    /// The user; for basic authentication without a colon.
    pub(in crate::http) username: String,
    /// The password; a secret.
    #[schemars(with = "String")]
    pub(in crate::http) password: SecretString,
}

/// Credentials of any scheme.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct Authorization {
    /// The scheme's name, as in `ApiKey`.
    pub(in crate::http) scheme: String,
    /// What follows it; a secret.
    #[schemars(with = "String")]
    pub(in crate::http) credentials: SecretString,
}

/// Where a token comes from.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct OAuth2 {
    /// The URL of the token endpoint.
    pub(super) token_url: String,
    /// Who asks for a token.
    pub(super) client_id: String,
    /// What proves it; a secret.
    #[schemars(with = "String")]
    pub(in crate::http) client_secret: SecretString,
    /// What the token is to be good for, separated by spaces.
    pub(super) scope: Option<String>,
    /// How the client says who it is: `basic` (a header, what RFC 6749 recommends) or `body`.
    #[serde(default)]
    pub(super) client_auth: ClientAuth,
    /// Further fields for the token endpoint, such as `audience`, at most 16.
    #[serde(default)]
    pub(super) params: BTreeMap<String, String>,
}

/// How a client says who it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum ClientAuth {
    /// By a header.
    #[default]
    Basic,
    /// By fields of the body.
    Body,
}
