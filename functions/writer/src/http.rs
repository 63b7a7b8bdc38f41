//! `POST /` (contract §3).

use crate::owner::Whereabouts;
use crate::writer::Writer;
use axum::Router;
use axum::body::Body;
use axum::extract::{Extension, RawQuery, State};
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use bytes::Bytes;
use rota_schedule::{Exclude, MessageId, ProcessId, Receipt, Refusal};
use rota_service::{BodyError, BodyLimits, Peer, read_body};
use rota_wire::{ApiError, Submission};
use std::time::Duration;

/// A body that brings nothing for this long is given up.
const BODY_STALL_MAX: Duration = Duration::from_secs(10);
/// A body that is not whole after this long is given up.
const BODY_TOTAL_MAX: Duration = Duration::from_secs(60);

/// How often an item is placed whose process goes to and fro between writers meanwhile.
const PLACE_ATTEMPTS: usize = 3;

/// The routes that write.
pub fn router(writer: Writer) -> Router {
    Router::new().route("/", post(submit)).with_state(writer)
}

/// What was posted, as far as it has to be told apart.
enum Posted {
    /// An item. Its bytes stay counted until its entry is committed, or it was passed on.
    Item(Bytes),
    /// The wish to have an item assigned that lies elsewhere.
    Assign { process: ProcessId, message: MessageId, base_layer: bool, exclude: Exclude },
}

impl Posted {
    /// The body to be passed on.
    fn body(&self) -> Bytes {
        match self {
            Self::Item(bytes) => bytes.clone(),
            Self::Assign { .. } => Bytes::new(),
        }
    }
}

async fn submit(
    State(writer): State<Writer>,
    RawQuery(query): RawQuery,
    peer: Option<Extension<Peer>>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, ApiError> {
    let query = query.as_deref();
    let peer = peer.map(|Extension(peer)| peer);
    let posted = receive(&writer, query, peer, &headers, body).await?;
    for _ in 0..PLACE_ATTEMPTS {
        let process = match place(&writer, &posted).await {
            Err(ApiError::Refused(Refusal::BoundElsewhere(process))) => process,
            outcome => return Ok(reply(&outcome?)),
        };
        match writer.whereabouts(&process).await? {
            Whereabouts::Here => {} // it moved back between the two questions
            // Its writer answers in our place (contract §4).
            Whereabouts::At(peer) => {
                return writer.peers().pass_on(&peer, query, &headers, posted.body()).await;
            }
            Whereabouts::Nowhere => return Err(Refusal::BoundElsewhere(process).into()),
        }
    }
    Err(ApiError::Moving)
}

fn reply(receipt: &Receipt) -> Response {
    let json = HeaderValue::from_static("application/json");
    ([(header::CONTENT_TYPE, json)], rota_wire::receipt(receipt)).into_response()
}

async fn receive(
    writer: &Writer,
    query: Option<&str>,
    peer: Option<Peer>,
    headers: &HeaderMap,
    body: Body,
) -> Result<Posted, ApiError> {
    if let Some(reason) = writer.refuses().or_else(|| writer.waits()) {
        return Err(ApiError::NotAccepting(reason));
    }
    match Submission::from_query(query)? {
        Submission::Item => Ok(Posted::Item(read_item(writer, peer, headers, body).await?)),
        Submission::Assign { process, message, base_layer, exclude } => {
            Ok(Posted::Assign { process, message, base_layer, exclude })
        }
    }
}

async fn place(writer: &Writer, posted: &Posted) -> Result<Receipt, ApiError> {
    match posted {
        Posted::Item(bytes) => {
            let admitted = writer.admit_item(bytes.clone()).await?;
            Ok(Receipt::of_item(&writer.place(admitted).await?))
        }
        Posted::Assign { process, message, base_layer, exclude } => {
            let exclude = exclude.clone();
            let admitted =
                writer.admit_assignment(*process, *message, *base_layer, exclude).await?;
            Ok(Receipt::of_assignment(&writer.place(admitted).await?))
        }
    }
}

async fn read_item(
    writer: &Writer,
    peer: Option<Peer>,
    headers: &HeaderMap,
    body: Body,
) -> Result<Bytes, ApiError> {
    let max = writer.config().item_bytes_max;
    let length =
        headers.get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
    let bytes_max = usize::try_from(max).unwrap_or(usize::MAX);
    let limits = BodyLimits { bytes_max, stall: BODY_STALL_MAX, total: BODY_TOTAL_MAX };
    let read = read_body(body, length, limits, writer.bodies(), peer);
    read.await.map_err(|error| body_error(&error, max))
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
