//! Logging in to a database of Amazon's without a password: a token, signed with the credentials of whoever
//! runs this, that is good for 15 minutes (RDS user guide, "IAM database authentication").

use aws_config::SdkConfig;
use aws_credential_types::provider::error::CredentialsError;
use aws_credential_types::provider::{ProvideCredentials as _, SharedCredentialsProvider};
use aws_sigv4::http_request::{
    SignableBody, SignableRequest, SignatureLocation, SigningError, SigningSettings, sign,
};
use aws_sigv4::sign::v4::{self, signing_params::BuildError};
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use url::Url;

/// How long a token may be used to log in; sessions live on.
const TOKEN_LIFETIME: Duration = Duration::from_secs(15 * 60);

/// The service that tokens are for.
const SERVICE: &str = "rds-db";
/// Where a token's own scheme ends: it is a URL without one.
const SCHEME: &str = "https://";

/// Why there is no token.
#[derive(Debug, thiserror::Error)]
pub enum LoginError {
    /// No role and no keys are known.
    #[error("no AWS credentials to log in to the database with")]
    Credentials(#[from] CredentialsError),
    /// The configuration names no region or no provider of credentials.
    #[error("AWS_REGION or the source of credentials is not set")]
    NotConfigured,
    /// A part of the request that is signed is malformed.
    #[error("the login to the database cannot be signed")]
    Signing(#[from] SigningError),
    /// The same.
    #[error("the login to the database lacks a part")]
    Incomplete(#[from] BuildError),
    /// The host is no host name.
    #[error("the database's host is none")]
    Host(#[from] url::ParseError),
}

/// Signs tokens. Clones are the same.
#[derive(Clone)]
pub struct DatabaseLogin {
    credentials: SharedCredentialsProvider,
    region: String,
    now: Arc<dyn Fn() -> SystemTime + Send + Sync>,
}

impl DatabaseLogin {
    /// Tokens of whoever `config` says that this is.
    ///
    /// # Errors
    /// [`LoginError::NotConfigured`].
    pub fn new(config: &SdkConfig) -> Result<Self, LoginError> {
        let credentials = config.credentials_provider().ok_or(LoginError::NotConfigured)?;
        let region = config.region().ok_or(LoginError::NotConfigured)?.to_string();
        let time = config.time_source().ok_or(LoginError::NotConfigured)?;
        Ok(Self { credentials, region, now: Arc::new(move || time.now()) })
    }

    /// The password of `user` at a server. Asks nobody where the credentials lie in the environment, as in a
    /// Lambda.
    ///
    /// # Errors
    /// There are no credentials, or the host is none.
    pub async fn token(&self, host: &str, port: u16, user: &str) -> Result<String, LoginError> {
        let identity = self.credentials.provide_credentials().await?.into();
        let mut settings = SigningSettings::default();
        settings.expires_in = Some(TOKEN_LIFETIME);
        settings.signature_location = SignatureLocation::QueryParams;
        let params = v4::SigningParams::builder()
            .identity(&identity)
            .region(&self.region)
            .name(SERVICE)
            .time((self.now)())
            .settings(settings)
            .build()?;
        let mut url = Url::parse(&format!("{SCHEME}{host}:{port}/"))?;
        url.query_pairs_mut().append_pair("Action", "connect").append_pair("DBUser", user);
        let unsigned = url.to_string();
        let request =
            SignableRequest::new("GET", &unsigned, std::iter::empty(), SignableBody::Bytes(b""))?;
        let (signed, _signature) = sign(request, &params.into())?.into_parts();
        for (name, value) in signed.params() {
            url.query_pairs_mut().append_pair(name, value);
        }
        Ok(url.as_str().trim_start_matches(SCHEME).to_owned())
    }
}

impl fmt::Debug for DatabaseLogin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DatabaseLogin").field("region", &self.region).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use aws_credential_types::Credentials;

    /// When botocore 1.43 was asked for [`BY_BOTOCORE`]: 2026-11-21T10:40:08Z.
    const THEN: Duration = Duration::from_secs(1_795_257_608);
    const HOST: &str = "db.example.eu-central-1.rds.amazonaws.com";
    const BY_BOTOCORE: &str = "db.example.eu-central-1.rds.amazonaws.com:5432/?Action=connect\
        &DBUser=rota_reader&X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIDEXAMPLE%2F20261121\
        %2Feu-central-1%2Frds-db%2Faws4_request&X-Amz-Date=20261121T104008Z&X-Amz-SignedHeaders=host\
        &X-Amz-Expires=900&X-Amz-Security-Token=session%2Ftoken%2B%3D\
        &X-Amz-Signature=07b124fbab87ee59c59201058306ed745b3a88321f054bca9fe6bfed1e040fec";

    fn login(now: SystemTime) -> DatabaseLogin {
        let key = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";
        let token = Some("session/token+=".to_owned());
        let credentials = Credentials::new("AKIDEXAMPLE", key, token, None, "test");
        DatabaseLogin {
            credentials: SharedCredentialsProvider::new(credentials),
            region: "eu-central-1".to_owned(),
            now: Arc::new(move || now),
        }
    }

    fn parts(token: &str) -> Vec<&str> {
        let mut parts: Vec<_> = token.split(['?', '&']).collect();
        parts.sort_unstable();
        parts
    }

    #[tokio::test]
    async fn a_token_is_what_amazon_s_own_library_makes() {
        let login = login(SystemTime::UNIX_EPOCH + THEN);
        let token = login.token(HOST, 5432, "rota_reader").await.unwrap();
        assert_eq!(parts(&token), parts(BY_BOTOCORE));
    }

    #[tokio::test]
    async fn a_host_that_is_none_is_an_error_and_a_user_cannot_add_to_what_is_signed() {
        let login = login(SystemTime::UNIX_EPOCH + THEN);
        assert!(matches!(login.token("a b", 5432, "u").await, Err(LoginError::Host(_))));
        let token = login.token(HOST, 5432, "u&Action=other").await.unwrap();
        assert!(token.contains("DBUser=u%26Action%3Dother&"), "{token}");
    }

    #[tokio::test]
    async fn the_environment_s_configuration_is_enough() {
        let config = SdkConfig::builder().build();
        assert!(matches!(DatabaseLogin::new(&config), Err(LoginError::NotConfigured)));
        assert!(!format!("{:?}", self::login(SystemTime::UNIX_EPOCH)).contains("wJalr"));
    }
}
