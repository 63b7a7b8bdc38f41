//! A ledger that failed for want of room or of files goes on when there is some again.
//!
//! RocksDB refuses writes after such a failure, and whether the failed batch is in its log only shows when
//! the log is read. So the run ends, and the next one begins as after a crash: the log is checked and
//! replayed, heads are read, provisional entries are sent to the database again. What was acknowledged is
//! there (DUR-1), an entry that had reached the disk keeps its place and its signature (DUR-3), and an item
//! that is posted again finds it (DUP-1). Until then reads go on, which is why it is tried out first whether
//! the ledger would find what it needs.

use rota_ledger::Ledger;
use rota_service::Stop;
use rustix::fs::{FallocateFlags, fallocate};
use rustix::io::Errno;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::task::spawn_blocking;
use tokio::time::{Instant, sleep};

/// How often it is looked whether the ledger has failed, and whether that is over.
const LOOK: Duration = Duration::from_millis(250);
/// How long a run lasts at the least: a shortage that comes and goes must not keep it opening its ledger.
const RUN_MIN: Duration = Duration::from_secs(5);
/// Files that must be there to open.
const FILES: usize = 64;
/// Room that must be there besides what lies in the logs, which is written to tables: a new log, in bytes.
const ROOM_BYTES: u64 = 40 << 20;
/// The file that tries the room out.
const PROBE: &str = "room.probe";

/// Ends the run once its ledger has failed for want of something that is there again.
pub(crate) fn end_when_over(
    ledger: Ledger,
    data_dir: &Path,
    run: Stop,
) -> impl Future<Output = ()> + use<> {
    let (data_dir, earliest) = (data_dir.to_owned(), Instant::now() + RUN_MIN);
    async move {
        while !run.is_triggered() {
            tokio::select! {
                () = run.wait() => return,
                () = sleep(LOOK) => {}
            }
            let is_short = ledger.failure().is_some_and(|failure| failure.is_shortage());
            if is_short && Instant::now() >= earliest && is_over(data_dir.clone()).await {
                tracing::info!("there is room for the ledger again: it is opened anew");
                run.trigger();
            }
        }
    }
}

async fn is_over(data_dir: PathBuf) -> bool {
    match spawn_blocking(move || try_out(&data_dir)).await {
        Ok(Ok(())) => true,
        Ok(Err(error)) => {
            tracing::debug!(%error, "the ledger would not find what it needs");
            false
        }
        Err(error) => {
            tracing::warn!(%error, "it could not be tried out what the ledger would find");
            false
        }
    }
}

/// Takes for a moment what opening the ledger takes.
fn try_out(data_dir: &Path) -> io::Result<()> {
    let files: io::Result<Vec<File>> = (0..FILES).map(|_| File::open("/dev/null")).collect();
    drop(files?);
    let probe = data_dir.join(PROBE);
    let room =
        take_room(&probe, ROOM_BYTES + bytes_of_logs(&crate::settings::ledger_in(data_dir))?);
    room.and(fs::remove_file(&probe))
}

fn take_room(probe: &Path, bytes: u64) -> io::Result<()> {
    let file = File::create(probe)?;
    match fallocate(&file, FallocateFlags::empty(), 0, bytes) {
        Ok(()) => file.sync_all(),
        // Some file systems reserve nothing in advance.
        Err(Errno::OPNOTSUPP) => {
            let free = crate::vitals::free_bytes(probe);
            if free >= Some(bytes) { Ok(()) } else { Err(io::ErrorKind::StorageFull.into()) }
        }
        Err(error) => Err(error.into()),
    }
}

fn bytes_of_logs(ledger_dir: &Path) -> io::Result<u64> {
    let mut bytes = 0;
    for file in fs::read_dir(ledger_dir)? {
        let file = file?;
        if file.path().extension().is_some_and(|extension| extension == "log") {
            bytes += file.metadata()?.len();
        }
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_tried_out_is_given_back() {
        let dir = tempfile::tempdir().unwrap();
        let ledger = crate::settings::ledger_in(dir.path());
        fs::create_dir(&ledger).unwrap();
        fs::write(ledger.join("000004.log"), [0; 1_000]).unwrap();
        fs::write(ledger.join("000005.sst"), [0; 5_000]).unwrap();
        assert_eq!(bytes_of_logs(&ledger).unwrap(), 1_000);
        try_out(dir.path()).unwrap();
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1, "only the ledger is left");
        let too_much = take_room(&dir.path().join(PROBE), 1 << 60);
        assert!(too_much.is_err());
    }
}
