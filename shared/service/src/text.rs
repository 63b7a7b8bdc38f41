//! Log lines as text: those of a request end with its trace, as its answer does.

use crate::trace;
use std::fmt;
use tracing_subscriber::field::RecordFields;
use tracing_subscriber::fmt::FormatFields;
use tracing_subscriber::fmt::format::{DefaultFields, Writer};

/// The usual fields, and behind them `trace_id=…`.
pub(crate) struct TracedFields;

impl<'w> FormatFields<'w> for TracedFields {
    fn format_fields<R: RecordFields>(&self, mut writer: Writer<'w>, fields: R) -> fmt::Result {
        DefaultFields::new().format_fields(writer.by_ref(), fields)?;
        match trace::current() {
            Some(context) => write!(writer, " trace_id={}", context.trace_id()),
            None => Ok(()),
        }
    }
}
