//! The check kinds against real targets.
#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used, reason = "a test that can't go on is to fail")]

#[cfg(all(feature = "http", feature = "tcp"))]
mod attacks;
#[cfg(feature = "handshake")]
mod authority;
#[cfg(feature = "postgres")]
mod cluster;
#[cfg(feature = "tcp")]
mod dial;
#[cfg(feature = "dns")]
mod dns;
#[cfg(feature = "http")]
mod echo;
#[cfg(feature = "http")]
mod expect;
#[cfg(any(feature = "http", feature = "handshake", feature = "postgres"))]
mod found;
#[cfg(all(feature = "http", feature = "tcp", feature = "tls", feature = "dns"))]
mod fuzz;
#[cfg(feature = "http")]
mod hostile;
#[cfg(feature = "http")]
mod http;
#[cfg(feature = "http")]
mod http_route;
#[cfg(feature = "http")]
mod http_sending;
#[cfg(feature = "http")]
mod http_steps;
#[cfg(feature = "http")]
mod memory;
#[cfg(any(feature = "http", feature = "tcp"))]
mod nameserver;
#[cfg(feature = "postgres")]
mod postgres;
#[cfg(feature = "http")]
mod rfc9535;
#[cfg(any(feature = "http", feature = "handshake"))]
mod server;
#[cfg(feature = "system")]
mod system;
#[cfg(feature = "tcp")]
mod tcp;
#[cfg(feature = "tls")]
mod tls;
#[cfg(feature = "wasm")]
mod wasm;
