//! The connections to one database. A connection that is not idle in here belongs to one statement; if
//! that fails or is given up, the connection is closed.
//!
//! Not sqlx's pool, which asks the server after each use whether the connection still lives: a round
//! trip that costs as much as half a lookup. Here an error tells, and the statement, which only reads,
//! is asked again on a new connection.

use super::failure::Failure;
use super::statement::Statement;
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
/// After how long an unused connection is closed: what lies between may have forgotten it.
const IDLE_MAX: Duration = Duration::from_secs(120);
/// After how long a connection is replaced: a session's caches grow, and load moves to new servers.
const LIFETIME_MAX: Duration = Duration::from_secs(3_600);

/// At most so many connections as there are turns.
pub(super) struct Connections {
    options: PgConnectOptions,
    login: Option<DatabaseLogin>,
    turns: Semaphore,
    /// The most recently used at the back: those at the front grow old.
    idle: Mutex<VecDeque<Idle>>,
}

struct Idle {
    connection: PgConnection,
    opened: Instant,
    since: Instant,
}

impl Connections {
    /// Connects nothing yet.
    pub(super) fn new(options: PgConnectOptions, login: Option<DatabaseLogin>, most: u32) -> Self {
        let turns = Semaphore::new(usize::try_from(most.max(1)).unwrap_or(usize::MAX));
        Self { options, login, turns, idle: Mutex::default() }
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

    /// Tries a connection that is there, then, if the server has closed that meanwhile, a new one.
    async fn attempt<S: Statement>(&self, statement: &S) -> Result<S::Answer, Failure> {
        if let Some(mut idle) = self.take() {
            match query(&mut idle.connection, statement).await {
                Err(failure) if failure.is_of_the_connection() => self.clear(),
                Err(failure) => return Err(failure),
                Ok(answer) => {
                    self.give_back(idle.connection, idle.opened);
                    return Ok(answer);
                }
            }
        }
        let connecting = timeout(CONNECT_MAX, self.connect()).await;
        let mut connection = connecting.map_err(|_| Failure::Slow)??;
        let answer = query(&mut connection, statement).await?;
        self.give_back(connection, Instant::now());
        Ok(answer)
    }

    /// A token is signed for each connection: it is good for some minutes, and signing asks nobody.
    async fn connect(&self) -> Result<PgConnection, Failure> {
        let Some(login) = &self.login else {
            return self.options.connect().await.map_err(Failure::Broken);
        };
        let options = self.options.clone();
        let (host, port) = (options.get_host(), options.get_port());
        let token = login.token(host, port, options.get_username()).await;
        let token =
            token.map_err(|error| Failure::Broken(sqlx::Error::Configuration(error.into())))?;
        options.password(&token).connect().await.map_err(Failure::Broken)
    }

    fn take(&self) -> Option<Idle> {
        let idle = self.idle.lock().pop_back()?;
        let now = Instant::now();
        let usable = now - idle.since < IDLE_MAX && now - idle.opened < LIFETIME_MAX;
        usable.then_some(idle)
    }

    fn give_back(&self, connection: PgConnection, opened: Instant) {
        let since = Instant::now();
        let mut idle = self.idle.lock();
        idle.push_back(Idle { connection, opened, since });
        while idle.front().is_some_and(|oldest| since - oldest.since >= IDLE_MAX) {
            idle.pop_front();
        }
    }
}

async fn query<S: Statement>(
    connection: &mut PgConnection,
    statement: &S,
) -> Result<S::Answer, Failure> {
    let rows = statement.bind(sqlx::query(S::SQL)).fetch_all(connection).await;
    Ok(statement.read(&rows.map_err(Failure::Broken)?)?)
}
