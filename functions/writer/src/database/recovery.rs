//! The start of a writer that commits in a database: first the two agree again, then it takes items.
//!
//! | what is found | what is done |
//! |---|---|
//! | entries here of which the database may not know, and nobody else wrote since | sent again, byte for byte (DUR-3) |
//! | such entries, and another ledger may have written under the same name | sent again if they still fit: the database has them or their place is free, and no reader was told that nothing more would come there; else taken back, for nobody was told of them |
//! | the database has more (another ledger wrote, or this one is new) | filled in, checked link by link, and queued for upload |
//! | this ledger has more that was final (its first start with this database) | projected |
//! | processes here that belong to another writer now (they were moved) | left as they are: the database has all of them |
//! | both have different entries at one place | an error: a person has to decide |

use super::RecoveryError;
use super::copy::{Copier, ROWS, patiently};
use rota_ledger::{Ledger, OutboxRow, Provisional};
use rota_readmodel::{BatchSize, Holder, ModelError, Newest, Projection, Row};
use rota_schedule::{Head, ProcessId, Timestamp};
use std::collections::HashMap;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

/// Between two lines that say how far the work is.
const PROGRESS: Duration = Duration::from_secs(2);

/// What works on both.
pub(super) struct Recovery<'a> {
    pub(super) ledger: &'a Ledger,
    pub(super) projection: &'a Projection,
    /// Up to which timestamp earlier terms have uploaded everything.
    pub(super) uploaded: Timestamp,
    /// Once this is set, nothing further is begun.
    pub(super) stop: &'a AtomicBool,
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
            self.forget_uploaded(&heads)?;
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
            let Some(last) = page.last() else { return Ok(heads) };
            after = Some(last.process);
            heads.extend(page.into_iter().map(|newest| (newest.process, newest)));
        }
    }

    /// Brings into the ledger what only the database has.
    async fn refill(&self, heads: &Heads) -> Result<u64, RecoveryError> {
        let mut refilled = Progress::of("filling the ledger from the database");
        for Newest { process, nonce, assignment: theirs, moved } in heads.values() {
            let (ledger, projection, stop) = (self.ledger, self.projection, self.stop);
            let progress = |entries| refilled.add(entries);
            let uploaded = if *moved { Timestamp(0) } else { self.uploaded };
            let mut copier = Copier { ledger, projection, uploaded, stop, progress };
            let ours = self.ledger.head(process)?;
            if let Err(error) = copier.up_to(*process, *nonce).await {
                return Err(self.explain(error, *process, ours).await);
            }
            let ours = self.ledger.entry(process, *nonce)?.map(|entry| entry.assignment_id);
            if ours != Some(*theirs) {
                return Err(self.diverged(*process, *nonce).await);
            }
        }
        Ok(refilled.entries)
    }

    /// What the database has does not follow what the ledger had of a process (`ours`): where that is because their
    /// entries differ, that is said.
    async fn explain(
        &self,
        error: RecoveryError,
        process: ProcessId,
        ours: Option<Head>,
    ) -> RecoveryError {
        let is_link = matches!(error, RecoveryError::Schedule(_));
        let Some(ours) = ours.filter(|_| is_link) else { return error };
        match patiently(|| self.projection.assignment_at(&process, ours.nonce)).await {
            Ok(theirs) if theirs != Some(ours.assignment) => {
                self.diverged(process, ours.nonce).await
            }
            _ => error,
        }
    }

    /// Finds the first place where they differ, given one where they do. Each entry is linked to the one before it, so
    /// from there on all of them differ.
    async fn diverged(&self, process: ProcessId, differs_at: u64) -> RecoveryError {
        let (mut low, mut nonce) = (0, differs_at);
        while low < nonce {
            let middle = low + (nonce - low) / 2;
            match self.is_same_at(&process, middle).await {
                Ok(true) => low = middle + 1,
                Ok(false) => nonce = middle,
                Err(error) => return error,
            }
        }
        RecoveryError::Diverged { process, nonce }
    }

    async fn is_same_at(&self, process: &ProcessId, nonce: u64) -> Result<bool, RecoveryError> {
        let ours = self.ledger.entry(process, nonce)?.map(|entry| entry.assignment_id);
        Ok(patiently(|| self.projection.assignment_at(process, nonce)).await? == ours)
    }

    /// Brings the ledger up to where the database is, and forgets what was uploaded from elsewhere: for a
    /// ledger that may be the next one.
    pub(super) async fn follow(&self) -> Result<u64, RecoveryError> {
        let heads = self.heads().await?;
        let refilled = self.refill(&heads).await?;
        self.forget_uploaded(&heads)?;
        Ok(refilled)
    }

    /// Takes out of the outbox what another ledger has uploaded since.
    fn forget_uploaded(&self, heads: &Heads) -> Result<(), RecoveryError> {
        let mut after = None;
        loop {
            let rows = self.ledger.outbox_after(after, ROWS as usize)?;
            let Some(last) = rows.last() else { return Ok(()) };
            after = Some(last.seq);
            let elsewhere = |row: &&OutboxRow| {
                row.queued_at <= self.uploaded
                    && heads.get(&row.process).is_some_and(|newest| !newest.moved)
            };
            let seqs = rows.iter().filter(elsewhere).map(|row| row.seq).collect();
            self.ledger.outbox_delivered(seqs);
        }
    }

    /// Projects what only the ledger has and what is final in it.
    async fn project_final(&self, heads: &Heads) -> Result<u64, RecoveryError> {
        let mut projected = Progress::of("projecting the ledger into the database");
        for found in self.ledger.processes()? {
            let (process, head) = found?;
            let theirs = heads.get(&process).map(|newest| newest.nonce);
            if theirs.is_some_and(|theirs| theirs >= head.nonce) {
                continue;
            }
            if !patiently(|| self.projection.bind(&process)).await? {
                self.check_moved(process, head).await?;
                continue;
            }
            let from = theirs.map_or(0, |nonce| nonce + 1);
            self.project_from(&process, from, &mut projected).await?;
        }
        Ok(projected.entries)
    }

    /// A process of another writer is here because it was moved, now or once: then the database has all of
    /// it.
    async fn check_moved(&self, process: ProcessId, head: Head) -> Result<(), RecoveryError> {
        let theirs = patiently(|| self.projection.assignment_at(&process, head.nonce)).await?;
        match theirs {
            Some(theirs) if theirs == head.assignment => Ok(()),
            Some(_) => Err(self.diverged(process, head.nonce).await),
            None => Err(ModelError::Foreign { process }.into()),
        }
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
            let (mut rows, mut size) = (Vec::new(), BatchSize::default());
            // In pieces: an iterator over the ledger cannot wait for the database.
            for entry in self.ledger.entries(process, next)? {
                let entry = entry?;
                if !size.has_room_for(&entry) {
                    break;
                }
                size.add(&entry);
                next = entry.nonce + 1;
                let content = contents.get(&entry.nonce).copied();
                rows.push(Row { process: *process, entry, content });
            }
            if rows.is_empty() {
                return Ok(());
            }
            self.project(&rows).await?;
            projected.add(rows.len());
        }
    }

    async fn project(&self, rows: &[Row]) -> Result<(), RecoveryError> {
        match patiently(|| self.projection.project(rows)).await {
            Err(ModelError::Conflict { process, nonce }) => {
                Err(self.diverged(process, nonce).await)
            }
            other => Ok(other?),
        }
    }

    /// Sends again what the database may not have.
    async fn resubmit(&self) -> Result<u64, RecoveryError> {
        let (mut resubmitted, mut after) = (0, None);
        loop {
            let (mut rows, mut size) = (Vec::new(), BatchSize::default());
            while let Some(Provisional { process, entry, content }) =
                self.ledger.provisional_after(after, 1)?.pop()
                && size.has_room_for(&entry)
            {
                size.add(&entry);
                after = Some((process, entry.nonce));
                rows.push(Row { process, entry, content });
            }
            if rows.is_empty() {
                return Ok(resubmitted);
            }
            self.project(&rows).await?;
            self.ledger.confirm(rows.iter().map(|row| (row.process, row.entry.nonce)));
            resubmitted += rows.len() as u64;
        }
    }
}

/// The newest place of each process.
type Heads = HashMap<ProcessId, Newest>;

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
