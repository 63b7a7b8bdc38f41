//! A writer in this process: the same code behind the same route, over a ledger that a test can hold.

use crate::scheduler_wallet;
use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{Request, StatusCode};
use prometheus_client::registry::Registry;
use rota_ans104::{Item, ItemId};
use rota_ledger::{Ledger, LedgerOptions};
use rota_permaweb::{Gateway, GatewayConfig, HeightCache};
use rota_schedule::{Clock, SystemClock, Timestamp};
use rota_writer::{
    Database, DatabaseConfig, ITEM_BYTES_MAX_DEFAULT, RecoveryError, WithoutHeight, Writer,
    WriterConfig, WriterMetrics, WriterParts,
};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tower::ServiceExt as _;

/// Where nobody listens.
const NOWHERE: &str = "http://127.0.0.1:9";
/// Threads that sign: more than one, so that lanes really run at once.
const SIGNERS: usize = 3;
const ANSWER_BYTES_MAX: usize = 64 << 10;

/// What a POST came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Posted {
    /// 200.
    Acked(Timestamp),
    /// Anything else.
    Refused(StatusCode, String),
}

/// A writer with its ledger.
#[derive(Clone)]
pub struct InProcess {
    /// The ledger.
    pub ledger: Ledger,
    writer: Writer,
    app: Router,
}

impl InProcess {
    /// Opens the ledger in `dir` and starts a writer on it.
    #[must_use]
    pub fn start(dir: &Path, clock: Arc<dyn Clock>, height: HeightCache, seed: u64) -> Self {
        let ledger = Ledger::open(dir, LedgerOptions::default()).unwrap();
        Self::over(ledger, clock, height, seed)
    }

    /// Starts a writer on a ledger.
    #[must_use]
    pub fn over(ledger: Ledger, clock: Arc<dyn Clock>, height: HeightCache, seed: u64) -> Self {
        Self::with(ledger, None, clock, height, seed)
    }

    /// Starts a writer on a ledger that commits in a database.
    ///
    /// # Errors
    /// The two do not agree, or the database does not answer.
    pub async fn over_database(
        ledger: Ledger,
        config: DatabaseConfig,
        seed: u64,
    ) -> Result<Self, RecoveryError> {
        let metrics = WriterMetrics::register(&mut Registry::default());
        let address = scheduler_wallet().address();
        let database = Database::open(config, &ledger, address, &metrics).await?;
        let height = HeightCache::starting_at(Some(1_600_000));
        Ok(Self::with(ledger, Some(database), Arc::new(SystemClock), height, seed))
    }

    fn with(
        ledger: Ledger,
        database: Option<Database>,
        clock: Arc<dyn Clock>,
        height: HeightCache,
        seed: u64,
    ) -> Self {
        let config = WriterConfig {
            item_bytes_max: ITEM_BYTES_MAX_DEFAULT,
            deep_hash_checks: true,
            process_assignment: true,
            without_height: WithoutHeight::SignZero,
            cpus: SIGNERS,
        };
        let nowhere: url::Url = NOWHERE.parse().unwrap();
        let gateway = GatewayConfig {
            gateway_url: nowhere.clone(),
            arweave_url: nowhere,
            graphql_url: None,
            arweave_url_list: Vec::new(),
            timeout: Duration::from_secs(1),
        };
        let mut anchor_seed = [0; 32];
        anchor_seed[..8].copy_from_slice(&seed.to_le_bytes());
        let parts = WriterParts {
            ledger: ledger.clone(),
            database,
            cache: None,
            membership: None,
            signer: scheduler_wallet(),
            clock,
            gateway: Gateway::new(gateway).unwrap(),
            height,
            metrics: WriterMetrics::register(&mut Registry::default()),
            anchor_seed,
            retry_seed: [7; 32],
        };
        let writer = Writer::start(config, parts).unwrap();
        Self { ledger, app: rota_writer::router(writer.clone()), writer }
    }

    /// Posts an item as HTTP would. Dropping the future is a client that goes away.
    pub async fn post(&self, item: &Item) -> Posted {
        let request = Request::post("/").body(Body::from(item.bytes().clone())).unwrap();
        let answer = self.app.clone().oneshot(request).await.unwrap();
        let status = answer.status();
        let body = to_bytes(answer.into_body(), ANSWER_BYTES_MAX).await.unwrap();
        if status != StatusCode::OK {
            return Posted::Refused(status, String::from_utf8_lossy(&body).into_owned());
        }
        Posted::Acked(receipt(&body, item.id()).unwrap())
    }

    /// Why the writer takes nothing more.
    #[must_use]
    pub fn refuses(&self) -> Option<&'static str> {
        self.writer.refuses()
    }

    /// Why the writer is not well.
    #[must_use]
    pub fn ails(&self) -> Option<&'static str> {
        self.writer.ails()
    }

    /// Stops and commits what is in flight: from then on the ledger that it gives does not change. It is
    /// free for others once that is gone.
    pub async fn stop(self) -> Ledger {
        self.writer.finish().await.unwrap();
        self.ledger.clone().close().unwrap();
        self.ledger
    }
}

/// The timestamp of a receipt, which must be for the item `id`.
pub(crate) fn receipt(body: &[u8], id: ItemId) -> Result<Timestamp, String> {
    let text = || String::from_utf8_lossy(body).into_owned();
    let receipt: serde_json::Value = serde_json::from_slice(body).map_err(|_| text())?;
    if receipt["id"] != id.to_string() {
        return Err(text());
    }
    receipt["timestamp"].as_u64().map(Timestamp).ok_or_else(text)
}
