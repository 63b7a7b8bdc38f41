//! Logs: `tracing` events on stderr, as text for a person or JSON for a machine.
//!
//! Standard output is left to the commands that print results.

use crate::json::JsonLines;
use crate::text::TracedFields;
use std::io::{self, IsTerminal};

use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::ParseError;
use tracing_subscriber::util::{SubscriberInitExt, TryInitError};

use crate::config::Setting;

/// What is logged if nothing else is asked for.
pub const DEFAULT_FILTER: &str = "info";

/// How a log line is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LogFormat {
    /// One JSON object a line.
    Json,
    /// Readable text.
    Text,
    /// Text on a terminal, JSON otherwise.
    #[default]
    Auto,
}

impl Setting for LogFormat {
    const EXPECTS: &'static str = "auto, json or text";

    fn parse(text: &str) -> Option<Self> {
        match text {
            "auto" => Some(Self::Auto),
            "json" => Some(Self::Json),
            "text" => Some(Self::Text),
            _ => None,
        }
    }

    fn show(&self) -> String {
        match self {
            Self::Json => "json",
            Self::Text => "text",
            Self::Auto => "auto",
        }
        .to_owned()
    }
}

/// Why logging could not start.
#[derive(Debug, thiserror::Error)]
pub enum LogsError {
    /// The filter is not a list of directives.
    #[error("the log filter {filter:?} is not a list such as info,rota_writer=debug")]
    Filter {
        /// The filter as given.
        filter: String,
        /// The reason.
        source: ParseError,
    },
    /// Another subscriber is already installed in this process.
    #[error("logging was already started")]
    AlreadyStarted(#[source] TryInitError),
}

/// Starts logging for the whole process.
///
/// `filter` is in the syntax of `RUST_LOG`; the caller reads that variable, so that a `.env` file counts
/// for it too, and gives [`DEFAULT_FILTER`] otherwise.
///
/// # Errors
/// The filter is malformed, or logging was already started.
pub fn init(format: LogFormat, filter: &str) -> Result<(), LogsError> {
    let parsed = EnvFilter::try_new(filter)
        .map_err(|source| LogsError::Filter { filter: filter.to_owned(), source })?;
    let terminal = io::stderr().is_terminal();
    let builder = tracing_subscriber::fmt()
        .with_env_filter(parsed)
        .with_writer(io::stderr)
        .with_ansi(terminal);
    let started = match format {
        LogFormat::Json => builder.event_format(JsonLines).finish().try_init(),
        LogFormat::Auto if !terminal => builder.event_format(JsonLines).finish().try_init(),
        LogFormat::Text | LogFormat::Auto => builder.fmt_fields(TracedFields).finish().try_init(),
    };
    started.map_err(LogsError::AlreadyStarted)
}
