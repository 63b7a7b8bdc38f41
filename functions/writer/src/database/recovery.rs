//! The start of a writer that commits in a database: first the two agree again, then it takes items.
//!
//! | what is found | what is done |
//! |---|---|
//! | entries here of which the database may not know, and nobody else wrote since | sent again, byte for byte (DUR-3) |
//! | such entries, and another ledger may have written under the same name | sent again if they still fit: the database has them or their place is free, and no reader was told that nothing more would come there; else taken back, for nobody was told of them |
//! | the database has more (another ledger wrote, or this one is new) | filled in, checked link by link, and queued for upload |
//! | this ledger has more that was final (its first start with this database) | projected |
//! | both have different entries at one place | an error: a person has to decide |

use crate::database::RecoveryError;
use rota_ans104::Item;
use rota_ledger::{Append, Ledger, LedgerError, Provisional};
use rota_readmodel::{BATCH_BYTES_MAX, BATCH_ROWS_MAX, Holder, ModelError, Projection, Row};
use rota_schedule::{AssignmentId, Entry, Follower, Head, ProcessId, Timestamp};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::oneshot;

/// Rows that are read at once.
const ROWS: u32 = 512;
/// Between attempts at what the database did not answer.
const RETRY: Duration = Duration::from_millis(500);
/// Between two lines that say how far the work is.
const PROGRESS: Duration = Duration::from_secs(2);
/// How long it may not answer before the start is given up.
const SILENCE_MAX: Duration = Duration::from_secs(30);

/// What works on both.
pub(super) struct Recovery<'a> {
    pub(super) ledger: &'a Ledger,
    pub(super) projection: &'a Projection,
}

/// What was done to make ledger and database agree.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Recovered {
    pub(super) resubmitted: u64,
    pub(super) discarded: u64,
    pub(super) refilled: u64,
    pub(super) projected: u64,
}

impl Recovery<'_> {
    /// Makes both agree under `term`. `previous` held the name before, and what was promised then to come
    /// no more is `closed`.
    pub(super) async fn run(
        &self,
        term: u64,
        previous: Option<Holder>,
        closed: Timestamp,
    ) -> Result<Recovered, RecoveryError> {
        let mut done = Recovered::default();
        let alone = previous == Some(Holder(self.ledger.id()))
            && self.ledger.settled_term()? == term.checked_sub(1);
        if !alone {
            done.discarded = self.discard_misfits(closed).await?;
            let heads = self.heads().await?;
            done.refilled = self.refill(&heads).await?;
            done.projected = self.project_final(&heads).await?;
        }
        done.resubmitted = self.resubmit().await?;
        self.ledger.settle(Some(term))?;
        Ok(done)
    }

    /// Takes back, process by process, what does not fit the database any more.
    async fn discard_misfits(&self, closed: Timestamp) -> Result<u64, RecoveryError> {
        let (mut discarded, mut after) = (0, None);
        while let Some(Provisional { process, entry, .. }) =
            self.ledger.provisional_after(after, 1)?.pop()
        {
            let find = || self.projection.assignment_at(&process, entry.nonce);
            let fits = match patiently(find).await? {
                Some(theirs) => theirs == entry.assignment_id,
                None => entry.timestamp > closed,
            };
            if !fits {
                discarded += self.ledger.discard(&process, entry.nonce)?;
            }
            after = Some((process, entry.nonce));
        }
        Ok(discarded)
    }

    /// The newest place of every process of this writer, as the database has it.
    async fn heads(&self) -> Result<Heads, RecoveryError> {
        let (mut heads, mut after) = (Heads::new(), None);
        loop {
            let page = patiently(|| self.projection.heads(after, ROWS)).await?;
            let Some((last, ..)) = page.last() else { return Ok(heads) };
            after = Some(*last);
            heads.extend(page.into_iter().map(|(process, nonce, id)| (process, (nonce, id))));
        }
    }

    /// Brings into the ledger what only the database has.
    async fn refill(&self, heads: &Heads) -> Result<u64, RecoveryError> {
        let mut refilled = Progress::of("filling the ledger from the database");
        for (process, (nonce, theirs)) in heads {
            let mut head = self.ledger.head(process)?;
            while head.is_none_or(|head| head.nonce < *nonce) {
                let after = head.map(|head| head.nonce);
                let rows = patiently(|| self.projection.entries(process, after, ROWS)).await?;
                refilled.add(rows.len());
                head = Some(self.append(*process, head, rows).await?);
            }
            let ours = self.ledger.entry(process, *nonce)?.map(|entry| entry.assignment_id);
            if ours != Some(*theirs) {
                return Err(RecoveryError::Diverged { process: *process, nonce: *nonce });
            }
        }
        Ok(refilled.entries)
    }

    /// Appends rows of the database to a process, each checked against the one before.
    async fn append(
        &self,
        process: ProcessId,
        head: Option<Head>,
        rows: Vec<Row>,
    ) -> Result<Head, RecoveryError> {
        let mut follower = Follower::after(process, head);
        let mut appends = Vec::with_capacity(rows.len());
        for Row { entry, content, .. } in rows {
            let head = follow(&mut follower, process, &entry)?;
            let queued_at = entry.timestamp;
            appends.push(Append { process, entry, head, content, queued_at, provisional: false });
        }
        let newest = follower.head().copied().ok_or(RecoveryError::Vanished(process))?;
        let (sender, committed) = oneshot::channel();
        let ledger = self.ledger.clone();
        // The ledger lets whoever appends wait, so not on an async thread. It answers in order: the
        // last outcome stands for all.
        tokio::task::spawn_blocking(move || append_all(&ledger, appends, sender)).await?;
        committed.await.map_err(|_| LedgerError::Closed)?.map_err(RecoveryError::Append)?;
        Ok(newest)
    }

    /// Projects what only the ledger has and what is final in it.
    async fn project_final(&self, heads: &Heads) -> Result<u64, RecoveryError> {
        let mut projected = Progress::of("projecting the ledger into the database");
        for found in self.ledger.processes()? {
            let (process, head) = found?;
            let theirs = heads.get(&process).map(|(nonce, _)| *nonce);
            if theirs.is_some_and(|theirs| theirs >= head.nonce) {
                continue;
            }
            if !patiently(|| self.projection.bind(&process)).await? {
                return Err(ModelError::Foreign { process }.into());
            }
            let from = theirs.map_or(0, |nonce| nonce + 1);
            self.project_from(&process, from, &mut projected).await?;
        }
        Ok(projected.entries)
    }

    /// Projects a process from a nonce on, up to its head as of now.
    async fn project_from(
        &self,
        process: &ProcessId,
        mut next: u64,
        projected: &mut Progress,
    ) -> Result<(), RecoveryError> {
        let contents = self.ledger.contents(process)?;
        loop {
            let mut batch = Batch::default();
            // In pieces: an iterator over the ledger cannot wait for the database.
            for entry in self.ledger.entries(process, next)? {
                let entry = entry?;
                next = entry.nonce + 1;
                let content = contents.get(&entry.nonce).copied();
                batch.push(Row { process: *process, entry, content });
                if batch.is_full() {
                    break;
                }
            }
            let rows = batch.rows;
            if rows.is_empty() {
                return Ok(());
            }
            patiently(|| self.projection.project(&rows)).await?;
            projected.add(rows.len());
        }
    }

    /// Sends again what the database may not have.
    async fn resubmit(&self) -> Result<u64, RecoveryError> {
        let (mut resubmitted, mut after) = (0, None);
        loop {
            let mut batch = Batch::default();
            while !batch.is_full()
                && let Some(Provisional { process, entry, content }) =
                    self.ledger.provisional_after(after, 1)?.pop()
            {
                after = Some((process, entry.nonce));
                batch.push(Row { process, entry, content });
            }
            let rows = batch.rows;
            if rows.is_empty() {
                return Ok(resubmitted);
            }
            patiently(|| self.projection.project(&rows)).await?;
            self.ledger.confirm(rows.iter().map(|row| (row.process, row.entry.nonce)));
            resubmitted += rows.len() as u64;
        }
    }
}

/// The newest place of each process.
type Heads = HashMap<ProcessId, (u64, AssignmentId)>;

/// Rows of one batch for the database.
#[derive(Default)]
struct Batch {
    rows: Vec<Row>,
    bytes: usize,
}

impl Batch {
    fn push(&mut self, row: Row) {
        self.bytes += row.entry.len_bytes();
        self.rows.push(row);
    }

    /// One row more may be as large as the batch itself: half of the limit is left for it.
    fn is_full(&self) -> bool {
        self.rows.len() >= BATCH_ROWS_MAX || self.bytes >= BATCH_BYTES_MAX / 2
    }
}

/// Follows an entry of the database; what does not follow is damage there, or a fork.
fn follow(
    follower: &mut Follower,
    process: ProcessId,
    entry: &Entry,
) -> Result<Head, RecoveryError> {
    let assignment = Item::parse(entry.assignment.clone())?;
    let message = entry.message.clone().map(Item::parse).transpose()?;
    follower.follow(&assignment, message.as_ref())?;
    follower.head().copied().ok_or(RecoveryError::Vanished(process))
}

fn append_all(
    ledger: &Ledger,
    appends: Vec<Append>,
    sender: oneshot::Sender<Result<(), Arc<LedgerError>>>,
) {
    let last = appends.len().saturating_sub(1);
    let mut sender = Some(sender);
    for (index, append) in appends.into_iter().enumerate() {
        let sender = if index == last { sender.take() } else { None };
        let done = move |outcome: Result<Entry, Arc<LedgerError>>| {
            if let Some(sender) = sender {
                let _ = sender.send(outcome.map(drop)); // whoever recovers waits
            }
        };
        ledger.append(append, Box::new(done));
    }
}

/// Asks again while the database does not answer, but not for ever: nobody waits for a start that hangs.
async fn patiently<T, F: Future<Output = Result<T, ModelError>>>(
    ask: impl Fn() -> F,
) -> Result<T, ModelError> {
    let since = Instant::now();
    loop {
        match ask().await {
            Err(error @ ModelError::Unavailable(_)) if since.elapsed() < SILENCE_MAX => {
                tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "asking the database again"
                );
                tokio::time::sleep(RETRY).await;
            }
            answer => return answer,
        }
    }
}

/// Long work says how far it is.
struct Progress {
    what: &'static str,
    entries: u64,
    told: Instant,
}

impl Progress {
    fn of(what: &'static str) -> Self {
        Self { what, entries: 0, told: Instant::now() }
    }

    fn add(&mut self, entries: usize) {
        self.entries += entries as u64;
        if self.told.elapsed() >= PROGRESS {
            self.told = Instant::now();
            tracing::info!(entries = self.entries, "{}", self.what);
        }
    }
}
