//! Fills a database: schedules of any length, of real size where they are read.
//!
//! Ten million entries of real size would be 30 GB, so what no bench reads is short: rows, indexes and
//! their depth are those of the full length.

use crate::seed::Forge;
use anyhow::Context as _;
use rota_ans104::{Address, Item};
use rota_readmodel::{DatabaseUrl, Holder, Projection, Row, migrate};
use rota_schedule::{HashChain, ProcessId, Slot, Subject, Timestamp};
use rota_testkit::postgres::PostgresCluster;

/// Entries of real size in the middle of a schedule; at its end there is one more.
const REAL: u64 = 400;
/// Rows in a batch.
const BATCH: usize = 100;
const FIRST_TIME: u64 = 1_700_000_000_000;

/// A schedule in the database.
pub(crate) struct Seeded {
    pub(crate) process: ProcessId,
    /// How many entries it has.
    pub(crate) entries: u64,
    /// A message of real size in its middle.
    pub(crate) message: Item,
}

impl Seeded {
    /// The nonce before the first of the entries of real size.
    pub(crate) fn before_real(&self) -> u64 {
        middle(self.entries) - 1
    }
}

const fn middle(entries: u64) -> u64 {
    (entries - REAL) / 2
}

/// Writes schedules under a writer's name that nobody else uses.
pub(crate) struct Seeder<'a> {
    cluster: &'a PostgresCluster,
    database: &'a str,
    projection: Projection,
    forge: Forge,
    /// How its indexes are made, split by `;`.
    indexes: String,
}

impl<'a> Seeder<'a> {
    /// On an empty database, for a scheduler with this address.
    pub(crate) async fn new(
        cluster: &'a PostgresCluster,
        database: &'a str,
        scheduler: Address,
    ) -> anyhow::Result<Self> {
        let url: DatabaseUrl = cluster.url(database).parse()?;
        migrate(&url).await?;
        let taken = Projection::take(&url, 1, "seed", Holder([7; 16]), scheduler).await?;
        taken.projection.heartbeat(Timestamp(FIRST_TIME), Timestamp(0), Some(1_600_000)).await?;
        // What is seeded may be lost, and an index is built in a tenth of the time that growing it takes.
        cluster.sql(database, "ALTER SYSTEM SET fsync = off");
        cluster.sql(database, "SELECT pg_reload_conf()");
        let indexes = cluster.sql(
            database,
            "SELECT string_agg(indexdef, ';') FROM pg_indexes \
             WHERE tablename = 'entries' AND indexname <> 'entries_pkey'",
        );
        cluster
            .sql(database, "DROP INDEX entries_by_assignment, entries_by_message, entries_by_time");
        let (projection, forge) = (taken.projection, Forge::new());
        Ok(Self { cluster, database, projection, forge, indexes })
    }

    /// Milliseconds of the server's CPU for each of so many further entries of a process.
    pub(crate) async fn write_cost(
        &mut self,
        seeded: &Seeded,
        entries: u64,
    ) -> anyhow::Result<f64> {
        self.real(seeded.process, seeded.entries, entries / 4).await?;
        let before = self.cluster.cpu_seconds();
        self.real(seeded.process, seeded.entries + entries / 4, entries).await?;
        Ok((self.cluster.cpu_seconds() - before) * 1e3 / entries as f64)
    }

    /// Makes it a database like any other.
    pub(crate) fn finish(&self) {
        for index in self.indexes.split(';') {
            self.cluster.sql(self.database, index);
        }
        self.cluster.sql(self.database, "VACUUM (FREEZE, ANALYZE) entries");
        self.cluster.sql(self.database, "ALTER SYSTEM RESET fsync");
        self.cluster.sql(self.database, "SELECT pg_reload_conf()");
        self.cluster.sql(self.database, "CHECKPOINT");
    }

    /// A process with so many entries, more than [`REAL`].
    pub(crate) async fn process(&mut self, entries: u64) -> anyhow::Result<Seeded> {
        let process = self.forge.spawn()?.id().into();
        anyhow::ensure!(self.projection.bind(&process).await?, "it is bound already");
        let middle = middle(entries);
        self.fill(process, 0, middle);
        let message = self.real(process, middle, REAL).await?;
        self.fill(process, middle + REAL, entries - 1);
        self.real(process, entries - 1, 1).await?;
        Ok(Seeded { process, entries, message })
    }

    /// Short entries from a nonce on and below another.
    fn fill(&self, process: ProcessId, from: u64, below: u64) {
        let hex: String = process.as_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
        self.cluster.sql(
            self.database,
            &format!(
                "INSERT INTO entries (process, nonce, timestamp, message_length, assignment_id, \
                 message_id, assignment, message) \
                 SELECT p, n, {FIRST_TIME} + n, 1, sha256(p || '\\x00' || int8send(n)), \
                 sha256(p || '\\x01' || int8send(n)), '\\x00', '\\x00' \
                 FROM decode('{hex}', 'hex') p, generate_series({from}::bigint, {below} - 1) n"
            ),
        );
    }

    /// Entries of real size; gives a message of theirs.
    async fn real(&mut self, process: ProcessId, from: u64, count: u64) -> anyhow::Result<Item> {
        let (mut rows, mut last) = (Vec::new(), None);
        for nonce in from..from + count {
            let message = self.forge.message(process, usize::try_from(nonce)?)?;
            let slot = Slot {
                process,
                nonce,
                hash_chain: HashChain([3; 32]),
                timestamp: Timestamp(FIRST_TIME + nonce),
                block_height: 1_600_000,
            };
            let subject = Subject::Message(message.id().into());
            let entry = self.forge.entry(&slot, subject, &message)?;
            rows.push(Row { process, entry, content: None });
            last = Some(message);
        }
        for batch in rows.chunks(BATCH) {
            self.projection.project(batch).await?;
        }
        last.context("no entry")
    }
}
