//! GET: whoever has the schedule answers; best its owner, else any writer, for they read the same database.

use crate::writers::Target;
use crate::{RouteMode, RouteState, origin};
use axum::extract::{Request, State};
use axum::http::request;
use axum::response::Response;
use rota_schedule::{Directory, ProcessId, Refusal};
use rota_wire::{ApiError, PathId, process_parameter};
use std::sync::Arc;

type Shared<D> = State<Arc<RouteState<D>>>;

/// What a question is about.
#[derive(Clone, Copy)]
enum Subject {
    /// A process, named as one.
    Process(ProcessId),
    /// A process, a message or an assignment.
    Id([u8; 32]),
    /// Nothing that would belong to anybody.
    Nothing,
}

impl Subject {
    /// The process that the query names, else what the path is about.
    fn of(asked: &request::Parts, path: Self) -> Result<Self, ApiError> {
        Ok(process_parameter(asked.uri.query())?.map_or(path, Self::Process))
    }
}

/// `GET /?process-id=`: how clients find the URL of a scheduler. They keep the *origin* of the answer for a
/// day and post there, so it is the owner's or ours: what a server that only reads says, or another writer,
/// is passed on.
pub(crate) async fn address<D: Directory>(
    State(state): Shared<D>,
    request: Request,
) -> Result<Response, ApiError> {
    let (asked, _) = request.into_parts();
    if let Some(reader) = reader(&state) {
        return state.ask(&reader, &asked).await;
    }
    let subject = Subject::of(&asked, Subject::Nothing)?;
    if let Subject::Process(process) = subject
        && let Ok(owner) = state.owner_target(process).await
    {
        return state.hand(&owner, &asked).await;
    }
    let to = state.answerer(subject).await?;
    state.ask(&to, &asked).await
}

/// What is about no process: `GET /timestamp`, the explorer (which then asks whoever served it, so that its
/// policy holds: nothing but its own server) and the description of the contract.
pub(crate) async fn general<D: Directory>(
    State(state): Shared<D>,
    request: Request,
) -> Result<Response, ApiError> {
    question(&state, Subject::Nothing, request).await
}

/// Every other GET: the path names a process, a message or an assignment.
pub(crate) async fn by_id<D: Directory>(
    State(state): Shared<D>,
    PathId(id): PathId,
    request: Request,
) -> Result<Response, ApiError> {
    question(&state, Subject::Id(id), request).await
}

async fn question<D: Directory>(
    state: &RouteState<D>,
    path: Subject,
    request: Request,
) -> Result<Response, ApiError> {
    let (mut asked, _) = request.into_parts();
    let to = match reader(state) {
        Some(reader) => reader,
        None => state.answerer(Subject::of(&asked, path)?).await?,
    };
    if let (Some(max), RouteMode::Proxy) = (state.config.page_bytes_max, state.config.mode) {
        asked.uri = origin::with_bytes_max(&asked.uri, max);
    }
    state.hand(&to, &asked).await
}

fn reader<D: Directory>(state: &RouteState<D>) -> Option<Target> {
    let origin = state.config.read_url.clone()?;
    Some(Target { writer: None, origin })
}

impl<D: Directory> RouteState<D> {
    /// Who answers a question: the owner of the process if it is there, else anybody.
    ///
    /// # Errors
    /// A process that was named is unknown, or nobody is there.
    async fn answerer(&self, subject: Subject) -> Result<Target, ApiError> {
        self.ready().await?;
        let id = match subject {
            Subject::Process(process) => *process.as_bytes(),
            Subject::Id(id) => id,
            Subject::Nothing => return self.anybody(&[0; 32]),
        };
        // If the directory does not tell: whose process it is matters little for reading it.
        let owner = self.owner(ProcessId::new(id)).await;
        if let (Subject::Process(process), Ok(None)) = (subject, &owner) {
            return Err(Refusal::ProcessUnknown(process).into());
        }
        let owner = owner.ok().flatten().and_then(|owner| self.writers.target(&owner));
        owner.map_or_else(|| self.anybody(&id), Ok)
    }

    /// A writer that is there, the same one for the same id.
    fn anybody(&self, id: &[u8; 32]) -> Result<Target, ApiError> {
        self.writers.any(id).ok_or(ApiError::Upstream("every writer"))
    }
}
