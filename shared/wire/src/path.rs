//! The id in a path, as every route takes it.

use crate::{ApiError, QueryError};
use axum::extract::{FromRequestParts, Path};
use axum::http::request::Parts;
use rota_ans104::ItemId;

/// The 32 bytes of the id that the path names. What is no id is told so in JSON, whatever its bytes are:
/// a path may hold any, percent-encoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PathId(pub [u8; 32]);

impl<S: Send + Sync> FromRequestParts<S> for PathId {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let text = Path::<String>::from_request_parts(parts, state).await.ok();
        let id = text.and_then(|Path(text)| text.parse::<ItemId>().ok());
        id.map(|id| Self(*id.as_bytes())).ok_or_else(|| QueryError::NotAnId("the path").into())
    }
}
