//! `POST /`: to the writer of the process that the item is for.

use crate::peek::{BODY_STALL_MAX, Kind, Peeked, peek};
use crate::proxy::Passing;
use crate::state::point;
use crate::writers::Target;
use crate::{RouteMode, RouteState};
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, header, request};
use axum::response::Response;
use bytes::Bytes;
use http_body::Body as _;
use rota_ans104::{Address, Item};
use rota_schedule::{Candidate, Directory, ProcessId, WriterName};
use rota_service::{BodyError, BodyLimits, Peer, read_body, trace};
use rota_wire::{ApiError, Submission};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// A spawn that is not whole after this long is given up.
const SPAWN_TIME_MAX: Duration = Duration::from_secs(60);

/// What is posted, as far as it has to be told apart.
pub(crate) async fn submit<D: Directory>(
    State(state): State<Arc<RouteState<D>>>,
    request: Request,
) -> Result<Response, ApiError> {
    let (asked, body) = request.into_parts();
    match Submission::from_query(asked.uri.query())? {
        Submission::Assign { process, .. } => state.assign(process, &asked).await,
        Submission::Item => state.item(&asked, body).await,
    }
}

impl<D: Directory> RouteState<D> {
    /// Always passed on: an MU takes a 307 here for a failure (contract §4). The body does not matter.
    async fn assign(
        &self,
        process: ProcessId,
        asked: &request::Parts,
    ) -> Result<Response, ApiError> {
        let to = self.owner_target(process).await?;
        self.deliver(process, &to, asked, Passing::none(), Some(Bytes::new())).await
    }

    async fn item(&self, asked: &request::Parts, body: Body) -> Result<Response, ApiError> {
        let Peeked { kind, first, rest } = peek(body).await?;
        match kind {
            Kind::Message(process) => {
                let to = self.owner_target(process).await?;
                self.post(process, &to, asked, first, rest).await
            }
            Kind::Spawn(process) => {
                self.ready().await?;
                match self.owner(process).await? {
                    Some(owner) => {
                        let to = self.living(&owner)?;
                        self.post(process, &to, asked, first, rest).await
                    }
                    None => self.spawn(process, asked, Passing::new(first, rest, u64::MAX)).await,
                }
            }
        }
    }

    /// Hands an item of which only the head was read to its writer.
    async fn post(
        &self,
        process: ProcessId,
        to: &Target,
        asked: &request::Parts,
        first: Bytes,
        rest: Body,
    ) -> Result<Response, ApiError> {
        if announced(&asked.headers).is_some_and(|bytes| bytes > self.config.body_max) {
            return Err(self.too_large(to));
        }
        if self.config.mode == RouteMode::Redirect {
            return point(to, asked);
        }
        // What was read so far can be sent again if it is all there is.
        let again = rest.is_end_stream().then(|| first.clone());
        let body = Passing::new(first, rest, self.config.body_max);
        self.deliver(process, to, asked, body, again).await
    }

    /// Verifies a spawn, binds its process to a writer, and hands it there.
    async fn spawn(
        &self,
        process: ProcessId,
        asked: &request::Parts,
        body: Passing,
    ) -> Result<Response, ApiError> {
        let bytes_max = usize::try_from(self.config.body_max).unwrap_or(usize::MAX);
        let limits = BodyLimits { bytes_max, stall: BODY_STALL_MAX, total: SPAWN_TIME_MAX };
        let (length, peer) = (announced(&asked.headers), asked.extensions.get::<Peer>().copied());
        let read = read_body(Body::new(body), length, limits, &self.spawns, peer).await;
        let bytes = read.map_err(|error| self.unread(&error))?;
        let wallet = self.verified(bytes.clone()).await?;
        let owner = self.bind(process, wallet).await?;
        let to = self.living(&owner)?;
        if self.config.mode == RouteMode::Redirect {
            return point(&to, asked);
        }
        let body = Passing::whole(bytes.clone());
        self.deliver(process, &to, asked, body, Some(bytes)).await
    }

    /// Checks a spawn by itself, off the async threads; gives the address of the wallet that signed it.
    async fn verified(&self, bytes: Bytes) -> Result<Address, ApiError> {
        let turn = Arc::clone(&self.verifiers).acquire_owned().await;
        let Ok(turn) = turn else { return Err(ApiError::Internal) };
        let work = tokio::task::spawn_blocking(move || {
            // Held to the end of the work, which goes on when the client is gone.
            let _turn = turn;
            let item = Item::parse_new(bytes).map_err(|error| ApiError::Item(error.to_string()))?;
            let verified = item.verify().map_err(|error| ApiError::Item(error.to_string()))?;
            let wallet = verified.item().owner_address();
            Candidate::of(verified, false)?;
            Ok(wallet)
        });
        work.await.unwrap_or_else(|error| {
            tracing::error!(%error, "verifying a spawn did not come to an end");
            Err(ApiError::Internal)
        })
    }

    /// Binds a process, if it is bound to nobody, to the writer that placement chooses.
    async fn bind(&self, process: ProcessId, wallet: Address) -> Result<WriterName, ApiError> {
        let nobody = ApiError::NotAccepting("no writer takes new processes");
        let chosen = self.writers.place(wallet).ok_or(nobody)?;
        let since = Instant::now();
        let bound = self.directory.bind(process, &chosen).await;
        trace::leaf(trace::current(), "bind", since, || {
            vec![("process.id", process.to_string().into())]
        });
        let owner = bound.map_err(|error| self.failed(&error))?;
        self.metrics.bound();
        self.owners.put(process, Some(owner.clone()));
        Ok(owner)
    }

    /// What a client is told whose spawn could not be read.
    fn unread(&self, error: &BodyError) -> ApiError {
        match error {
            BodyError::TooLarge { .. } => {
                let any = self.writers.any(&[0; 32]);
                let max = self.config.body_max;
                any.map_or(ApiError::TooLarge { max }, |to| self.too_large(&to))
            }
            BodyError::Stalled => ApiError::Body("it was sent too slowly"),
            BodyError::Broken(_) => ApiError::Body("the connection broke"),
            BodyError::NoRoom => ApiError::Busy("too many bytes of spawns are in flight here"),
            BodyError::PeerFull => {
                ApiError::Busy("too many bytes of spawns from your address are in flight here")
            }
        }
    }
}

/// The length that a body is announced with.
fn announced(headers: &HeaderMap) -> Option<u64> {
    headers.get(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}
