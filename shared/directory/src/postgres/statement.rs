//! The statements. Each finds its rows by an index, whatever the statistics say (the sessions of
//! [`DatabaseUrl::primary`](rota_readmodel::DatabaseUrl::primary) are set so).

use crate::COUNTERS;
use rota_schedule::{RoutePolicy, WriterName};
use sqlx::Postgres;
use sqlx::postgres::PgArguments;
use sqlx::query::Query;

pub(super) type Statement<'a> = Query<'a, Postgres, PgArguments>;

pub(super) const OWNER: &str = "SELECT writer FROM directory_processes WHERE process = $1";

/// Binds and counts; no row if the process is bound already or the writer has no counters.
pub(super) const BIND: &str = "\
    WITH bound AS ( \
        INSERT INTO directory_processes (process, writer) \
        SELECT $1, $2 WHERE EXISTS ( \
            SELECT FROM directory_counts WHERE writer = $2 AND counter = $3) \
        ON CONFLICT (process) DO NOTHING RETURNING process) \
    UPDATE directory_counts SET processes = processes + 1 \
    WHERE writer = $2 AND counter = $3 AND EXISTS (SELECT FROM bound) RETURNING writer";

/// Moves a binding and its count; no row if the process is not bound to `$2` or `$3` has no counters. Two
/// moves in opposite directions lock the counters in the same order.
pub(super) const REBIND: &str = "\
    WITH moved AS ( \
        UPDATE directory_processes SET writer = $3 \
        WHERE process = $1 AND writer = $2 AND EXISTS ( \
            SELECT FROM directory_counts WHERE writer = $3 AND counter = $4) \
        RETURNING process), \
    locked AS MATERIALIZED ( \
        SELECT writer FROM directory_counts \
        WHERE writer IN ($2, $3) AND counter = $4 AND EXISTS (SELECT FROM moved) \
        ORDER BY writer FOR UPDATE) \
    UPDATE directory_counts \
    SET processes = processes + CASE directory_counts.writer WHEN $3 THEN 1 ELSE -1 END \
    FROM locked WHERE directory_counts.writer = locked.writer AND counter = $4 \
    RETURNING directory_counts.writer";

macro_rules! writers {
    ($which:literal) => {
        concat!(
            "SELECT name, url, holder, beat, released, signing_permille, waiting, no_route, \
             wallets_to_route, wallets_only, ( \
                SELECT coalesce(sum(processes), 0)::bigint FROM directory_counts \
                WHERE writer = name) AS processes \
             FROM directory_writers ",
            $which
        )
    };
}

pub(super) const WRITERS: &str = writers!("ORDER BY name");
pub(super) const WRITER: &str = writers!("WHERE name = $1");

/// Makes those of the writers that there are not, each with its counters.
pub(super) const MAKE: &str = "\
    WITH made AS ( \
        INSERT INTO directory_writers (name) SELECT * FROM unnest($1::text[]) \
        ON CONFLICT (name) DO NOTHING RETURNING name) \
    INSERT INTO directory_counts (writer, counter) \
    SELECT name, generate_series(0, $2::integer - 1) FROM made";

pub(super) const POLICY: &str = "\
    UPDATE directory_writers SET no_route = $2, wallets_to_route = $3, wallets_only = $4 \
    WHERE name = $1";

/// Takes a lease with the beat `$3` from whoever had it with the one before (null: nobody, who has 0).
pub(super) const TAKE: &str = "\
    UPDATE directory_writers SET holder = $2, beat = $3, released = false \
    WHERE name = $1 AND holder IS NOT DISTINCT FROM $4 AND beat = $3 - 1 AND released = $5 \
    RETURNING name";

pub(super) const BEAT: &str = "\
    UPDATE directory_writers \
    SET url = $3, signing_permille = $4, waiting = $5, beat = beat + 1 \
    WHERE name = $1 AND holder = $2 RETURNING holder, beat, released";

pub(super) const RELEASE: &str = "\
    UPDATE directory_writers SET released = true WHERE name = $1 AND holder = $2 RETURNING name";

/// [`MAKE`] for these writers.
pub(super) fn make(names: &[&str]) -> Statement<'static> {
    let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
    sqlx::query(MAKE).bind(names).bind(i32::from(COUNTERS))
}

/// [`POLICY`] for a writer.
pub(super) fn policy(name: &WriterName, policy: &RoutePolicy) -> Statement<'static> {
    let wallets = policy.wallets_to_route.iter().map(|wallet| wallet.as_bytes().to_vec());
    sqlx::query(POLICY)
        .bind(name.as_str().to_owned())
        .bind(policy.no_route)
        .bind(wallets.collect::<Vec<_>>())
        .bind(policy.wallets_only)
}
