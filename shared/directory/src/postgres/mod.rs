//! The directory in Postgres (`migrations/0002_directory.sql`), always in the primary.
//!
//! Each change is one statement, but for loading a list and taking a writer out. Those that lock more than one row do it in one order: a process, then
//! counters by writer; so they never wait for each other in a circle.

mod load;
#[cfg(test)]
mod plans;
mod remove;
mod row;
mod session;
mod statement;

use crate::{counter, taken, within};
use rota_readmodel::DatabaseUrl;
use rota_schedule::{
    Directory, DirectoryError, DirectoryResult, Lease, LeaseHolder, Load, ProcessId, Removal,
    RoutePolicy, WriterName, WriterRecord,
};
use row::{lease, record, to_db, writer};
use sqlx::PgPool;

/// Connections to the primary: more only wait for each other's commits.
const CONNECTIONS_MAX: u32 = 8;
/// How often a process is tried to be moved while others move it.
const REBIND_ATTEMPTS_MAX: usize = 4;

/// A directory in Postgres. Clones share connections.
#[derive(Clone, Debug)]
pub struct PostgresDirectory {
    pool: PgPool,
}

impl PostgresDirectory {
    /// The directory in this database, whose schema must be up to date
    /// ([`migrate`](rota_readmodel::migrate)). Connects when it is first asked.
    #[must_use]
    pub fn new(primary: &DatabaseUrl) -> Self {
        Self { pool: primary.primary(CONNECTIONS_MAX) }
    }

    async fn bind_counted(
        &self,
        process: ProcessId,
        name: &WriterName,
    ) -> DirectoryResult<WriterName> {
        let bind = || {
            sqlx::query(statement::BIND)
                .bind(&process.as_bytes()[..])
                .bind(name.as_str())
                .bind(i16::from(counter(process)))
        };
        if !self.rows(bind).await?.is_empty() {
            return Ok(name.clone());
        }
        let bound = self.look_up(process).await?;
        bound.ok_or_else(|| DirectoryError::NoWriter(name.clone()))
    }

    async fn look_up(&self, process: ProcessId) -> DirectoryResult<Option<WriterName>> {
        let query = || sqlx::query(statement::OWNER).bind(&process.as_bytes()[..]);
        self.rows(query).await?.first().map(writer).transpose()
    }

    async fn rebind_counted(
        &self,
        process: ProcessId,
        from: &WriterName,
        to: &WriterName,
    ) -> DirectoryResult<Option<WriterName>> {
        for _ in 0..REBIND_ATTEMPTS_MAX {
            let rebind = || {
                sqlx::query(statement::REBIND)
                    .bind(&process.as_bytes()[..])
                    .bind(from.as_str())
                    .bind(to.as_str())
                    .bind(i16::from(counter(process)))
            };
            if !self.rows(rebind).await?.is_empty() {
                return Ok(Some(to.clone()));
            }
            let bound = self.look_up(process).await?;
            if bound.as_ref() != Some(from) {
                return Ok(bound);
            }
            if self.find(Some(to)).await?.is_empty() {
                return Err(DirectoryError::NoWriter(to.clone()));
            }
        }
        Err(DirectoryError::Unavailable("others keep moving the same process".into()))
    }

    /// The writers, or the one of this name.
    async fn find(&self, name: Option<&WriterName>) -> DirectoryResult<Vec<WriterRecord>> {
        let query = || match name {
            None => sqlx::query(statement::WRITERS),
            Some(name) => sqlx::query(statement::WRITER).bind(name.as_str()),
        };
        self.rows(query).await?.iter().map(record).collect()
    }
}

impl Directory for PostgresDirectory {
    async fn owner(&self, process: ProcessId) -> DirectoryResult<Option<WriterName>> {
        within(self.look_up(process)).await
    }

    async fn bind(&self, process: ProcessId, writer: &WriterName) -> DirectoryResult<WriterName> {
        within(self.bind_counted(process, writer)).await
    }

    async fn rebind(
        &self,
        process: ProcessId,
        from: &WriterName,
        to: &WriterName,
    ) -> DirectoryResult<Option<WriterName>> {
        if from == to {
            return self.owner(process).await; // nothing to move, and nothing to count
        }
        within(self.rebind_counted(process, from, to)).await
    }

    async fn writers(&self) -> DirectoryResult<Vec<WriterRecord>> {
        within(self.find(None)).await
    }

    async fn writer(&self, name: &WriterName) -> DirectoryResult<Option<WriterRecord>> {
        Ok(within(self.find(Some(name))).await?.pop())
    }

    async fn set_policy(&self, name: &WriterName, policy: &RoutePolicy) -> DirectoryResult<()> {
        within(async {
            self.rows(|| statement::make(&[name.as_str()])).await?;
            self.rows(|| statement::policy(name, policy)).await?;
            Ok(())
        })
        .await
    }

    async fn remove_writer(
        &self,
        name: &WriterName,
        seen: Option<Lease>,
    ) -> DirectoryResult<Removal> {
        within(self.remove(name, seen)).await
    }

    async fn take_lease(
        &self,
        name: &WriterName,
        holder: LeaseHolder,
        seen: Option<Lease>,
    ) -> DirectoryResult<Option<Lease>> {
        let lease = taken(holder, seen)?;
        let beat = to_db(lease.beat, "a beat")?;
        let take = || {
            sqlx::query(statement::TAKE)
                .bind(name.as_str())
                .bind(&lease.holder.0[..])
                .bind(beat)
                .bind(seen.map(|seen| seen.holder.0.to_vec()))
                .bind(seen.is_some_and(|seen| seen.released))
        };
        within(async {
            if seen.is_none() {
                self.rows(|| statement::make(&[name.as_str()])).await?;
            }
            if !self.rows(take).await?.is_empty() {
                return Ok(Some(lease));
            }
            // One whose answer was lost may have taken it.
            let there = self.find(Some(name)).await?.pop().and_then(|writer| writer.lease);
            Ok(there.filter(|there| *there == lease))
        })
        .await
    }

    async fn beat(
        &self,
        name: &WriterName,
        holder: LeaseHolder,
        url: &str,
        load: Load,
    ) -> DirectoryResult<Option<Lease>> {
        let beat = || {
            sqlx::query(statement::BEAT)
                .bind(name.as_str())
                .bind(&holder.0[..])
                .bind(url)
                .bind(i32::from(load.signing_permille))
                .bind(i64::from(load.waiting))
        };
        let rows = within(self.rows(beat)).await?;
        rows.first().map_or(Ok(None), lease)
    }

    async fn release_lease(&self, name: &WriterName, holder: LeaseHolder) -> DirectoryResult<bool> {
        let release = || sqlx::query(statement::RELEASE).bind(name.as_str()).bind(&holder.0[..]);
        Ok(!within(self.rows(release)).await?.is_empty())
    }
}
