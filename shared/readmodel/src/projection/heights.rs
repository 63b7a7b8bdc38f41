//! The block heights that writers publish, for one that starts without a height of its own.

use super::{ANSWER_MAX, Projection, Session, from_db};
use crate::ModelError;
use rota_schedule::Timestamp;
use sqlx::Row as _;
use tokio::time::timeout;

impl Projection {
    /// The block height that each writer published last, and up to when it did so. Writers that never knew one are
    /// left out.
    ///
    /// # Errors
    /// [`ModelError::Unavailable`], [`ModelError::Damaged`].
    pub async fn block_heights(&self) -> Result<Vec<(u64, Timestamp)>, ModelError> {
        let query = sqlx::query(
            "SELECT block_height, closed_timestamp FROM writer_progress WHERE block_height > 0",
        );
        let mut session = Session::open(&self.pool).await?;
        let asked = timeout(ANSWER_MAX, query.fetch_all(&mut *session.connection)).await;
        let rows = session.finish(asked)?;
        let height = |row: &sqlx::postgres::PgRow| {
            let (height, closed) = (row.try_get(0)?, row.try_get(1)?);
            let closed = Timestamp(from_db(closed, "a timestamp")?);
            Ok((from_db(height, "a block height")?, closed))
        };
        rows.iter().map(height).collect()
    }
}
