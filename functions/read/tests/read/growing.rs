//! A router over a model whose schedules grow when the test says so, and which counts what it is asked.

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{HeaderMap, Request, StatusCode};
use bytes::Bytes;
use rota_read::ReadState;
use rota_schedule::{
    Entry, Found, PAGE_BYTES_MAX, PageQuery, ProcessId, ReadError, ScheduleReader, SchedulerInfo,
    SystemClock,
};
use rota_testkit::{Model, Schedule, user};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, RwLock};
use tower::ServiceExt as _;

/// Clones share schedules and counters.
#[derive(Clone)]
pub(crate) struct Growing {
    fault: Arc<RwLock<Option<Fault>>>,
    whole: Arc<Vec<Schedule>>,
    shown: Arc<RwLock<Model>>,
    heads: Arc<AtomicUsize>,
    others: Arc<AtomicUsize>,
}

/// What a store does instead of answering.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Fault {
    Unavailable,
    Hang,
    Panic,
}

/// How often a store was asked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Asked {
    pub(crate) heads: usize,
    pub(crate) others: usize,
}

/// An answer, read whole.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Answer {
    /// A header's text, empty if it is absent.
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    pub(crate) fn is_for_ever(&self) -> bool {
        self.header("cache-control").contains("immutable")
    }
}

impl Growing {
    /// Shows the first `count` entries of each schedule.
    pub(crate) fn new(whole: Vec<Schedule>, count: usize) -> Self {
        Self {
            fault: Arc::default(),
            shown: Arc::new(RwLock::new(model(&whole, count))),
            whole: Arc::new(whole),
            heads: Arc::default(),
            others: Arc::default(),
        }
    }

    /// From now on does this instead of answering.
    pub(crate) fn fail(&self, fault: Fault) {
        *self.fault.write().unwrap() = Some(fault);
    }

    /// What a router answers from.
    pub(crate) fn state(&self) -> Arc<ReadState<Self>> {
        let (reader, clock) = (self.clone(), Arc::new(SystemClock));
        Arc::new(ReadState { reader, clock, page_bytes_max: PAGE_BYTES_MAX })
    }

    /// From now on shows the first `count` entries of each schedule.
    pub(crate) fn grow(&self, count: usize) {
        *self.shown.write().unwrap() = model(&self.whole, count);
    }

    /// Asks the router. Gives the answer and what that cost.
    pub(crate) async fn ask(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
    ) -> (Answer, Asked) {
        let before = self.asked();
        let answer = ask(rota_read::router(self.state()), method, path, headers).await;
        let after = self.asked();
        let asked =
            Asked { heads: after.heads - before.heads, others: after.others - before.others };
        (answer, asked)
    }

    /// GET without any headers.
    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.ask("GET", path, &[]).await.0
    }

    fn asked(&self) -> Asked {
        let count = |counter: &AtomicUsize| counter.load(Ordering::SeqCst);
        Asked { heads: count(&self.heads), others: count(&self.others) }
    }

    /// What is shown now, and one more question counted.
    async fn asked_by(&self, counter: &AtomicUsize) -> Result<Model, ReadError> {
        counter.fetch_add(1, Ordering::SeqCst);
        let fault = *self.fault.read().unwrap();
        match fault {
            None => Ok(self.shown.read().unwrap().clone()),
            Some(Fault::Unavailable) => Err(ReadError::Unavailable("a test says so".into())),
            Some(Fault::Hang) => std::future::pending().await,
            Some(Fault::Panic) => panic!("a test says so"),
        }
    }

    async fn counted(&self) -> Result<Model, ReadError> {
        self.asked_by(&self.others).await
    }
}

/// Asks a router.
pub(crate) async fn ask(app: Router, method: &str, path: &str, headers: &[(&str, &str)]) -> Answer {
    let mut request = Request::builder().method(method).uri(path);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let answer = app.oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
    let (parts, body) = answer.into_parts();
    let body = to_bytes(body, usize::MAX).await.unwrap();
    Answer { status: parts.status, headers: parts.headers, body }
}

fn model(whole: &[Schedule], count: usize) -> Model {
    let mut part = whole.to_vec();
    for schedule in &mut part {
        schedule.entries.truncate(count);
    }
    part.retain(|schedule| !schedule.entries.is_empty());
    Model::new(part, user().address(), 42)
}

impl ScheduleReader for Growing {
    async fn find(
        &self,
        id: [u8; 32],
        process: Option<ProcessId>,
        query: PageQuery,
    ) -> Result<Option<Found>, ReadError> {
        self.counted().await?.find(id, process, query).await
    }

    async fn latest(&self, process: ProcessId) -> Result<Option<Entry>, ReadError> {
        self.counted().await?.latest(process).await
    }

    async fn head(&self, process: ProcessId) -> Result<Option<u64>, ReadError> {
        self.asked_by(&self.heads).await?.head(process).await
    }

    async fn process(&self, process: ProcessId) -> Result<Option<Entry>, ReadError> {
        self.counted().await?.process(process).await
    }

    async fn raw(&self, id: [u8; 32]) -> Result<Option<Bytes>, ReadError> {
        self.counted().await?.raw(id).await
    }

    async fn scheduler(&self, process: Option<ProcessId>) -> Result<SchedulerInfo, ReadError> {
        self.counted().await?.scheduler(process).await
    }
}
