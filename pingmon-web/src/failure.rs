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
    #[error("the store doesn't answer right now: try again in a moment")]
    Unavailable,
    /// A template failed, which is our mistake.
    #[error("this page can't be drawn: the service's log says why")]
    Unrenderable,
}

impl Failure {
    pub(crate) const fn status(&self) -> StatusCode {
        match self {
            Self::BadQuery(_) => StatusCode::BAD_REQUEST,
            Self::Unauthorized => StatusCode::UNAUTHORIZED,
            Self::ReadOnly => StatusCode::FORBIDDEN,
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
            error => {
                tracing::warn!(error = error.chain(), "the store failed at a request");
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
