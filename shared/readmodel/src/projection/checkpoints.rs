//! Checkpoints that an operator has asked for.

use super::{ANSWER_MAX, Projection, Session, from_db, to_db};
use crate::ModelError;
use tokio::time::timeout;

impl Projection {
    /// The number of the newest wish for a checkpoint that is not fulfilled.
    ///
    /// # Errors
    /// [`ModelError::Unavailable`], [`ModelError::Damaged`].
    pub async fn checkpoint_wanted(&self) -> Result<Option<u64>, ModelError> {
        let query = sqlx::query_scalar(
            "SELECT asked FROM checkpoint_orders WHERE writer = $1 AND asked > taken",
        )
        .bind(self.writer);
        let mut session = Session::open(&self.pool).await?;
        let asked = timeout(ANSWER_MAX, query.fetch_optional(&mut *session.connection)).await;
        let asked: Option<i64> = session.finish(asked)?;
        asked.map(|asked| from_db(asked, "the number of a checkpoint")).transpose()
    }

    /// Tells what came of a wish, and of those before it.
    ///
    /// # Errors
    /// [`ModelError::Unavailable`]: it may be told.
    pub async fn note_checkpoint(&self, number: u64, outcome: &str) -> Result<(), ModelError> {
        let query = sqlx::query(
            "UPDATE checkpoint_orders SET taken = $3, outcome = $4 \
             WHERE writer = $1 AND taken < $3 AND (SELECT fence($1, $2))",
        )
        .bind(self.writer)
        .bind(self.term)
        .bind(to_db(number, "the number of a checkpoint")?)
        .bind(outcome);
        let mut session = Session::open(&self.pool).await?;
        let noted = timeout(ANSWER_MAX, query.execute(&mut *session.connection)).await;
        session.finish(noted).map(drop)
    }
}
