//! Who may change things: whoever bears the administrator's token. The host's own authentication stands before it.

use std::{fmt, sync::Arc};

use axum::{
    extract::FromRequestParts,
    http::{header::AUTHORIZATION, request::Parts},
};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

use crate::{face::Shared, failure::Failure};

/// A token by its hash: what is compared has one length and takes one time.
#[derive(Clone)]
pub(crate) struct Token([u8; 32]);

impl Token {
    pub(crate) fn new(token: &str) -> Self {
        Self(Sha256::digest(token).into())
    }

    fn is(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(…)")
    }
}

/// Proof that a request bears the administrator's token.
pub(crate) struct Admin;

impl FromRequestParts<Arc<Shared>> for Admin {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, shared: &Arc<Shared>) -> Result<Self, Failure> {
        let token = shared.admin().ok_or(Failure::ReadOnly)?;
        let sent = parts.headers.get(AUTHORIZATION).and_then(|header| header.to_str().ok());
        let sent = sent.and_then(|header| header.split_once(' ')).filter(|(way, _)| way.eq_ignore_ascii_case("bearer"));
        match sent.is_some_and(|(_, sent)| token.is(&Token::new(sent.trim()))) {
            true => Ok(Self),
            false => Err(Failure::Unauthorized),
        }
    }
}
