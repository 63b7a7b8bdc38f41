//! One log line for each request: what a trace id in an error answer leads to.
//!
//! | request | level |
//! |---|---|
//! | status 5xx; slow; given up after as long | `warn` |
//! | status 4xx | `info` |
//! | any other | `debug` |
//!
//! Anybody can cause the first two kinds, so each has [`LINES_A_SECOND_MAX`] lines a second. Further ones are
//! written at `debug`, and the next line says how many there were.

use super::span::{Context, within};
use axum::http::{Method, Request, StatusCode, Uri, uri};
use std::fmt;
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};
use tracing::Level;

/// A request whose answer begins later than this is slow.
const SLOW_MIN: Duration = Duration::from_secs(1);
/// Lines of one kind in one second.
const LINES_A_SECOND_MAX: u32 = 10;
/// How much of a path and its query is shown, in characters.
const PATH_CHARS_MAX: usize = 256;
/// How much of a method, which anybody can make up.
const METHOD_CHARS_MAX: usize = 16;

static FAILED: Rate = Rate::new();
static REFUSED: Rate = Rate::new();

/// A request, for the line about it.
#[derive(Debug)]
pub(super) struct Line {
    method: Method,
    uri: Uri,
}

impl Line {
    pub(super) fn of<A>(request: &Request<A>) -> Self {
        Self { method: request.method().clone(), uri: request.uri().clone() }
    }

    /// Writes it. There is no status if nobody waited for the answer, or there was none.
    pub(super) fn write(&self, context: Context, since: Instant, status: Option<StatusCode>) {
        within(Some(context), || self.write_now(status, since.elapsed()));
    }

    fn write_now(&self, status: Option<StatusCode>, took: Duration) {
        let (level, title) = judge(status, took);
        let unlogged = match level {
            Level::WARN => FAILED.take(),
            Level::INFO => REFUSED.take(),
            _ => None,
        };
        let method = Shown(self.method.as_str(), METHOD_CHARS_MAX);
        let path = self.uri.path_and_query().map_or("", uri::PathAndQuery::as_str);
        let path = Shown(path, PATH_CHARS_MAX);
        let status = status.map(|status| status.as_u16());
        let duration_ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
        let more = unlogged.filter(|lines| *lines > 0);
        match (level, unlogged) {
            (Level::WARN, Some(_)) => {
                tracing::warn!(%method, %path, status, duration_ms, unlogged = more, "{title}");
            }
            (Level::INFO, Some(_)) => {
                tracing::info!(%method, %path, status, duration_ms, unlogged = more, "{title}");
            }
            _ => tracing::debug!(%method, %path, status, duration_ms, "{title}"),
        }
    }
}

/// How loud a request is, and what is said of it.
fn judge(status: Option<StatusCode>, took: Duration) -> (Level, &'static str) {
    let is_slow = took >= SLOW_MIN;
    match status {
        Some(status) if status.is_server_error() => (Level::WARN, "a request failed"),
        None if is_slow => (Level::WARN, "a slow request was given up before its answer"),
        Some(_) if is_slow => (Level::WARN, "a request was slow"),
        Some(status) if status.is_client_error() => (Level::INFO, "a request was refused"),
        None => (Level::DEBUG, "a request was given up before its answer"),
        Some(_) => (Level::DEBUG, "a request was answered"),
    }
}

/// Text of a stranger, in one line of ASCII and bounded.
struct Shown<'a>(&'a str, usize);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(text, max) = self;
        let mut chars = text.chars();
        for c in chars.by_ref().take(*max) {
            write!(f, "{}", c.escape_default())?;
        }
        if chars.next().is_some() { f.write_str("...") } else { Ok(()) }
    }
}

/// How many lines of one kind were written lately.
struct Rate(Mutex<Window>);

struct Window {
    /// Since the start of the process.
    second: u64,
    lines: u32,
    unlogged: u64,
}

impl Rate {
    const fn new() -> Self {
        Self(Mutex::new(Window { second: 0, lines: 0, unlogged: 0 }))
    }

    /// Whether a line may be written, and how many were not since the last one.
    fn take(&self) -> Option<u64> {
        static START: OnceLock<Instant> = OnceLock::new();
        self.take_at(START.get_or_init(Instant::now).elapsed().as_secs())
    }

    fn take_at(&self, second: u64) -> Option<u64> {
        let mut window = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if window.second != second {
            (window.second, window.lines) = (second, 0);
        }
        if window.lines == LINES_A_SECOND_MAX {
            window.unlogged += 1;
            return None;
        }
        window.lines += 1;
        Some(std::mem::take(&mut window.unlogged))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_of_failures_is_counted_and_not_written() {
        let rate = Rate::new();
        let taken: Vec<_> = (0..25).map(|_| rate.take_at(7)).collect();
        assert!(taken[..10].iter().all(|taken| *taken == Some(0)));
        assert!(taken[10..].iter().all(Option::is_none));
        assert_eq!(rate.take_at(8), Some(15), "the next line tells");
        assert_eq!(rate.take_at(8), Some(0), "and only that one");
    }

    #[test]
    fn failed_and_slow_requests_are_loud_and_refused_ones_less() {
        let (fast, slow) = (Duration::from_millis(999), Duration::from_secs(1));
        for (status, took, level) in [
            (Some(200), fast, Level::DEBUG),
            (Some(304), fast, Level::DEBUG),
            (Some(200), slow, Level::WARN),
            (Some(404), fast, Level::INFO),
            (Some(429), slow, Level::WARN),
            (Some(503), fast, Level::WARN),
            (None, fast, Level::DEBUG),
            (None, slow, Level::WARN),
        ] {
            let status = status.map(|status| StatusCode::from_u16(status).unwrap());
            assert_eq!(judge(status, took).0, level, "{status:?} {took:?}");
        }
    }

    #[test]
    fn a_hostile_path_is_one_bounded_line_of_ascii() {
        let shown = Shown("/\r\n{\"level\":\"ERROR\"}\u{1b}[31m\u{e9}", 100).to_string();
        assert_eq!(shown, r#"/\r\n{\"level\":\"ERROR\"}\u{1b}[31m\u{e9}"#);
        assert_eq!(Shown("abcdef", 3).to_string(), "abc...");
        assert_eq!(Shown("abc", 3).to_string(), "abc");
    }
}
