//! Why a request has no answer, told to the reader without telling what only operators should know.

use axum::{
    Json,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use pingmon_core::error::Error;
use serde_json::json;

/// Why a request has no answer. Answers as JSON; the pages turn it into a page.
#[derive(Clone, Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// The query can't be understood; names the field.
    #[error("invalid query: {0}")]
    BadQuery(String),
    /// What was sent can't be used; names the field.
    #[error("{0}")]
    Refused(String),
    /// A signed link that isn't whole, isn't ours, or is too old.
    #[error("this link isn't valid any more: take the one from a later notice")]
    BadLink,
    /// Whoever asks isn't known to be an administrator.
    #[error("this needs the administrator's token: send \"Authorization: Bearer …\"")]
    Unauthorized,
    /// Nothing can be changed through this face.
    #[error("nothing can be changed here: the service has set no administrator's token")]
    ReadOnly,
    /// What was asked for isn't there.
    #[error("failed to find {0}")]
    NotFound(String),
    /// The store failed or took too long.
    #[error("the store can't be read right now: try again in a moment")]
    Unavailable,
    /// A template failed, which is our mistake.
    #[error("this page can't be drawn: the service's log says why")]
    Unrenderable,
}

impl Failure {
    pub(crate) const fn status(&self) -> StatusCode {
        match self {
            Self::BadQuery(_) | Self::Refused(_) => StatusCode::BAD_REQUEST,
            Self::Unauthorized => StatusCode::UNAUTHORIZED,
            Self::ReadOnly | Self::BadLink => StatusCode::FORBIDDEN,
            Self::NotFound(_) => StatusCode::NOT_FOUND,
            Self::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
            Self::Unrenderable => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        match error {
            Error::NotFound { what } => Self::NotFound(what),
            refused @ Error::Config { .. } => Self::Refused(refused.to_string()),
            error => {
                tracing::warn!(error = error.chain(), "failed to read the store for a request");
                Self::Unavailable
            }
        }
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let mut response = (self.status(), Json(json!({ "error": self.to_string() }))).into_response();
        response.extensions_mut().insert(self);
        response
    }
}
