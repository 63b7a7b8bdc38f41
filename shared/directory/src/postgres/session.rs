//! The use of one connection for one answer.

use super::PostgresDirectory;
use rota_schedule::{DirectoryError, DirectoryResult};
use sqlx::pool::PoolConnection;
use sqlx::postgres::{PgArguments, PgRow};
use sqlx::{PgConnection, Postgres, query::Query};

/// A connection in use. One whose use did not end with an answer, or was given up, is not used again.
pub(super) struct Session {
    connection: PoolConnection<Postgres>,
    answered: bool,
}

impl Session {
    pub(super) const fn connection(&mut self) -> &mut PoolConnection<Postgres> {
        &mut self.connection
    }

    /// Ends the use with what came of it.
    pub(super) fn finish<T>(mut self, answer: Result<T, sqlx::Error>) -> DirectoryResult<T> {
        self.answered = answer.is_ok();
        answer.map_err(unavailable)
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        if !self.answered {
            self.connection.close_on_drop();
        }
    }
}

impl PostgresDirectory {
    /// A connection of the pool, an open one if it has one.
    pub(super) async fn session(&self) -> DirectoryResult<Session> {
        let connection = self.pool.acquire().await.map_err(unavailable)?;
        Ok(Session { connection, answered: false })
    }

    /// The rows of one statement.
    pub(super) async fn rows(
        &self,
        query: Query<'_, Postgres, PgArguments>,
    ) -> DirectoryResult<Vec<PgRow>> {
        let mut session = self.session().await?;
        let connection: &mut PgConnection = session.connection();
        let rows = query.fetch_all(connection).await;
        session.finish(rows)
    }
}

/// Nothing that came back says whether the statement took effect.
pub(super) fn unavailable(error: sqlx::Error) -> DirectoryError {
    DirectoryError::Unavailable(Box::new(error))
}
