//! The committer: the one thread that writes (group commit).
//!
//! It takes what waits, puts it into one batch, syncs, and then tells everyone in order (DUR-1). After
//! the first write that fails it writes nothing more: what is behind was signed on top of what failed.
//! Reads go on.

use crate::{
    CommitObservation, KeptHeight, LedgerError, Observe, batch::Staging, metrics::CommitCounters,
    outbox::OutboxState, store::Place, store::Store,
};
use crossbeam_channel::Receiver;
use parking_lot::Mutex;
use rocksdb::WriteOptions;
use rota_schedule::{ContentKey, Entry, Head, ProcessId, Timestamp};
use std::{
    collections::HashSet,
    mem,
    sync::{Arc, OnceLock},
    time::Instant,
};
use tokio::sync::{Notify, oneshot};

/// The most appends in a group.
const GROUP_APPENDS_MAX: usize = 512;
/// Bytes of items after which a group takes no further append.
const GROUP_BYTES_MAX: usize = 8 << 20;

/// An entry that is to be committed, with what the same batch must hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Append {
    /// The process whose schedule it extends.
    pub process: ProcessId,
    /// The entry.
    pub entry: Entry,
    /// The head of the process once it is committed.
    pub head: Head,
    /// By what its message is deduplicated, if it was pushed.
    pub content: Option<ContentKey>,
    /// When its item was taken in: the age of its outbox rows.
    pub queued_at: Timestamp,
    /// Whether it is to be uploaded from here.
    pub upload: Upload,
}

/// When an entry enters the outbox.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Upload {
    /// With its commit here: it is final.
    Now,
    /// Once it is confirmed. A database has the last word on it: until [`crate::Ledger::confirm`] it is
    /// *provisional*, and [`crate::Ledger::discard`] may take it back.
    OnceConfirmed,
    /// Never: it is final, and another ledger has uploaded it.
    Elsewhere,
}

/// Called once, on the committer's thread, with the entry when it is durable in this ledger. Must be quick,
/// and must not call [`crate::Ledger::append`], which may wait for that very thread.
pub type Done = Box<dyn FnOnce(Result<Entry, Arc<LedgerError>>) + Send>;

/// What the committer is asked for.
pub(crate) enum Command {
    /// To commit an entry.
    Append(Box<Append>, Done),
    /// To look at what is pending.
    Wake,
    /// To end, once all before it is done.
    Close,
}

impl Command {
    /// Tells whoever waits that nothing will come of it.
    pub(crate) fn refuse(self) {
        if let Self::Append(_, done) = self {
            done(Err(Arc::new(LedgerError::Closed)));
        }
    }
}

/// What is to be written with the next group, without a place in the queue: nobody waits for it.
#[derive(Default)]
pub(crate) struct Pending {
    /// Rows of the outbox that are to go.
    pub(crate) delivered: Vec<u64>,
    /// Entries that are provisional no more.
    pub(crate) confirmed: HashSet<Place>,
    /// The newest block height.
    pub(crate) block_height: Option<KeptHeight>,
    /// Who waits for the outbox's end once all of the above is written.
    pub(crate) marks: Vec<oneshot::Sender<u64>>,
}

/// What the committer shares with the handles.
pub(crate) struct Shared {
    /// What the next group takes along.
    pub(crate) pending: Mutex<Pending>,
    /// The first failure.
    pub(crate) failure: OnceLock<Arc<LedgerError>>,
    /// The outbox as last written.
    pub(crate) outbox: Mutex<OutboxState>,
    /// Rows were added to the outbox.
    pub(crate) outbox_changed: Notify,
    /// What was committed so far.
    pub(crate) counters: CommitCounters,
}

impl Shared {
    /// Of a ledger that was just opened.
    pub(crate) fn new(outbox: OutboxState) -> Self {
        Self {
            pending: Mutex::default(),
            failure: OnceLock::new(),
            outbox: Mutex::new(outbox),
            outbox_changed: Notify::new(),
            counters: CommitCounters::default(),
        }
    }
}

/// What is committed together.
#[derive(Default)]
struct Group {
    appends: Vec<(Box<Append>, Done)>,
    bytes: usize,
    pending: Pending,
    close: bool,
}

impl Group {
    fn take(&mut self, command: Command) {
        match command {
            Command::Append(append, done) => {
                self.bytes += append.entry.len_bytes();
                self.appends.push((append, done));
            }
            Command::Wake => {}
            Command::Close => self.close = true,
        }
    }

    fn is_full(&self) -> bool {
        self.close || self.appends.len() >= GROUP_APPENDS_MAX || self.bytes >= GROUP_BYTES_MAX
    }

    fn is_empty(&self) -> bool {
        self.appends.is_empty()
            && self.pending.delivered.is_empty()
            && self.pending.confirmed.is_empty()
            && self.pending.block_height.is_none()
            && self.pending.marks.is_empty()
    }
}

/// What is left to do of a group that was written.
struct Written {
    /// How many appends of the group are in it.
    appends: usize,
    outbox: OutboxState,
    /// Why the next append is not in it.
    refused: Option<LedgerError>,
}

/// The thread's state.
pub(crate) struct Committer {
    /// Where it writes.
    pub(crate) store: Arc<Store>,
    /// What it lets others see.
    pub(crate) shared: Arc<Shared>,
    /// What it is asked for.
    pub(crate) queue: Receiver<Command>,
    /// Told of every commit.
    pub(crate) observe: Option<Observe>,
}

impl Committer {
    /// Commits until it is told to end or nobody is left who could ask for more.
    pub(crate) fn run(&self) {
        let _death = Death(&self.shared);
        while let Ok(first) = self.queue.recv() {
            let group = self.gather(first);
            let close = group.close;
            self.commit(group);
            if close {
                return self.queue.try_iter().for_each(Command::refuse);
            }
        }
    }

    fn gather(&self, first: Command) -> Group {
        let mut group = Group::default();
        group.take(first);
        while !group.is_full()
            && let Ok(next) = self.queue.try_recv()
        {
            group.take(next);
        }
        group.pending = mem::take(&mut *self.shared.pending.lock());
        group
    }

    fn commit(&self, mut group: Group) {
        if group.is_empty() {
            return;
        }
        if let Some(failure) = self.shared.failure.get() {
            return fail_all(group.appends, failure);
        }
        match self.write(&group) {
            Ok(written) => {
                let behind = group.appends.split_off(written.appends);
                self.publish(written.outbox, group.appends);
                for mark in group.pending.marks {
                    let _ = mark.send(written.outbox.counters.next); // nobody may wait any more
                }
                if let Some(error) = written.refused {
                    self.fail(error, behind);
                }
            }
            Err(error) => self.fail(error, group.appends),
        }
    }

    /// Writes one batch and returns when it is durable.
    fn write(&self, group: &Group) -> Result<Written, LedgerError> {
        let started = Instant::now();
        let outbox = *self.shared.outbox.lock();
        let mut staging = Staging::new(&self.store, outbox, group.appends.len(), group.bytes)?;
        staging.deliver(&group.pending.delivered)?;
        staging.confirm(&group.pending.confirmed)?;
        if let Some(height) = group.pending.block_height {
            staging.block_height(height);
        }
        let (mut appends, mut bytes, mut refused) = (0, 0, None);
        for (append, _) in &group.appends {
            if let Err(error) = staging.append(append) {
                refused = Some(error);
                break;
            }
            appends += 1;
            bytes += append.entry.len_bytes();
        }
        let (batch, outbox) = staging.finish();
        self.write_batch(batch, appends > 0)?;
        if appends > 0 {
            self.observe(&CommitObservation {
                entries: appends,
                bytes,
                duration: started.elapsed(),
            });
        }
        Ok(Written { appends, outbox, refused })
    }

    /// Writes the batch; `sync` unless losing it only means to do something again.
    fn write_batch(&self, batch: rocksdb::WriteBatch, sync: bool) -> Result<(), LedgerError> {
        fail::fail_point!("ledger::before_write");
        fail::fail_point!("ledger::write_error", |_| Err(LedgerError::damaged(
            "an injected failure of a write"
        )));
        let mut options = WriteOptions::default();
        options.set_sync(sync);
        self.store.db.write_opt(batch, &options)?;
        fail::fail_point!("ledger::after_write");
        Ok(())
    }

    fn observe(&self, seen: &CommitObservation) {
        self.shared.counters.add(seen);
        if let Some(observe) = &self.observe {
            observe(*seen);
        }
    }

    /// Tells everyone what is durable now.
    fn publish(&self, outbox: OutboxState, appends: Vec<(Box<Append>, Done)>) {
        let before = mem::replace(&mut *self.shared.outbox.lock(), outbox);
        // First of all, so that whoever is told of the commit finds the outbox changed.
        if outbox.counters.next != before.counters.next {
            self.shared.outbox_changed.notify_one();
        }
        for (append, done) in appends {
            done(Ok(append.entry));
        }
    }

    /// Remembers the failure and tells those whom it hit.
    fn fail(&self, error: LedgerError, appends: Vec<(Box<Append>, Done)>) {
        tracing::error!(
            error = &error as &dyn std::error::Error,
            "the ledger takes no further writes"
        );
        let failure = self.shared.failure.get_or_init(|| Arc::new(error));
        fail_all(appends, failure);
    }
}

/// Tells of a committer that panics: nothing is written any more.
struct Death<'a>(&'a Shared);

impl Drop for Death<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let died = std::io::Error::other("the committer panicked");
            let _ = self.0.failure.set(Arc::new(LedgerError::Thread(died)));
        }
    }
}

fn fail_all(appends: Vec<(Box<Append>, Done)>, failure: &Arc<LedgerError>) {
    for (_, done) in appends {
        done(Err(Arc::clone(failure)));
    }
}
