//! What rows say. A value that was not put there by this crate is an error that names the column.

use rota_ans104::Address;
use rota_schedule::{
    DirectoryError, DirectoryResult, Lease, LeaseHolder, Load, RoutePolicy, WriterName,
    WriterRecord,
};
use sqlx::postgres::PgRow;
use sqlx::{Decode, Postgres, Row as _, Type};

/// The writer in the first column.
pub(super) fn writer(row: &PgRow) -> DirectoryResult<WriterName> {
    name(row, "writer")
}

/// The lease of a writer's row.
pub(super) fn lease(row: &PgRow) -> DirectoryResult<Option<Lease>> {
    let Some(holder) = column::<Option<&[u8]>>(row, "holder")? else {
        return Ok(None);
    };
    let holder = LeaseHolder(holder.try_into().map_err(|_| DirectoryError::Damaged("holder"))?);
    let beat = number::<i64, _>(row, "beat")?;
    Ok(Some(Lease { holder, beat, released: column(row, "released")? }))
}

/// A writer's row, with the number of its processes.
pub(super) fn record(row: &PgRow) -> DirectoryResult<WriterRecord> {
    let load = Load {
        signing_permille: number::<i32, _>(row, "signing_permille")?,
        waiting: number::<i64, _>(row, "waiting")?,
    };
    let wallets = column::<Vec<Vec<u8>>>(row, "wallets_to_route")?;
    let wallets = wallets.iter().map(|wallet| Address::try_from(&wallet[..]));
    let wallets = wallets.collect::<Result<_, _>>();
    let policy = RoutePolicy {
        no_route: column(row, "no_route")?,
        wallets_to_route: wallets.map_err(|_| DirectoryError::Damaged("wallets_to_route"))?,
        wallets_only: column(row, "wallets_only")?,
    };
    Ok(WriterRecord {
        name: name(row, "name")?,
        url: column(row, "url")?,
        lease: lease(row)?,
        load,
        processes: number::<i64, _>(row, "processes")?,
        policy,
    })
}

/// A number as the database has it. Those that it has are below 2^63, so a larger one is none of them.
pub(super) fn to_db(number: u64, what: &'static str) -> DirectoryResult<i64> {
    i64::try_from(number).map_err(|_| DirectoryError::Damaged(what))
}

fn name(row: &PgRow, what: &'static str) -> DirectoryResult<WriterName> {
    column::<&str>(row, what)?.parse().map_err(|_| DirectoryError::Damaged(what))
}

fn number<'r, N, T>(row: &'r PgRow, what: &'static str) -> DirectoryResult<T>
where
    N: Decode<'r, Postgres> + Type<Postgres>,
    T: TryFrom<N>,
{
    T::try_from(column::<N>(row, what)?).map_err(|_| DirectoryError::Damaged(what))
}

fn column<'r, T: Decode<'r, Postgres> + Type<Postgres>>(
    row: &'r PgRow,
    name: &'static str,
) -> DirectoryResult<T> {
    row.try_get(name).map_err(|_| DirectoryError::Damaged(name))
}
