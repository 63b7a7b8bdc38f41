//! Committing in a database: with `DATABASE_URL` set, an entry exists once its row is committed there
//! under this writer's term.
//!
//! [`Database::open`] takes the name (raising its term) and makes ledger and database agree; then the
//! *projector* brings every new entry there, and the *heartbeat* publishes up to which time nothing more
//! will come. Keeps PRJ-1, LSE-1 and, for what it binds, RTE-1.

mod copy;
mod follow;
mod heartbeat;
mod joining;
mod moves;
mod projector;
mod queue;
mod recovery;
mod taking;
mod uploaded;

pub use follow::follow;
pub(crate) use heartbeat::{Pulse, beat};
pub(crate) use moves::Moves;
pub(crate) use projector::Projector;

use crate::WriterMetrics;
use copy::UNSTOPPED;
use joining::Joining;
use projector::WORKERS;
use rand::SeedableRng;
use rand::rngs::StdRng;
use recovery::Recovery;
use rota_ans104::{Address, ParseError};
use rota_archive::Archive;
use rota_ledger::{Ledger, LedgerError};
use rota_readmodel::{
    DatabaseUrl, Holder, ModelError, Projection, ReaderRole, Taken, check, grant_reading, migrate,
};
use rota_schedule::{DatabaseId, DirectoryError, ProcessId, Timestamp, Violation};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use taking::Taking;
use tokio::task::JoinHandle;

/// Connections of a writer: one for each batch in flight, one for heartbeats, and some to bind processes, to
/// ask for their owners and to move them.
const CONNECTIONS: u32 = WORKERS as u32 + 4;

/// When a client is told that its item is placed (`ACK_AFTER`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AckAfter {
    /// When the database has committed the entry: what was acknowledged survives the writer's machine.
    #[default]
    Database,
    /// When the entry is on the writer's own disk: milliseconds earlier, and while the database is away.
    /// **If that disk is lost, or another machine takes the writer's name first, what was acknowledged and
    /// had not reached the database is lost too**, and its nonces go to other messages. Uploads and reads
    /// wait for the database all the same.
    Disk,
}

/// Which database, and as whom.
#[derive(Clone, Debug)]
pub struct DatabaseConfig {
    /// The primary (`DATABASE_URL`).
    pub url: DatabaseUrl,
    /// The writer's name (`WRITER_NAME`): whoever starts under it last is the writer.
    pub name: String,
    /// When clients are told (`ACK_AFTER`).
    pub ack_after: AckAfter,
    /// Where bodies go that are too large for the database; in the database if there is none.
    pub archive: Option<Archive>,
    /// Who may read (`DATABASE_READER_ROLE`): made at the start, if it is named.
    pub reader_role: Option<ReaderRole>,
}

/// Why a writer cannot start on its database.
#[derive(Debug, thiserror::Error)]
pub enum RecoveryError {
    /// The database.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// The ledger.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// The ledger took an entry of the database not.
    #[error("an entry of the database could not be stored in the ledger")]
    Append(#[source] Arc<LedgerError>),
    /// Ledger and database hold different schedules.
    #[error(
        "ledger and database have different entries at nonce {nonce} of process {process}; neither was changed\n  \
         Both were signed: one of the two was restored from an old copy, or went on without the other.\n  \
         Compare them: rota verify {process} --data-dir DIR reads the ledger, --url URL a reader of the database.\n  \
         If the database is right: move the ledger's directory away and start again, it is filled from the database.\n  \
         If the ledger is right: start it once on an empty database with --detach-database, and write to that one \
         from then on"
    )]
    Diverged {
        /// The process.
        process: ProcessId,
        /// The first place where they differ.
        nonce: u64,
    },
    /// The ledger works with another database. Nothing was written to either.
    #[error(
        "this ledger belongs to another database\n  \
         the ledger's database: {ledger}\n  \
         the database here: {}\n  \
         To go on, set DATABASE_URL to the ledger's database.\n  \
         To let the ledger leave that database for this one, start once with --detach-database",
        .here.map_or_else(|| "a new one".to_owned(), |here| here.to_string())
    )]
    OtherDatabase {
        /// The one that the ledger works with.
        ledger: DatabaseId,
        /// The one that was found; `None` if it has no identity yet.
        here: Option<DatabaseId>,
    },
    /// A schedule in the database does not hold together.
    #[error("the schedule in the database does not follow")]
    Schedule(#[from] Violation),
    /// An item in the database is none.
    #[error("an item in the database cannot be read")]
    Item(#[from] ParseError),
    /// Entries that the database had shown are not there.
    #[error("entries of process {0} vanished from the database")]
    Vanished(ProcessId),
    /// The directory.
    #[error(transparent)]
    Directory(#[from] DirectoryError),
    /// A process comes from a writer whose clock is far ahead.
    #[error(
        "what the former writer of a process has promised readers lies ahead: its clock was fast"
    )]
    Floor,
    /// Whoever asked for it wants it no more.
    #[error("stopped before everything was copied")]
    Stopped,
    /// A thread ended before its time.
    #[error("a thread of the recovery failed")]
    Thread(#[from] tokio::task::JoinError),
}

/// A database that agrees with the ledger.
#[derive(Clone)]
pub struct Database {
    pub(crate) projection: Projection,
    pub(crate) projector: Projector,
    pub(crate) ack_after: AckAfter,
    /// What earlier terms have promised: nothing more at or below it.
    pub(crate) closed: Timestamp,
    /// The block heights that writers have published, and up to when.
    heights: Vec<(u64, Timestamp)>,
    /// Up to which timestamp they have uploaded everything.
    pub(crate) uploaded: Timestamp,
    /// What this term has promised.
    pub(crate) pulse: Arc<Pulse>,
    /// Processes may be on their way here.
    pub(crate) incoming: Arc<AtomicBool>,
    /// Whether readers wait for this writer.
    pub(crate) joining: Arc<Joining>,
    /// Who copies a process does so alone.
    pub(crate) taking: Arc<Taking>,
    term: u64,
}

impl Database {
    /// Migrates the schema, takes the writer's name and makes ledger and database agree. Wallet and ledger are
    /// compared with what the database knows before anything is taken or changed.
    ///
    /// # Errors
    /// The database does not answer for half a minute, does not agree with the ledger, or is another wallet's.
    pub async fn open(
        config: DatabaseConfig,
        ledger: &Ledger,
        address: Address,
        metrics: &WriterMetrics,
    ) -> Result<Self, RecoveryError> {
        migrate(&config.url).await?;
        if let Some(role) = &config.reader_role {
            grant_reading(&config.url, role).await?;
        }
        if let Some(here) = check(&config.url, address).await? {
            belongs(ledger, here)?;
        }
        let holder = Holder(ledger.id());
        let taken =
            Projection::take(&config.url, CONNECTIONS, &config.name, holder, address).await?;
        let Taken { projection, term, previous, closed, uploaded, database } = taken;
        belongs(ledger, database)?; // the URL may lead elsewhere by now
        ledger.set_database(Some(database))?;
        let projection = projection.with_archive(config.archive);
        let recovery = Recovery { ledger, projection: &projection, uploaded, stop: &UNSTOPPED };
        let recovered = recovery.run(term, previous, closed).await?;
        tracing::info!(writer = config.name, term, ?recovered, "ledger and database agree");
        let heights = projection.block_heights().await?;
        metrics.term.set(i64::try_from(term).unwrap_or(i64::MAX));
        let projector = Projector::new(projection.clone(), ledger.clone(), metrics.clone());
        Ok(Self {
            projection,
            projector,
            ack_after: config.ack_after,
            closed,
            heights,
            uploaded,
            pulse: Arc::new(Pulse::of(closed)),
            incoming: Arc::new(AtomicBool::new(true)), // until it is known better
            joining: Arc::default(),
            taking: Arc::default(),
            term,
        })
    }

    /// How many bytes the database takes.
    ///
    /// # Errors
    /// It does not answer.
    pub async fn bytes(&self) -> Result<u64, ModelError> {
        self.projection.database_bytes().await
    }

    /// Bodies that went into the database because the archive did not take them.
    #[must_use]
    pub fn archive_fallbacks(&self) -> u64 {
        self.projection.archive_fallbacks()
    }

    /// The term under which it commits.
    #[must_use]
    pub const fn term(&self) -> u64 {
        self.term
    }

    /// The block heights that the writers of this database had published when it was opened, and up to when.
    #[must_use]
    pub fn block_heights(&self) -> &[(u64, Timestamp)] {
        &self.heights
    }

    /// Starts the workers. To be called within a runtime.
    pub(crate) fn start(&self, seed: [u8; 32]) -> Vec<JoinHandle<()>> {
        let mut seeds = StdRng::from_seed(seed);
        let mut worker = || self.projector.clone().work(StdRng::from_rng(&mut seeds));
        (0..WORKERS).map(|_| tokio::spawn(worker())).collect()
    }
}

/// Makes sure that a ledger works with this database, or with none yet.
fn belongs(ledger: &Ledger, here: DatabaseId) -> Result<(), RecoveryError> {
    match ledger.database()? {
        Some(ledger) if ledger != here => {
            Err(RecoveryError::OtherDatabase { ledger, here: Some(here) })
        }
        _ => Ok(()),
    }
}
