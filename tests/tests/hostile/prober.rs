//! Asks `/health` all through a test, on a thread and a connection of its own.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// The longest that the answer may take.
const ANSWER_MAX: Duration = Duration::from_millis(100);
/// The pause between two questions.
const PAUSE: Duration = Duration::from_millis(20);
/// How many questions in a hundred may take longer, and how many of a few: the machine has other work, too.
const LATE_PERCENT_MAX: usize = 2;
const LATE_OF_FEW_MAX: usize = 1;

/// A running prober; to be ended with [`Prober::finish`].
pub(crate) struct Prober {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<Vec<Duration>>,
}

impl Prober {
    pub(crate) fn start(url: &str) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let (address, stopped) = (url.strip_prefix("http://").unwrap().to_owned(), stop.clone());
        let thread = std::thread::spawn(move || {
            let mut took = Vec::new();
            while !stopped.load(Ordering::Relaxed) {
                took.push(ask(&address));
                std::thread::sleep(PAUSE);
            }
            took
        });
        Self { stop, thread }
    }

    /// Checks that every question was answered in time.
    pub(crate) fn finish(self) {
        self.stop.store(true, Ordering::Relaxed);
        let took = self.thread.join().expect("a health check failed");
        let late: Vec<_> = took.iter().filter(|time| **time > ANSWER_MAX).collect();
        assert!(!took.is_empty());
        let late_max = (took.len() * LATE_PERCENT_MAX / 100).max(LATE_OF_FEW_MAX);
        assert!(late.len() <= late_max, "{} of {} late: {late:?}", late.len(), took.len());
    }
}

/// One question on a new connection, as a load balancer asks it.
fn ask(address: &str) -> Duration {
    let since = Instant::now();
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    stream.write_all(b"GET /health HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    since.elapsed()
}
