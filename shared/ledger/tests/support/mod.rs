//! What the tests of this crate share: schedules made without signing anything, and appends that wait.
//!
//! Used by the integration tests and, by path, by the unit tests.
#![allow(dead_code, unreachable_pub, reason = "no test binary uses all of it")]
#![allow(clippy::expect_used, reason = "a test that cannot go on fails")]

use bytes::Bytes;
use rota_ledger::{Append, Ledger, LedgerError, LedgerOptions, Upload};
use rota_schedule::{
    AssignmentId, ContentKey, Entry, HashChain, Head, MessageId, ProcessId, Timestamp,
};
use std::{
    fs,
    path::{Path, PathBuf},
    sync::{Arc, mpsc},
};

/// 32 bytes that say what they stand for.
pub fn id(kind: u8, process: u8, number: u64) -> [u8; 32] {
    let mut id = [kind; 32];
    id[1] = process;
    id[2..10].copy_from_slice(&number.to_be_bytes());
    id
}

/// Bytes that differ from seed to seed and do not compress (xorshift).
pub fn body(seed: u64, len: usize) -> Bytes {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let step = |_| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_be_bytes()[0]
    };
    (0..len).map(step).collect()
}

/// Writes the schedule of one process.
#[derive(Clone)]
pub struct Chain {
    number: u8,
    pub process: ProcessId,
    head: Option<Head>,
}

impl Chain {
    pub fn new(number: u8) -> Self {
        Self { number, process: ProcessId::new(id(1, number, 0)), head: None }
    }

    /// The next append, at `time`, of a message with its own id.
    pub fn next(&mut self, time: u64, message: Option<Bytes>) -> Append {
        let nonce = self.head.map_or(0, |head| head.nonce + 1);
        let message_id = if nonce == 0 {
            self.process.into()
        } else {
            MessageId::new(id(2, self.number, nonce))
        };
        self.place(time, message_id, message)
    }

    /// The next append, at `time`, of a given message.
    pub fn place(&mut self, time: u64, message_id: MessageId, message: Option<Bytes>) -> Append {
        let nonce = self.head.map_or(0, |head| head.nonce + 1);
        let assignment_id = AssignmentId::new(id(3, self.number, nonce));
        let hash_chain = match &self.head {
            None => HashChain::first(&self.process),
            Some(head) => head.hash_chain.next(&head.assignment),
        };
        let timestamp = Timestamp(time);
        let head = Head {
            nonce,
            assignment: assignment_id,
            hash_chain,
            timestamp,
            block_height: 1_600_000,
        };
        self.head = Some(head);
        let assignment = body(nonce ^ 0xA551, 90 + usize::from(self.number));
        let entry = Entry { nonce, timestamp, assignment_id, message_id, assignment, message };
        Append {
            process: self.process,
            entry,
            head,
            content: None,
            queued_at: Timestamp(time + 1),
            upload: Upload::Now,
        }
    }
}

/// The key of no content in particular.
pub fn content(number: u8) -> ContentKey {
    ContentKey([number; 48])
}

/// Appends and waits for the outcome.
pub fn commit(ledger: &Ledger, append: Append) -> Result<Entry, Arc<LedgerError>> {
    let (sender, outcome) = mpsc::channel();
    ledger.append(append, Box::new(move |result| sender.send(result).expect("the test waits")));
    outcome.recv().expect("every append has an outcome")
}

/// A ledger with the usual options.
pub fn open(dir: &Path) -> Ledger {
    try_open(dir).expect("the ledger opens")
}

/// Opens a ledger that may not want to.
pub fn try_open(dir: &Path) -> Result<Ledger, LedgerError> {
    Ledger::open(dir, LedgerOptions::default())
}

/// Copies a directory as a crash would leave it.
pub fn copy_dir(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("a directory for the copy");
    for file in fs::read_dir(from).expect("a directory to copy") {
        let file = file.expect("a file to copy");
        if file.file_name() != "LOCK" {
            fs::copy(file.path(), to.join(file.file_name())).expect("a file is copied");
        }
    }
}

/// The files of a directory whose names end in `.{extension}`, oldest first.
pub fn files(dir: &Path, extension: &str) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = fs::read_dir(dir)
        .expect("a directory")
        .map(|file| file.expect("a file").path())
        .filter(|path| path.extension().is_some_and(|found| found == extension))
        .collect();
    files.sort();
    files
}

/// All that must hold of a ledger, whatever happened to it: schedules without a gap up to their
/// heads, found by every index, and an outbox whose counters are exact. Gives the number of entries.
pub fn check(ledger: &Ledger) -> u64 {
    let mut total = 0;
    for found in ledger.processes().expect("heads can be read") {
        let (process, head) = found.expect("a head can be read");
        let mut chain = HashChain::first(&process);
        let mut last = None;
        for (nonce, entry) in (0..).zip(ledger.entries(&process, 0).expect("entries can be read")) {
            let entry = entry.expect("an entry can be read");
            assert_eq!(entry.nonce, nonce);
            assert_eq!(ledger.entry(&process, nonce).expect("readable").expect("there"), entry);
            let place =
                ledger.place_of(&process, &entry.message_id).expect("readable").expect("there");
            assert!(place <= nonce);
            if nonce > 0 {
                chain = chain.next(&last.expect("an assignment before"));
            }
            last = Some(entry.assignment_id);
            total += 1;
        }
        assert_eq!(
            (last, chain),
            (Some(head.assignment), head.hash_chain),
            "the chain ends at the head"
        );
    }
    check_outbox(ledger);
    total
}

fn check_outbox(ledger: &Ledger) {
    let rows = ledger.outbox_after(None, usize::MAX).expect("the outbox can be read");
    let stats = ledger.outbox_stats();
    assert_eq!(stats.depth, rows.len() as u64);
    assert_eq!(stats.oldest, rows.first().map(|row| row.queued_at));
    assert!(rows.is_sorted_by(|a, b| a.seq < b.seq));
    for row in rows {
        assert!(ledger.outbox_item(&row).expect("readable").is_some(), "{row:?} names nothing");
    }
}
