//! A router on loopback, its directory, its writers, and a client that follows nothing.

use crate::memory::Memory;
use crate::writer::{Writer, serve};
use axum::body::{Body, to_bytes};
use axum::http::{Request, Response};
use bytes::Bytes;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use prometheus_client::registry::Registry;
use rota_ans104::Item;
use rota_route::{RouteConfig, RouteMetrics, RouteState, router};
use rota_schedule::ProcessId;
use rota_service::{ByteSize, Env, HttpMetrics, Stop, layers};
use rota_testkit::Answer;
use rota_wire::ApiError;
use std::sync::Arc;

/// The most bytes of a body that the router takes, unless the test says otherwise.
const BODY_MAX: ByteSize = ByteSize(16 << 20);

/// A router with everything around it.
pub(crate) struct Site {
    pub(crate) url: String,
    pub(crate) directory: Memory,
    pub(crate) writers: Vec<Writer>,
    pub(crate) client: Client<HttpConnector, Body>,
    stop: Stop,
}

impl Site {
    /// A router with these settings before three writers with leases, w0 to w2.
    pub(crate) async fn start(settings: &[(&str, &str)]) -> Self {
        let names = ["w0", "w1", "w2"];
        let writers: Vec<_> = names.iter().map(|name| Writer::start(name)).collect();
        let directory = Memory::default();
        for (name, writer) in names.iter().zip(&writers) {
            directory.add(name, &writer.url, true);
        }
        Self::over(directory, writers, settings)
    }

    /// A router before the writers of a directory.
    pub(crate) fn over(directory: Memory, writers: Vec<Writer>, settings: &[(&str, &str)]) -> Self {
        let mut env = Env::from_pairs(settings.iter().copied());
        let config = RouteConfig::read(&mut env, BODY_MAX).unwrap();
        let state = RouteState::new(directory.clone(), config, RouteMetrics::default());
        let http = HttpMetrics::register(&mut Registry::default());
        let app = router(Arc::new(state))
            .fallback(async || ApiError::NoRoute)
            .method_not_allowed_fallback(async || ApiError::Method);
        let (url, stop) = serve(layers::apply(app, &http));
        let client =
            Client::builder(TokioExecutor::new()).pool_max_idle_per_host(0).build_http::<Body>();
        Self { url, directory, writers, client, stop }
    }

    /// Sends a request; the head of its answer.
    pub(crate) async fn head(
        &self,
        method: &str,
        target: &str,
        headers: &[(&str, &str)],
        body: impl Into<Body>,
    ) -> Response<Body> {
        let request = Request::builder().method(method).uri(format!("{}{target}", self.url));
        let fields = headers.iter();
        let request = fields.fold(request, |request, (name, value)| request.header(*name, *value));
        let request = request.body(body.into()).unwrap();
        self.client.request(request).await.unwrap().map(Body::new)
    }

    /// Sends a request and reads its answer.
    pub(crate) async fn send(
        &self,
        method: &str,
        target: &str,
        headers: &[(&str, &str)],
        body: impl Into<Body>,
    ) -> Answer {
        whole(self.head(method, target, headers, body).await).await
    }

    /// GET.
    pub(crate) async fn get(&self, target: &str) -> Answer {
        self.send("GET", target, &[], Body::empty()).await
    }

    /// POST of an item.
    pub(crate) async fn post(&self, item: &Item) -> Answer {
        self.send("POST", "/", &[], item.bytes().clone()).await
    }

    /// A process that is bound to a writer.
    pub(crate) fn process_of(&self, writer: &str) -> ProcessId {
        let process = rota_testkit::spawn().sign().id().into();
        self.directory.set_owner(process, writer);
        process
    }

    /// The name of the writer that an answer points to, or comes from.
    #[track_caller]
    pub(crate) fn named(&self, answer: &Answer) -> usize {
        let location = answer.header("location").unwrap_or_else(|| panic!("{}", answer.text()));
        let named = self.writers.iter().position(|writer| location.starts_with(&writer.url));
        named.unwrap_or_else(|| panic!("{location} is no writer's"))
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        self.stop.trigger();
    }
}

/// An answer, read whole.
pub(crate) async fn whole(answer: Response<Body>) -> Answer {
    let (parts, body) = answer.into_parts();
    let body: Bytes = to_bytes(body, usize::MAX).await.unwrap();
    Answer { status: parts.status.as_u16(), headers: parts.headers, body }
}
