//! The check kinds of pingmon: each is a feature and a module, all share one dial policy. When a check runs and what
//! follows from its verdict is the engine's business.
//!
//! | feature | kind | asks |
//! |---|---|---|
//! | `http` (default) | [`http`] | does one request get the answer it should: status, headers, text, JSON, latency |
//! | `tcp` (default) | [`tcp`] | is a connection accepted, how fast, and is the right thing said |
//! | `tls` (default) | [`tls`] | is the certificate to be trusted, for how long, and what is agreed upon |
//! | `dns` (default) | [`dns`] | what does a nameserver answer, is it signed, and how fast |
//! | `system` (default) | [`system`] | how this host is doing: processors, memory, disks, load, network, a process |
//! | `postgres` | `postgres` | does the database answer, and is it well |
//! | `full` | | all of them, but not `wasm` |
//! | `wasm` | `wasm` | what a plug-in asks: a WebAssembly component, of anybody's making |
//!
//! A run that doesn't reach its target says why in the evidence `error`, and where in `phase`. These words are stable:
//!
//! | verdict | `error` |
//! |---|---|
//! | `down`, connecting | `dns_not_found`, `connect_refused`, `connect_reset`, `connect_timeout`, `connect_failed`, `host_unreachable` |
//! | `down`, TLS | `tls_certificate_expired`, `tls_certificate_not_yet_valid`, `tls_certificate_unknown_issuer`, `tls_certificate_self_signed`, `tls_certificate_wrong_name`, `tls_certificate_wrong_purpose`, `tls_certificate_bad_signature`, `tls_certificate_revoked`, `tls_certificate_missing`, `tls_certificate_invalid`, `tls_client_certificate_required`, `tls_name_unknown`, `tls_protocol_too_old`, `tls_refused`, `tls_incompatible`, `tls_invalid`, `tls_failed`, `not_tls` |
//! | `down`, before TLS | `starttls_unsupported`, `starttls_refused`, `starttls_injected` |
//! | `down`, talking | `timeout`, `connection_reset`, `connection_closed`, `connection_timeout`, `connection_failed`, `invalid_response`, `response_too_large`, `invalid_body`, `redirect_limit`, `redirect_invalid`, `http2_refused`, `proxy_target_unreachable` |
//! | `down`, PostgreSQL | `auth_failed`, `no_such_database`, `too_many_connections`, `out_of_resources`, `shutting_down`, `not_ready`, `login_refused`, `protocol`, `query_failed`; with the server's own code in `sqlstate` |
//! | `unknown`, PostgreSQL | `bad_query`, `not_permitted`, `not_supported`, `no_such_file`, `driver_failed` |
//! | `unknown`, ours | `bad_query`, `dns_failed`, `dns_timeout`, `network_unreachable`, `no_local_port`, `no_file_handles`, `no_memory`, `not_permitted`, `dial_forbidden`, `redirect_forbidden`, `proxy_failed`, `token_failed`, `request_invalid` |
//! | `unknown`, a plug-in's | `not_granted`, `plugin_trap`, `plugin_timeout`, `plugin_limit`, `plugin_failed`, `plugin_config` |
//!
//! An address that the dial policy forbids is `unknown`: that we don't go there says nothing about the target.

#[cfg(any(feature = "tcp", feature = "tls", feature = "dns"))]
mod address;
#[cfg(any(feature = "handshake", feature = "http"))]
#[cfg_attr(
    not(feature = "tls"),
    allow(dead_code, reason = "`tls` tells all of a certificate, the others what is wrong")
)]
mod certificate;
#[cfg(any(feature = "http", feature = "tls"))]
mod days_left;
#[cfg(any(feature = "dial", feature = "system"))]
mod deadline;
#[cfg(feature = "dial")]
pub mod dial;
#[cfg(feature = "dns")]
pub mod dns;
#[cfg(feature = "dial")]
mod fault;
#[cfg(feature = "handshake")]
mod handshake;
#[cfg(feature = "http")]
pub mod http;
#[cfg(any(feature = "postgres", feature = "system"))]
mod judgement;
#[cfg(feature = "dial")]
mod latency;
#[cfg(any(feature = "dial", feature = "system"))]
mod levels;
#[cfg(any(feature = "http", feature = "postgres", feature = "tcp", feature = "dns"))]
mod pattern;
#[cfg(any(feature = "postgres", feature = "system"))]
mod percent;
#[cfg(feature = "postgres")]
pub mod postgres;
#[cfg(feature = "dial")]
mod stopwatch;
#[cfg(feature = "system")]
pub mod system;
#[cfg(feature = "tcp")]
pub mod tcp;
#[cfg(feature = "tls")]
pub mod tls;
#[cfg(feature = "wasm")]
pub mod wasm;

use std::sync::Arc;

use pingmon_core::{check::CheckKind, dial::DialPolicy, error::Result};

/// Every kind whose feature is on but `wasm`, which needs plug-ins, dialling what `policy` permits.
///
/// # Errors
/// [`pingmon_core::error::Error::Config`] when a kind can't be set up, as without the system's TLS roots.
#[allow(clippy::vec_init_then_push, reason = "which kinds there are depends on features")]
#[allow(unused_variables, unused_mut, reason = "without a feature there is no kind")]
pub fn kinds(policy: DialPolicy) -> Result<Vec<Arc<dyn CheckKind>>> {
    let mut kinds: Vec<Arc<dyn CheckKind>> = Vec::new();
    #[cfg(feature = "dial")]
    let resolver = dial::resolver::Resolver::system();
    #[cfg(feature = "http")]
    kinds.push(Arc::new(http::Http::with_resolver(policy.clone(), resolver.clone())?));
    #[cfg(feature = "tcp")]
    kinds.push(Arc::new(tcp::Tcp::with_resolver(policy.clone(), resolver.clone())));
    #[cfg(feature = "tls")]
    kinds.push(Arc::new(tls::Tls::with_resolver(policy.clone(), resolver.clone())));
    #[cfg(feature = "dns")]
    kinds.push(Arc::new(dns::Dns::with_resolver(policy.clone(), resolver.clone())));
    #[cfg(feature = "postgres")]
    kinds.push(Arc::new(postgres::Postgres::with_resolver(policy, resolver)));
    #[cfg(feature = "system")]
    kinds.push(Arc::new(system::System::new()));
    Ok(kinds)
}
