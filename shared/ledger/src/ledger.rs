//! The ledger as others see it: open, append, look up, upload, close.

use crate::{
    Append, Done, Entries, KeptHeight, LedgerError, LedgerMetrics, LedgerOptions, OutboxRow,
    OutboxStats,
    commit::{Command, Committer, Pending, Shared},
    key::{Family, META_SCHEDULER},
    open,
    outbox::{self, OutboxState},
    provisional::{self, Provisional},
    record,
    scan::Scan,
    store::{self, Store},
};
use bytes::Bytes;
use crossbeam_channel::{Sender, TrySendError};
use parking_lot::{Mutex, RwLock};
use rocksdb::{FlushOptions, IteratorMode};
use rota_ans104::{Address, ItemId};
use rota_schedule::{ContentKey, Entry, Head, MessageId, ProcessId};
use std::{
    collections::HashMap,
    io,
    path::Path,
    sync::Arc,
    thread::{self, JoinHandle},
};
use tokio::sync::{Semaphore, oneshot};

/// Pages that are read at once; each holds a thread and up to a page's bytes.
const PAGE_READERS_MAX: usize = 8;

/// A handle on an open ledger; clones share it. The last one to go ends the committer.
#[derive(Clone)]
pub struct Ledger {
    inner: Arc<Inner>,
}

struct Inner {
    id: [u8; 16],
    store: Arc<Store>,
    shared: Arc<Shared>,
    queue: Sender<Command>,
    committer: Mutex<Option<JoinHandle<()>>>,
    scheduler: RwLock<Option<Address>>,
    block_height: RwLock<Option<KeptHeight>>,
    page_readers: Arc<Semaphore>,
}

impl Ledger {
    /// Opens the ledger in `dir`, or starts one there if the directory is empty or absent.
    ///
    /// # Errors
    /// [`LedgerError::Locked`], [`LedgerError::TooNew`], [`LedgerError::NotALedger`],
    /// [`LedgerError::Damaged`], and what the file system says.
    #[allow(clippy::needless_pass_by_value, reason = "settings are handed over, as everywhere")]
    pub fn open(dir: &Path, options: LedgerOptions) -> Result<Self, LedgerError> {
        let store = Arc::new(open::open(dir, &options)?);
        let scheduler =
            store.get(Family::Meta, META_SCHEDULER)?.map(|bytes| record::read_address(&bytes));
        let (scheduler, height) = (scheduler.transpose()?, KeptHeight::load(&store)?);
        let shared = Arc::new(Shared::new(OutboxState::load(&store)?));
        let (sender, queue) = crossbeam_channel::bounded(options.commit_queue);
        let committer = Committer {
            store: Arc::clone(&store),
            shared: Arc::clone(&shared),
            queue,
            observe: options.observe,
        };
        let thread =
            thread::Builder::new().name("ledger-commit".to_owned()).spawn(move || committer.run());
        Ok(Self {
            inner: Arc::new(Inner {
                id: open::id(&store)?,
                store,
                shared,
                queue: sender,
                committer: Mutex::new(Some(thread.map_err(LedgerError::Thread)?)),
                scheduler: RwLock::new(scheduler.map(Address::new)),
                block_height: RwLock::new(height),
                page_readers: Arc::new(Semaphore::new(PAGE_READERS_MAX)),
            }),
        })
    }

    /// Hands an entry to the committer; `done` is called once it is durable, or cannot become so.
    ///
    /// Blocks while the committer's queue is full: to be called from threads that sign, never from
    /// async tasks. After the first write that failed every append fails at once.
    pub fn append(&self, append: Append, done: Done) {
        if let Some(failure) = self.inner.shared.failure.get() {
            return done(Err(Arc::clone(failure)));
        }
        if let Err(unsent) = self.inner.queue.send(Command::Append(Box::new(append), done)) {
            unsent.into_inner().refuse();
        }
    }

    /// The newest entry of a process; `None` if it is not known here.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn head(&self, process: &ProcessId) -> Result<Option<Head>, LedgerError> {
        self.inner.store.head(process)
    }

    /// The entry at a place, provisional or final.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn entry(&self, process: &ProcessId, nonce: u64) -> Result<Option<Entry>, LedgerError> {
        self.inner.store.entry(process, nonce)
    }

    /// The earliest nonce at which an item was placed in a process (DUP-1).
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn place_of(
        &self,
        process: &ProcessId,
        message: &MessageId,
    ) -> Result<Option<u64>, LedgerError> {
        self.inner.store.place_of(process, message)
    }

    /// The nonce at which a process has a pushed message under this key (DUP-2).
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn place_of_content(
        &self,
        process: &ProcessId,
        content: &ContentKey,
    ) -> Result<Option<u64>, LedgerError> {
        self.inner.store.place_of_content(process, content)
    }

    /// Every process with its head, in the order of their ids, as of now.
    ///
    /// # Errors
    /// The store cannot be read; so may each item.
    pub fn processes(
        &self,
    ) -> Result<impl Iterator<Item = Result<(ProcessId, Head), LedgerError>> + '_, LedgerError>
    {
        let store = &self.inner.store;
        let rows = store.db.iterator_cf(store.family(Family::Heads)?, IteratorMode::Start);
        Ok(rows.map(|row| {
            let (key, value) = row?;
            let process = ProcessId::try_from(&*key)
                .map_err(|_| LedgerError::damaged("a key of a head has a wrong length"))?;
            Ok((process, record::read_head(&value)?))
        }))
    }

    /// The entries of a process from `from_nonce` up to its head as of now: one scan.
    ///
    /// # Errors
    /// The store cannot be read. An entry that is missing below the head is [`LedgerError::Damaged`],
    /// after which the iterator ends.
    pub fn entries(
        &self,
        process: &ProcessId,
        from_nonce: u64,
    ) -> Result<Entries<'_>, LedgerError> {
        let store = &self.inner.store;
        match store.head(process)? {
            Some(head) => Ok(Entries::of(Scan::new(store, *process, from_nonce, head.nonce)?)),
            None => Ok(Entries::none()),
        }
    }

    /// Up to `limit` rows of the outbox after number `after`, oldest first.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn outbox_after(
        &self,
        after: Option<u64>,
        limit: usize,
    ) -> Result<Vec<OutboxRow>, LedgerError> {
        let counters = self.inner.shared.outbox.lock().counters;
        outbox::rows_after(&self.inner.store, &counters, after, limit)
    }

    /// The id and the bytes of what a row names.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn outbox_item(&self, row: &OutboxRow) -> Result<Option<(ItemId, Bytes)>, LedgerError> {
        outbox::item(&self.inner.store, row)
    }

    /// Forgets rows that were delivered. Not synced: a crash only means that they are delivered again.
    /// Never waits.
    #[allow(clippy::needless_pass_by_value, reason = "the numbers are handed over")]
    pub fn outbox_delivered(&self, seqs: Vec<u64>) {
        self.leave(|pending| pending.delivered.extend(seqs));
    }

    /// How much is still to be uploaded.
    #[must_use]
    pub fn outbox_stats(&self) -> OutboxStats {
        self.inner.shared.outbox.lock().stats()
    }

    /// The number below which the rows of all lie that was committed or confirmed so far: once
    /// [`OutboxStats::low`] has reached it, all of that is uploaded.
    ///
    /// # Errors
    /// The ledger is closed, or a write failed.
    pub async fn outbox_end(&self) -> Result<u64, LedgerError> {
        let (sender, end) = oneshot::channel();
        self.leave(|pending| pending.marks.push(sender));
        end.await.map_err(|_| LedgerError::Closed)
    }

    /// Makes provisional entries final: from now on they wait in the outbox. Not synced: a crash only means
    /// that they are provisional again. Never waits. Other places change nothing.
    pub fn confirm(&self, places: impl IntoIterator<Item = (ProcessId, u64)>) {
        self.leave(|pending| pending.confirmed.extend(places));
    }

    /// Up to `limit` provisional entries after a place, in the order of processes and nonces.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn provisional_after(
        &self,
        after: Option<(ProcessId, u64)>,
        limit: usize,
    ) -> Result<Vec<Provisional>, LedgerError> {
        provisional::after(&self.inner.store, after, limit)
    }

    /// Takes the provisional entries of a process back, from a nonce on, durably. To be called before
    /// anything is appended: nobody was told of them. Gives how many there were.
    ///
    /// # Errors
    /// The store cannot be read or written; an entry from there on is not provisional.
    pub fn discard(&self, process: &ProcessId, from_nonce: u64) -> Result<u64, LedgerError> {
        provisional::discard(&self.inner.store, process, from_nonce)
    }

    /// The keys by which messages of a process are deduplicated, by nonce.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn contents(&self, process: &ProcessId) -> Result<HashMap<u64, ContentKey>, LedgerError> {
        self.inner.store.contents(process)
    }

    /// What tells this ledger from every other: made when it was, at random.
    #[must_use]
    pub fn id(&self) -> [u8; 16] {
        self.inner.id
    }

    /// Waits until rows were added to the outbox since this last returned. Wakes one waiter.
    pub async fn outbox_changed(&self) {
        self.inner.shared.outbox_changed.notified().await;
    }

    /// Stores whose ledger this is, durably, and gives the address that was there.
    ///
    /// # Errors
    /// The store cannot be written.
    pub fn set_scheduler(&self, address: Address) -> Result<Option<Address>, LedgerError> {
        let store = &self.inner.store;
        let mut known = self.inner.scheduler.write();
        if *known != Some(address) {
            let sync = store::synced();
            let value = record::write_address(address.as_bytes());
            store.db.put_cf_opt(store.family(Family::Meta)?, META_SCHEDULER, value, &sync)?;
        }
        Ok(known.replace(address))
    }

    /// The address of the wallet that signs, if it was ever set.
    #[must_use]
    pub fn scheduler_address(&self) -> Option<Address> {
        *self.inner.scheduler.read()
    }

    /// Remembers the newest block height. Not synced. Never waits.
    pub fn set_block_height(&self, kept: KeptHeight) {
        *self.inner.block_height.write() = Some(kept);
        self.leave(|pending| pending.block_height = Some(kept));
    }

    /// The newest block height that was remembered, before a restart too.
    #[must_use]
    pub fn block_height(&self) -> Option<KeptHeight> {
        *self.inner.block_height.read()
    }

    /// The first write that failed: since then nothing more is written.
    #[must_use]
    pub fn failure(&self) -> Option<Arc<LedgerError>> {
        self.inner.shared.failure.get().cloned()
    }

    /// How much was committed since the ledger was opened, and what RocksDB holds now.
    #[must_use]
    pub fn metrics(&self) -> LedgerMetrics {
        self.inner.shared.counters.with_store(&self.inner.store)
    }

    /// Commits what was handed over, writes all memory to tables, and ends the committer. Clones can
    /// still read; their appends fail. The directory is free once the last of them is gone.
    ///
    /// # Errors
    /// The store cannot be written. Everything committed is in its log all the same.
    pub fn close(self) -> Result<(), LedgerError> {
        self.inner.end_committer()?;
        let store = &self.inner.store;
        let families = Family::ALL
            .into_iter()
            .map(|family| store.family(family))
            .collect::<Result<Vec<_>, _>>()?;
        Ok(store.db.flush_cfs_opt(&families, &FlushOptions::default())?)
    }

    /// The store, for reads.
    pub(crate) fn store(&self) -> &Arc<Store> {
        &self.inner.store
    }

    /// Who may read a page now.
    pub(crate) fn page_readers(&self) -> &Arc<Semaphore> {
        &self.inner.page_readers
    }

    /// Leaves something for the committer to take along. A full queue needs no waking: the next group
    /// takes it; and once the ledger is closed it is lost, as in a crash.
    fn leave(&self, change: impl FnOnce(&mut Pending)) {
        change(&mut self.inner.shared.pending.lock());
        if let Err(TrySendError::Disconnected(_)) = self.inner.queue.try_send(Command::Wake) {
            *self.inner.shared.pending.lock() = Pending::default();
        }
    }
}

impl Inner {
    /// Lets the committer finish what is queued, and waits for its end.
    fn end_committer(&self) -> Result<(), LedgerError> {
        let Some(committer) = self.committer.lock().take() else {
            return Ok(());
        };
        if committer.thread().id() == thread::current().id() {
            return Ok(()); // the last handle went in a `Done`: the thread ends once its queue is empty
        }
        // An error means that the committer has ended already.
        let _ = self.queue.send(Command::Close);
        committer
            .join()
            .map_err(|_| LedgerError::Thread(io::Error::other("the committer panicked")))
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        if let Err(error) = self.end_committer() {
            tracing::error!(
                error = &error as &dyn std::error::Error,
                "the ledger did not end well"
            );
        }
    }
}
