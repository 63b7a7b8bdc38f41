//! `POST /` (contract §3).

use crate::writer::Writer;
use axum::Router;
use axum::body::Body;
use axum::extract::{Extension, RawQuery, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use rota_schedule::{Receipt, Refusal};
use rota_service::{BodyError, BodyLimits, Peer, read_body};
use rota_wire::{ApiError, Submission};
use std::time::Duration;

/// A body that brings nothing for this long is given up.
const BODY_STALL_MAX: Duration = Duration::from_secs(10);
/// A body that is not whole after this long is given up.
const BODY_TOTAL_MAX: Duration = Duration::from_secs(60);

/// The routes that write.
pub fn router(writer: Writer) -> Router {
    Router::new().route("/", post(submit)).with_state(writer)
}

async fn submit(
    State(writer): State<Writer>,
    RawQuery(query): RawQuery,
    peer: Option<Extension<Peer>>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, ApiError> {
    let peer = peer.map(|Extension(peer)| peer);
    match place(&writer, query.as_deref(), peer, &headers, body).await {
        Ok(receipt) => {
            let json = HeaderValue::from_static("application/json");
            Ok(([(header::CONTENT_TYPE, json)], rota_wire::receipt(&receipt)).into_response())
        }
        Err(ApiError::Refused(Refusal::BoundElsewhere(process))) => {
            let there = writer.elsewhere(&process).await;
            let there = there.and_then(|writer| redirect(&writer, query.as_deref()));
            there.ok_or(Refusal::BoundElsewhere(process).into())
        }
        Err(error) => Err(error),
    }
}

/// Sends a client on to the writer of its process (contract §4), with the query that it came with.
fn redirect(writer: &str, query: Option<&str>) -> Option<Response> {
    let query = query.map(|query| format!("?{query}")).unwrap_or_default();
    let location = HeaderValue::try_from(format!("{writer}/{query}")).ok()?;
    let headers = [
        (header::LOCATION, location),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
    ];
    Some((StatusCode::TEMPORARY_REDIRECT, headers).into_response())
}

async fn place(
    writer: &Writer,
    query: Option<&str>,
    peer: Option<Peer>,
    headers: &HeaderMap,
    body: Body,
) -> Result<Receipt, ApiError> {
    if let Some(reason) = writer.refuses().or_else(|| writer.waits()) {
        return Err(ApiError::NotAccepting(reason));
    }
    match Submission::from_query(query)? {
        Submission::Item => post_item(writer, peer, headers, body).await,
        Submission::Assign { process, message, base_layer, exclude } => {
            let admitted = writer.admit_assignment(process, message, base_layer, exclude).await?;
            Ok(Receipt::of_assignment(&writer.place(admitted).await?))
        }
    }
}

async fn post_item(
    writer: &Writer,
    peer: Option<Peer>,
    headers: &HeaderMap,
    body: Body,
) -> Result<Receipt, ApiError> {
    let max = writer.config().item_bytes_max;
    let length =
        headers.get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
    let bytes_max = usize::try_from(max).unwrap_or(usize::MAX);
    let limits = BodyLimits { bytes_max, stall: BODY_STALL_MAX, total: BODY_TOTAL_MAX };
    let bytes = read_body(body, length, limits, writer.bodies(), peer)
        .await
        .map_err(|error| body_error(&error, max))?;
    let admitted = writer.admit_item(bytes).await?;
    Ok(Receipt::of_item(&writer.place(admitted).await?))
}

const fn body_error(error: &BodyError, max: u64) -> ApiError {
    match error {
        BodyError::TooLarge { .. } => ApiError::TooLarge { max },
        BodyError::Stalled => ApiError::Body("it was sent too slowly"),
        BodyError::Broken(_) => ApiError::Body("the connection broke"),
        BodyError::NoRoom => ApiError::Busy("too many bytes are in flight at this scheduler"),
        BodyError::PeerFull => {
            ApiError::Busy("too many bytes from your address are in flight here")
        }
    }
}

#[cfg(test)]
mod tests;
