//! The use of one connection for one request.

use crate::ModelError;
use sqlx::pool::PoolConnection;
use sqlx::{PgPool, Postgres};
use tokio::time::error::Elapsed;

/// A connection in use. Unless the use ends with an answer it is not used again: it may be dead, wait for
/// ever, or lead to a server that is the primary no more. That holds for a use that is given up, too.
pub(super) struct Session {
    pub(super) connection: PoolConnection<Postgres>,
    answered: bool,
}

impl Session {
    /// A connection of the pool, an open one if it has one.
    pub(super) async fn open(pool: &PgPool) -> Result<Self, ModelError> {
        Ok(Self { connection: pool.acquire().await?, answered: false })
    }

    /// Ends the use with what came of it, in time or not.
    pub(super) fn finish<T, E: Into<ModelError>>(
        mut self,
        answer: Result<Result<T, E>, Elapsed>,
    ) -> Result<T, ModelError> {
        let answer = answer?.map_err(Into::into);
        self.answered = !matches!(answer, Err(ModelError::Unavailable(_)));
        answer
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        if !self.answered {
            self.connection.close_on_drop();
        }
    }
}
