//! The route function as a Lambda starts it: settings from the environment, the directory in DynamoDB.

use anyhow::Context as _;
use rota_lambda::{Platform, serve};
use rota_route::lambda::{Settings, router};
use rota_route::{RouteMetrics, RouteState};
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
    let directory = settings.directory.open().await?;
    let metrics = RouteMetrics::default();
    let state = RouteState::new(directory, settings.route, metrics.clone());
    let meter = rota_route::lambda::meter(metrics, settings.function.namespace);
    let app = router(Arc::new(state), settings.function.concurrency, meter);
    let stop = Stop::on_signals()?;
    Ok(serve(app, settings.function.response, platform, &stop).await?)
}
