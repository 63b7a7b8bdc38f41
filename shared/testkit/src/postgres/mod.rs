//! Real PostgreSQL servers: a primary, and streaming replicas that can be paused, frozen and killed.
//!
//! Everything blocks and nothing is async, so that any test can use it. Administration goes through
//! `psql`: the kit links no driver. Logins need no password, on loopback only. However the test process
//! ends, its servers end too and their directories are removed.

mod asking;
mod proc;
mod replica;
mod server;

pub use asking::AskingForPasswords;
pub use replica::Replica;
pub use server::Stop;

use server::Server;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

/// How a primary is set up.
#[derive(Clone, Copy, Debug, Default)]
pub struct PostgresOptions {
    /// Whether commits are synced to the disk. Tests do without, measurements must not.
    pub fsync: bool,
}

/// A running primary.
pub struct PostgresCluster {
    server: Server,
}

impl PostgresCluster {
    /// Makes a new, empty primary and waits until it takes connections.
    #[must_use]
    pub fn start(options: PostgresOptions) -> Self {
        let server = Server::new();
        server.initdb(&settings(options));
        server.start();
        Self { server }
    }

    /// The one primary (without fsync) of a test process, for tests that only need a database of their
    /// own and leave the server alone.
    pub fn shared() -> &'static Self {
        static SHARED: OnceLock<PostgresCluster> = OnceLock::new();
        SHARED.get_or_init(|| Self::start(PostgresOptions::default()))
    }

    /// A new replica that streams from this primary, from a copy taken now.
    #[must_use]
    pub fn replica(&self) -> Replica {
        Replica::of(&self.server)
    }

    /// Makes an empty database and gives its URL.
    pub fn create_database(&self, name: &str) -> String {
        self.sql("postgres", &format!("CREATE DATABASE \"{name}\""));
        self.url(name)
    }

    /// Makes an empty database under a name that no other has, and gives its URL.
    pub fn fresh_database(&self) -> String {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        self.create_database(&format!("test_{}", NEXT.fetch_add(1, Ordering::Relaxed)))
    }

    /// The URL of a database of this primary, whether it exists or not.
    #[must_use]
    pub fn url(&self, database: &str) -> String {
        self.server.url(database)
    }

    /// The port on 127.0.0.1; it stays the same over restarts.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.server.port
    }

    /// Runs statements as the superuser and gives what they print: rows as lines, columns split by `|`.
    pub fn sql(&self, database: &str, statements: &str) -> String {
        self.server.sql(database, statements)
    }

    /// Stops it. [`Self::boot`] starts it again.
    pub fn stop(&self, how: Stop) {
        self.server.stop(how);
    }

    /// Starts it after a stop and waits until it takes connections.
    pub fn boot(&self) {
        self.server.start();
    }

    /// Stops it and starts it again.
    pub fn restart(&self, how: Stop) {
        self.stop(how);
        self.boot();
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

/// What differs from PostgreSQL's defaults. A replica that comes back finds what it missed
/// (`wal_keep_size`) and looks for it at once. Nothing outlives the directory but 56 bytes of shared
/// memory, which the guard removes.
fn settings(options: PostgresOptions) -> String {
    let fsync = if options.fsync { "on" } else { "off" };
    format!(
        "listen_addresses = '127.0.0.1'\n\
         unix_socket_directories = ''\n\
         max_connections = 400\n\
         shared_buffers = '64MB'\n\
         dynamic_shared_memory_type = mmap\n\
         wal_level = replica\n\
         hot_standby = on\n\
         wal_keep_size = '256MB'\n\
         wal_retrieve_retry_interval = '100ms'\n\
         fsync = {fsync}\n"
    )
}
