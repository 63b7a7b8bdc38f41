//! Single entries: by an id, the newest, the first.

use super::row::{self, Progress, number, value};
use super::statement::{Query, Sql, Standing, Statement, sql};
use crate::ModelError;
use crate::bodies::Stored;
use rota_schedule::ProcessId;
use sqlx::postgres::PgRow;

/// The column at which an entry begins: its kind and its process precede it.
const ENTRY: usize = 2;
/// The column after an entry.
const AFTER_ENTRY: usize = 10;
/// The kinds of rows: the id is that of the item, of the assignment, of a process.
const ITEM: i32 = 0;
const ASSIGNMENT: i32 = 1;
const PROCESS: i32 = 2;

/// The row of a kind.
fn of_kind(rows: &[PgRow], kind: i32) -> Result<Option<&PgRow>, ModelError> {
    for row in rows {
        if value::<i32>(row, 0)? == kind {
            return Ok(Some(row));
        }
    }
    Ok(None)
}

/// Asks what an id stands for where a process is named that is not the id itself.
pub(super) struct Lookup {
    pub(super) id: [u8; 32],
    pub(super) process: ProcessId,
}

/// What an id stands for.
pub(super) enum Sense {
    /// It is a process.
    Process,
    /// It is an item or an assignment.
    Entry(Stored),
}

impl Statement for Lookup {
    type Answer = Option<Sense>;

    const SQL: Sql = sql!("sql/lookup.sql");

    fn bind<'q>(&'q self, query: Query<'q>) -> Query<'q> {
        query.bind(self.id.as_slice()).bind(self.process.as_bytes().as_slice())
    }

    fn read(&self, rows: &[PgRow]) -> Result<Self::Answer, ModelError> {
        if of_kind(rows, PROCESS)?.is_some() {
            return Ok(Some(Sense::Process));
        }
        // An assignment stays what it is, also where somebody has it assigned.
        let row = of_kind(rows, ASSIGNMENT)?.or(of_kind(rows, ITEM)?);
        row.map(|row| Ok(Sense::Entry(row::entry(row, ENTRY)?))).transpose()
    }

    fn standing(&self, answer: &Self::Answer, _: &dyn Fn(Progress) -> bool) -> Standing {
        if answer.is_some() { Standing::Final } else { Standing::Unknown }
    }
}

/// Asks for the entry of an item or an assignment, in whatever schedule.
pub(super) struct Search {
    pub(super) id: [u8; 32],
}

/// An entry, and whether the id can stand for nothing else.
pub(super) struct Finding {
    pub(super) entry: Stored,
    certain: bool,
}

impl Statement for Search {
    type Answer = Option<Finding>;

    const SQL: Sql = sql!("sql/search.sql");

    fn bind<'q>(&'q self, query: Query<'q>) -> Query<'q> {
        query.bind(self.id.as_slice())
    }

    fn read(&self, rows: &[PgRow]) -> Result<Self::Answer, ModelError> {
        // An assignment is no process and no other item, and stays so where somebody has it assigned.
        if let Some(row) = of_kind(rows, ASSIGNMENT)? {
            return Ok(Some(Finding { entry: row::entry(row, ENTRY)?, certain: true }));
        }
        let Some(row) = of_kind(rows, ITEM)? else { return Ok(None) };
        let entry = row::entry(row, ENTRY)?;
        let complete: Option<i64> = value(row, AFTER_ENTRY)?;
        let complete = complete.map(row::unsigned).transpose()?;
        let earliest = complete.is_some_and(|time| entry.timestamp() <= time);
        // An item that was only assigned here may be an assignment of a writer that is ahead, or a process
        // that was spawned since.
        let certain = earliest && entry.has_message();
        Ok(Some(Finding { entry, certain }))
    }

    fn standing(&self, answer: &Self::Answer, _: &dyn Fn(Progress) -> bool) -> Standing {
        let certain = answer.as_ref().is_some_and(|found| found.certain);
        if certain { Standing::Final } else { Standing::Unknown }
    }
}

/// Asks for the newest entry of a process.
pub(super) struct Latest(pub(super) ProcessId);

impl Statement for Latest {
    type Answer = Option<(Stored, Option<Progress>)>;

    const SQL: Sql = sql!("sql/latest.sql");

    fn bind<'q>(&'q self, query: Query<'q>) -> Query<'q> {
        query.bind(self.0.as_bytes().as_slice())
    }

    fn read(&self, rows: &[PgRow]) -> Result<Self::Answer, ModelError> {
        let newest = |row| Ok((row::entry(row, ENTRY)?, row::progress(row, AFTER_ENTRY)?));
        rows.first().map(newest).transpose()
    }

    fn progress(&self, answer: &Self::Answer) -> Option<Progress> {
        answer.as_ref()?.1
    }

    fn standing(&self, answer: &Self::Answer, trusted: &dyn Fn(Progress) -> bool) -> Standing {
        newest(self.progress(answer), trusted)
    }
}

/// Asks for the nonce of the newest entry of a process.
pub(super) struct Newest(pub(super) ProcessId);

impl Statement for Newest {
    type Answer = Option<(u64, Option<Progress>)>;

    const SQL: Sql = sql!("sql/head.sql");

    fn bind<'q>(&'q self, query: Query<'q>) -> Query<'q> {
        query.bind(self.0.as_bytes().as_slice())
    }

    fn read(&self, rows: &[PgRow]) -> Result<Self::Answer, ModelError> {
        let newest = |row| Ok((number(row, 0)?, row::progress(row, 1)?));
        rows.first().map(newest).transpose()
    }

    fn progress(&self, answer: &Self::Answer) -> Option<Progress> {
        answer.as_ref()?.1
    }

    fn standing(&self, answer: &Self::Answer, trusted: &dyn Fn(Progress) -> bool) -> Standing {
        newest(self.progress(answer), trusted)
    }
}

/// What a replica's newest entry is worth. To ask the primary whether it is the newest there too costs as
/// much as to ask it for its own.
fn newest(progress: Option<Progress>, trusted: &dyn Fn(Progress) -> bool) -> Standing {
    if progress.is_some_and(trusted) { Standing::Final } else { Standing::Unknown }
}

/// Asks for the first entry of a process.
pub(super) struct First(pub(super) ProcessId);

impl Statement for First {
    type Answer = Option<Stored>;

    const SQL: Sql = sql!("sql/first.sql");

    fn bind<'q>(&'q self, query: Query<'q>) -> Query<'q> {
        query.bind(self.0.as_bytes().as_slice())
    }

    fn read(&self, rows: &[PgRow]) -> Result<Self::Answer, ModelError> {
        let first = |row| row::entry(row, ENTRY);
        rows.first().map(first).transpose()
    }

    fn standing(&self, answer: &Self::Answer, _: &dyn Fn(Progress) -> bool) -> Standing {
        if answer.is_some() { Standing::Final } else { Standing::Unknown }
    }
}
