//! `rota verify --data-dir` against ledgers.

use crate::command::rota;
use crate::schedule::{Schedule, wallet};
use crate::verify::signed_by_two;
use bytes::Bytes;
use rota_ledger::{Append, Ledger, LedgerOptions, Upload};
use rota_schedule::{AssignmentId, HashChain, Timestamp};
use std::path::Path;
use std::sync::mpsc::channel;

/// Writes a schedule into a ledger below `dir`, as a writer would.
pub(crate) fn store(dir: &Path, schedule: &Schedule) {
    let ledger = Ledger::open(&dir.join("ledger"), LedgerOptions::default()).unwrap();
    let (sender, done) = channel();
    for (entry, head) in schedule.entries.iter().zip(&schedule.heads) {
        let append = Append {
            process: schedule.process,
            entry: entry.clone(),
            head: *head,
            content: None,
            queued_at: Timestamp(0),
            upload: Upload::Now,
        };
        let sender = sender.clone();
        ledger.append(append, Box::new(move |result| sender.send(result.is_ok()).unwrap()));
    }
    for _ in &schedule.entries {
        assert!(done.recv().unwrap(), "the ledger takes the entry");
    }
    ledger.close().unwrap();
}

fn verify(schedule: &Schedule) -> crate::command::Ran {
    let dir = tempfile::tempdir().unwrap();
    store(dir.path(), schedule);
    rota(dir.path(), &["verify", &schedule.process.to_string(), "--data-dir", "."])
}

fn refused(schedule: &Schedule, nonce: u64, why: &str) {
    let answer = verify(schedule).fails(1);
    let place = format!("the first bad entry is at nonce {nonce}: ");
    assert!(answer.contains(&place) && answer.contains(why), "{why}: {answer}");
}

#[test]
fn a_right_ledger_verifies_in_batches_and_tells_how_far_it_is() {
    let ran = verify(&Schedule::new(10_500));
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let result = "10,501 entries, nonces 0 to 10500, all links and signatures verify";
    assert!(ran.out.contains(result), "{ran:?}");
    // Without a terminal: a line for every 10,000, or for every 5 s on a machine as slow as that.
    assert!(ran.err.starts_with("verifying entries: "), "{ran:?}");
    assert!(ran.err.contains(" of 10,501\n"), "{ran:?}");
}

#[test]
fn what_was_stored_wrong_is_caught() {
    let key = wallet();
    let link = |slot: &mut rota_schedule::Slot| {
        if slot.nonce == 3 {
            slot.hash_chain = HashChain([9; 32]);
        }
    };
    refused(&Schedule::placed(6, link, |_| &key), 3, "ORD-2");

    let mut flipped = Schedule::new(6);
    let mut bytes = flipped.entries[4].message.clone().unwrap().to_vec();
    *bytes.last_mut().unwrap() ^= 1;
    flipped.entries[4].message = Some(bytes.into());
    refused(&flipped, 4, "signature of the message");

    let mut cut = Schedule::new(6);
    cut.entries[2].assignment = Bytes::from_static(b"no item");
    refused(&cut, 2, "bytes of the assignment are not an item");

    let mut filed = Schedule::new(6);
    filed.entries[6].assignment_id = AssignmentId::new([3; 32]);
    filed.heads[6].assignment = AssignmentId::new([3; 32]);
    refused(&filed, 6, "another assignment id");

    let mut filed = Schedule::new(6);
    filed.entries[5].message_id = filed.entries[4].message_id;
    refused(&filed, 5, "another message id");

    let mut filed = Schedule::new(6);
    filed.entries[6].timestamp.0 += 1;
    filed.heads[6].timestamp.0 += 1;
    refused(&filed, 6, "another timestamp");
}

#[test]
fn second_key_in_one_ledger_is_refused_at_its_first_entry() {
    let (schedule, why) = signed_by_two();
    refused(&schedule, 4, &why);
}

#[test]
fn what_is_not_there_is_told_and_not_made() {
    let dir = tempfile::tempdir().unwrap();
    let schedule = Schedule::new(1);
    let process = schedule.process.to_string();
    let verify = ["verify", process.as_str(), "--data-dir", "."];
    let absent = rota(dir.path(), &verify).fails(1);
    assert!(absent.contains("there is no ledger in"), "{absent}");
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
    store(dir.path(), &Schedule::new(1));
    let unknown = rota(dir.path(), &verify).fails(1);
    assert!(unknown.contains(&format!("process {process} is not in the ledger")), "{unknown}");
}
