//! Waiting for a connection where others have all that there may be. No source is to blame for that, and it passes: the
//! server ends idle sessions, and those of a process that met it much sooner (`connections`).

use super::failure::Failure;
use crate::database::READER_IDLE_MAX;
use rand::RngExt as _;
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// How long a request waits for a connection where others have them all. By then idle sessions have ended.
const WAIT_MAX: Duration = Duration::from_secs(6);
const _: () = assert!(2 * READER_IDLE_MAX.as_millis() < WAIT_MAX.as_millis());
/// The longest pause before the second attempt to get a connection; it doubles with each.
const PAUSE_FIRST: Duration = Duration::from_millis(50);
/// The longest pause before any.
const PAUSE_MAX: Duration = Duration::from_millis(500);

/// Asks again while others have all connections, at most for [`WAIT_MAX`].
///
/// # Errors
/// The last failure.
pub(super) async fn patiently<T, A>(ask: impl Fn() -> A) -> Result<T, Failure>
where
    A: Future<Output = Result<T, Failure>>,
{
    let since = Instant::now();
    let mut pause = PAUSE_FIRST;
    loop {
        match ask().await {
            Err(Failure::Full(_)) if since.elapsed() < WAIT_MAX => {
                // Any time up to a bound, so that those who met do not meet again.
                let part = rand::rng().random();
                sleep(pause.mul_f64(part)).await;
                pause = pause.saturating_mul(2).min(PAUSE_MAX);
            }
            answer => return answer,
        }
    }
}
