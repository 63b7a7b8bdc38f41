//! The stages of a write as spans: what a trace tells of an item's way into its schedule.

use rota_schedule::ProcessId;
use rota_service::trace::{self, Context};
use std::time::Instant;

/// Tells of a stage that was begun at `since` and is over.
pub(crate) fn tell(
    trace: Option<Context>,
    stage: &'static str,
    since: Instant,
    process: &ProcessId,
    nonce: Option<u64>,
) {
    trace::leaf(trace, stage, since, || {
        let process = ("process.id", process.to_string().into());
        let nonce = nonce.map(|nonce| ("nonce", nonce.into()));
        [process].into_iter().chain(nonce).collect()
    });
}
