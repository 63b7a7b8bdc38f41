//! What the operator watches of the database.

use super::{ANSWER_MAX, Projection, Session, from_db};
use crate::ModelError;
use tokio::time::timeout;

impl Projection {
    /// How many bytes the database takes on its disk (`pg_database_size`). Not to be asked often: it looks at
    /// every file.
    ///
    /// # Errors
    /// [`ModelError::Unavailable`], [`ModelError::Damaged`].
    pub async fn database_bytes(&self) -> Result<u64, ModelError> {
        let query = sqlx::query_scalar("SELECT pg_database_size(current_database())");
        let mut session = Session::open(&self.pool).await?;
        let asked = timeout(ANSWER_MAX, query.fetch_one(&mut *session.connection)).await;
        let bytes: i64 = session.finish(asked)?;
        from_db(bytes, "the size of the database")
    }

    /// Bodies that went into the database because the archive did not take them, since the start.
    #[must_use]
    pub fn archive_fallbacks(&self) -> u64 {
        self.shelf.as_ref().map_or(0, |shelf| shelf.fallbacks())
    }
}
