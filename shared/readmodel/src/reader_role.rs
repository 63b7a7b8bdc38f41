//! The role that readers log in as: it may read what their statements name, and nothing else.
//!
//! The role has no password of its own. Whoever runs the database gives it one, or, where the server
//! knows `rds_iam` (Amazon's), it logs in with tokens that `rota_aws` signs. Whoever is a member of `rds_iam`,
//! be it through another role, has no password any more; and since Postgres 16 a login that is no superuser
//! becomes a member of the roles that it makes. So the login is tried after the grant.

use crate::migrate::lock;
use crate::{DatabaseUrl, ModelError};
use rota_service::Setting;
use sqlx::{AssertSqlSafe, Connection, PgConnection};
use std::fmt;
use std::time::Duration;
use tokio::time::timeout;

/// What the reader's statements name (`reader/sql`).
const READ: [&str; 5] = ["entries", "bodies_by_hash", "bodies", "processes", "writer_progress"];
/// The longest name that Postgres keeps whole, in bytes.
const NAME_BYTES_MAX: usize = 63;
/// Connections to a server that readers leave to writers, operators and the superuser: more than two machines
/// of a writer have. It matters on the smallest machines, whose servers take some 80.
const CONNECTIONS_LEFT: u8 = 32;
/// The class of errors that a failed login belongs to (SQLSTATE, Postgres's appendix A).
const INVALID_AUTHORIZATION: &str = "28";
/// How long to wait for others who change the schema.
const LOCK_WAIT_MAX: Duration = Duration::from_secs(60);

/// The name of a role: lower-case letters, digits and `_`, so that it needs no quoting anywhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReaderRole(String);

impl Setting for ReaderRole {
    const EXPECTS: &'static str = "a role's name of at most 63 lower-case letters, digits and _";

    fn parse(text: &str) -> Option<Self> {
        let first = text.bytes().next()?;
        let fits = text.len() <= NAME_BYTES_MAX
            && (first.is_ascii_lowercase() || first == b'_')
            && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_');
        fits.then(|| Self(text.to_owned()))
    }

    fn show(&self) -> String {
        self.0.clone()
    }
}

impl fmt::Display for ReaderRole {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Makes the role if it is not there, and lets it read. Changes nothing where all is well; safe to run by
/// everybody at once. A role that is made here may have all connections of a server but 32; `ALTER ROLE` says
/// otherwise.
///
/// # Errors
/// [`ModelError::Unavailable`] if the database does not answer, or this login may not do that.
/// [`ModelError::Standby`]; [`ModelError::LocksOut`]
pub async fn grant_reading(url: &DatabaseUrl, role: &ReaderRole) -> Result<(), ModelError> {
    let mut connection = url.migration().await?;
    timeout(LOCK_WAIT_MAX, lock(&mut connection)).await??;
    for statement in missing(&mut connection, role).await? {
        execute(&mut connection, statement).await?;
    }
    if !has_tokens(&mut connection, role).await? {
        execute(&mut connection, format!("GRANT rds_iam TO {role}")).await?;
        if is_locked_out(url).await {
            execute(&mut connection, format!("REVOKE rds_iam FROM {role}")).await?;
            return Err(ModelError::LocksOut { role: role.0.clone() });
        }
    }
    connection.close().await?; // with it goes the lock
    Ok(())
}

async fn execute(connection: &mut PgConnection, statement: String) -> Result<(), ModelError> {
    tracing::info!(statement, "changes what readers may do");
    // The role's name is the only part that comes from outside, and holds no special character.
    sqlx::raw_sql(AssertSqlSafe(statement)).execute(connection).await?;
    Ok(())
}

/// Whether the server refuses who is connected already. One that does not answer has not refused.
async fn is_locked_out(url: &DatabaseUrl) -> bool {
    match url.migration().await {
        Err(ModelError::Unavailable(error)) => error
            .downcast_ref::<sqlx::Error>()
            .and_then(|error| error.as_database_error()?.code())
            .is_some_and(|code| code.starts_with(INVALID_AUTHORIZATION)),
        _ => false,
    }
}

/// Whether the role logs in with tokens, or nobody does here.
async fn has_tokens(connection: &mut PgConnection, role: &ReaderRole) -> Result<bool, ModelError> {
    const HAS_IAM: &str = "SELECT EXISTS (SELECT FROM pg_roles WHERE rolname = 'rds_iam')";
    const IS_MEMBER: &str = "SELECT pg_has_role($1, 'rds_iam', 'MEMBER')";
    if !sqlx::query_scalar(HAS_IAM).fetch_one(&mut *connection).await? {
        return Ok(true);
    }
    Ok(sqlx::query_scalar(IS_MEMBER).bind(&role.0).fetch_one(connection).await?)
}

/// What is still to be done.
async fn missing(
    connection: &mut PgConnection,
    role: &ReaderRole,
) -> Result<Vec<String>, ModelError> {
    const EXISTS: &str = "SELECT EXISTS (SELECT FROM pg_roles WHERE rolname = $1)";
    const LIMIT: &str = "SELECT greatest(current_setting('max_connections')::int - $1, $1)";
    const MAY_READ: &str = "SELECT has_table_privilege($1, $2, 'SELECT')";
    let exists: bool = sqlx::query_scalar(EXISTS).bind(&role.0).fetch_one(&mut *connection).await?;
    let mut statements = Vec::new();
    if !exists {
        let query = sqlx::query_scalar(LIMIT).bind(i32::from(CONNECTIONS_LEFT));
        let limit: i32 = query.fetch_one(&mut *connection).await?;
        statements.push(format!("CREATE ROLE {role} LOGIN CONNECTION LIMIT {limit}"));
    }
    for table in READ {
        let query = sqlx::query_scalar(MAY_READ).bind(&role.0).bind(table);
        if !exists || !query.fetch_one(&mut *connection).await? {
            statements.push(format!("GRANT SELECT ON {table} TO {role}"));
        }
    }
    Ok(statements)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_role_s_name_can_be_no_sql() {
        for name in ["rota_reader", "_r2", &"a".repeat(63)] {
            assert_eq!(ReaderRole::parse(name).unwrap().to_string(), name);
        }
        let long = "a".repeat(64);
        for name in ["", "2r", "Rota", "a b", "a;DROP", "a\"", "rôle", "a-b", &long] {
            assert_eq!(ReaderRole::parse(name), None, "{name}");
        }
    }
}
