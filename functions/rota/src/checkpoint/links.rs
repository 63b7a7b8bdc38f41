//! Follows every schedule of a ledger, link by link, on all cores. Signatures are not looked at: `rota verify`
//! does that for one process.

use crate::output::Progress;
use anyhow::Context as _;
use rota_ans104::Item;
use rota_ledger::{Ledger, LedgerError};
use rota_schedule::{Entry, Follower, Head, ProcessId};
use std::num::NonZero;
use std::sync::{Mutex, PoisonError};
use std::thread;

/// Entries that one thread follows before it says so.
const STEP: u64 = 256;

/// What was followed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Checked {
    pub(super) processes: u64,
    pub(super) entries: u64,
}

/// Follows them all.
///
/// # Errors
/// The first thing that is wrong, with its place.
pub(super) fn check(ledger: &Ledger) -> anyhow::Result<Checked> {
    let mut total = 0;
    for found in ledger.processes()? {
        total += found?.1.nonce.saturating_add(1);
    }
    let work = Work {
        ledger,
        processes: Mutex::new(ledger.processes()?),
        progress: Mutex::new(Progress::start("verifying entries", Some(total))),
    };
    let threads = thread::available_parallelism().map_or(1, NonZero::get);
    thread::scope(|scope| {
        let threads: Vec<_> = (0..threads).map(|_| scope.spawn(|| work.run())).collect();
        threads.into_iter().try_fold(Checked::default(), |all, thread| {
            let part = thread.join().map_err(|_| anyhow::anyhow!("a thread failed"))??;
            Ok(Checked {
                processes: all.processes + part.processes,
                entries: all.entries + part.entries,
            })
        })
    })
}

/// What the threads share.
struct Work<'a, I> {
    ledger: &'a Ledger,
    processes: Mutex<I>,
    progress: Mutex<Progress>,
}

impl<I: Iterator<Item = Result<(ProcessId, Head), LedgerError>>> Work<'_, I> {
    /// Follows one process after the other, until none is left.
    fn run(&self) -> anyhow::Result<Checked> {
        let mut checked = Checked::default();
        while let Some(found) = self.next() {
            let (process, head) = found?;
            checked.entries += self.follow(process, &head)?;
            checked.processes += 1;
        }
        Ok(checked)
    }

    fn next(&self) -> Option<I::Item> {
        self.processes.lock().unwrap_or_else(PoisonError::into_inner).next()
    }

    fn follow(&self, process: ProcessId, head: &Head) -> anyhow::Result<u64> {
        let (mut follower, mut entries) = (Follower::new(process), 0);
        for entry in self.ledger.entries(&process, 0)? {
            let nonce = follower.head().map_or(0, |head| head.nonce.saturating_add(1));
            let followed = entry.map_err(anyhow::Error::from);
            let followed = followed.and_then(|entry| follow(&mut follower, &entry));
            followed.with_context(|| format!("process {process}: wrong at nonce {nonce}"))?;
            entries += 1;
            if entries % STEP == 0 {
                self.advance(STEP);
            }
        }
        self.advance(entries % STEP);
        anyhow::ensure!(
            follower.head() == Some(head),
            "process {process}: its newest entry is not the one that the ledger says"
        );
        Ok(entries)
    }

    fn advance(&self, entries: u64) {
        self.progress.lock().unwrap_or_else(PoisonError::into_inner).advance(entries);
    }
}

fn follow(follower: &mut Follower, entry: &Entry) -> anyhow::Result<()> {
    let assignment = Item::parse(entry.assignment.clone())?;
    let message = entry.message.clone().map(Item::parse).transpose()?;
    Ok(follower.follow(&assignment, message.as_ref())?)
}
