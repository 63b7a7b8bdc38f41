//! The routes, one function each.

use crate::answer::{Asked, momentary};
use crate::page;
use crate::question::{Depends, Question};
use axum::Router;
use axum::extract::{RawQuery, State};
use axum::http::{HeaderMap, header};
use axum::response::Response;
use axum::routing::get;
use rota_ans104::{Bundle, Item};
use rota_schedule::{Clock, Entry, Found, ProcessId, ReadError, ScheduleReader};
use rota_wire::{ApiError, PathId, ReadQuery, process_parameter};
use std::sync::Arc;

/// What the routes answer from.
pub struct ReadState<R> {
    /// The store.
    pub reader: R,
    /// For `/timestamp` and `/`.
    pub clock: Arc<dyn Clock>,
    /// The most bytes of a page: [`rota_schedule::PAGE_BYTES_MAX`] where answers are streamed,
    /// [`rota_schedule::PAGE_PART_BYTES_MAX`] where they are held until they are whole.
    pub page_bytes_max: usize,
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
    let mut query = ReadQuery::parse(query.as_deref())?;
    query.page.bytes_max = query.page.bytes_max.min(state.page_bytes_max);
    if wants_bytes(&headers) {
        return signed_bundle(&state.reader, id, &query, &headers).await;
    }
    let asked = Asked::json(Question::find(id, &query), &headers).by_accept();
    if let Some(unchanged) = asked.unchanged_for_ever() {
        return Ok(unchanged);
    }
    if let Some(unchanged) = asked.unchanged_since(&state.reader, ProcessId::new(id)).await {
        return Ok(unchanged);
    }
    let found = state.reader.find(id, query.process, query.page).await?;
    match found.ok_or_else(|| unknown(id))? {
        Found::Page(page) => page::answer(&state, &asked, ProcessId::new(id), page, &query).await,
        Found::Entry(entry) => {
            let depends = entry_depends(&entry, id, query.process);
            asked.answer(depends, || rota_wire::node(&entry, query.show_anchor))
        }
    }
}

async fn latest<R: ScheduleReader>(
    State(state): State<Arc<ReadState<R>>>,
    PathId(id): PathId,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let query = ReadQuery::parse(query.as_deref())?;
    let asked = Asked::json(Question::latest(id, query.show_anchor), &headers);
    if let Some(unchanged) = asked.unchanged_since(&state.reader, ProcessId::new(id)).await {
        return Ok(unchanged);
    }
    let entry = state.reader.latest(ProcessId::new(id)).await?.ok_or_else(|| unknown(id))?;
    asked.answer(Depends::OnHead(entry.nonce), || rota_wire::node(&entry, query.show_anchor))
}

async fn process<R: ScheduleReader>(
    State(state): State<Arc<ReadState<R>>>,
    PathId(id): PathId,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let asked = Asked::json(Question::process(id), &headers);
    if let Some(unchanged) = asked.unchanged_for_ever() {
        return Ok(unchanged);
    }
    let entry = state.reader.process(ProcessId::new(id)).await?.ok_or_else(|| unknown(id))?;
    asked.answer(Depends::Never, || rota_wire::process(&entry))
}

async fn raw<R: ScheduleReader>(
    State(state): State<Arc<ReadState<R>>>,
    PathId(id): PathId,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let asked = Asked::octets(Question::raw(id), &headers);
    if let Some(unchanged) = asked.unchanged_for_ever() {
        return Ok(unchanged);
    }
    let bytes = state.reader.raw(id).await?.ok_or_else(|| unknown(id))?;
    asked.answer(Depends::Never, || Ok(bytes))
}

async fn timestamp<R: ScheduleReader>(
    State(state): State<Arc<ReadState<R>>>,
    RawQuery(query): RawQuery,
) -> Result<Response, ApiError> {
    let process = process_parameter(query.as_deref())?;
    let scheduler = state.reader.scheduler(process).await?;
    Ok(momentary(rota_wire::timestamp_answer(state.clock.now(), &scheduler)))
}

async fn address<R: ScheduleReader>(
    State(state): State<Arc<ReadState<R>>>,
    RawQuery(query): RawQuery,
) -> Result<Response, ApiError> {
    let process = process_parameter(query.as_deref())?;
    let scheduler = state.reader.scheduler(process).await?;
    Ok(momentary(rota_wire::address_answer(state.clock.now(), &scheduler)))
}

/// The bundle of an assignment and the item that it places, as the network carries it. For a process
/// it is the bundle of its own assignment.
async fn signed_bundle<R: ScheduleReader>(
    reader: &R,
    id: [u8; 32],
    query: &ReadQuery,
    headers: &HeaderMap,
) -> Result<Response, ApiError> {
    let asked = Asked::octets(Question::bundle(id, query.process), headers).by_accept();
    if let Some(unchanged) = asked.unchanged_for_ever() {
        return Ok(unchanged);
    }
    let (entry, depends) = match reader.process(ProcessId::new(id)).await? {
        Some(entry) => (entry, Depends::Never),
        None => match reader.find(id, query.process, query.page).await? {
            Some(Found::Entry(entry)) => {
                let depends = entry_depends(&entry, id, query.process);
                (entry, depends)
            }
            Some(Found::Page(_)) | None => return Err(unknown(id)),
        },
    };
    asked.answer(depends, || Ok(Bundle::encode(&items(&entry)?)))
}

/// Whether `id` can ever be answered with something else than `entry`. An assignment cannot. A message
/// may turn up earlier in another process, unless one was named; and an item that was only assigned may
/// yet be posted as a spawn, after which its id means a page, so its own bytes must have been there.
fn entry_depends(entry: &Entry, id: [u8; 32], process: Option<ProcessId>) -> Depends {
    let is_final =
        *entry.assignment_id.as_bytes() == id || (process.is_some() && entry.message.is_some());
    if is_final { Depends::Never } else { Depends::on(entry) }
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
