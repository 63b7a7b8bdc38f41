//! The use of one connection for one answer.

use super::PostgresDirectory;
use super::statement::Statement;
use rota_readmodel::is_of_the_connection;
use rota_schedule::{DirectoryError, DirectoryResult};
use sqlx::pool::PoolConnection;
use sqlx::postgres::PgRow;
use sqlx::{PgConnection, Postgres};

/// Attempts of one statement, the first included.
const ATTEMPTS_MAX: u32 = 3;

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

    /// The rows of one statement. A connection that breaks, or leads to a standby, is replaced, at most
    /// [`ATTEMPTS_MAX`] times: a restart or a fail-over of the primary leaves such ones in the pool, and every
    /// statement may run twice.
    pub(super) async fn rows<'q>(
        &self,
        statement: impl Fn() -> Statement<'q>,
    ) -> DirectoryResult<Vec<PgRow>> {
        let mut attempt = 1;
        loop {
            let mut session = self.session().await?;
            let connection: &mut PgConnection = session.connection();
            match statement().fetch_all(connection).await {
                Err(error) if is_of_the_connection(&error) && attempt < ATTEMPTS_MAX => {
                    attempt += 1;
                }
                rows => return session.finish(rows),
            }
        }
    }
}

/// Nothing that came back says whether the statement took effect.
fn unavailable(error: sqlx::Error) -> DirectoryError {
    DirectoryError::Unavailable(Box::new(error))
}
