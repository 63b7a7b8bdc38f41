//! A page of a schedule on its way to a client.
//!
//! A page of up to [`rota_schedule::PAGE_PART_BYTES_MAX`] is written at once. A larger one goes out in pieces: what is in memory
//! for a client is one part of the page and one piece of JSON, however large the page and however slow the client.
//! Each part is a question of its own, which any source may answer, since entries never change. No snapshot and no
//! connection is held while the client reads.
//!
//! A page says at its start whether another follows, so its end is known before its first byte. If a source fails
//! on the way, the answer breaks off: no client takes a part for the whole (RD-1).

use crate::ReadState;
use crate::answer::Asked;
use crate::question::Depends;
use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use futures_util::stream;
use rota_schedule::{
    Cursor, Entry, Found, Page, ProcessId, ReadError, Rest, ScheduleReader, Timestamp,
};
use rota_service::trace;
use rota_wire::{ApiError, PageWriter, ReadQuery};
use std::error::Error;
use std::sync::Arc;
use std::vec;

/// What is read at once behind the first part, in bytes of items and assignments.
const PART_BYTES_MAX: usize = 1 << 20;
/// From so many bytes on JSON is sent.
const PIECE_BYTES_MIN: usize = 256 << 10;
/// The most bytes of JSON. A function's stream ends at 200 MB, and a string of Node at 512 MB. JSON has six bytes
/// for some bytes of data, so a stranger could make a page that no client can take.
const JSON_BYTES_MAX: u64 = 180 << 20;
/// A page of so many bytes stays below that whatever is in it.
const FITTING_BYTES_MAX: u64 = 24 << 20;

/// Answers with a page.
///
/// # Errors
/// The store fails before the first byte is sent.
pub(crate) async fn answer<R: ScheduleReader>(
    state: &Arc<ReadState<R>>,
    asked: &Asked<'_>,
    process: ProcessId,
    mut page: Page,
    query: &ReadQuery,
) -> Result<Response, ApiError> {
    if let Some(rest) = page.rest
        && !page.has_next
        && rest.page_bytes > FITTING_BYTES_MAX
        && !fits(Entries::of(state, process, rest, page.entries.clone()), query).await?
    {
        page = Page { has_next: true, closed: true, ..page };
    }
    let depends = if page.closed { Depends::Never } else { Depends::OnHead(page.head) };
    asked.answer(depends, || match page.rest {
        None => Ok(rota_wire::page(&page, query.page.cursor, query.show_anchor)?.into()),
        Some(rest) => {
            let entries = Entries::of(state, process, rest, page.entries);
            Ok(Sending::new(entries, page.has_next, query).into_body())
        }
    })
}

/// Whether the JSON of a page is not too large.
async fn fits<R: ScheduleReader>(
    mut entries: Entries<R>,
    query: &ReadQuery,
) -> Result<bool, ReadError> {
    let mut json = Json::new(false, query);
    while let Some(entry) = entries.next().await? {
        if !json.add(&entry)? {
            return Ok(false);
        }
        json.take();
    }
    Ok(true)
}

/// The entries of a page, read part by part.
struct Entries<R> {
    state: Arc<ReadState<R>>,
    process: ProcessId,
    rest: Rest,
    part: vec::IntoIter<Entry>,
    /// The last entry that was given.
    last: u64,
}

impl<R: ScheduleReader> Entries<R> {
    fn of(
        state: &Arc<ReadState<R>>,
        process: ProcessId,
        rest: Rest,
        first_part: Vec<Entry>,
    ) -> Self {
        Self { state: Arc::clone(state), process, rest, part: first_part.into_iter(), last: 0 }
    }

    async fn next(&mut self) -> Result<Option<Entry>, ReadError> {
        let mut next = self.part.next();
        if next.is_none() && self.last < self.rest.last {
            self.part = self.read_part().await?.into_iter();
            next = self.part.next();
        }
        self.last = next.as_ref().map_or(self.last, |entry| entry.nonce);
        Ok(next)
    }

    async fn read_part(&self) -> Result<Vec<Entry>, ReadError> {
        let query = self.rest.query(self.last, PART_BYTES_MAX);
        let id = *self.process.as_bytes();
        // Boxed: it is rare, and every page's future would be larger by it.
        let found = Box::pin(self.state.reader.find(id, Some(self.process), query)).await?;
        match found {
            Some(Found::Page(page))
                if page.entries.first().is_some_and(|entry| entry.nonce == self.last + 1) =>
            {
                Ok(page.entries)
            }
            _ => Err(ReadError::Damaged("an entry of a page is missing".into())),
        }
    }
}

/// The JSON of a page, taken away piece by piece.
struct Json {
    writer: PageWriter,
    cursor: Cursor,
    /// Bytes that were taken away.
    taken: u64,
    /// Of the last entry.
    timestamp: Option<Timestamp>,
}

impl Json {
    fn new(has_next: bool, query: &ReadQuery) -> Self {
        let cursor = query.page.cursor;
        let writer = PageWriter::new(has_next, cursor, query.show_anchor);
        Self { writer, cursor, taken: 0, timestamp: None }
    }

    /// Adds an entry, unless the page would be too large. A page has one entry at least, and one by timestamp
    /// does not end between equals.
    fn add(&mut self, entry: &Entry) -> Result<bool, ReadError> {
        let before = self.writer.len();
        self.writer.edge(entry)?;
        let continues = self.cursor == Cursor::Timestamp && self.timestamp == Some(entry.timestamp);
        let fits = self.taken + self.writer.len() as u64 <= JSON_BYTES_MAX
            || self.timestamp.is_none()
            || continues;
        if fits {
            self.timestamp = Some(entry.timestamp);
        } else {
            self.writer.truncate(before);
        }
        Ok(fits)
    }

    fn take(&mut self) -> Vec<u8> {
        self.taken += self.writer.len() as u64;
        self.writer.take()
    }
}

/// A page that is being sent.
struct Sending<R> {
    entries: Entries<R>,
    json: Json,
    has_next: bool,
    /// The request, which is over for everybody else.
    context: Option<trace::Context>,
}

impl<R: ScheduleReader> Sending<R> {
    fn new(entries: Entries<R>, has_next: bool, query: &ReadQuery) -> Self {
        Self { entries, json: Json::new(has_next, query), has_next, context: trace::current() }
    }

    fn into_body(self) -> Body {
        Body::from_stream(stream::try_unfold(Some(self), |sending| async {
            let Some(sending) = sending else { return Ok(None) };
            let (context, process) = (sending.context, sending.entries.process);
            let piece = trace::within_async(context, sending.piece()).await;
            piece.map(Some).inspect_err(|error: &ReadError| {
                let error = error as &dyn Error;
                trace::within(context, || {
                    tracing::error!(error, process.id = %process, "a page broke off");
                });
            })
        }))
    }

    /// The next piece, and what is to be sent behind it.
    async fn piece(mut self) -> Result<(Bytes, Option<Self>), ReadError> {
        while self.json.writer.len() < PIECE_BYTES_MIN {
            let next = self.entries.next().await?;
            let is_added = match &next {
                Some(entry) => self.json.add(entry)?,
                None => false,
            };
            if is_added {
                continue;
            }
            if next.is_some() && !self.has_next {
                return Err(ReadError::Damaged("a page is larger than it was".into()));
            }
            return Ok((self.json.writer.finish().into(), None));
        }
        Ok((self.json.take().into(), Some(self)))
    }
}
