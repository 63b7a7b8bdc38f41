//! Passing a request on and its answer back, both as they come.
//!
//! Nothing is held beyond a chunk in each direction: whoever reads slowly slows down whoever writes. A
//! failure says what is known of the request's fate, because a write whose answer is lost may have happened.

mod answer;
mod body;
mod headers;

pub(crate) use body::{Fault, Passing};

use crate::writers::Target;
use answer::Answering;
use axum::body::Body;
use axum::http::{Request, Response, request, uri};
use body::Fate;
use hyper::body::Incoming;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::{Client, Error as ClientError, ResponseFuture};
use hyper_util::rt::{TokioExecutor, TokioTimer};
use rota_service::trace::{self, Outgoing, TRACEPARENT};
use std::io;
use std::time::Duration;
use tokio::sync::OnceCell;
use tokio::time::{sleep, timeout};

/// How long a connection may take.
const CONNECT_MAX: Duration = Duration::from_secs(2);
/// How long a connection is kept for the next request: less than servers of rota keep it.
const IDLE_MAX: Duration = Duration::from_secs(5);
/// Connections to one server that are kept so.
const IDLE_CONNECTIONS_MAX: usize = 64;
/// The most bytes of an answer's head; also the most that is read, or waits to be written, at once.
const BUFFER_BYTES_MAX: usize = 64 << 10;
/// `ENFILE` and `EMFILE` of Linux.
const OUT_OF_FILES: [i32; 2] = [23, 24];
/// The longest time for sending a body on, as writers have it.
const BODY_TIME_MAX: Duration = Duration::from_secs(60);

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PassError {
    /// Path and query are too long to be asked there.
    #[error("path and query are too long")]
    TooLong(#[source] uri::InvalidUri),
    /// It has come back to where it was: the addresses of servers lead to routers.
    #[error("the request goes in circles")]
    Circle,
    /// Nothing was sent.
    #[error("no connection")]
    Unreachable(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// Nothing was sent: this process has no file left to open for a connection.
    #[error("no file is left to open")]
    NoFiles(#[source] ClientError),
    /// The client's body cannot be passed on.
    #[error("the body is at fault")]
    Body(Fault),
    /// The connection broke, or what came was no HTTP.
    #[error("no answer")]
    Broken(#[source] ClientError),
    /// Nothing came in time.
    #[error("no answer in time")]
    Late,
}

type Plain = Client<HttpConnector, Passing>;
type Tls = Client<HttpsConnector<HttpConnector>, Passing>;

/// A client of writers and of the read function.
pub(crate) struct Proxy {
    plain: Plain,
    /// Made when it is first needed: it reads the system's certificates.
    tls: OnceCell<Tls>,
    answer_max: Duration,
}

impl Proxy {
    /// A client that waits so long for answers.
    pub(crate) fn new(answer_max: Duration) -> Self {
        let plain = builder().build(connector());
        Self { plain, tls: OnceCell::new(), answer_max }
    }

    /// Passes a request on with another body, and its answer back once the head of it is there.
    pub(crate) async fn pass(
        &self,
        to: &Target,
        asked: &request::Parts,
        body: Passing,
    ) -> Result<Response<Body>, PassError> {
        if headers::goes_in_circles(&asked.headers) {
            return Err(PassError::Circle);
        }
        let fate = body.fate();
        let mut request = Request::new(body);
        *request.method_mut() = asked.method.clone();
        *request.uri_mut() = to.origin.uri(&asked.uri).map_err(PassError::TooLong)?;
        *request.headers_mut() = headers::of_request(asked.headers.clone());
        let call = trace::outgoing("proxy");
        if let Some(parent) = call.as_ref().and_then(Outgoing::header) {
            request.headers_mut().insert(TRACEPARENT, parent);
        }
        let answer = if to.origin.is_tls() {
            self.tls().await?.request(request)
        } else {
            self.plain.request(request)
        };
        let answer = self.in_time(answer, &fate).await;
        if let Some(call) = call {
            call.end(answer.is_err(), || vec![("server.address", to.origin.to_string().into())]);
        }
        let mut answer = answer?;
        headers::of_answer(answer.headers_mut());
        Ok(answer.map(|body| Body::new(Answering::new(body))))
    }

    async fn in_time(
        &self,
        answer: ResponseFuture,
        fate: &Fate,
    ) -> Result<Response<Incoming>, PassError> {
        let late = async {
            // A body that is not over by then is stuck, here or there.
            let _ = timeout(BODY_TIME_MAX, fate.over()).await;
            sleep(self.answer_max).await;
        };
        let outcome = tokio::select! {
            outcome = answer => outcome.map_err(failure),
            () = late => Err(fate.stalled().map_or(PassError::Late, PassError::Body)),
        };
        // What the client does to its body shows as a failure of the connection there.
        outcome.map_err(|error| fate.fault().map_or(error, PassError::Body))
    }

    async fn tls(&self) -> Result<&Tls, PassError> {
        let made = self.tls.get_or_try_init(async || secure()).await;
        made.map_err(|error| PassError::Unreachable(Box::new(error)))
    }
}

fn failure(error: ClientError) -> PassError {
    if is_out_of_files(&error) {
        PassError::NoFiles(error)
    } else if error.is_connect() {
        PassError::Unreachable(Box::new(error))
    } else {
        PassError::Broken(error)
    }
}

/// `EMFILE` or `ENFILE`: that is no fault of the other server.
fn is_out_of_files(error: &ClientError) -> bool {
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(error) = cause {
        let io = error.downcast_ref::<io::Error>();
        if io.and_then(io::Error::raw_os_error).is_some_and(|code| OUT_OF_FILES.contains(&code)) {
            return true;
        }
        cause = error.source();
    }
    false
}

fn builder() -> hyper_util::client::legacy::Builder {
    let mut builder = Client::builder(TokioExecutor::new());
    builder
        .timer(TokioTimer::new())
        .pool_timer(TokioTimer::new())
        .pool_idle_timeout(IDLE_MAX)
        .pool_max_idle_per_host(IDLE_CONNECTIONS_MAX)
        .http1_max_buf_size(BUFFER_BYTES_MAX);
    builder
}

fn connector() -> HttpConnector {
    let mut connector = HttpConnector::new();
    connector.set_nodelay(true);
    connector.set_connect_timeout(Some(CONNECT_MAX));
    connector
}

fn secure() -> io::Result<Tls> {
    let mut connector = connector();
    connector.enforce_http(false);
    let provider = rustls::crypto::ring::default_provider();
    let connector = HttpsConnectorBuilder::new()
        .with_provider_and_native_roots(provider)?
        .https_only()
        .enable_http1()
        .wrap_connector(connector);
    Ok(builder().build(connector))
}
