//! From a signed entry to its commit, and to everyone who waits for it.

use super::table::{Reply, Staged, StagedContent};
use super::{Answer, Shared};
use crate::database::AckAfter;
use crate::stage::tell;
use rota_ledger::{Append, Upload};
use rota_readmodel::Row;
use rota_schedule::{Admitted, Committed, Entry, Head, ProcessId, Refusal};
use rota_service::trace;
use rota_wire::ApiError;
use std::sync::Arc;
use std::time::Instant;

impl Shared {
    /// Stages the entry and hands it to the ledger, which hands it on to the database if there is one.
    pub(super) fn commit(
        self: &Arc<Self>,
        admitted: &Admitted,
        entry: Entry,
        head: Head,
        reply: Reply,
    ) {
        let (process, queued_at) = (admitted.process, entry.timestamp);
        let content = admitted.content.map(|content| *content.key());
        let staged = self.stage(admitted, &entry, head, reply);
        fail::fail_point!("writer::signed");
        let shared = self.clone();
        let done = move |outcome: Result<Entry, _>| match outcome {
            Ok(entry) => shared.stored(entry, staged),
            Err(_) => {
                shared.tell(staged, &Err(ApiError::OutcomeUnknown));
                shared.land(&process);
            }
        };
        let upload = match self.parts.database {
            Some(_) => Upload::OnceConfirmed,
            None => Upload::Now,
        };
        let append = Append { process, entry, head, content, queued_at, upload };
        self.parts.ledger.append(append, Box::new(done));
    }

    fn stage(&self, admitted: &Admitted, entry: &Entry, head: Head, reply: Reply) -> Staged {
        let process = admitted.process;
        let content = admitted.content.map(|content| *content.key());
        let posted = admitted.message.is_some().then_some(admitted.message_id);
        let mut alone = Some(reply);
        let mut table = self.table.lock();
        let lane = table.lanes.entry(process).or_default();
        lane.head = Some(head);
        if let Some(id) = posted {
            lane.staged.entry(id).or_default().extend(alone.take());
        }
        if let Some(content) = content {
            let staged = StagedContent { nonce: entry.nonce, waiting: Vec::new() };
            lane.contents.insert(content, staged);
        }
        let (trace, since) = (trace::current(), Instant::now());
        Staged { process, posted, content, alone, trace, since }
    }

    /// The entry is durable in the ledger. Without a database that is the commit.
    fn stored(self: &Arc<Self>, entry: Entry, staged: Staged) {
        let (process, nonce, trace) = (staged.process, entry.nonce, staged.trace);
        tell(trace, "commit", staged.since, &process, Some(nonce));
        let Some(database) = &self.parts.database else {
            let entry = Committed::by_store(entry);
            self.show(process, &entry);
            self.tell(staged, &Ok(entry));
            return self.land(&process);
        };
        let row = Row { process, entry: entry.clone(), content: staged.content };
        let (shared, since) = (self.clone(), Instant::now());
        match database.ack_after {
            AckAfter::Database => database.projector.submit(
                row,
                Box::new(move |committed| {
                    tell(trace, "project", since, &process, Some(nonce));
                    if let Some(entry) = &committed {
                        shared.show(process, entry);
                    }
                    shared.tell(staged, &committed.ok_or(ApiError::OutcomeUnknown));
                    shared.land(&process);
                }),
            ),
            AckAfter::Disk => {
                self.tell(staged, &Ok(Committed::by_store(entry)));
                let landed = move |committed: Option<Committed<Entry>>| {
                    if let Some(entry) = &committed {
                        shared.show(process, entry);
                    }
                    shared.land(&process);
                };
                database.projector.submit(row, Box::new(landed));
            }
        }
    }

    /// Has a committed entry shown to the cache node, if there is one.
    fn show(&self, process: ProcessId, entry: &Committed<Entry>) {
        if let Some(cache) = &self.parts.cache {
            cache.show(process, entry);
        }
    }

    /// Tells everyone who waits for a staged entry, and forgets that it was staged.
    fn tell(&self, staged: Staged, answer: &Answer) {
        let Staged { process, posted, content, alone, .. } = staged;
        let (mut waiting, mut duplicates) = (Vec::new(), None);
        if let Some(lane) = self.table.lock().lanes.get_mut(&process) {
            duplicates = content.and_then(|content| lane.contents.remove(&content));
            waiting = posted.and_then(|id| lane.staged.remove(&id)).unwrap_or_default();
        }
        fail::fail_point!("writer::before_reply");
        if let Some(StagedContent { nonce, waiting }) = duplicates {
            let refused = ApiError::from(Refusal::Duplicate { nonce });
            let refused = answer.as_ref().map_or(ApiError::OutcomeUnknown, |_| refused);
            waiting.into_iter().for_each(|reply| drop(reply.send(Err(refused.clone()))));
        }
        for reply in waiting.into_iter().chain(alone) {
            let _ = reply.send(answer.clone());
        }
    }

    /// The oldest entry of a process that was in flight is so no more.
    fn land(&self, process: &ProcessId) {
        let mut table = self.table.lock();
        table.land(process);
        self.show_depth(&table);
    }
}
