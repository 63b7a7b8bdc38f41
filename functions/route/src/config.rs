//! What a router can be told.

use crate::Origin;
use rota_service::{ByteSize, ConfigError, Env, Setting};
use std::time::Duration;

/// How long the owner of a process is taken for its owner without asking again, unless configured
/// otherwise: bindings change only when a process is moved, and then its old writer points to the new one.
pub const OWNER_AGE_MAX_DEFAULT: Duration = Duration::from_secs(5);
/// How long a server may take to answer, from the end of the request on, unless configured otherwise.
pub const ANSWER_MAX_DEFAULT: Duration = Duration::from_secs(30);

/// What becomes of a request whose destination is known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RouteMode {
    /// The client is told where to send it (307).
    #[default]
    Redirect,
    /// It is passed on.
    Proxy,
}

impl Setting for RouteMode {
    const EXPECTS: &'static str = "redirect or proxy";

    fn parse(text: &str) -> Option<Self> {
        match text {
            "redirect" => Some(Self::Redirect),
            "proxy" => Some(Self::Proxy),
            _ => None,
        }
    }

    fn show(&self) -> String {
        match self {
            Self::Redirect => "redirect",
            Self::Proxy => "proxy",
        }
        .to_owned()
    }
}

/// The settings of a router.
#[derive(Clone, Debug)]
pub struct RouteConfig {
    /// `ROUTE_MODE`.
    pub mode: RouteMode,
    /// `READ_URL`: who answers every GET, if anybody does but the writers.
    pub read_url: Option<Origin>,
    /// `ROUTE_BODY_MAX`: the most bytes of a body; what is larger goes straight to a writer.
    pub body_max: u64,
    /// `ROUTE_CACHE_MAX`: how long an owner that was looked up is believed.
    pub owner_age_max: Duration,
    /// `PROXY_TIMEOUT`: how long a server may take to answer what was passed on to it.
    pub answer_max: Duration,
    /// The most bytes of a page that is passed on, if answers are held until they are whole.
    pub page_bytes_max: Option<usize>,
}

impl RouteConfig {
    /// Reads them all; `body_max` is the default of the place it runs in.
    ///
    /// # Errors
    /// One is malformed.
    pub fn read(env: &mut Env, body_max: ByteSize) -> Result<Self, ConfigError> {
        Ok(Self {
            mode: env.or("ROUTE_MODE", RouteMode::default())?,
            read_url: env.get("READ_URL")?,
            body_max: env.or("ROUTE_BODY_MAX", body_max)?.0,
            owner_age_max: env.or("ROUTE_CACHE_MAX", OWNER_AGE_MAX_DEFAULT)?,
            answer_max: env.or("PROXY_TIMEOUT", ANSWER_MAX_DEFAULT)?,
            page_bytes_max: None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(pairs: &[(&str, &str)]) -> Result<RouteConfig, ConfigError> {
        RouteConfig::read(&mut Env::from_pairs(pairs.iter().copied()), ByteSize(7))
    }

    #[test]
    fn every_setting_is_read_and_has_a_default() {
        let config = read(&[]).unwrap();
        assert_eq!((config.mode, config.read_url, config.body_max), (RouteMode::Redirect, None, 7));
        assert_eq!(config.owner_age_max, OWNER_AGE_MAX_DEFAULT);
        assert_eq!(config.answer_max, ANSWER_MAX_DEFAULT);
        let config = read(&[
            ("ROUTE_MODE", "proxy"),
            ("READ_URL", "https://read.example/"),
            ("ROUTE_BODY_MAX", "1MiB"),
            ("ROUTE_CACHE_MAX", "1s"),
            ("PROXY_TIMEOUT", "2s"),
        ])
        .unwrap();
        assert_eq!((config.mode, config.body_max), (RouteMode::Proxy, 1 << 20));
        assert_eq!(config.read_url.unwrap().to_string(), "https://read.example");
        let ages = (config.owner_age_max, config.answer_max);
        assert_eq!(ages, (Duration::from_secs(1), Duration::from_secs(2)));
    }

    #[test]
    fn wrong_values_are_named() {
        for (name, value) in [
            ("ROUTE_MODE", "307"),
            ("READ_URL", "read.example"),
            ("ROUTE_BODY_MAX", "much"),
            ("ROUTE_CACHE_MAX", "5"),
            ("PROXY_TIMEOUT", "never"),
        ] {
            assert!(read(&[(name, value)]).unwrap_err().to_string().contains(name), "{name}");
        }
    }
}
