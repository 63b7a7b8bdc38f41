//! The connections to one database. A connection that is not idle in here belongs to one statement; if
//! that fails or is given up, the connection is closed.
//!
//! Not sqlx's pool, which asks the server after each use whether the connection still lives: a round
//! trip that costs as much as half a lookup. Here an error tells, and the statement, which only reads,
//! is asked again on a new connection.
//!
//! A role may have a limited number of connections, which many processes share. So the server ends a session that is
//! idle ([`READER_IDLE_MAX`]). A process that found no connection left has its new ones ended much sooner for a while
//! ([`SCARCE_IDLE_MAX`]). It still uses them again under load, and nobody starves.

use super::failure::Failure;
use super::statement::{Role, Statement};
use crate::database::READER_IDLE_MAX;
use parking_lot::Mutex;
use rota_aws::DatabaseLogin;
use sqlx::ConnectOptions;
use sqlx::postgres::{PgConnectOptions, PgConnection};
use std::collections::VecDeque;
use std::time::Duration;
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout};

/// How long a statement waits for its turn when all connections are busy.
const TURN_WAIT_MAX: Duration = Duration::from_secs(1);
/// How long connecting may take. Short: there is another source to ask.
const CONNECT_MAX: Duration = Duration::from_secs(2);
/// After how long a connection is replaced: a session's caches grow, and load moves to new servers.
const LIFETIME_MAX: Duration = Duration::from_secs(3_600);
/// For how long connections are taken for scarce once none was left.
const SCARCE_FOR: Duration = Duration::from_secs(10);
/// After how long the server ends an idle session that was opened while connections were scarce.
const SCARCE_IDLE_MAX: Duration = Duration::from_millis(100);
/// The class of errors that a failed login belongs to (SQLSTATE, Postgres's appendix A).
const INVALID_AUTHORIZATION: &str = "28";

/// At most so many connections as there are turns.
pub(super) struct Connections {
    options: PgConnectOptions,
    role: Role,
    login: Option<DatabaseLogin>,
    turns: Semaphore,
    /// The most recently used at the back: those at the front grow old.
    idle: Mutex<VecDeque<(Session, Instant)>>,
    /// Until when connections are scarce.
    scarce: Mutex<Option<Instant>>,
}

struct Session {
    connection: PgConnection,
    opened: Instant,
    /// After how long without a question the server ends it.
    idle_max: Duration,
}

impl Connections {
    /// Connects nothing yet.
    pub(super) fn new(
        options: PgConnectOptions,
        role: Role,
        login: Option<DatabaseLogin>,
        most: u32,
    ) -> Self {
        let turns = Semaphore::new(usize::try_from(most.max(1)).unwrap_or(usize::MAX));
        Self { options, role, login, turns, idle: Mutex::default(), scarce: Mutex::default() }
    }

    /// Runs a statement; `answer_max` does not count the wait for a turn.
    ///
    /// # Errors
    /// Whatever keeps the answer from being known.
    pub(super) async fn run<S: Statement>(
        &self,
        statement: &S,
        answer_max: Duration,
    ) -> Result<S::Answer, Failure> {
        let turn = timeout(TURN_WAIT_MAX, self.turns.acquire()).await;
        let Ok(Ok(_turn)) = turn else {
            return Err(Failure::Busy);
        };
        timeout(answer_max, self.attempt(statement)).await.unwrap_or(Err(Failure::Slow))
    }

    /// Closes all connections that are not in use.
    pub(super) fn clear(&self) {
        self.idle.lock().clear();
    }

    /// Takes connections for scarce from now on, because none was left. True if that is news.
    pub(super) fn are_scarce(&self) -> bool {
        let now = Instant::now();
        let before = self.scarce.lock().replace(now + SCARCE_FOR);
        before.is_none_or(|until| until < now)
    }

    /// Tries a connection that is there, then, if the server has closed that meanwhile, a new one.
    async fn attempt<S: Statement>(&self, statement: &S) -> Result<S::Answer, Failure> {
        if let Some(mut session) = self.take() {
            match self.query(&mut session, statement).await {
                Err(failure) if failure.is_of_the_connection() => self.clear(),
                Err(failure) => return Err(failure),
                Ok(answer) => {
                    self.give_back(session);
                    return Ok(answer);
                }
            }
        }
        let opening = timeout(CONNECT_MAX, self.open()).await;
        let mut session = opening.map_err(|_| Failure::Slow)??;
        let answer = self.query(&mut session, statement).await?;
        self.give_back(session);
        Ok(answer)
    }

    async fn open(&self) -> Result<Session, Failure> {
        let opened = Instant::now();
        let is_scarce = self.scarce.lock().is_some_and(|until| opened < until);
        let (idle_max, options) = if is_scarce {
            let milliseconds = SCARCE_IDLE_MAX.as_millis();
            let sooner = [("idle_session_timeout", milliseconds)];
            (SCARCE_IDLE_MAX, self.options.clone().options(sooner))
        } else {
            (READER_IDLE_MAX, self.options.clone())
        };
        Ok(Session { connection: self.connect(options).await?, opened, idle_max })
    }

    async fn connect(&self, options: PgConnectOptions) -> Result<PgConnection, Failure> {
        let Some(login) = &self.login else {
            return Ok(options.connect().await?);
        };
        let (host, port) = (options.get_host().to_owned(), options.get_port());
        let token = login.token(&host, port, options.get_username()).await;
        let token =
            token.map_err(|error| Failure::Broken(sqlx::Error::Configuration(error.into())))?;
        let connected = options.password(&token).connect().await;
        if connected.as_ref().is_err_and(is_of_the_login) {
            login.forget(&token);
        }
        Ok(connected?)
    }

    async fn query<S: Statement>(
        &self,
        session: &mut Session,
        statement: &S,
    ) -> Result<S::Answer, Failure> {
        let sql = S::SQL.of(self.role);
        let rows = statement.bind(sqlx::query(sql)).fetch_all(&mut session.connection).await?;
        Ok(statement.read(&rows)?)
    }

    fn take(&self) -> Option<Session> {
        let (session, since) = self.idle.lock().pop_back()?;
        let now = Instant::now();
        let usable = now - since < session.idle_max && now - session.opened < LIFETIME_MAX;
        usable.then_some(session)
    }

    fn give_back(&self, session: Session) {
        let now = Instant::now();
        let mut idle = self.idle.lock();
        idle.push_back((session, now));
        while idle.front().is_some_and(|(oldest, since)| now - *since >= oldest.idle_max) {
            idle.pop_front();
        }
    }
}

/// Whether the server refused the password: the credentials behind a token may have changed.
fn is_of_the_login(error: &sqlx::Error) -> bool {
    let code = error.as_database_error().and_then(|error| error.code());
    code.is_some_and(|code| code.starts_with(INVALID_AUTHORIZATION))
}
