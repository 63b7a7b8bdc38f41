//! Posts an item until it is known what became of it. The same bytes get the same answer (DUP-1), so they can
//! be posted again; an item that is signed anew would be another one.

use crate::client::{Answer, Client};
use crate::output;
use bytes::Bytes;
use reqwest::StatusCode;
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// How often an item is posted at most.
const TRIES_MAX: u32 = 5;
/// How long after the first try the last one may begin.
const PATIENCE: Duration = Duration::from_secs(90);
/// The first pause, if the scheduler names none; each further one is twice as long.
const PAUSE_MIN: Duration = Duration::from_secs(1);

/// Whether a request may be sent again while its outcome is open.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Repeat {
    /// The second answer is the first one.
    Always,
    /// It would be done twice.
    UnlessOpen,
}

/// It is not known what became of a request, or nothing became of it for now.
#[derive(Debug)]
pub(super) struct GivenUp {
    /// What the last try came to.
    pub(super) reason: String,
    /// It may have been done.
    pub(super) is_open: bool,
    /// The scheduler answered, or may have: else nobody is there at all.
    pub(super) was_reached: bool,
    /// The status of the last try.
    pub(super) status: Option<StatusCode>,
}

/// Posts until there is an answer that settles it, or somebody interrupts that.
pub(super) async fn post(
    client: &Client,
    query: &[(&str, &str)],
    body: Bytes,
    repeat: Repeat,
) -> Result<Answer, GivenUp> {
    tokio::select! {
        outcome = try_until_settled(client, query, body, repeat) => outcome,
        _ = tokio::signal::ctrl_c() => {
            let reason = "interrupted before the answer came".to_owned();
            Err(GivenUp { reason, is_open: true, was_reached: true, status: None })
        }
    }
}

async fn try_until_settled(
    client: &Client,
    query: &[(&str, &str)],
    body: Bytes,
    repeat: Repeat,
) -> Result<Answer, GivenUp> {
    let (since, mut pause, mut tries) = (Instant::now(), PAUSE_MIN, 0);
    let (mut is_open, mut was_reached) = (false, false);
    loop {
        let tried = client.try_post(query, body.clone()).await;
        tries += 1;
        let (reason, status, wait) = match tried {
            Ok(answer) if answer.status.is_success() => return Ok(answer),
            Ok(answer) if !may_pass(answer.status) && !is_open => return Ok(answer),
            Ok(answer) => {
                is_open |= answer.status != StatusCode::TOO_MANY_REQUESTS;
                was_reached = true;
                (answer.reason(), Some(answer.status), answer.retry_after)
            }
            Err(no_answer) => {
                is_open |= !no_answer.is_unsent;
                was_reached |= !no_answer.is_unsent;
                (format!("{:#}", no_answer.error), None, None)
            }
        };
        let wait = wait.unwrap_or(pause);
        let is_over = tries == TRIES_MAX
            || since.elapsed().saturating_add(wait) > PATIENCE
            || !was_reached
            || status.is_some_and(|status| !may_pass(status))
            || (is_open && repeat == Repeat::UnlessOpen);
        if is_over {
            return Err(GivenUp { reason, is_open, was_reached, status });
        }
        output::warn(&format!("{reason}: trying again in {} s", wait.as_secs()));
        sleep(wait).await;
        pause *= 2;
    }
}

/// Whether another try may get another answer.
fn may_pass(status: StatusCode) -> bool {
    matches!(
        status,
        StatusCode::REQUEST_TIMEOUT
            | StatusCode::TOO_MANY_REQUESTS
            | StatusCode::INTERNAL_SERVER_ERROR
            | StatusCode::BAD_GATEWAY
            | StatusCode::SERVICE_UNAVAILABLE
            | StatusCode::GATEWAY_TIMEOUT
    )
}
