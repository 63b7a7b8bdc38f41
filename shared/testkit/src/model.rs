//! A [`ScheduleReader`] that is obviously right: vectors, searched from the front.

use crate::Schedule;
use bytes::Bytes;
use rota_ans104::Address;
use rota_schedule::{
    Cursor, Entry, Found, PAGE_PART_BYTES_MAX, Page, PageQuery, ProcessId, ReadError, Rest,
    ScheduleReader, SchedulerInfo, Timestamp,
};

/// Schedules in memory, and what the scheduler says of itself.
#[derive(Clone, Debug)]
pub struct Model {
    schedules: Vec<Schedule>,
    info: SchedulerInfo,
}

impl Model {
    /// A model of these schedules.
    pub fn new(schedules: Vec<Schedule>, address: Address, block_height: u64) -> Self {
        Self { schedules, info: SchedulerInfo { address, block_height } }
    }

    /// A page: all within the bounds, then as many as fit. A page by timestamp goes on while the next
    /// entry is as old as its last one.
    pub fn page(entries: &[Entry], query: &PageQuery) -> Page {
        let bounds = &query.bounds;
        let within: Vec<&Entry> = entries
            .iter()
            .filter(|entry| bounds.after_nonce.is_none_or(|after| entry.nonce > after))
            .filter(|entry| bounds.to_nonce.is_none_or(|to| entry.nonce <= to))
            .filter(|entry| bounds.after_time.is_none_or(|after| entry.timestamp.0 > after))
            .filter(|entry| bounds.to_time.is_none_or(|to| entry.timestamp.0 <= to))
            .collect();
        let (mut page, mut bytes) = (Vec::<Entry>::new(), 0);
        for entry in &within {
            let fits = page.len() < query.limit as usize
                && (page.is_empty() || bytes + entry.len_bytes() <= query.bytes_max);
            let as_old = query.cursor == Cursor::Timestamp
                && page.last().is_some_and(|last| last.timestamp == entry.timestamp);
            if !fits && !as_old {
                break;
            }
            bytes += entry.len_bytes();
            page.push((*entry).clone());
        }
        let has_next = page.len() < within.len();
        let (head, newest) =
            entries.last().map_or((0, Timestamp(0)), |last| (last.nonce, last.timestamp));
        let closed = has_next || bounds.are_closed(head, newest, None);
        Page { entries: page, rest: None, has_next, head, closed }
    }

    /// The first part of a page, as readers give it.
    fn first_part(mut page: Page) -> Page {
        let bytes: usize = page.entries.iter().map(Entry::len_bytes).sum();
        let last = page.entries.last().map_or(0, |entry| entry.nonce);
        let mut sum = 0;
        let fits = page.entries.iter().take_while(|entry| {
            sum += entry.len_bytes();
            sum <= PAGE_PART_BYTES_MAX
        });
        let count = fits.count().max(1);
        if count < page.entries.len() {
            page.entries.truncate(count);
            page.rest = Some(Rest { last, page_bytes: bytes as u64 });
        }
        page
    }

    fn of(&self, process: ProcessId) -> Option<&Schedule> {
        self.schedules.iter().find(|schedule| schedule.process == process)
    }

    fn entry(&self, id: [u8; 32], process: Option<ProcessId>) -> Option<Entry> {
        let among = |is: &dyn Fn(&Entry) -> bool| {
            let schedules = self.schedules.iter();
            let named =
                schedules.filter(|schedule| process.is_none_or(|id| id == schedule.process));
            let places = named.flat_map(|schedule| {
                let matching = schedule.entries.iter().filter(|entry| is(entry));
                matching.map(|entry| (entry.timestamp, schedule.process.to_string(), entry))
            });
            places.min_by_key(|(time, process, entry)| (*time, process.clone(), entry.nonce))
        };
        let found = among(&|entry| *entry.assignment_id.as_bytes() == id)
            .or_else(|| among(&|entry| *entry.message_id.as_bytes() == id));
        found.map(|(_, _, entry)| entry.clone())
    }
}

impl ScheduleReader for Model {
    async fn find(
        &self,
        id: [u8; 32],
        process: Option<ProcessId>,
        query: PageQuery,
    ) -> Result<Option<Found>, ReadError> {
        let schedule = self.of(ProcessId::new(id));
        let page = schedule.map(|schedule| Self::page(&schedule.entries, &query));
        let page = page.map(|page| Found::Page(Self::first_part(page)));
        Ok(page.or_else(|| self.entry(id, process).map(Found::Entry)))
    }

    async fn latest(&self, process: ProcessId) -> Result<Option<Entry>, ReadError> {
        Ok(self.of(process).and_then(|schedule| schedule.entries.last().cloned()))
    }

    async fn head(&self, process: ProcessId) -> Result<Option<u64>, ReadError> {
        Ok(self.latest(process).await?.map(|entry| entry.nonce))
    }

    async fn process(&self, process: ProcessId) -> Result<Option<Entry>, ReadError> {
        let first = self.of(process).and_then(|schedule| schedule.entries.first());
        Ok(first.filter(|entry| entry.message_id == process.into()).cloned())
    }

    async fn raw(&self, id: [u8; 32]) -> Result<Option<Bytes>, ReadError> {
        let entries = || self.schedules.iter().flat_map(|schedule| &schedule.entries);
        let message = entries()
            .filter(|entry| *entry.message_id.as_bytes() == id)
            .find_map(|entry| entry.message.clone());
        let assignment = entries().find(|entry| *entry.assignment_id.as_bytes() == id);
        Ok(assignment.map(|entry| entry.assignment.clone()).or(message))
    }

    async fn scheduler(&self, _: Option<ProcessId>) -> Result<SchedulerInfo, ReadError> {
        Ok(self.info)
    }
}
