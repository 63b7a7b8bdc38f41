//! What the command prints for a person: results on standard output, complaints and progress on
//! standard error. The only place that writes there; servers log through `tracing`.
//!
//! A reader that went away (as in `rota … | head -1`) is nobody's error: what it no longer reads is
//! dropped. `println!` would panic.

use indicatif::{ProgressBar, ProgressStyle};
use std::fmt::Display;
use std::io::{IsTerminal as _, Write, stderr, stdout};
use std::time::{Duration, Instant};

/// Without a terminal: a line of progress after this many steps, …
const STEPS_PER_LINE: u64 = 10_000;
/// … or after this long.
const LINE_INTERVAL: Duration = Duration::from_secs(5);
/// How often a spinner turns.
const SPIN_INTERVAL: Duration = Duration::from_millis(100);

/// A result, or a part of one.
pub(crate) fn line(text: &str) {
    write(stdout(), text);
}

/// A part of a result that has a name, aligned with others.
pub(crate) fn field(name: &str, value: impl Display) {
    write(stdout(), format_args!("{name:<12} {value}"));
}

/// Something that a person should look at, though the command goes on.
pub(crate) fn warn(text: &str) {
    write(stderr(), format_args!("rota: warning: {text}"));
}

/// How the person called this command, so that a proposed line runs when it is pasted: under
/// `cargo run` that is a path into the target folder.
pub(crate) fn me() -> String {
    std::env::args().next().filter(|name| !name.is_empty()).unwrap_or_else(|| "rota".to_owned())
}

/// Why a command failed.
pub(crate) fn fail(text: &str) {
    write(stderr(), format_args!("rota: {text}"));
}

/// Does something that takes a while, and says so.
pub(crate) fn while_busy<T>(what: &'static str, work: impl FnOnce() -> T) -> T {
    let _progress = Progress::start(what, None);
    work()
}

/// A number of things, as people read it: `1,234,567`.
pub(crate) fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

fn write(mut to: impl Write, text: impl Display) {
    // See the module's head.
    let _ = writeln!(to, "{text}");
}

/// How far long work has come: a bar on a terminal, plain lines otherwise. Dropping it takes the bar
/// away, for the result or the error that follows.
pub(crate) struct Progress {
    what: &'static str,
    done: u64,
    total: Option<u64>,
    bar: Option<ProgressBar>,
    next_line: (u64, Instant),
}

impl Progress {
    /// Starts at nothing done, of `total` steps if that is known.
    pub(crate) fn start(what: &'static str, total: Option<u64>) -> Self {
        let bar = stderr().is_terminal().then(|| bar(what, total));
        let next_line = (STEPS_PER_LINE, Instant::now() + LINE_INTERVAL);
        Self { what, done: 0, total, bar, next_line }
    }

    /// Some steps further.
    pub(crate) fn advance(&mut self, steps: u64) {
        self.done += steps;
        if let Some(bar) = &self.bar {
            bar.set_position(self.done);
        } else if self.done >= self.next_line.0 || Instant::now() >= self.next_line.1 {
            self.next_line = (self.done + STEPS_PER_LINE, Instant::now() + LINE_INTERVAL);
            write(stderr(), self.text());
        }
    }

    fn text(&self) -> String {
        match self.total {
            Some(total) => {
                format!("{}: {} of {}", self.what, thousands(self.done), thousands(total))
            }
            None => format!("{}: {}", self.what, thousands(self.done)),
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

fn bar(what: &'static str, total: Option<u64>) -> ProgressBar {
    let (bar, template) = match total {
        Some(total) => (ProgressBar::new(total), "{msg} {wide_bar} {human_pos}/{human_len} {eta}"),
        None => (ProgressBar::new_spinner(), "{spinner} {msg} {elapsed}"),
    };
    // The templates are constants; should one be wrong, the library's own look will do.
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style);
    }
    bar.set_message(what);
    bar.enable_steady_tick(SPIN_INTERVAL);
    bar
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_grouped_from_the_right() {
        let cases = [
            (0, "0"),
            (999, "999"),
            (1_000, "1,000"),
            (12_345, "12,345"),
            (123_456, "123,456"),
            (u64::MAX, "18,446,744,073,709,551,615"),
        ];
        for (number, text) in cases {
            assert_eq!(thousands(number), text);
        }
    }

    #[test]
    fn progress_counts_what_was_done() {
        let mut progress = Progress::start("counting", Some(30_000));
        progress.advance(9_999);
        assert_eq!(progress.next_line.0, STEPS_PER_LINE);
        progress.advance(2);
        assert_eq!(progress.text(), "counting: 10,001 of 30,000");
        assert!(progress.bar.is_some() || progress.next_line.0 == 20_001);
        assert_eq!(Progress::start("counting", None).text(), "counting: 0");
    }
}
