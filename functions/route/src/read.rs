//! GET: whoever has the schedule answers; best its owner, else any writer, for they read the same database.

use crate::RouteState;
use crate::proxy::Passing;
use crate::writers::Target;
use axum::extract::{Request, State};
use axum::response::Response;
use rota_schedule::{Directory, ProcessId, Refusal};
use rota_wire::{ApiError, PathId, process_parameter};
use std::sync::Arc;

/// The id of a question that is about nothing.
const NOTHING: [u8; 32] = [0; 32];

type Shared<D> = State<Arc<RouteState<D>>>;

/// `GET /?process-id=`: how clients find the URL of a scheduler. They keep the *origin* of the answer and
/// post there, so it may not lead to a server that only reads: such a server's answer is passed on.
pub(crate) async fn address<D: Directory>(
    State(state): Shared<D>,
    request: Request,
) -> Result<Response, ApiError> {
    let (asked, _) = request.into_parts();
    if let Some(reader) = reader(&state) {
        return state.pass(&reader, &asked, Passing::none()).await;
    }
    let to = state.answerer(process_parameter(asked.uri.query())?, NOTHING).await?;
    state.hand(&to, &asked).await
}

/// `GET /timestamp`.
pub(crate) async fn timestamp<D: Directory>(
    State(state): Shared<D>,
    request: Request,
) -> Result<Response, ApiError> {
    question(&state, NOTHING, request).await
}

/// Every other GET: the path names a process, a message or an assignment.
pub(crate) async fn by_id<D: Directory>(
    State(state): Shared<D>,
    PathId(id): PathId,
    request: Request,
) -> Result<Response, ApiError> {
    question(&state, id, request).await
}

async fn question<D: Directory>(
    state: &RouteState<D>,
    id: [u8; 32],
    request: Request,
) -> Result<Response, ApiError> {
    let (asked, _) = request.into_parts();
    let to = match reader(state) {
        Some(reader) => reader,
        None => state.answerer(process_parameter(asked.uri.query())?, id).await?,
    };
    state.hand(&to, &asked).await
}

fn reader<D: Directory>(state: &RouteState<D>) -> Option<Target> {
    let origin = state.config.read_url.clone()?;
    Some(Target { writer: None, origin })
}

impl<D: Directory> RouteState<D> {
    /// Who answers a question about `process`, or if it names none about `id`, which may be a process.
    ///
    /// # Errors
    /// A process that was named is unknown, or nobody is there.
    async fn answerer(&self, process: Option<ProcessId>, id: [u8; 32]) -> Result<Target, ApiError> {
        self.ready().await?;
        let subject = process.unwrap_or(ProcessId::new(id));
        let owner = if process.is_none() && id == NOTHING {
            None
        } else {
            match (self.owner(subject).await, process) {
                (Ok(None), Some(process)) => return Err(Refusal::ProcessUnknown(process).into()),
                (Ok(owner), _) => owner,
                // Whose process it is does not matter much for reading it.
                (Err(_), _) => None,
            }
        };
        let living = owner.and_then(|owner| self.writers.target(&owner));
        let target = living.or_else(|| self.writers.any(subject.as_bytes()));
        target.ok_or(ApiError::Upstream("every writer"))
    }
}
