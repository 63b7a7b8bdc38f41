//! `rota router`: one address for many writers, over a directory in DynamoDB or Postgres.

use crate::local::LocalArgs;
use crate::notices;
use crate::output;
use crate::scheduler::FLUSH_MAX;
use crate::server;
use crate::settings::{address, environment, item_bytes_max};
use anyhow::Context as _;
use axum::Router;
use axum::extract::State;
use axum::response::Response;
use axum::routing::get;
use clap::Args;
use prometheus_client::registry::Registry;
use rota_directory::DirectorySettings;
use rota_route::{RouteConfig, RouteMetrics, RouteState};
use rota_service::trace::{self, TraceSettings};
use rota_service::{
    Env, HttpMetrics, LogFormat, OpenFiles, Server, ServerLimits, Stop, layers, logs,
};
use rota_wire::ApiError;
use std::net::{IpAddr, SocketAddr};
use std::process::ExitCode;
use std::sync::Arc;

/// What else there is to set.
const MORE: &str = "\
Environment:
  ROUTE_MODE           redirect (307, the default) or proxy (pass everything on)
  READ_URL             who answers every GET; unset: the writers
  ROUTE_BODY_MAX       the largest body [default: MAX_MESSAGE_SIZE_BYTES, which is 10MiB]
  ROUTE_CACHE_MAX      how long an owner that was looked up is believed [default: 5s]
  PROXY_TIMEOUT        how long a writer may take to answer what was passed on [default: 30s]
  DIRECTORY            dynamodb or postgres; unset: whichever the next two name
  DIRECTORY_TABLE      the directory's table in DynamoDB
  SCHEDULER_LIST_PATH  a file that lists the writers; kept with the bindings in DATABASE_URL
  DATABASE_URL         the directory's database, if it is in Postgres
  ENABLE_METRICS, LOG_FORMAT, RUST_LOG, AWS_REGION, AWS_ENDPOINT_URL and kin: as everywhere";

/// Flags of `rota router`.
#[derive(Args)]
#[command(after_help = MORE)]
pub(crate) struct RouterArgs {
    /// Address to listen on [env: HOST] [default: 127.0.0.1]
    #[arg(long)]
    host: Option<IpAddr>,
    /// Port to listen on [env: PORT] [default: 9000]
    #[arg(long)]
    port: Option<u16>,
    /// Show which settings are in force and where each comes from, and end
    #[arg(long)]
    show_config: bool,
}

/// Everything that a router can be told.
struct Settings {
    address: SocketAddr,
    route: RouteConfig,
    directory: DirectorySettings,
    metrics: bool,
    log_format: LogFormat,
    log_filter: String,
    traces: TraceSettings,
}

impl Settings {
    fn read(env: &mut Env) -> anyhow::Result<Self> {
        let item_bytes_max = item_bytes_max(env)?;
        Ok(Self {
            address: address(env)?,
            route: RouteConfig::read(env, item_bytes_max)?,
            directory: DirectorySettings::read(env)?.context(
                "there is no directory: set DIRECTORY_TABLE, or SCHEDULER_LIST_PATH and DATABASE_URL",
            )?,
            metrics: env.or("ENABLE_METRICS", true)?,
            log_format: env.or("LOG_FORMAT", LogFormat::Auto)?,
            log_filter: env.or("RUST_LOG", logs::DEFAULT_FILTER.to_owned())?,
            traces: TraceSettings::read(env, "rota-router")?,
        })
    }
}

/// Runs until a signal.
pub(crate) fn run(args: &RouterArgs) -> anyhow::Result<ExitCode> {
    let flags = LocalArgs { host: args.host, port: args.port, data_dir: None };
    let mut env = environment(&flags)?;
    let settings = Settings::read(&mut env)?;
    let notices = notices::of(&env, notices::Server::Router)?;
    if args.show_config {
        crate::config::print(&env, &notices);
        return Ok(ExitCode::SUCCESS);
    }
    logs::init(settings.log_format, &settings.log_filter)?;
    notices::log(&notices);
    let files = OpenFiles::raise()?;
    let connections_max = files.routed();
    tracing::info!(open_files = files.max, connections_max, "files that may be open");
    tokio::runtime::Runtime::new()?.block_on(serve(settings, connections_max))?;
    Ok(ExitCode::SUCCESS)
}

async fn serve(settings: Settings, connections_max: usize) -> anyhow::Result<()> {
    trace::init(&settings.traces)?;
    let limits = ServerLimits { connections_max, ..ServerLimits::default() };
    let server = Server::bind(settings.address, limits)
        .with_context(|| format!("cannot listen on {}", settings.address))?;
    let stop = Stop::on_signals()?;
    let directory = settings.directory.open().await?;
    let mut registry = Registry::default();
    let http = HttpMetrics::register(&mut registry);
    let counters = RouteMetrics::register(&mut registry);
    let state = Arc::new(RouteState::new(directory, settings.route, counters));
    let looking = tokio::spawn(Arc::clone(&state).keep_fresh(stop.clone()));
    let mut app = rota_route::router(state);
    if settings.metrics {
        app = app.merge(shown(registry));
    }
    let app = app
        .fallback(async || ApiError::NoRoute)
        .method_not_allowed_fallback(async || ApiError::Method);
    output::line(&format!("rota is ready at http://{}", server.local_addr()));
    server.run(layers::apply(app, &http), stop.wait()).await?;
    looking.await?;
    trace::flush(FLUSH_MAX).await;
    tracing::info!("stopped");
    Ok(())
}

/// `/metrics`.
fn shown(registry: Registry) -> Router {
    Router::new().route("/metrics", get(show_metrics)).with_state(Arc::new(registry))
}

async fn show_metrics(State(registry): State<Arc<Registry>>) -> Response {
    server::metrics_of(&registry)
}
