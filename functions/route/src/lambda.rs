//! The route function as a Lambda: the routes, its settings, and what `rota_lambda` has around them.

use crate::{RouteConfig, RouteMetrics, RouteState, routes};
use axum::Router;
use rota_directory::DirectorySettings;
use rota_lambda::{FunctionSettings, Limits, Meter, ResponseMode};
use rota_schedule::{Directory, PAGE_PART_BYTES_MAX, SystemClock};
use rota_service::emf::{self, Namespace};
use rota_service::{ByteSize, ConfigError, Env};
use rota_wire::ApiError;
use std::sync::Arc;
use std::time::Duration;

/// The most bytes of a body that reach a Lambda: its event has 6 MB, of which 64 KB are left to everything
/// else, and the body is in base64 there.
pub const BODY_BYTES_MAX: ByteSize = ByteSize(((6 << 20) - (64 << 10)) / 4 * 3);
/// How much longer than a writer an answer may take: the directory is asked before, and a process that has
/// moved is followed once.
const REQUEST_MARGIN: Duration = Duration::from_secs(10);

/// All settings of the function.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where requests go.
    pub route: RouteConfig,
    /// Who owns what.
    pub directory: DirectorySettings,
    /// The rest; `ROUTE_CONCURRENCY_MAX` says how many requests are worked on at once.
    pub function: FunctionSettings,
}

impl Settings {
    /// Reads them all.
    ///
    /// # Errors
    /// One is malformed, or no directory is named.
    pub fn read(env: &mut Env) -> Result<Self, ConfigError> {
        let expects = "the name of a table in DynamoDB";
        let missing = ConfigError::Missing { name: "DIRECTORY_TABLE", expects };
        let mut route = RouteConfig::read(env, BODY_BYTES_MAX)?;
        let directory = DirectorySettings::read(env)?.ok_or(missing)?;
        let function = FunctionSettings::read(env, "ROUTE_CONCURRENCY_MAX", "rota-route")?;
        let is_buffered = function.response == ResponseMode::Buffer;
        route.page_bytes_max = is_buffered.then_some(PAGE_PART_BYTES_MAX);
        Ok(Self { route, directory, function })
    }
}

/// Lines of the metrics log, with what the router counts.
#[must_use]
pub fn meter(metrics: RouteMetrics, namespace: Namespace) -> Meter {
    let clock = Arc::new(SystemClock);
    Meter::with("route", namespace, clock, emf::stdout, move || metrics.failures(), Vec::new)
}

/// All routes over `state`, at most `concurrency` requests at once, in the layers of a function.
pub fn router<D: Directory>(state: Arc<RouteState<D>>, concurrency: usize, meter: Meter) -> Router {
    let limits = Limits {
        concurrency,
        busy: ApiError::Busy("too many requests at once"),
        time: state.config.answer_max + REQUEST_MARGIN,
        slow: ApiError::OutcomeUnknown,
    };
    rota_lambda::apply(routes::router(state), limits, meter)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(pairs: &[(&str, &str)]) -> Result<Settings, ConfigError> {
        Settings::read(&mut Env::from_pairs(pairs.iter().copied()))
    }

    #[test]
    fn a_table_is_enough_and_nothing_is_not() {
        let settings = read(&[("DIRECTORY_TABLE", "rota")]).unwrap();
        assert!(matches!(settings.directory, DirectorySettings::Dynamo { .. }));
        assert_eq!(settings.route.body_max, BODY_BYTES_MAX.0);
        let error = read(&[]).unwrap_err().to_string();
        assert!(error.starts_with("DIRECTORY_TABLE is not set"), "{error}");
    }

    #[test]
    fn the_largest_body_fits_into_an_event_in_base64() {
        let encoded = BODY_BYTES_MAX.0.div_ceil(3) * 4;
        assert!(encoded <= (6 << 20) - (64 << 10), "{encoded}");
    }
}
