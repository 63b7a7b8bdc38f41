//! Lanes: one per process that has items in flight. The one place where entries get their order.
//!
//! A lane is a bounded queue and the head of its process as staged, that is with the entries that are
//! signed but not committed yet. A few signing threads take turns: whoever holds a lane checks for
//! duplicates, takes the next slot, signs once and hands the entry to the ledger; it does not wait for
//! the commit. Since only one thread holds a lane at a time, and the ledger commits in the order it
//! was handed, ORD-1 to ORD-3 hold without any lock around the signature.
//!
//! Lanes exist only while they have work, so memory follows the load and not the number of processes.
//! Submission and removal happen under one lock, so a process never has two lanes.

use crate::WriterMetrics;
use crossbeam_channel::{Receiver, Sender, unbounded};
use parking_lot::Mutex;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use rota_ans104::Signer;
use rota_ledger::{Append, Ledger};
use rota_permaweb::HeightCache;
use rota_schedule::{
    Admitted, Assignment, Clock, Committed, ContentHash, Entry, Head, MessageId, ProcessId,
    Refusal, Subject, Timestamp, next_slot,
};
use rota_wire::ApiError;
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Instant;
use tokio::sync::oneshot;

/// Items that may wait in one lane; the next one is told to come back (429).
pub(crate) const LANE_QUEUE_MAX: usize = 1_024;
/// Items that may wait in all lanes together.
const WAITING_MAX: usize = 16_384;

pub(crate) type Answer = Result<Committed<Entry>, ApiError>;

/// What the lanes work with.
pub(crate) struct LaneParts {
    pub(crate) ledger: Ledger,
    pub(crate) signer: Arc<dyn Signer>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) height: HeightCache,
    pub(crate) metrics: WriterMetrics,
}

/// An item on its way into a schedule.
struct Job {
    admitted: Admitted,
    reply: oneshot::Sender<Answer>,
    since: Instant,
}

#[derive(Default)]
struct Lane {
    queue: VecDeque<Job>,
    /// A signing thread holds this lane, or will as soon as one is free.
    scheduled: bool,
    /// The head with all staged entries; `None` until the first turn.
    head: Option<Head>,
    /// Posted items that are signed and not committed, with those who posted them again meanwhile.
    staged: HashMap<MessageId, Vec<oneshot::Sender<Answer>>>,
    /// Their contents (DUP-2), and at which nonce.
    contents: HashMap<ContentHash, u64>,
    /// Entries handed to the ledger that it has not answered for.
    uncommitted: usize,
}

enum Turn {
    Lane(ProcessId),
    Stop,
}

/// All lanes, and the threads that sign for them.
pub(crate) struct Lanes {
    shared: Arc<Shared>,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

struct Shared {
    parts: LaneParts,
    table: Mutex<Table>,
    turns: Sender<Turn>,
}

#[derive(Default)]
struct Table {
    lanes: HashMap<ProcessId, Lane>,
    waiting: usize,
}

impl Lanes {
    /// Starts `signers` threads. `anchor_seed` makes the anchors of the assignments.
    pub(crate) fn start(
        parts: LaneParts,
        signers: usize,
        anchor_seed: [u8; 32],
    ) -> std::io::Result<Self> {
        let (turns, ready) = unbounded();
        let shared = Arc::new(Shared { parts, table: Mutex::default(), turns });
        let mut seeds = StdRng::from_seed(anchor_seed);
        let mut threads = Vec::with_capacity(signers);
        for index in 0..signers {
            let (shared, ready) = (shared.clone(), ready.clone());
            let anchors = StdRng::from_rng(&mut seeds);
            let thread = std::thread::Builder::new().name(format!("signer-{index}"));
            threads.push(thread.spawn(move || shared.sign_for(&ready, anchors))?);
        }
        Ok(Self { shared, threads: Mutex::new(threads) })
    }

    /// Puts an item at the end of its lane. The answer comes when its entry is committed; whoever
    /// drops the receiver changes nothing about the entry.
    pub(crate) fn submit(&self, admitted: Admitted) -> Result<oneshot::Receiver<Answer>, ApiError> {
        let (reply, answer) = oneshot::channel();
        let process = admitted.process;
        let mut table = self.shared.table.lock();
        if table.waiting >= WAITING_MAX {
            return Err(ApiError::Busy("too many items are waiting at this scheduler"));
        }
        let lane = table.lanes.entry(process).or_default();
        if lane.queue.len() >= LANE_QUEUE_MAX {
            return Err(ApiError::Busy("too many items are waiting for this process"));
        }
        lane.queue.push_back(Job { admitted, reply, since: Instant::now() });
        let idle = !std::mem::replace(&mut lane.scheduled, true);
        table.waiting += 1;
        self.shared.show_depth(&table);
        drop(table);
        if idle {
            self.shared.take_turn(process);
        }
        Ok(answer)
    }

    /// True if the process has an entry that is staged, committed or not.
    pub(crate) fn has_head(&self, process: &ProcessId) -> bool {
        self.shared.table.lock().lanes.get(process).is_some_and(|lane| lane.head.is_some())
    }

    /// Lets the signing threads hand over what they have begun, and waits for them. What is still queued
    /// is given up: it has no slot yet, and whoever waits for it learns that the outcome is unknown.
    pub(crate) fn stop(&self) {
        let threads = std::mem::take(&mut *self.threads.lock());
        for _ in &threads {
            let _ = self.shared.turns.send(Turn::Stop);
        }
        for thread in threads {
            let _ = thread.join();
        }
        let mut table = self.shared.table.lock();
        table.lanes.values_mut().for_each(|lane| lane.queue.clear());
        table.waiting = 0;
    }
}

/// What a turn comes to.
enum Placing {
    /// The item has its entry already.
    Known(Committed<Entry>),
    /// It gets a new one after this head.
    After(Option<Head>),
}

impl Shared {
    fn sign_for(self: &Arc<Self>, ready: &Receiver<Turn>, mut anchors: StdRng) {
        while let Ok(Turn::Lane(process)) = ready.recv() {
            if let Some((job, staged)) = self.next_job(&process) {
                self.parts.metrics.queue.observe(job.since.elapsed().as_secs_f64());
                self.place(job, staged, &mut anchors);
            }
            self.end_turn(process);
        }
    }

    /// Takes the next item that needs work. One whose entry is staged already only joins those who
    /// wait for it (DUP-1).
    fn next_job(&self, process: &ProcessId) -> Option<(Job, Option<Head>)> {
        let mut table = self.table.lock();
        loop {
            let lane = table.lanes.get_mut(process)?;
            let job = lane.queue.pop_front()?;
            let head = lane.head;
            let mut job = Some(job);
            if let Some(posted) = job.as_ref().filter(|job| job.admitted.message.is_some())
                && let Some(waiting) = lane.staged.get_mut(&posted.admitted.message_id)
            {
                waiting.extend(job.take().map(|job| job.reply));
                self.parts.metrics.repeated.inc();
            }
            table.waiting -= 1;
            if let Some(job) = job {
                return Some((job, head));
            }
        }
    }

    /// Gives the lane back: to the end of the line if it has more to do.
    fn end_turn(&self, process: ProcessId) {
        let mut table = self.table.lock();
        let Some(lane) = table.lanes.get_mut(&process) else { return };
        lane.scheduled = !lane.queue.is_empty();
        let again = lane.scheduled;
        table.remove_if_idle(&process);
        self.show_depth(&table);
        drop(table);
        if again {
            self.take_turn(process);
        }
    }

    fn take_turn(&self, process: ProcessId) {
        // Fails only when every signing thread is gone; then the replies are dropped with the lane.
        let _ = self.turns.send(Turn::Lane(process));
    }

    /// The serial step: duplicate check, slot, one signature, hand-over to the ledger.
    fn place(self: &Arc<Self>, job: Job, staged: Option<Head>, anchors: &mut StdRng) {
        let Job { admitted, reply, .. } = job;
        match self.placing(&admitted, staged) {
            Ok(Placing::Known(entry)) => {
                self.parts.metrics.repeated.inc();
                let _ = reply.send(Ok(entry));
            }
            Ok(Placing::After(head)) => match self.sign(&admitted, head.as_ref(), anchors) {
                Ok((entry, head)) => self.commit(&admitted, entry, head, reply),
                Err(error) => drop(reply.send(Err(error))),
            },
            Err(error) => drop(reply.send(Err(error))),
        }
    }

    fn placing(&self, admitted: &Admitted, staged: Option<Head>) -> Result<Placing, ApiError> {
        let ledger = &self.parts.ledger;
        if ledger.failure().is_some() {
            return Err(ApiError::NotAccepting("a write to the ledger failed"));
        }
        let process = &admitted.process;
        if admitted.message.is_some()
            && let Some(nonce) = ledger.place_of(process, &admitted.message_id).map_err(internal)?
        {
            let entry = ledger.entry(process, nonce).map_err(internal)?;
            return entry
                .map(Placing::Known)
                .ok_or_else(|| internal("an indexed entry is missing"));
        }
        if let Some(content) = &admitted.content {
            let staged = self
                .table
                .lock()
                .lanes
                .get(process)
                .and_then(|lane| lane.contents.get(content).copied());
            let place = match staged {
                Some(nonce) => Some(nonce),
                None => ledger.place_of_content(process, content).map_err(internal)?,
            };
            if let Some(nonce) = place {
                return Err(Refusal::Duplicate { nonce }.into());
            }
        }
        let head = match staged {
            Some(head) => Some(head),
            None => ledger.head(process).map_err(internal)?,
        };
        match (admitted.subject, head) {
            (Subject::Message(_), None) => Err(Refusal::ProcessUnknown(*process).into()),
            (Subject::Process, Some(_)) => {
                Err(internal("a process with a head has no entry of its own"))
            }
            (_, head) => Ok(Placing::After(head)),
        }
    }

    fn sign(
        &self,
        admitted: &Admitted,
        head: Option<&Head>,
        anchors: &mut StdRng,
    ) -> Result<(Entry, Head), ApiError> {
        let parts = &self.parts;
        let height = parts.height.get().unwrap_or(0);
        let slot = next_slot(admitted.process, head, parts.clock.now(), Timestamp(0), height)
            .map_err(internal)?;
        let mut anchor = [0; 24];
        anchors.fill_bytes(&mut anchor);
        let draft = Assignment::draft(&slot, admitted.subject, &admitted.exclude, anchor);
        fail::fail_point!("writer::before_sign");
        let since = Instant::now();
        let assignment = draft.sign(parts.signer.as_ref()).map_err(internal)?;
        parts.metrics.sign.observe(since.elapsed().as_secs_f64());
        let assignment_id = assignment.id().into();
        let entry = Entry {
            nonce: slot.nonce,
            timestamp: slot.timestamp,
            assignment_id,
            message_id: admitted.message_id,
            assignment: assignment.bytes().clone(),
            message: admitted.message.clone(),
        };
        Ok((entry, slot.head(assignment_id)))
    }

    /// Stages the entry and hands it to the ledger, which answers when it is durable.
    fn commit(
        self: &Arc<Self>,
        admitted: &Admitted,
        entry: Entry,
        head: Head,
        reply: oneshot::Sender<Answer>,
    ) {
        let (process, content) = (admitted.process, admitted.content);
        let posted = admitted.message.is_some().then_some(admitted.message_id);
        let mut alone = Some(reply);
        {
            let mut table = self.table.lock();
            let lane = table.lanes.entry(process).or_default();
            lane.head = Some(head);
            lane.uncommitted += 1;
            if let Some(id) = posted {
                lane.staged.entry(id).or_default().extend(alone.take());
            }
            if let Some(content) = content {
                lane.contents.insert(content, entry.nonce);
            }
        }
        fail::fail_point!("writer::signed");
        let shared = self.clone();
        let queued_at = entry.timestamp;
        let done = move |outcome: Result<Committed<Entry>, _>| {
            let answer = outcome.map_err(|_| ApiError::OutcomeUnknown);
            let waiting = shared.unstage(&process, posted.as_ref(), content.as_ref());
            fail::fail_point!("writer::before_reply");
            for reply in waiting.into_iter().chain(alone) {
                let _ = reply.send(answer.clone());
            }
        };
        let append = Append { process, entry, head, content, queued_at };
        self.parts.ledger.append(append, Box::new(done));
    }

    /// Forgets what was staged for an entry; gives back who waits for it.
    fn unstage(
        &self,
        process: &ProcessId,
        posted: Option<&MessageId>,
        content: Option<&ContentHash>,
    ) -> Vec<oneshot::Sender<Answer>> {
        let mut table = self.table.lock();
        let Some(lane) = table.lanes.get_mut(process) else { return Vec::new() };
        lane.uncommitted -= 1;
        if let Some(content) = content {
            lane.contents.remove(content);
        }
        let waiting = posted.and_then(|id| lane.staged.remove(id)).unwrap_or_default();
        table.remove_if_idle(process);
        self.show_depth(&table);
        waiting
    }

    fn show_depth(&self, table: &Table) {
        self.parts.metrics.waiting.set(i64::try_from(table.waiting).unwrap_or(i64::MAX));
        self.parts.metrics.lanes.set(i64::try_from(table.lanes.len()).unwrap_or(i64::MAX));
    }
}

impl Table {
    /// A lane with nothing queued and nothing uncommitted holds nothing that the ledger does not.
    fn remove_if_idle(&mut self, process: &ProcessId) {
        let idle = |lane: &Lane| !lane.scheduled && lane.uncommitted == 0 && lane.queue.is_empty();
        if self.lanes.get(process).is_some_and(idle) {
            self.lanes.remove(process);
        }
    }
}

/// Logs what went wrong inside; the client learns only that it did.
fn internal(error: impl std::fmt::Display) -> ApiError {
    tracing::error!(%error, "an item could not be placed");
    ApiError::Internal
}
