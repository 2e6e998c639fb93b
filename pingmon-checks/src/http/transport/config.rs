//! How a monitor may say what its connections are like.

use schemars::JsonSchema;
use secrecy::SecretString;
use serde::Deserialize;

/// A version of HTTP to insist on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
pub(in crate::http) enum HttpVersion {
    /// HTTP/1.1 (RFC 9112).
    #[serde(rename = "1.1")]
    Http11,
    /// HTTP/2 (RFC 9113).
    #[serde(rename = "2")]
    Http2,
}

/// Which addresses to use of a host that has several.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(in crate::http) enum Family {
    /// IPv4 only.
    Ipv4,
    /// IPv6 only.
    Ipv6,
    /// IPv4, and IPv6 when none of those answers.
    PreferIpv4,
    /// IPv6, and IPv4 when none of those answers.
    PreferIpv6,
}

/// What TLS is to do differently than usual.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(in crate::http) struct Tls {
    /// Certificates of the authorities to trust instead of the system's, in PEM: a text or `{ file = "ca.pem" }`.
    pub(super) ca: Option<String>,
    /// Whether the target has to prove who it is; `false` accepts any certificate.
    #[schemars(with = "bool")]
    pub(super) verify: Option<bool>,
    /// The name to ask for and to verify (SNI) instead of the URL's host.
    pub(super) server_name: Option<String>,
    /// The client's certificate and those between it and its authority, in PEM. Shown to the URL's host, port and
    /// scheme only.
    pub(super) certificate: Option<String>,
    /// The private key of `certificate`, in PEM and not encrypted; a secret.
    #[schemars(with = "Option<String>")]
    pub(super) key: Option<SecretString>,
    /// The client's certificate and key as PKCS#12 in base64, in place of `certificate` and `key`; a secret.
    #[schemars(with = "Option<String>")]
    pub(super) pkcs12: Option<SecretString>,
    /// The passphrase of `pkcs12`; a secret.
    #[schemars(with = "Option<String>")]
    pub(super) passphrase: Option<SecretString>,
}
