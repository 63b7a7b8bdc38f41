//! The routes, one function each.

use crate::path::PathId;
use axum::Router;
use axum::extract::{RawQuery, State};
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use bytes::Bytes;
use rota_ans104::{Bundle, Item};
use rota_schedule::{Clock, Entry, Found, ProcessId, ReadError, ScheduleReader};
use rota_wire::{ApiError, ReadQuery, process_parameter};
use std::sync::Arc;

const JSON: HeaderValue = HeaderValue::from_static("application/json");
const BYTES: HeaderValue = HeaderValue::from_static("application/octet-stream");

/// What the routes answer from.
pub struct ReadState<R> {
    /// The store.
    pub reader: R,
    /// For `/timestamp` and `/`.
    pub clock: Arc<dyn Clock>,
}

/// The GET routes of the contract, without `/health` and `/metrics`, which belong to the server.
pub fn router<R: ScheduleReader>(state: Arc<ReadState<R>>) -> Router {
    Router::new()
        .route("/", get(address::<R>))
        .route("/timestamp", get(timestamp::<R>))
        .route("/processes/{id}", get(process::<R>))
        .route("/raw/{id}", get(raw::<R>))
        .route("/{id}", get(message_or_page::<R>))
        .route("/{id}/latest", get(latest::<R>))
        .with_state(state)
}

async fn message_or_page<R: ScheduleReader>(
    State(state): State<Arc<ReadState<R>>>,
    PathId(id): PathId,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let query = ReadQuery::parse(query.as_deref())?;
    if wants_bytes(&headers) {
        return signed_bundle(&state.reader, id, &query).await;
    }
    let found = state.reader.find(id, query.process, query.page).await?;
    let body = match found.ok_or_else(|| unknown(id))? {
        Found::Page(page) => rota_wire::page(&page, query.page.cursor, query.show_anchor)?,
        Found::Entry(entry) => rota_wire::node(&entry, query.show_anchor)?,
    };
    Ok(json(body))
}

async fn latest<R: ScheduleReader>(
    State(state): State<Arc<ReadState<R>>>,
    PathId(id): PathId,
    RawQuery(query): RawQuery,
) -> Result<Response, ApiError> {
    let query = ReadQuery::parse(query.as_deref())?;
    let entry = state.reader.latest(ProcessId::new(id)).await?.ok_or_else(|| unknown(id))?;
    Ok(json(rota_wire::node(&entry, query.show_anchor)?))
}

async fn process<R: ScheduleReader>(
    State(state): State<Arc<ReadState<R>>>,
    PathId(id): PathId,
) -> Result<Response, ApiError> {
    let entry = state.reader.process(ProcessId::new(id)).await?.ok_or_else(|| unknown(id))?;
    Ok(json(rota_wire::process(&entry)?))
}

async fn raw<R: ScheduleReader>(
    State(state): State<Arc<ReadState<R>>>,
    PathId(id): PathId,
) -> Result<Response, ApiError> {
    let bytes = state.reader.raw(id).await?.ok_or_else(|| unknown(id))?;
    Ok(octets(bytes))
}

async fn timestamp<R: ScheduleReader>(
    State(state): State<Arc<ReadState<R>>>,
    RawQuery(query): RawQuery,
) -> Result<Response, ApiError> {
    let process = process_parameter(query.as_deref())?;
    let scheduler = state.reader.scheduler(process).await?;
    Ok(json(rota_wire::timestamp_answer(state.clock.now(), &scheduler)))
}

async fn address<R: ScheduleReader>(
    State(state): State<Arc<ReadState<R>>>,
    RawQuery(query): RawQuery,
) -> Result<Response, ApiError> {
    let process = process_parameter(query.as_deref())?;
    let scheduler = state.reader.scheduler(process).await?;
    Ok(json(rota_wire::address_answer(state.clock.now(), &scheduler)))
}

/// The bundle of an assignment and the item that it places, as the network carries it. For a process
/// it is the bundle of its own assignment.
async fn signed_bundle<R: ScheduleReader>(
    reader: &R,
    id: [u8; 32],
    query: &ReadQuery,
) -> Result<Response, ApiError> {
    let entry = match reader.process(ProcessId::new(id)).await? {
        Some(entry) => entry,
        None => match reader.find(id, query.process, query.page).await? {
            Some(Found::Entry(entry)) => entry,
            Some(Found::Page(_)) | None => return Err(unknown(id)),
        },
    };
    Ok(octets(Bundle::encode(&items(&entry)?).into()))
}

fn items(entry: &Entry) -> Result<Vec<Item>, ReadError> {
    let parts = std::iter::once(&entry.assignment).chain(&entry.message);
    let items = parts.map(|bytes| Item::parse(bytes.clone()));
    items.collect::<Result<_, _>>().map_err(|error| ReadError::Damaged(Box::new(error)))
}

fn unknown(id: [u8; 32]) -> ApiError {
    ApiError::Unknown(rota_ans104::ItemId::new(id).to_string())
}

/// Bytes are sent to those who name them; whoever takes anything gets JSON.
fn wants_bytes(headers: &HeaderMap) -> bool {
    let accept =
        headers.get(header::ACCEPT).and_then(|accept| accept.to_str().ok()).unwrap_or_default();
    let names = |wanted: &str| {
        accept.split(',').any(|part| {
            part.split(';').next().is_some_and(|kind| kind.trim().eq_ignore_ascii_case(wanted))
        })
    };
    names("application/octet-stream") && !names("application/json")
}

fn json(body: Vec<u8>) -> Response {
    ([(header::CONTENT_TYPE, JSON)], body).into_response()
}

fn octets(body: Bytes) -> Response {
    ([(header::CONTENT_TYPE, BYTES)], body).into_response()
}
