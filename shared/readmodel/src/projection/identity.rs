//! Which database this is, and whose schedules it keeps (`migrations/0004_identity.sql`).
//!
//! A process names its scheduler's address for ever, and readers elsewhere believe that address only. So one wallet
//! signs for one database, and a writer with another one is refused before it takes a name.

use super::{ANSWER_MAX, Session, fixed};
use crate::{DatabaseUrl, ModelError};
use rota_ans104::Address;
use rota_schedule::DatabaseId;
use sqlx::PgConnection;
use std::fmt;
use tokio::time::timeout;

/// The most signers that are named.
const SIGNERS_MAX: i64 = 16;

/// Those who have signed for a database so far.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signers(Vec<Signer>);

/// A wallet, and the writer that signed with it where several differ.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Signer {
    address: Address,
    writer: Option<String>,
}

impl fmt::Display for Signers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, Signer { address, writer }) in self.0.iter().enumerate() {
            let comma = if index > 0 { ", " } else { "" };
            write!(f, "{comma}{address}")?;
            if let Some(writer) = writer {
                write!(f, " (writer {writer})")?;
            }
        }
        Ok(())
    }
}

/// Which database this is; `None` if no writer of this release has started there.
///
/// # Errors
/// [`ModelError::Unavailable`].
pub async fn identity(url: &DatabaseUrl) -> Result<Option<DatabaseId>, ModelError> {
    let mut session = Session::open(&url.primary(1)).await?;
    let known = timeout(ANSWER_MAX, known(&mut session.connection)).await;
    let Some((id, _)) = session.finish(known)? else { return Ok(None) };
    Ok(Some(DatabaseId(fixed(&id, "an identity")?)))
}

/// As [`identity`], where `wallet` may sign: nobody else does, or has done.
///
/// # Errors
/// [`ModelError::OtherWallet`]; [`ModelError::Unavailable`].
pub async fn check(url: &DatabaseUrl, wallet: Address) -> Result<Option<DatabaseId>, ModelError> {
    let mut session = Session::open(&url.primary(1)).await?;
    let checked = timeout(ANSWER_MAX, compare(&mut session.connection, wallet)).await;
    session.finish(checked)?
}

/// Finds out which database this is, and that `wallet` signs for it. The first one to ask makes the identity. So does
/// the first one after an update, if every writer has had this wallet.
///
/// # Errors
/// [`ModelError::OtherWallet`]; [`ModelError::Unavailable`].
pub async fn claim(url: &DatabaseUrl, wallet: Address) -> Result<DatabaseId, ModelError> {
    let mut session = Session::open(&url.primary(1)).await?;
    let claimed = timeout(ANSWER_MAX, claim_within(&mut session.connection, wallet)).await;
    session.finish(claimed)?
}

/// As [`claim`], but from now on it is `wallet` that signs, whoever did before. Writers that run are not disturbed:
/// they are refused when they next start.
///
/// # Errors
/// [`ModelError::Unavailable`]: it may be so.
pub async fn adopt(url: &DatabaseUrl, wallet: Address) -> Result<DatabaseId, ModelError> {
    let query = sqlx::query_scalar(
        "INSERT INTO identity (id, scheduler) VALUES ($1, $2) \
         ON CONFLICT (singleton) DO UPDATE SET scheduler = excluded.scheduler RETURNING id",
    );
    let mut session = Session::open(&url.primary(1)).await?;
    let query = query.bind(random_id()).bind(&wallet.as_bytes()[..]);
    let adopted = timeout(ANSWER_MAX, query.fetch_one(&mut *session.connection)).await;
    let id: Vec<u8> = session.finish(adopted)?;
    Ok(DatabaseId(fixed(&id, "an identity")?))
}

/// The same on a connection. Within a transaction nobody adopts another wallet until that ends. Of several who are
/// first at once one makes the identity, and the rest wait for it.
pub(super) async fn claim_within(
    connection: &mut PgConnection,
    wallet: Address,
) -> Result<Result<DatabaseId, ModelError>, sqlx::Error> {
    let mut found = compare(connection, wallet).await?;
    if matches!(found, Ok(None)) {
        let make = sqlx::query(
            "INSERT INTO identity (id, scheduler) VALUES ($1, $2) ON CONFLICT (singleton) DO NOTHING",
        );
        let make = make.bind(random_id()).bind(&wallet.as_bytes()[..]);
        make.execute(&mut *connection).await?;
        found = compare(connection, wallet).await?;
    }
    Ok(found.and_then(|id| id.ok_or(ModelError::Damaged("the identity is gone"))))
}

/// The database's id, if it has one, where `wallet` may sign.
async fn compare(
    connection: &mut PgConnection,
    wallet: Address,
) -> Result<Result<Option<DatabaseId>, ModelError>, sqlx::Error> {
    let others = match known(connection).await? {
        Some((id, scheduler)) if scheduler == wallet.as_bytes() => {
            return Ok(fixed(&id, "an identity").map(|id| Some(DatabaseId(id))));
        }
        Some((_, scheduler)) => vec![(scheduler, None)],
        None => former(connection, wallet).await?,
    };
    Ok(if others.is_empty() { Ok(None) } else { Err(refusal(wallet, others)) })
}

async fn known(connection: &mut PgConnection) -> Result<Option<(Vec<u8>, Vec<u8>)>, sqlx::Error> {
    let query = sqlx::query_as("SELECT id, scheduler FROM identity FOR SHARE");
    query.fetch_optional(connection).await
}

/// Who signed under the releases that knew no identity, if not all of them were `wallet`.
async fn former(
    connection: &mut PgConnection,
    wallet: Address,
) -> Result<Vec<(Vec<u8>, Option<String>)>, sqlx::Error> {
    let query = sqlx::query_as(
        "SELECT writer_progress.address, writers.name FROM writer_progress \
         JOIN writers ON writers.id = writer_progress.writer \
         WHERE EXISTS (SELECT FROM writer_progress WHERE address <> $1) \
         ORDER BY writers.id LIMIT $2",
    );
    query.bind(&wallet.as_bytes()[..]).bind(SIGNERS_MAX).fetch_all(connection).await
}

fn refusal(wallet: Address, signers: Vec<(Vec<u8>, Option<String>)>) -> ModelError {
    let signer = |(address, writer): (Vec<u8>, _)| {
        Ok(Signer { address: Address::new(fixed(&address, "an address")?), writer })
    };
    match signers.into_iter().map(signer).collect() {
        Ok(signers) => ModelError::OtherWallet { wallet, signers: Signers(signers) },
        Err(damaged) => damaged,
    }
}

fn random_id() -> Vec<u8> {
    rand::random::<[u8; 16]>().to_vec()
}
