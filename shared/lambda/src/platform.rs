//! What the platform tells a function that it starts.

use rota_service::{ConfigError, Env};

/// Where events come from, and how many at once.
#[derive(Clone, Debug)]
pub struct Platform {
    /// `AWS_LAMBDA_RUNTIME_API`: where events come from.
    pub runtime_api: String,
    /// `AWS_LAMBDA_MAX_CONCURRENCY`: events that it sends at once; one unless it says more.
    pub concurrency: u32,
}

impl Platform {
    /// Reads it all.
    ///
    /// # Errors
    /// This process was not started by the platform.
    pub fn read(env: &mut Env) -> Result<Self, ConfigError> {
        Ok(Self {
            runtime_api: env.required("AWS_LAMBDA_RUNTIME_API")?,
            concurrency: env.or("AWS_LAMBDA_MAX_CONCURRENCY", 1)?.max(1),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_event_at_a_time_unless_the_platform_says_more() {
        let read = |pairs: &[(&str, &str)]| {
            Platform::read(&mut Env::from_pairs(pairs.iter().copied())).map(|it| it.concurrency)
        };
        let api = ("AWS_LAMBDA_RUNTIME_API", "127.0.0.1:9001");
        assert_eq!(read(&[api]).unwrap(), 1);
        assert_eq!(read(&[api, ("AWS_LAMBDA_MAX_CONCURRENCY", "0")]).unwrap(), 1);
        assert_eq!(read(&[api, ("AWS_LAMBDA_MAX_CONCURRENCY", "8")]).unwrap(), 8);
        assert!(read(&[]).is_err(), "not started by the platform");
    }
}
