//! What is read besides entries: raw bytes, and what writers say of themselves.

use super::row::{self, Progress, id, number, value};
use super::statement::{Query, Sql, Standing, Statement, sql};
use crate::ModelError;
use crate::bodies::{Key, Located};
use bytes::Bytes;
use rota_ans104::Address;
use rota_schedule::{MessageId, ProcessId, SchedulerInfo};
use sqlx::postgres::PgRow;

/// The most writers whose progress is looked at.
pub(super) const WRITERS_MAX: u16 = 1_024;

/// Asks for the bytes of an item or an assignment.
pub(super) struct Raw(pub(super) [u8; 32]);

impl Statement for Raw {
    type Answer = Option<Located>;

    const SQL: Sql = sql!("sql/raw.sql");

    fn bind<'q>(&'q self, query: Query<'q>) -> Query<'q> {
        query.bind(self.0.as_slice())
    }

    fn read(&self, rows: &[PgRow]) -> Result<Self::Answer, ModelError> {
        let Some(row) = rows.first() else {
            return Ok(None);
        };
        let found = value::<Option<&[u8]>>(row, 0)?.map(Bytes::copy_from_slice);
        match (value(row, 1)?, found) {
            // Only items have a length.
            (None, found) => Ok(found.map(Located::Here)),
            (Some(length), found) => {
                let key = Key::of(value(row, 2)?, MessageId::new(self.0))?;
                Located::new(key, length, found).map(Some)
            }
        }
    }

    fn standing(&self, answer: &Self::Answer, _: &dyn Fn(Progress) -> bool) -> Standing {
        if answer.is_some() { Standing::Final } else { Standing::Unknown }
    }
}

/// Asks what the writer of a process says of itself, or any writer.
pub(super) struct Scheduler(pub(super) Option<ProcessId>);

impl Statement for Scheduler {
    type Answer = Option<SchedulerInfo>;

    const SQL: Sql = sql!("sql/scheduler.sql");

    fn bind<'q>(&'q self, query: Query<'q>) -> Query<'q> {
        query.bind(self.0.as_ref().map(|process| process.as_bytes().as_slice()))
    }

    fn read(&self, rows: &[PgRow]) -> Result<Self::Answer, ModelError> {
        let info = |row| {
            let address = Address::new(id(row, 0)?);
            Ok(SchedulerInfo { address, block_height: number(row, 1)? })
        };
        rows.first().map(info).transpose()
    }

    /// The address never changes, and a block height is as old as the replica, which `lag_max` bounds. Height 0 says
    /// that the replica has seen none yet; the primary may have one, and no height goes back to 0.
    fn standing(&self, answer: &Self::Answer, _: &dyn Fn(Progress) -> bool) -> Standing {
        match answer {
            Some(info) if info.block_height > 0 => Standing::Final,
            Some(_) | None => Standing::Unknown,
        }
    }
}

/// Asks what all writers say of themselves: the probe of a source that was left out.
pub(super) struct AllProgress;

impl Statement for AllProgress {
    type Answer = Vec<Progress>;

    const SQL: Sql = sql!("sql/progress.sql");

    fn bind<'q>(&'q self, query: Query<'q>) -> Query<'q> {
        query.bind(i64::from(WRITERS_MAX))
    }

    fn read(&self, rows: &[PgRow]) -> Result<Self::Answer, ModelError> {
        let known = |row| row::progress(row, 0);
        rows.iter().filter_map(|row| known(row).transpose()).collect()
    }

    fn standing(&self, _: &Self::Answer, _: &dyn Fn(Progress) -> bool) -> Standing {
        Standing::Unknown
    }
}
