//! The read function as a Lambda starts it: settings from the environment, the read model as the store.

use anyhow::Context as _;
use rota_aws::{DatabaseLogin, sdk_config};
use rota_lambda::{Platform, serve};
use rota_read::ReadState;
use rota_read::lambda::{DatabaseAuth, Settings, meter, router};
use rota_readmodel::ReadModel;
use rota_schedule::{Clock, SystemClock};
use rota_service::{Env, Stop, logs, reference_notices, trace};
use std::sync::Arc;

fn main() -> anyhow::Result<()> {
    let mut env = Env::load(None)?;
    let platform = Platform::read(&mut env)
        .context("this is a Lambda function: `cargo lambda watch` runs it on this machine")?;
    let settings = Settings::read(&mut env)?;
    let notices = reference_notices(&env)?;
    logs::init(settings.function.log_format, &settings.function.log_filter)?;
    notices.iter().for_each(|notice| tracing::warn!("{notice}"));
    tokio::runtime::Runtime::new()?.block_on(run(platform, settings))
}

async fn run(platform: Platform, settings: Settings) -> anyhow::Result<()> {
    trace::init(&settings.function.traces)?;
    if settings.model.primary.is_none() && settings.model.staleness_max.is_zero() {
        tracing::warn!("DATABASE_URL and READ_STALENESS_MAX are not set: only history can be read");
    }
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let page_bytes_max = settings.page_bytes_max();
    let mut model = settings.model;
    if let Some(archive) = settings.archive {
        model.archive = Some(archive.archive().await);
    }
    if settings.auth == DatabaseAuth::Iam {
        model.login = Some(DatabaseLogin::new(&sdk_config().await)?);
    }
    let reader = ReadModel::new(model, Arc::clone(&clock));
    let meter = meter(&reader, settings.function.namespace, Arc::clone(&clock));
    let state = ReadState { reader, clock, page_bytes_max };
    let app = router(Arc::new(state), settings.function.concurrency, meter);
    let stop = Stop::on_signals()?;
    Ok(serve(app, settings.function.response, platform, &stop).await?)
}
