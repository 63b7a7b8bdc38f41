//! Takes a static list into the directory. The list decides what it says, the directory keeps what it has.

use super::PostgresDirectory;
use super::statement::{Statement, make, policy};
use crate::{Listed, StaticList, within};
use rota_schedule::DirectoryResult;
use sqlx::{Connection as _, PgConnection};
use std::collections::HashSet;

/// The advisory lock of those who load a list: of two lists one is the last, not both.
const LOCK: i64 = i64::from_be_bytes(*b"rotalist");

/// The URLs of a list, where nobody is who would know better.
const URLS: &str = "\
    UPDATE directory_writers SET url = listed.url \
    FROM unnest($1::text[], $2::text[]) AS listed (name, url) \
    WHERE directory_writers.name = listed.name AND directory_writers.url IS DISTINCT FROM listed.url \
      AND (holder IS NULL OR released)";

/// Remembers what the list says, and gives the writers of which it said something else before.
const CHANGED: &str = "\
    UPDATE directory_writers SET listed = entry.said \
    FROM unnest($1::text[], $2::text[]) AS entry (name, said) \
    WHERE directory_writers.name = entry.name AND listed IS DISTINCT FROM entry.said \
    RETURNING directory_writers.name";

/// Writers that are in the list no more get no new processes. Those they have stay theirs.
const VANISHED: &str = "\
    UPDATE directory_writers SET no_route = true, listed = NULL \
    WHERE listed IS NOT NULL AND name <> ALL ($1::text[])";

impl PostgresDirectory {
    /// Makes the writers of a list known. Bindings, counts and leases stay as they are; so does the URL of a
    /// writer whose lease is held. A policy is set if the list says something else about the writer than
    /// when it was loaded last, so that loading it again (every start does) undoes no
    /// [`set_policy`](rota_schedule::Directory::set_policy) since. A writer that has vanished from the list
    /// gets no new processes.
    ///
    /// # Errors
    /// [`DirectoryError::Unavailable`](rota_schedule::DirectoryError): all of it or nothing was loaded.
    pub async fn load(&self, list: &StaticList) -> DirectoryResult<()> {
        within(async {
            let mut session = self.session().await?;
            let loaded = load(session.connection(), list.writers()).await;
            session.finish(loaded)
        })
        .await
    }
}

async fn load(connection: &mut PgConnection, listed: &[Listed]) -> Result<(), sqlx::Error> {
    let names: Vec<&str> = listed.iter().map(|writer| writer.name.as_str()).collect();
    let urls: Vec<&str> = listed.iter().map(|writer| writer.url.as_str()).collect();
    let said: Vec<String> = listed.iter().map(said).collect();
    let mut transaction = connection.begin().await?;
    let lock = sqlx::query("SELECT pg_advisory_xact_lock($1)").bind(LOCK);
    let steps: [Statement<'_>; 4] = [
        lock,
        make(&names),
        sqlx::query(URLS).bind(&names).bind(&urls),
        sqlx::query(VANISHED).bind(&names),
    ];
    for step in steps {
        step.execute(&mut *transaction).await?;
    }
    let changed = sqlx::query_scalar(CHANGED).bind(&names).bind(&said);
    let changed: HashSet<String> =
        changed.fetch_all(&mut *transaction).await?.into_iter().collect();
    for writer in listed.iter().filter(|writer| changed.contains(writer.name.as_str())) {
        policy(&writer.name, &writer.policy).execute(&mut *transaction).await?;
    }
    transaction.commit().await
}

/// What a list says about new processes of a writer, as one text.
fn said(writer: &Listed) -> String {
    let policy = &writer.policy;
    let wallets: Vec<String> = policy.wallets_to_route.iter().map(ToString::to_string).collect();
    format!(
        "no_route={} only={} wallets={}",
        policy.no_route,
        policy.wallets_only,
        wallets.join(",")
    )
}
