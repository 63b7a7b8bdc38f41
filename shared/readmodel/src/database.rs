//! Where a database is, and how a session with it is set up: one constructor for each intent.
//!
//! Nothing here connects: a pool opens its first connection when the first query needs it, so a cold
//! start pays for none that it does not use. Session settings travel in the start-up message
//! (`options`), which costs no round trip. Poolers such as `PgBouncer` or RDS Proxy refuse or drop them:
//! connect to the servers themselves.

use crate::ModelError;
use rota_service::Setting;
use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions};
use sqlx::{ConnectOptions, Connection as _, PgConnection, Row as _};
use std::fmt;
use std::str::FromStr;
use std::time::Duration;
use tokio::time::timeout;

/// How long the projector waits for a connection; a busy or restarting primary gets this long.
pub const PRIMARY_ACQUIRE_MAX: Duration = Duration::from_secs(5);
/// After how long an unused connection is asked before it is used whether it still leads to the primary.
const IDLE_TRUSTED: Duration = Duration::from_secs(1);
/// After how long the server ends a reader's session that asks nothing. A frozen Lambda cannot close its connections,
/// and a role has few: so each is free for others soon. Shorter than a request waits for one.
pub(crate) const READER_IDLE_MAX: Duration = Duration::from_secs(2);
/// After how long an unused connection is closed.
const IDLE_MAX: Duration = Duration::from_secs(600);
/// After how long a connection is replaced: a session's caches grow, and load moves to new servers.
const LIFETIME_MAX: Duration = Duration::from_secs(3_600);
/// How many prepared statements a connection keeps: more than this crate has.
const STATEMENTS_MAX: usize = 64;

/// What the projector's sessions are set to. A commit is durable when it is acknowledged, whatever the
/// server's default is. No statement waits longer than the client does, so that an outcome that is not
/// known is settled on the server soon.
/// Every look-up of the statements is by an index, whatever the statistics say.
const WRITING: [(&str, &str); 12] = [
    ("synchronous_commit", "on"),
    ("default_transaction_read_only", "off"),
    ("default_transaction_isolation", "read committed"),
    ("statement_timeout", "8s"),
    ("lock_timeout", "5s"),
    ("idle_in_transaction_session_timeout", "10s"),
    ("plan_cache_mode", "force_generic_plan"),
    ("enable_seqscan", "off"),
    ("enable_bitmapscan", "off"),
    ("enable_hashjoin", "off"),
    ("enable_mergejoin", "off"),
    ("jit", "off"),
];

/// What reading sessions are set to. Every read is by an index, so plans are made once and do not depend
/// on statistics, which a growing table never has fresh.
const READING: [(&str, &str); 9] = [
    ("default_transaction_read_only", "on"),
    ("statement_timeout", "5s"),
    ("idle_session_timeout", "2s"), // READER_IDLE_MAX
    ("plan_cache_mode", "force_generic_plan"),
    ("enable_seqscan", "off"),
    ("enable_bitmapscan", "off"),
    ("enable_hashjoin", "off"),
    ("enable_mergejoin", "off"),
    ("jit", "off"),
];

/// What a migrating session is set to: a change that cannot have its lock soon gives up, because what
/// queues behind it is everybody; once it has it, it may take as long as it needs.
const MIGRATING: [(&str, &str); 3] =
    [("default_transaction_read_only", "off"), ("statement_timeout", "0"), ("lock_timeout", "2s")];

/// Where a Postgres database is and how to log in. Shown without the password.
#[derive(Clone)]
pub struct DatabaseUrl(PgConnectOptions);

impl DatabaseUrl {
    /// Connections for the projector: read and write, on the primary. It opens them when it must. One
    /// that was used just now is not tested before it is used again (that is a round trip a batch); of
    /// the others a restart of the primary leaves dead ones, which are replaced unseen.
    ///
    /// A new connection, and one that was idle, is used only if its server is no standby. After a fail-over the
    /// same address may lead to one, and what it says of owners and heads is old.
    #[must_use]
    pub fn primary(&self, connections: u32) -> PgPool {
        PgPoolOptions::new()
            .min_connections(0)
            .max_connections(connections)
            .acquire_timeout(PRIMARY_ACQUIRE_MAX)
            .idle_timeout(IDLE_MAX)
            .max_lifetime(LIFETIME_MAX)
            .test_before_acquire(false)
            .after_connect(|connection, _| Box::pin(refuse_standby(connection)))
            .before_acquire(|connection, used| {
                Box::pin(async move {
                    if used.idle_for > IDLE_TRUSTED {
                        refuse_standby(connection).await?;
                    }
                    Ok(true)
                })
            })
            .connect_lazy_with(self.session("rota-writer", &WRITING))
    }

    /// How the reader opens a connection to a replica.
    pub(crate) fn replica(&self) -> PgConnectOptions {
        self.session("rota-read", &READING)
    }

    /// How the reader opens a connection to the primary, for what only the newest state can answer.
    pub(crate) fn primary_read(&self) -> PgConnectOptions {
        self.session("rota-primary-read", &READING)
    }

    /// The one connection of a migration.
    ///
    /// # Errors
    /// [`ModelError::Standby`]; [`ModelError::Unavailable`].
    pub(crate) async fn migration(&self) -> Result<PgConnection, ModelError> {
        let options = self.session("rota-migrate", &MIGRATING);
        let mut connection =
            timeout(PRIMARY_ACQUIRE_MAX, PgConnection::connect_with(&options)).await??;
        if is_standby(&mut connection).await? {
            return Err(ModelError::Standby { server: self.to_string() });
        }
        Ok(connection)
    }

    fn session(&self, name: &str, settings: &[(&str, &str)]) -> PgConnectOptions {
        self.0
            .clone()
            .application_name(name)
            .statement_cache_capacity(STATEMENTS_MAX)
            .options(settings.iter().copied())
            .disable_statement_logging()
    }
}

/// Whether an error says that its connection is of no use any more: the statement may be asked again on another one.
/// The connection broke, or its server ends, or the server is a standby now and refuses to write.
#[must_use]
pub fn is_of_the_connection(error: &sqlx::Error) -> bool {
    /// `read_only_sql_transaction`: the sessions that write are set to read and write, so the server is a standby.
    const READ_ONLY: &str = "25006";
    /// Class 57P: the server shuts down, or ended the session, or it was idle for too long.
    const OPERATOR: &str = "57P";
    match error {
        sqlx::Error::Io(_) => true,
        sqlx::Error::Database(error) => {
            error.code().is_some_and(|code| code == READ_ONLY || code.starts_with(OPERATOR))
        }
        _ => false,
    }
}

/// Whether a server replays what another writes.
async fn is_standby(connection: &mut PgConnection) -> Result<bool, sqlx::Error> {
    // One round trip: nothing is prepared.
    sqlx::raw_sql("SELECT pg_is_in_recovery()").fetch_one(connection).await?.try_get(0)
}

/// Fails on a standby, so that the pool closes the connection and opens another.
async fn refuse_standby(connection: &mut PgConnection) -> Result<(), sqlx::Error> {
    if is_standby(connection).await? {
        return Err(sqlx::Error::Protocol("the server is a standby, not the primary".to_owned()));
    }
    Ok(())
}

impl FromStr for DatabaseUrl {
    type Err = ModelError;

    /// Parses `postgres://user:password@host:port/database?sslmode=require`.
    ///
    /// # Errors
    /// [`ModelError::Url`]; its text never holds the password.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let scheme = text.split_once("://").map_or("", |(scheme, _)| scheme);
        if !matches!(scheme, "postgres" | "postgresql") {
            return Err(ModelError::Url(sqlx::Error::Configuration("not postgres://".into())));
        }
        PgConnectOptions::from_str(text).map(Self).map_err(ModelError::Url)
    }
}

impl Setting for DatabaseUrl {
    const EXPECTS: &'static str = "a postgres:// URL";

    fn parse(text: &str) -> Option<Self> {
        text.parse().ok()
    }

    fn show(&self) -> String {
        self.to_string()
    }
}

impl fmt::Display for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let database = self.0.get_database().unwrap_or_else(|| self.0.get_username());
        write!(f, "postgres://{}:{}/{database}", self.0.get_host(), self.0.get_port())
    }
}

impl fmt::Debug for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_shown_without_its_secrets() {
        let url: DatabaseUrl =
            "postgresql://ann:s3cret@db.example:6543/rota?sslmode=require".parse().unwrap();
        assert_eq!(url.to_string(), "postgres://db.example:6543/rota");
        assert_eq!(format!("{url:?}"), "postgres://db.example:6543/rota");
    }

    #[test]
    fn what_is_no_postgres_url_is_refused_without_repeating_it() {
        for text in ["", "db", "mysql://ann:s3cret@h/d", "postgres://ann:s3cret@h:port/d"] {
            let error = text.parse::<DatabaseUrl>().unwrap_err();
            let source = std::error::Error::source(&error).unwrap().to_string();
            assert!(matches!(error, ModelError::Url(_)), "{text}: {error}");
            assert!(!source.contains("s3cret") && !error.to_string().contains("s3cret"));
        }
    }

    #[test]
    fn only_the_projector_may_write() {
        let url: DatabaseUrl = "postgres://h/d".parse().unwrap();
        let read_only = |options: &PgConnectOptions| {
            options.get_options().unwrap().contains("-c default_transaction_read_only=on")
        };
        assert!(!read_only(&url.session("", &WRITING)));
        assert!(read_only(&url.session("", &READING)));
        let idle_max = format!("-c idle_session_timeout={}s", READER_IDLE_MAX.as_secs());
        assert!(url.session("", &READING).get_options().unwrap().contains(&idle_max));
    }
}
