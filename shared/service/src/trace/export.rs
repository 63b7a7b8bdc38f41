//! Brings spans to a collector (OTLP/HTTP), beside everything else.
//!
//! Whoever has a span puts it into a bounded queue and goes on. One task takes batches out and sends them; a
//! batch that the collector does not take is dropped, and then it is left alone for a moment. What is dropped
//! is counted.

use super::otlp;
use super::settings::{Sampler, TraceSettings};
use super::span::Span;
use axum::http::{HeaderMap, HeaderValue, Request, StatusCode, header};
use http_body_util::Full;
use hyper::body::Bytes;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::Value as Json;
use std::error::Error;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, sleep, timeout, timeout_at};

/// Spans that wait; the next one is dropped. About 400 bytes each.
const SPANS_WAITING_MAX: usize = 8_192;
/// Spans that are sent together.
const BATCH_SPANS_MAX: usize = 512;
/// How long the first span of a batch waits for others.
const BATCH_WAIT_MAX: Duration = Duration::from_secs(1);
/// How long a collector may take.
const SEND_MAX: Duration = Duration::from_secs(5);
/// For how long it is left alone after it did not take a batch.
const REST: Duration = Duration::from_secs(1);
/// For how long nobody waits for it ([`flush`]) after somebody waited in vain.
const FLUSH_REST: Duration = Duration::from_secs(5);

static EXPORTER: OnceLock<Exporter> = OnceLock::new();
static DROPPED: AtomicU64 = AtomicU64::new(0);

struct Exporter {
    sampler: Sampler,
    queue: mpsc::Sender<Message>,
    /// Nobody waits before.
    flushes_from: Mutex<Option<Instant>>,
}

enum Message {
    Span(Box<Span>),
    /// To be told when everything before it is sent, or dropped.
    Flush(oneshot::Sender<()>),
}

/// Begins to export, if there is a collector; once a process, within a runtime.
///
/// # Errors
/// The system's certificates cannot be read, which an `https` collector needs.
pub fn init(settings: &TraceSettings) -> io::Result<()> {
    let Some(collector) = Collector::new(settings)? else { return Ok(()) };
    let (queue, waiting) = mpsc::channel(SPANS_WAITING_MAX);
    if EXPORTER.set(Exporter::new(settings.sampler, queue)).is_ok() {
        tokio::spawn(work(waiting, collector));
    }
    Ok(())
}

/// Whether a trace is recorded; `None` if nothing is exported here.
pub(super) fn samples(trace: u128, parent: Option<bool>) -> Option<bool> {
    EXPORTER.get().map(|exporter| exporter.sampler.samples(trace, parent))
}

/// Takes a span that is over. Never waits.
pub(super) fn put(span: Span) {
    let Some(exporter) = EXPORTER.get() else { return };
    if !exporter.put(span) {
        DROPPED.fetch_add(1, Ordering::Relaxed);
    }
}

impl Exporter {
    fn new(sampler: Sampler, queue: mpsc::Sender<Message>) -> Self {
        Self { sampler, queue, flushes_from: Mutex::default() }
    }

    /// False if there is no room.
    fn put(&self, span: Span) -> bool {
        self.queue.try_send(Message::Span(Box::new(span))).is_ok()
    }

    async fn flush(&self, max: Duration) {
        let flushes_from = || self.flushes_from.lock().unwrap_or_else(PoisonError::into_inner);
        if flushes_from().is_some_and(|from| Instant::now() < from) {
            return;
        }
        let flushed = async {
            let (done, flushed) = oneshot::channel();
            if self.queue.send(Message::Flush(done)).await.is_ok() {
                let _ = flushed.await; // without an answer there is nobody left to wait for
            }
        };
        if timeout(max, flushed).await.is_err() {
            *flushes_from() = Some(Instant::now() + FLUSH_REST);
            tracing::debug!("the collector takes its time: spans stay for later");
        }
    }
}

/// Spans that were not exported: the queue was full, or the collector did not take them.
#[must_use]
pub fn dropped() -> u64 {
    DROPPED.load(Ordering::Relaxed)
}

/// Waits until everything so far is sent or dropped, at most for `max`. At once if nothing is exported, and
/// for a while after it waited in vain: a Lambda, which waits after each event, would do little else.
pub async fn flush(max: Duration) {
    if let Some(exporter) = EXPORTER.get() {
        exporter.flush(max).await;
    }
}

async fn work(mut waiting: mpsc::Receiver<Message>, collector: Collector) {
    let mut is_well = true;
    loop {
        let mut batch = Batch::default();
        if !batch.fill(&mut waiting).await {
            return;
        }
        if batch.spans.is_empty() {
            continue;
        }
        let outcome = collector.send(&batch.spans).await;
        if let Err(error) = &outcome {
            DROPPED.fetch_add(batch.spans.len() as u64, Ordering::Relaxed);
            if is_well {
                let error = error.as_ref() as &dyn Error;
                tracing::warn!(error, "the collector takes no spans: they are dropped for now");
            }
        } else if !is_well {
            tracing::info!("the collector takes spans again");
        }
        is_well = outcome.is_ok();
        drop(batch); // tells who waits
        if !is_well {
            sleep(REST).await;
        }
    }
}

/// Spans to be sent together, and who waits for that.
#[derive(Default)]
struct Batch {
    spans: Vec<Span>,
    flushes: Vec<oneshot::Sender<()>>,
}

impl Batch {
    /// Takes in what comes until it is full, or time is up, or somebody waits. False if no more can come.
    async fn fill(&mut self, waiting: &mut mpsc::Receiver<Message>) -> bool {
        let Some(first) = waiting.recv().await else { return false };
        self.take(first);
        let until = Instant::now() + BATCH_WAIT_MAX;
        while self.spans.len() < BATCH_SPANS_MAX && self.flushes.is_empty() {
            match timeout_at(until, waiting.recv()).await {
                Ok(Some(message)) => self.take(message),
                Ok(None) | Err(_) => break,
            }
        }
        true
    }

    fn take(&mut self, message: Message) {
        match message {
            Message::Span(span) => self.spans.push(*span),
            Message::Flush(done) => self.flushes.push(done),
        }
    }
}

type Body = Full<Bytes>;

/// Where spans go.
struct Collector {
    client: Sender,
    url: String,
    headers: HeaderMap,
    resource: Json,
}

enum Sender {
    Plain(Client<HttpConnector, Body>),
    Tls(Client<HttpsConnector<HttpConnector>, Body>),
}

/// Why a batch was not taken.
#[derive(Debug, thiserror::Error)]
enum SendError {
    #[error("the collector answers {0}")]
    Refused(StatusCode),
    #[error("the collector does not answer in time")]
    Late,
}

impl Collector {
    fn new(settings: &TraceSettings) -> io::Result<Option<Self>> {
        let Some(url) = &settings.endpoint else { return Ok(None) };
        let mut headers: HeaderMap = settings.headers.iter().cloned().collect();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        let client = if url.scheme() == "https" {
            let provider = rustls::crypto::ring::default_provider();
            let connector = HttpsConnectorBuilder::new()
                .with_provider_and_native_roots(provider)?
                .https_only()
                .enable_http1()
                .build();
            Sender::Tls(Client::builder(TokioExecutor::new()).build(connector))
        } else {
            Sender::Plain(Client::builder(TokioExecutor::new()).build(HttpConnector::new()))
        };
        let (url, resource) = (url.to_string(), otlp::resource(settings));
        Ok(Some(Self { client, url, headers, resource }))
    }

    async fn send(&self, spans: &[Span]) -> Result<(), Box<dyn Error + Send + Sync>> {
        let mut request =
            Request::post(&self.url).body(Body::from(otlp::request(&self.resource, spans)))?;
        request.headers_mut().extend(self.headers.clone());
        let answer = async {
            match &self.client {
                Sender::Plain(client) => client.request(request).await,
                Sender::Tls(client) => client.request(request).await,
            }
        };
        let status = timeout(SEND_MAX, answer).await.map_err(|_| SendError::Late)??.status();
        if status.is_success() { Ok(()) } else { Err(SendError::Refused(status).into()) }
    }
}

#[cfg(test)]
mod tests {
    use super::super::context::{SpanId, TraceId};
    use super::super::span::Side;
    use super::*;
    use crate::config::Env;

    fn span() -> Span {
        Span {
            trace: TraceId(1),
            id: SpanId(2),
            parent: None,
            sampled: true,
            name: "GET /{id}".to_owned(),
            side: Side::Server,
            start_ns: 1,
            end_ns: 2,
            attributes: Vec::new(),
            failed: false,
        }
    }

    fn exporter() -> (Exporter, mpsc::Receiver<Message>) {
        let settings = TraceSettings::read(&mut Env::default(), "test").unwrap();
        let (queue, waiting) = mpsc::channel(SPANS_WAITING_MAX);
        (Exporter::new(settings.sampler, queue), waiting)
    }

    #[test]
    fn what_finds_no_room_is_dropped_and_nobody_waits() {
        let (exporter, _waiting) = exporter();
        let taken = (0..SPANS_WAITING_MAX * 2).filter(|_| exporter.put(span())).count();
        assert_eq!(taken, SPANS_WAITING_MAX);
    }

    #[tokio::test(start_paused = true)]
    async fn who_waited_in_vain_does_not_wait_again_soon() {
        let (exporter, _waiting) = exporter();
        let max = Duration::from_millis(200);
        for (pause, took) in [
            (Duration::ZERO, max),
            (Duration::ZERO, Duration::ZERO),
            (FLUSH_REST / 2, Duration::ZERO),
            (FLUSH_REST / 2, max),
        ] {
            sleep(pause).await;
            let since = Instant::now();
            exporter.flush(max).await;
            assert_eq!(since.elapsed(), took);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_batch_ends_when_it_is_full_when_time_is_up_and_when_somebody_waits() {
        let (exporter, mut waiting) = exporter();
        for _ in 0..BATCH_SPANS_MAX + 3 {
            exporter.put(span());
        }
        let mut full = Batch::default();
        assert!(full.fill(&mut waiting).await);
        assert_eq!(full.spans.len(), BATCH_SPANS_MAX);
        let since = Instant::now();
        let mut timely = Batch::default();
        assert!(timely.fill(&mut waiting).await);
        assert_eq!((timely.spans.len(), since.elapsed()), (3, BATCH_WAIT_MAX));
        exporter.put(span());
        let (done, flushed) = oneshot::channel();
        assert!(exporter.queue.try_send(Message::Flush(done)).is_ok());
        let (mut wanted, since) = (Batch::default(), Instant::now());
        assert!(wanted.fill(&mut waiting).await);
        assert_eq!((wanted.spans.len(), since.elapsed()), (1, Duration::ZERO));
        drop(wanted);
        assert!(flushed.await.is_err(), "it is told by being dropped");
        drop(exporter);
        assert!(!Batch::default().fill(&mut waiting).await, "nobody is left");
    }
}
