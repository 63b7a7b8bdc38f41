//! Checkpoints of the writer's ledger, and ledgers made from them: what brings ledger and archive together.
//!
//! Beside the ledger's directory lie, under its name with an ending: the moment that is being sent
//! (`.checkpoint`), what is remembered of its files (`.hashes`), what is being fetched (`.restoring`), and who
//! is at that (`.lock`). All of them may be deleted while nobody works here.

use crate::{Database, WriterMetrics};
use rota_archive::{ArchiveError, Checkpoints, Fetched, Fetching, Position, Snapshot, Taken};
use rota_ledger::{Ledger, LedgerError, LedgerOptions};
use rota_schedule::Clock;
use rota_service::Stop;
use std::error::Error;
use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::{Mutex, OwnedMutexGuard};

/// How often it is looked whether an operator wants one.
const LOOK: Duration = Duration::from_secs(1);
/// Between two checkpoints, if nothing is configured (`CHECKPOINT_INTERVAL`).
pub const CHECKPOINT_INTERVAL_DEFAULT: Duration = Duration::from_secs(600);

/// Why there is no checkpoint, or no ledger from one.
#[derive(Debug, thiserror::Error)]
pub enum ArchiverError {
    /// The archive.
    #[error(transparent)]
    Archive(#[from] ArchiveError),
    /// The ledger.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// There is something where the ledger is to be.
    #[error("{} is not empty: a ledger is restored only where there is none", dir.display())]
    Occupied {
        /// The ledger's directory.
        dir: PathBuf,
    },
    /// Another process restores the same ledger.
    #[error("somebody else restores {} right now", dir.display())]
    Busy {
        /// The ledger's directory.
        dir: PathBuf,
    },
    /// A file or directory beside the ledger cannot be used.
    #[error("cannot use {}", path.display())]
    Io {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// What was restored is not what a ledger has to be.
    #[error("the checkpoint is complete, but its ledger is not to be used")]
    Unsound(#[source] Unsound),
    /// A thread ended before its time.
    #[error("a thread of the archiver failed")]
    Thread(#[from] tokio::task::JoinError),
}

/// Why a ledger is not to be used.
pub type Unsound = Box<dyn Error + Send + Sync>;

/// Takes checkpoints of one ledger, one after the other. Clones are the same archiver.
#[derive(Clone)]
pub struct Archiver {
    ledger: Ledger,
    checkpoints: Checkpoints,
    dir: PathBuf,
    clock: Arc<dyn Clock>,
    turn: Arc<Mutex<()>>,
}

impl Archiver {
    /// For the ledger that lies in `dir`.
    #[must_use]
    pub fn new(
        ledger: Ledger,
        checkpoints: Checkpoints,
        dir: &Path,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self { ledger, checkpoints, dir: dir.to_owned(), clock, turn: Arc::default() }
    }

    /// Takes a checkpoint under a term (0 without a database). May be given up at any point: see
    /// [`Checkpoints::take`].
    ///
    /// # Errors
    /// Whatever keeps it from being taken. The next one may succeed, unless it is
    /// [`ArchiveError::Overtaken`]: then another writer has the name.
    pub async fn checkpoint(&self, term: u64) -> Result<Taken, ArchiverError> {
        let turn = Arc::clone(&self.turn).lock_owned().await;
        let created = self.clock.now();
        let moment = self.moment(turn).await?;
        let snapshot = Snapshot {
            dir: moment.dir.clone(),
            hashes: beside(&self.dir, "hashes"),
            ledger: self.ledger.id(),
            processes: moment.processes,
            created,
        };
        Ok(self.checkpoints.take(&snapshot, term).await?)
    }

    /// Takes a checkpoint every `interval`, and when an operator asks for one in the database, until the
    /// stop or until another writer has the name.
    pub async fn run(
        self,
        database: Option<Database>,
        interval: Duration,
        metrics: WriterMetrics,
        stop: Stop,
    ) {
        let term = database.as_ref().map_or(0, Database::term);
        metrics.checkpoints_begin();
        let work = async {
            loop {
                let wish = self.next(database.as_ref(), interval).await;
                let since = Instant::now();
                let outcome = self.checkpoint(term).await;
                metrics.checkpoint(since, outcome.as_ref().ok().map(|taken| taken.bytes));
                if let (Some(database), Some(wish)) = (&database, wish) {
                    tell(database, wish, &outcome).await;
                }
                match outcome {
                    Ok(taken) => tracing::info!(?taken, "checkpoint"),
                    Err(ArchiverError::Archive(error @ ArchiveError::Overtaken { .. })) => {
                        return tracing::warn!(%error, "no further checkpoints");
                    }
                    Err(error) => {
                        let error = &error as &dyn std::error::Error;
                        tracing::error!(error, "no checkpoint this time");
                    }
                }
            }
        };
        tokio::select! {
            () = work => {}
            () = stop.wait() => {}
        }
    }

    /// Waits until the next checkpoint is due; gives the number of the wish if an operator wants it.
    async fn next(&self, database: Option<&Database>, interval: Duration) -> Option<u64> {
        let due = tokio::time::Instant::now() + interval;
        while tokio::time::Instant::now() < due {
            tokio::time::sleep_until(due.min(tokio::time::Instant::now() + LOOK)).await;
            let Some(database) = database else { continue };
            match database.projection.checkpoint_wanted().await {
                Ok(None) => {}
                Ok(wish) => return wish,
                Err(error) => tracing::debug!(%error, "wishes for checkpoints were not found out"),
            }
        }
        None
    }

    /// The ledger as it is now.
    async fn moment(&self, turn: OwnedMutexGuard<()>) -> Result<Moment, ArchiverError> {
        let (ledger, dir) = (self.ledger.clone(), beside(&self.dir, "checkpoint"));
        let make = move || {
            remove(&dir)?;
            let processes = ledger.checkpoint(&dir)?.processes;
            Ok(Moment { dir, processes, _turn: turn })
        };
        tokio::task::spawn_blocking(make).await?
    }
}

/// Tells an operator what came of a wish.
async fn tell(database: &Database, wish: u64, outcome: &Result<Taken, ArchiverError>) {
    let text = match outcome {
        Ok(taken) => taken.to_string(),
        Err(error) => format!("failed: {error}"),
    };
    if let Err(error) = database.projection.note_checkpoint(wish, &text).await {
        let error = &error as &dyn std::error::Error;
        tracing::warn!(error, "what came of a wished checkpoint could not be told");
    }
}

/// A copy of the ledger that goes with the value. Only then is it the next one's turn, even if nobody waits
/// for this one any more.
struct Moment {
    dir: PathBuf,
    processes: u64,
    _turn: OwnedMutexGuard<()>,
}

impl Drop for Moment {
    fn drop(&mut self) {
        if let Err(error) = remove(&self.dir) {
            tracing::warn!(%error, "what a checkpoint was sent from stays until the next one");
        }
    }
}

/// Makes a ledger in `dir`, which is empty or absent, from a checkpoint: the newest that is whole, or the one
/// that is asked for. What is left of an earlier attempt is used. The ledger is a new one: it has its own
/// id, so its writer compares it with the database before it goes on. It is put into its place when `check`
/// has found nothing wrong with it, so that no start ever meets one that was not looked at.
///
/// # Errors
/// [`ArchiverError::Occupied`], [`ArchiverError::Busy`], [`ArchiverError::Unsound`]; whatever keeps it from
/// being fetched. Then `dir` is as it was.
pub async fn restore<T: Send + 'static>(
    checkpoints: &Checkpoints,
    which: Option<Position>,
    dir: &Path,
    tell: &(dyn Fn(Fetching<'_>) + Sync),
    check: impl FnOnce(&Ledger) -> Result<T, Unsound> + Send + 'static,
) -> Result<(Fetched, T), ArchiverError> {
    let lock = lock(dir)?;
    vacant(dir)?;
    let staging = beside(dir, "restoring");
    let fetched = match which {
        Some(position) => checkpoints.fetch(position, &staging, tell).await?,
        None => checkpoints.fetch_newest(&staging, tell).await?,
    };
    let dir = dir.to_owned();
    let settle = move || {
        let _lock = lock; // held to the end, even if nobody waits for it any more
        Ledger::adopt_copy(&staging)?;
        let ledger = Ledger::open(&staging, LedgerOptions::default())?;
        let checked = check(&ledger).map_err(ArchiverError::Unsound)?;
        ledger.close()?;
        vacant(&dir)?;
        fs::rename(&staging, &dir).map_err(io_error(&dir))?;
        let parent = dir.parent().filter(|parent| !parent.as_os_str().is_empty());
        let parent = parent.unwrap_or(Path::new("."));
        let synced = File::open(parent).and_then(|parent| parent.sync_all());
        synced.map_err(io_error(parent))?;
        Ok::<T, ArchiverError>(checked)
    };
    let checked = tokio::task::spawn_blocking(settle).await??;
    Ok((fetched, checked))
}

/// Makes sure that nobody else restores the same ledger, for as long as the file is open.
fn lock(dir: &Path) -> Result<File, ArchiverError> {
    let path = beside(dir, "lock");
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent).map_err(io_error(parent))?;
    }
    let file = File::create(&path).map_err(io_error(&path))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(ArchiverError::Busy { dir: dir.to_owned() }),
        Err(TryLockError::Error(error)) => Err(io_error(&path)(error)),
    }
}

/// Makes sure that a directory holds nothing.
fn vacant(dir: &Path) -> Result<(), ArchiverError> {
    match fs::read_dir(dir).map(|mut found| found.next().is_none()) {
        Ok(true) => Ok(()),
        Ok(false) => Err(ArchiverError::Occupied { dir: dir.to_owned() }),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(io_error(dir)(error)),
    }
}

fn remove(dir: &Path) -> Result<(), ArchiverError> {
    match fs::remove_dir_all(dir) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(io_error(dir)(error)),
        _ => Ok(()),
    }
}

/// What lies beside a ledger's directory under its name with an ending.
fn beside(dir: &Path, ending: &str) -> PathBuf {
    let mut path = dir.as_os_str().to_owned();
    path.push(".");
    path.push(ending);
    path.into()
}

fn io_error(path: &Path) -> impl FnOnce(io::Error) -> ArchiverError {
    let path = path.to_owned();
    |source| ArchiverError::Io { path, source }
}
