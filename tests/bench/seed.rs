//! Items to post and ledgers to read, made beforehand.

use anyhow::Context as _;
use bytes::Bytes;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use rota_ans104::{Address, Item, SignatureType, Signer, UnsignedItem, Wallet};
use rota_ledger::{Append, Ledger, LedgerOptions, Upload};
use rota_schedule::{
    Assignment, Entry, Exclude, Head, ProcessId, Slot, Subject, Timestamp, next_slot,
};
use std::path::Path;

/// The size of the items that are posted and read, in bytes.
const ITEM_BYTES: usize = 1_400;
const FIRST_TIME: u64 = 1_700_000_000_000;

/// A signed item that spawns a process.
pub(crate) fn spawn(wallet: &Wallet, name: &str) -> anyhow::Result<Item> {
    let module = "Isk_GYo30Tyf5nLbVI6zEJIfFpiXQJd58IKcIkTu4no";
    let tags = [
        ("Data-Protocol", "ao"),
        ("Type", "Process"),
        ("Module", module),
        ("Scheduler", module),
        ("Name", name),
    ];
    Ok(item(None, &tags, Bytes::new()).sign(wallet)?)
}

/// A signed message of 1.4 KB.
pub(crate) fn message(wallet: &Wallet, process: &Item, number: usize) -> anyhow::Result<Item> {
    Ok(unsigned(
        process.id().into(),
        number,
        wallet.owner().len() + wallet.signature_type().signature_len(),
    )
    .sign(wallet)?)
}

/// Signed messages, made on all cores.
pub(crate) fn messages(
    wallet: &Wallet,
    process: &Item,
    numbers: std::ops::Range<usize>,
) -> anyhow::Result<Vec<Item>> {
    let threads = std::thread::available_parallelism()?.get();
    let share = numbers.len().div_ceil(threads);
    let parts = std::thread::scope(|scope| {
        let handles: Vec<_> = (0..threads)
            .map(|thread| {
                let own = (numbers.start + thread * share)
                    ..(numbers.start + (thread + 1) * share).min(numbers.end);
                scope.spawn(move || {
                    own.map(|number| message(wallet, process, number))
                        .collect::<anyhow::Result<Vec<_>>>()
                })
            })
            .collect();
        handles.into_iter().map(std::thread::ScopedJoinHandle::join).collect::<Vec<_>>()
    });
    let mut all = Vec::with_capacity(numbers.len());
    for part in parts {
        all.extend(part.map_err(|_| anyhow::anyhow!("a signing thread panicked"))??);
    }
    Ok(all)
}

fn unsigned(process: ProcessId, number: usize, keys: usize) -> UnsignedItem {
    let number = number.to_string();
    let tags = [
        ("Data-Protocol", "ao"),
        ("Variant", "ao.TN.1"),
        ("Type", "Message"),
        ("Action", "Ping"),
        ("Reference", &number),
    ];
    let data = vec![b'x'; ITEM_BYTES.saturating_sub(keys + 170)];
    item(Some(*process.as_bytes()), &tags, data.into())
}

fn item(target: Option<[u8; 32]>, tags: &[(&str, &str)], data: Bytes) -> UnsignedItem {
    let tags = tags.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    UnsignedItem { target, tags, data, anchor: None }
}

/// Makes entries of real size whose signatures are random: reading does not check them, and a million RSA
/// signatures would take an hour.
pub(crate) struct Forge {
    random: StdRng,
    owner: Vec<u8>,
    time: u64,
}

impl Forge {
    /// The same one every time.
    pub(crate) fn new() -> Self {
        let mut random = StdRng::seed_from_u64(7);
        let mut owner = vec![0; 512];
        random.fill_bytes(&mut owner);
        Self { random, owner, time: FIRST_TIME }
    }

    /// An item that spawns a process.
    pub(crate) fn spawn(&mut self) -> anyhow::Result<Item> {
        let tags = [("Data-Protocol", "ao"), ("Type", "Process")];
        self.forge(&item(None, &tags, Bytes::new()))
    }

    /// A message for a process.
    pub(crate) fn message(&mut self, process: ProcessId, number: usize) -> anyhow::Result<Item> {
        self.forge(&unsigned(process, number, 1_024))
    }

    /// The slot after a head, a millisecond later than the one before.
    pub(crate) fn slot(&mut self, process: ProcessId, head: Option<&Head>) -> anyhow::Result<Slot> {
        self.time += 1;
        Ok(next_slot(process, head, Timestamp(self.time), Timestamp(0), 1_600_000)?)
    }

    /// The entry that fills a slot.
    pub(crate) fn entry(
        &mut self,
        slot: &Slot,
        subject: Subject,
        item: &Item,
    ) -> anyhow::Result<Entry> {
        let mut anchor = [0; 24];
        self.random.fill_bytes(&mut anchor);
        let assignment =
            self.forge(&Assignment::draft(slot, subject, &Exclude::default(), anchor))?;
        Ok(Entry {
            nonce: slot.nonce,
            timestamp: slot.timestamp,
            assignment_id: assignment.id().into(),
            message_id: item.id().into(),
            assignment: assignment.bytes().clone(),
            message: Some(item.bytes().clone()),
        })
    }

    fn forge(&mut self, item: &UnsignedItem) -> anyhow::Result<Item> {
        let mut signature = [0; 512];
        self.random.fill_bytes(&mut signature);
        Ok(item.with_signature(SignatureType::Arweave, &self.owner, &signature)?)
    }
}

/// Fills a ledger with forged entries.
pub(crate) struct Seeder {
    ledger: Ledger,
    forge: Forge,
}

impl Seeder {
    /// On an empty directory, for a scheduler with this address.
    pub(crate) fn new(dir: &Path, scheduler: Address) -> anyhow::Result<Self> {
        let ledger = Ledger::open(dir, LedgerOptions::default())?;
        ledger.set_scheduler(scheduler)?;
        Ok(Self { ledger, forge: Forge::new() })
    }

    /// A process with so many entries; gives its id and the id of a message in its middle.
    pub(crate) fn process(&mut self, entries: usize) -> anyhow::Result<(ProcessId, String)> {
        let spawn = self.forge.spawn()?;
        let process: ProcessId = spawn.id().into();
        let mut head = self.append(process, None, Subject::Process, &spawn)?;
        let mut middle = spawn.id().to_string();
        for number in 1..entries {
            let message = self.forge.message(process, number)?;
            head =
                self.append(process, Some(&head), Subject::Message(message.id().into()), &message)?;
            if number == entries / 2 {
                middle = message.id().to_string();
            }
        }
        Ok((process, middle))
    }

    /// Where the entries are, and soon are.
    pub(crate) const fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// Waits until all is on disk.
    pub(crate) fn finish(self) -> anyhow::Result<()> {
        Ok(self.ledger.close()?)
    }

    fn append(
        &mut self,
        process: ProcessId,
        head: Option<&Head>,
        subject: Subject,
        item: &Item,
    ) -> anyhow::Result<Head> {
        let slot = self.forge.slot(process, head)?;
        let entry = self.forge.entry(&slot, subject, item)?;
        let head = slot.head(entry.assignment_id);
        let append = Append {
            process,
            entry,
            head,
            content: None,
            queued_at: slot.timestamp,
            upload: Upload::Now,
        };
        self.ledger.append(append, Box::new(|_| ()));
        match self.ledger.failure() {
            Some(failure) => Err(anyhow::anyhow!("{failure}")).context("seeding the ledger"),
            None => Ok(head),
        }
    }
}
