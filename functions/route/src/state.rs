//! What a router knows and asks, and how it hands a request to whom it belongs.

use crate::metrics::Source;
use crate::owners::Owners;
use crate::proxy::{Fault, PassError, Passing, Proxy};
use crate::writers::{Target, Writers};
use crate::{RouteConfig, RouteMetrics, RouteMode};
use axum::body::Body;
use axum::http::{HeaderValue, Method, StatusCode, header, request};
use axum::response::{IntoResponse as _, Response};
use rota_schedule::{Directory, DirectoryError, ProcessId, Refusal, WriterName};
use rota_service::{BodyBudget, Stop, trace};
use rota_wire::{ApiError, QueryError};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::Semaphore;
use tokio::time::interval;

/// Bytes of small spawns that are held at once: each is read whole, because its signature covers all of it.
const SMALL_SPAWNS_BYTES_MAX: usize = 32 << 20;
/// Bytes of large spawns that are held at once; more where bodies may be so large.
const LARGE_SPAWNS_BYTES_MAX: usize = 128 << 20;
/// Signatures that are verified at once, unless the machine says how many processors it has.
const VERIFIERS_FALLBACK: usize = 2;
/// How long the owner of a process is believed if that writer shows no sign of life.
const SILENT_AGE_MAX: Duration = Duration::from_secs(1);
/// How often a router that runs all the time looks at the list of writers.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// How old the list of writers may be in a healthy router.
const HEALTHY_AGE_MAX: Duration = Duration::from_secs(10);

/// A router's state, over its directory.
pub struct RouteState<D> {
    pub(crate) directory: D,
    pub(crate) config: RouteConfig,
    pub(crate) writers: Writers,
    pub(crate) owners: Owners,
    pub(crate) proxy: Proxy,
    pub(crate) spawns: BodyBudget,
    pub(crate) verifiers: Arc<Semaphore>,
    pub(crate) metrics: RouteMetrics,
}

/// Room for spawns: of two of the largest at least, since one peer gets half of it.
fn spawns(body_max: u64) -> BodyBudget {
    let body = usize::try_from(body_max).unwrap_or(usize::MAX);
    BodyBudget::new(SMALL_SPAWNS_BYTES_MAX, LARGE_SPAWNS_BYTES_MAX.max(body.saturating_mul(2)))
}

impl<D: Directory> RouteState<D> {
    /// A router that has asked nobody yet.
    pub fn new(directory: D, config: RouteConfig, metrics: RouteMetrics) -> Self {
        let cpus = std::thread::available_parallelism().map_or(VERIFIERS_FALLBACK, usize::from);
        Self {
            directory,
            writers: Writers::default(),
            owners: Owners::default(),
            proxy: Proxy::new(config.answer_max),
            spawns: spawns(config.body_max),
            config,
            verifiers: Arc::new(Semaphore::new(cpus)),
            metrics,
        }
    }

    /// Keeps the list of writers fresh until `stop`, so that no request waits for it. Without this it is
    /// asked for when a request needs it.
    pub async fn keep_fresh(self: Arc<Self>, stop: Stop) {
        let looking = async {
            let mut ticks = interval(LOOK_EVERY);
            loop {
                ticks.tick().await;
                self.writers.refresh(&self.directory, &self.metrics).await;
            }
        };
        tokio::select! {
            () = looking => {}
            () = stop.wait() => {}
        }
    }

    /// Whether the directory answered lately.
    ///
    /// # Errors
    /// It did not.
    pub(crate) async fn health(&self) -> Result<(), ApiError> {
        self.ready().await?;
        let healthy = self.writers.age().is_some_and(|age| age < HEALTHY_AGE_MAX);
        if healthy { Ok(()) } else { Err(ApiError::Upstream("the directory")) }
    }

    /// Makes sure that the writers are known.
    ///
    /// # Errors
    /// They are not, and the directory does not answer.
    pub(crate) async fn ready(&self) -> Result<(), ApiError> {
        self.writers.ready(&self.directory, &self.metrics).await
    }

    /// The writer that a process is bound to, `None` if it is bound to none.
    ///
    /// # Errors
    /// It is not known, and the directory does not answer.
    pub(crate) async fn owner(&self, process: ProcessId) -> Result<Option<WriterName>, ApiError> {
        self.owner_as_of(process, self.config.owner_age_max).await
    }

    /// The same; what was found out is believed for `age_max`.
    async fn owner_as_of(
        &self,
        process: ProcessId,
        age_max: Duration,
    ) -> Result<Option<WriterName>, ApiError> {
        let known = self.owners.get(&process);
        if let Some(known) = &known
            && known.is_fresh(age_max)
        {
            self.metrics.looked_up(Source::Cache);
            return Ok(known.owner.clone());
        }
        let since = Instant::now();
        let asked = self.directory.owner(process).await;
        trace::leaf(trace::current(), "directory", since, || {
            vec![("process.id", process.to_string().into())]
        });
        match asked {
            Ok(owner) => {
                self.metrics.looked_up(Source::Directory);
                self.owners.put(process, owner.clone());
                Ok(owner)
            }
            Err(error) => {
                let error = self.failed(&error);
                // If it has moved since, its old writer knows.
                let owner = known.and_then(|known| known.owner).ok_or(error)?;
                self.metrics.looked_up(Source::Stale);
                Ok(Some(owner))
            }
        }
    }

    /// The writer of a process, which must have one that is there.
    ///
    /// # Errors
    /// The process is unknown, or its writer shows no sign of life.
    pub(crate) async fn owner_target(&self, process: ProcessId) -> Result<Target, ApiError> {
        self.ready().await?;
        let unknown = Refusal::ProcessUnknown(process);
        let owner = self.owner(process).await?.ok_or_else(|| unknown.clone())?;
        if let Some(target) = self.writers.target(&owner) {
            return Ok(target);
        }
        // Its processes may have been moved before it went.
        let owner = self.owner_as_of(process, SILENT_AGE_MAX).await?.ok_or(unknown)?;
        self.living(&owner)
    }

    /// Where a writer listens, if it shows signs of life.
    pub(crate) fn living(&self, writer: &WriterName) -> Result<Target, ApiError> {
        let target = self.writers.target(writer);
        target.ok_or_else(|| {
            self.metrics.silent();
            ApiError::WriterSilent(writer.to_string())
        })
    }

    /// Notes that the directory failed, and says so as clients are told.
    pub(crate) fn failed(&self, error: &DirectoryError) -> ApiError {
        self.metrics.directory_failed();
        tracing::warn!(error = error as &dyn std::error::Error, "the directory did not answer");
        match error {
            DirectoryError::Unavailable(_) => ApiError::Upstream("the directory"),
            DirectoryError::Damaged(_) | DirectoryError::NoWriter(_) => ApiError::Internal,
        }
    }

    /// Hands a request without a body to a server in the way that this router does.
    pub(crate) async fn hand(
        &self,
        to: &Target,
        asked: &request::Parts,
    ) -> Result<Response, ApiError> {
        match self.config.mode {
            RouteMode::Redirect => point(to, asked),
            RouteMode::Proxy => self.ask(to, asked).await,
        }
    }

    /// Passes a request on.
    pub(crate) async fn pass(
        &self,
        to: &Target,
        asked: &request::Parts,
        body: Passing,
    ) -> Result<Response, ApiError> {
        let passed = self.proxy.pass(to, asked, body).await;
        passed.map_err(|error| self.not_passed(to, &asked.method, &error))
    }

    /// What a client is told of a request that could not be passed on.
    fn not_passed(&self, to: &Target, method: &Method, error: &PassError) -> ApiError {
        let title = to.title();
        let (why, told) = match error {
            PassError::TooLong(_) => return QueryError::NotAnId("the path").into(),
            PassError::Body(Fault::TooLarge) => return self.too_large(to),
            PassError::Body(Fault::Stalled) => return ApiError::Body("it was sent too slowly"),
            PassError::Body(Fault::Broken) => return ApiError::Body("the connection broke"),
            PassError::Circle => ("circle", ApiError::BadGateway(title)),
            PassError::NoFiles(_) => {
                ("no_files", ApiError::Busy("too many connections are open at this router"))
            }
            PassError::Unreachable(_) => {
                if let Some(writer) = &to.writer {
                    self.writers.suspect(writer);
                }
                ("unreachable", ApiError::BadGateway(title))
            }
            PassError::Broken(_) if method == Method::POST => {
                ("broken", ApiError::OutcomeUnknownThere(title))
            }
            PassError::Late if method == Method::POST => {
                ("late", ApiError::OutcomeUnknownThere(title))
            }
            PassError::Broken(_) => ("broken", ApiError::BadGateway(title)),
            PassError::Late => ("late", ApiError::GatewayTimeout(title)),
        };
        self.metrics.upstream_failed(why);
        tracing::warn!(
            error = error as &dyn std::error::Error,
            url = %to.origin,
            "a request that was passed on was not answered"
        );
        told
    }

    /// Where to post what is too large for this address.
    pub(crate) fn too_large(&self, to: &Target) -> ApiError {
        ApiError::TooLargeHere { max: self.config.body_max, url: to.origin.to_string() }
    }
}

/// Tells the client where to send its request: the same path and query, there. For this once: the next
/// request may belong elsewhere.
pub(crate) fn point(to: &Target, asked: &request::Parts) -> Result<Response, ApiError> {
    let location = to.origin.location(&asked.uri).ok_or(QueryError::NotAnId("the path"))?;
    let never = HeaderValue::from_static("no-store");
    let fields = [(header::LOCATION, location), (header::CACHE_CONTROL, never)];
    Ok((StatusCode::TEMPORARY_REDIRECT, fields, Body::empty()).into_response())
}
