//! What every function can be told, by its environment.

use crate::ResponseMode;
use rota_service::emf::Namespace;
use rota_service::trace::TraceSettings;
use rota_service::{ConfigError, Env, LogFormat, logs};

/// Requests that one instance works on at once unless configured otherwise.
pub const CONCURRENCY_MAX_DEFAULT: usize = 64;

/// The settings that are not about the routes.
#[derive(Clone, Debug)]
pub struct FunctionSettings {
    /// Requests at once; more are refused.
    pub concurrency: usize,
    /// `LAMBDA_RESPONSE`: how answers leave.
    pub response: ResponseMode,
    /// `METRICS_NAMESPACE`: of the lines of the metrics log.
    pub namespace: Namespace,
    /// `LOG_FORMAT`.
    pub log_format: LogFormat,
    /// `RUST_LOG`.
    pub log_filter: String,
    /// Where traces go.
    pub traces: TraceSettings,
}

impl FunctionSettings {
    /// Reads them all; `concurrency` is the variable that has the function's own name, `service` what it is
    /// called in traces.
    ///
    /// # Errors
    /// One is malformed.
    pub fn read(
        env: &mut Env,
        concurrency: &'static str,
        service: &str,
    ) -> Result<Self, ConfigError> {
        Ok(Self {
            concurrency: env.or(concurrency, CONCURRENCY_MAX_DEFAULT)?,
            response: env.or("LAMBDA_RESPONSE", ResponseMode::default())?,
            namespace: Namespace::read(env)?,
            log_format: env.or("LOG_FORMAT", LogFormat::Auto)?,
            log_filter: env.or("RUST_LOG", logs::DEFAULT_FILTER.to_owned())?,
            traces: TraceSettings::read(env, service)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rota_service::Setting as _;

    #[test]
    fn every_setting_is_read_and_a_wrong_one_is_named() {
        let read = |pairs: &[(&str, &str)]| {
            FunctionSettings::read(&mut Env::from_pairs(pairs.iter().copied()), "MINE_MAX", "mine")
        };
        let settings = read(&[]).unwrap();
        assert_eq!(settings.concurrency, CONCURRENCY_MAX_DEFAULT);
        assert_eq!(settings.response, ResponseMode::Stream);
        let all = [
            ("MINE_MAX", "5"),
            ("LAMBDA_RESPONSE", "buffer"),
            ("METRICS_NAMESPACE", "rota-dev"),
            ("LOG_FORMAT", "json"),
            ("RUST_LOG", "debug"),
        ];
        let settings = read(&all).unwrap();
        assert_eq!((settings.concurrency, settings.response), (5, ResponseMode::Buffer));
        assert_eq!((settings.log_format, settings.log_filter.as_str()), (LogFormat::Json, "debug"));
        assert_eq!(settings.namespace.show(), "rota-dev");
        let wrong =
            [("LAMBDA_RESPONSE", "streams"), ("MINE_MAX", "-1"), ("METRICS_NAMESPACE", "rota dev")];
        for (name, value) in wrong {
            assert!(read(&[(name, value)]).unwrap_err().to_string().contains(name));
        }
    }
}
