//! Schedules, followed from their first entry by whoever can read them.

use crate::{Book, Place, Schedule};
use rota_ans104::{Item, ItemId};
use rota_ledger::Ledger;
use rota_schedule::{Assignment, Follower, ProcessId, Subject};
use rota_wire::{ForeignEdge, ForeignPage};

/// Entries asked for at once.
const PAGE: usize = 500;
/// Bytes asked for at once: a debug build takes its time for more.
const PAGE_BYTES: usize = 4 << 20;

/// Follows a schedule over HTTP, and writes into `book` that it was seen. Empty if the process is not
/// known there.
///
/// # Errors
/// A request that failed, or the first entry that breaks an invariant.
pub async fn follow_http(
    client: &reqwest::Client,
    url: &str,
    process: ProcessId,
    book: &Book,
) -> Result<Schedule, String> {
    let mut following = Following::new(process);
    let mut after = String::from("-1");
    loop {
        let query = format!("from-nonce={after}&limit={PAGE}&bytes-max={PAGE_BYTES}");
        let page = format!("{url}/{process}?{query}");
        let answer = client.get(&page).send().await.map_err(|error| format!("{error:?}"))?;
        if answer.status() == 404 && following.schedule.places.is_empty() {
            return Ok(following.schedule);
        }
        let status = answer.status();
        let body = answer.bytes().await.map_err(|error| format!("{error:?}"))?;
        let page: ForeignPage = serde_json::from_slice(&body).map_err(|error| {
            format!("{status} {error} for {page}: {}", String::from_utf8_lossy(&body))
        })?;
        for ForeignEdge { node, .. } in &page.edges {
            let assignment = first(node.assignment())?;
            let message = node.message().map_err(|error| error.to_string())?;
            let message = message.and_then(|items| items.into_iter().next());
            let place = following.follow(&assignment, message.as_ref())?;
            book.seen(process, place.nonce, place.assignment);
        }
        let last = following.schedule.places.last().map(|place| place.nonce.to_string());
        match last {
            Some(last) if page.page_info.has_next_page && last != after => after = last,
            _ if page.page_info.has_next_page => return Err(format!("{url} shows no progress")),
            _ => return Ok(following.schedule),
        }
    }
}

fn first<E: ToString>(items: Result<Vec<Item>, E>) -> Result<Item, String> {
    let items = items.map_err(|error| error.to_string())?;
    items.into_iter().next().ok_or_else(|| "no assignment".to_owned())
}

/// Follows all schedules of a ledger, with every signature checked.
///
/// # Errors
/// What cannot be read, or the first entry that breaks an invariant.
pub fn follow_ledger(ledger: &Ledger) -> Result<Vec<Schedule>, String> {
    let mut schedules = Vec::new();
    for row in ledger.processes().map_err(|error| error.to_string())? {
        let (process, head) = row.map_err(|error| error.to_string())?;
        let mut following = Following::new(process);
        for entry in ledger.entries(&process, 0).map_err(|error| error.to_string())? {
            let entry = entry.map_err(|error| error.to_string())?;
            let assignment = verified(entry.assignment)?;
            let message = entry.message.map(verified).transpose()?;
            following.follow(&assignment, message.as_ref())?;
        }
        if following.follower.head() != Some(&head) {
            return Err(format!("the head of {process} is {head:?}, not that of its last entry"));
        }
        schedules.push(following.schedule);
    }
    Ok(schedules)
}

pub(crate) fn verified(bytes: bytes::Bytes) -> Result<Item, String> {
    let item = Item::parse(bytes).map_err(|error| error.to_string())?;
    let verified = item.verify().map_err(|error| error.to_string())?;
    Ok(verified.item().clone())
}

pub(crate) struct Following {
    follower: Follower,
    pub(crate) schedule: Schedule,
}

impl Following {
    pub(crate) const fn new(process: ProcessId) -> Self {
        let schedule = Schedule { process, places: Vec::new() };
        Self { follower: Follower::new(process), schedule }
    }

    pub(crate) fn follow(
        &mut self,
        assignment: &Item,
        message: Option<&Item>,
    ) -> Result<Place, String> {
        let process = self.schedule.process;
        self.follower.follow(assignment, message).map_err(|error| format!("{process}: {error}"))?;
        let placed = Assignment::read(assignment).map_err(|error| error.to_string())?;
        let Assignment { slot, subject } = placed;
        let message = match subject {
            Subject::Process => ItemId::from(process).into(),
            Subject::Message(id) => id,
        };
        let place = Place {
            nonce: slot.nonce,
            timestamp: slot.timestamp,
            assignment: assignment.id().into(),
            message,
        };
        self.schedule.places.push(place);
        Ok(place)
    }
}
