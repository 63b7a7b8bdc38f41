//! How rota reaches AWS: where credentials come from, which endpoints are asked, how long that may take,
//! and one TLS backend (ring) for everything, as the rest of rota has it.
//!
//! [`DatabaseLogin`] signs the tokens that Amazon's databases take for passwords.
//!
//! Settings are AWS's own: `AWS_REGION`, `AWS_ACCESS_KEY_ID` and its kin, container and instance roles,
//! `AWS_ENDPOINT_URL`, `AWS_ENDPOINT_URL_S3`, `AWS_ENDPOINT_URL_DYNAMODB`. Must not know what is stored.

mod login;

use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, ConfigLoader};
use aws_smithy_http_client::Builder;
use aws_smithy_http_client::tls::{Provider, rustls_provider::CryptoMode};
use std::time::Duration;

pub use aws_config::SdkConfig;
pub use login::{DatabaseLogin, LoginError};

/// How long a connection may take.
const CONNECT_MAX: Duration = Duration::from_secs(2);
/// How long one attempt may take until its answer begins.
const READ_MAX: Duration = Duration::from_secs(5);
/// Attempts of one request, the first included.
const ATTEMPTS_MAX: u32 = 3;

/// The configuration that every AWS client of this process is made from. Asks nobody yet: credentials are
/// looked up when the first request needs them.
pub async fn sdk_config() -> SdkConfig {
    loader().load().await
}

/// The same for a stand-in of AWS at `endpoint`, whatever the environment says.
#[cfg(feature = "stand-in")]
pub async fn stand_in(endpoint: &str) -> SdkConfig {
    loader().test_credentials().region("us-east-1").endpoint_url(endpoint).load().await
}

fn loader() -> ConfigLoader {
    let http = Builder::new().tls_provider(Provider::Rustls(CryptoMode::Ring)).build_https();
    let timeouts =
        TimeoutConfig::builder().connect_timeout(CONNECT_MAX).read_timeout(READ_MAX).build();
    aws_config::defaults(BehaviorVersion::latest())
        .http_client(http)
        .timeout_config(timeouts)
        .retry_config(RetryConfig::standard().with_max_attempts(ATTEMPTS_MAX))
}
