//! Faults around a real scheduler: what it leans on fails, and it fails no further than it must.
//!
//! Each test says what goes wrong. What holds in all of them: nothing that was acknowledged is lost,
//! reads go on, and whoever is refused is told why.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::disallowed_macros,
    reason = "in a test a panic is the report, and what it prints is shown when it fails"
)]

mod caches;
mod damage;
mod disk;
mod files;
mod slow;
mod stop;
mod upstreams;

use rota_ans104::Item;
use rota_schedule::ProcessId;
use rota_testkit::{RotaProcess, message, spawn};
use rota_tests::{Book, Schedule, follow_http, http, post_all, scheduler_wallet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tempfile::TempDir;

/// A data directory with a wallet, and the book of what was told.
struct Site {
    home: PathBuf,
    book: Arc<Book>,
    processes: Vec<ProcessId>,
    _dir: Option<TempDir>,
}

impl Site {
    fn new() -> Self {
        let dir = TempDir::new().unwrap();
        let site = Self::in_dir(dir.path());
        Self { _dir: Some(dir), ..site }
    }

    fn in_dir(home: &Path) -> Self {
        scheduler_wallet().save_new(&home.join("wallet.json")).unwrap();
        Self { home: home.to_owned(), book: Arc::default(), processes: Vec::new(), _dir: None }
    }

    fn start(&self, envs: &[(&str, &str)]) -> RotaProcess {
        RotaProcess::start(&binary(), &self.home, envs)
    }

    /// Spawns some processes and sends each some messages.
    async fn fill(&mut self, rota: &RotaProcess, processes: usize, messages: usize) {
        let spawns: Vec<Item> = (0..processes).map(|_| spawn().sign()).collect();
        self.processes.extend(spawns.iter().map(|item| ProcessId::from(item.id())));
        post_all(&rota.url, spawns, &self.book).await;
        post_all(&rota.url, self.messages(messages), &self.book).await;
    }

    /// So many messages for each process.
    fn messages(&self, each: usize) -> Vec<Item> {
        let messages = (0..each).flat_map(|_| self.processes.iter().map(|id| message(*id).sign()));
        messages.collect()
    }

    /// Follows every schedule and compares it with the book.
    async fn check(&self, rota: &RotaProcess) -> Vec<Schedule> {
        let mut schedules = Vec::new();
        for process in &self.processes {
            let followed = follow_http(&http(), &rota.url, *process, &self.book).await;
            schedules.push(followed.unwrap());
        }
        self.book.check(&schedules).unwrap();
        schedules
    }
}

fn binary() -> PathBuf {
    Path::new(env!("CARGO_BIN_EXE_rota-under-test")).to_owned()
}
