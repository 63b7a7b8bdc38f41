//! Schedules written into a ledger as a writer would, whatever is in them: an older release may have let in what
//! this one refuses.

use rota_ledger::{Append, Ledger, Upload};
use rota_testkit::Schedule;
use std::sync::mpsc::channel;

/// Appends all entries of `schedules` and waits until they are durable.
///
/// # Panics
/// If the ledger does not take one.
pub fn append_schedules(ledger: &Ledger, schedules: &[Schedule]) {
    let (sender, committed) = channel();
    let mut count = 0;
    for schedule in schedules {
        for (entry, head) in schedule.entries.iter().zip(&schedule.heads) {
            let append = Append {
                process: schedule.process,
                entry: entry.clone(),
                head: *head,
                content: None,
                queued_at: entry.timestamp,
                upload: Upload::Now,
            };
            let sender = sender.clone();
            ledger.append(append, Box::new(move |outcome| sender.send(outcome.is_ok()).unwrap()));
            count += 1;
        }
    }
    assert!(committed.iter().take(count).all(|done| done));
}
