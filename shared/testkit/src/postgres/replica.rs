//! A streaming replica, and what can happen to one.

use super::server::{Server, Stop, psql, wait_until};

/// A running hot standby. It follows its primary over restarts of either.
pub struct Replica {
    server: Server,
    primary: u16,
}

impl Replica {
    pub(super) fn of(primary: &Server) -> Self {
        let server = Server::new();
        server.copy_of(primary);
        server.start();
        Self { server, primary: primary.port }
    }

    /// The URL of a database of this replica.
    #[must_use]
    pub fn url(&self, database: &str) -> String {
        self.server.url(database)
    }

    /// The port on 127.0.0.1; it stays the same over restarts.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.server.port
    }

    /// Runs statements, which must only read, and gives what they print.
    pub fn sql(&self, database: &str, statements: &str) -> String {
        self.server.sql(database, statements)
    }

    /// Freezes what it shows: it goes on receiving and answers queries, but shows nothing newer.
    pub fn pause(&self) {
        self.sql("postgres", "SELECT pg_wal_replay_pause()");
        let paused = || self.sql("postgres", "SELECT pg_get_wal_replay_pause_state()") == "paused";
        wait_until(paused, || "the replica does not pause".to_owned());
    }

    /// Ends a pause.
    pub fn resume(&self) {
        self.sql("postgres", "SELECT pg_wal_replay_resume()");
    }

    /// Waits until it shows everything that the primary has written by now.
    pub fn caught_up(&self) {
        let written = psql(self.primary, "postgres", "SELECT pg_current_wal_lsn()");
        let ask = format!("SELECT pg_last_wal_replay_lsn() >= '{written}'");
        wait_until(
            || self.sql("postgres", &ask) == "t",
            || format!("the replica does not reach {written}"),
        );
    }

    /// Makes it a primary of its own, and waits until it is.
    pub fn promote(&self) {
        let promoted = self.sql("postgres", "SELECT pg_promote()");
        assert_eq!(promoted, "t", "the replica is not promoted");
    }

    /// Kills all its processes.
    pub fn kill(&self) {
        self.server.stop(Stop::Kill);
    }

    /// Starts it after a kill and waits until it answers.
    pub fn boot(&self) {
        self.server.start();
    }

    /// Stops all its processes where they are: connections stay, nothing answers.
    pub fn freeze(&self) {
        self.server.signal("STOP");
    }

    /// Lets go on what [`Self::freeze`] stopped.
    pub fn thaw(&self) {
        self.server.signal("CONT");
    }

    /// The seconds of CPU that all its processes have used, ended ones included. Counted in hundredths.
    #[must_use]
    pub fn cpu_seconds(&self) -> f64 {
        self.server.cpu_seconds()
    }
}
