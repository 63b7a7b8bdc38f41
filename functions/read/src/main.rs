//! The read function as a Lambda starts it: settings from the environment, the read model as the store.

use anyhow::Context as _;
use rota_read::ReadState;
use rota_read::lambda::{Meter, Settings, router, serve, stdout};
use rota_readmodel::ReadModel;
use rota_schedule::{Clock, SystemClock};
use rota_service::{Env, Stop, logs};
use std::sync::Arc;

/// What the platform sets, without which its runtime cannot be found.
const PLATFORM: [&str; 4] = [
    "AWS_LAMBDA_RUNTIME_API",
    "AWS_LAMBDA_FUNCTION_NAME",
    "AWS_LAMBDA_FUNCTION_VERSION",
    "AWS_LAMBDA_FUNCTION_MEMORY_SIZE",
];

fn main() -> anyhow::Result<()> {
    let mut env = Env::load(None)?;
    for name in PLATFORM {
        env.required::<String>(name)
            .context("this is a Lambda function: `cargo lambda watch` runs it on this machine")?;
    }
    let settings = Settings::read(&mut env)?;
    logs::init(settings.log_format, &settings.log_filter)?;
    tokio::runtime::Runtime::new()?.block_on(run(settings))
}

async fn run(settings: Settings) -> anyhow::Result<()> {
    if settings.model.primary.is_none() && settings.model.staleness_max.is_zero() {
        tracing::warn!("DATABASE_URL and READ_STALENESS_MAX are not set: only history can be read");
    }
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let reader = ReadModel::new(settings.model, Arc::clone(&clock));
    let meter = Meter::new(Arc::clone(&clock), stdout);
    let app = router(Arc::new(ReadState { reader, clock }), settings.concurrency, meter);
    let stop = Stop::on_signals()?;
    serve(app, settings.response, &stop).await.map_err(anyhow::Error::from_boxed)
}
