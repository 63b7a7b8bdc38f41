//! Logging in to a database of Amazon's without a password: a token, signed with the credentials of whoever
//! runs this, that is good for 15 minutes (RDS user guide, "IAM database authentication").

use aws_config::SdkConfig;
use aws_credential_types::Credentials;
use aws_credential_types::provider::error::CredentialsError;
use aws_credential_types::provider::{ProvideCredentials as _, SharedCredentialsProvider};
use aws_sigv4::http_request::{
    SignableBody, SignableRequest, SignatureLocation, SigningError, SigningSettings, sign,
};
use aws_sigv4::sign::v4::{self, signing_params::BuildError};
use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};
use url::Url;

/// How long a token may be used to log in; sessions live on.
const TOKEN_LIFETIME: Duration = Duration::from_secs(15 * 60);
/// How long before its end a token is used no more: logging in takes time, and clocks differ.
const TOKEN_MARGIN: Duration = Duration::from_secs(60);

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

/// Signs tokens, one for each server and user, and gives that out for its life. Clones share the tokens.
#[derive(Clone)]
pub struct DatabaseLogin {
    credentials: SharedCredentialsProvider,
    region: String,
    now: Arc<dyn Fn() -> SystemTime + Send + Sync>,
    /// As many as there are servers that are logged in to.
    tokens: Arc<Mutex<HashMap<Login, Token>>>,
}

/// What a token is for.
#[derive(Clone, PartialEq, Eq, Hash)]
struct Login {
    host: String,
    port: u16,
    user: String,
}

#[derive(Clone)]
struct Token {
    text: String,
    /// Until when it is given out.
    until: SystemTime,
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
        Ok(Self { credentials, region, now: Arc::new(move || time.now()), tokens: Arc::default() })
    }

    /// The password of `user` at a server: the same for its life, so that a new connection costs no signature and no
    /// question for credentials.
    ///
    /// # Errors
    /// There are no credentials, or the host is none.
    pub async fn token(&self, host: &str, port: u16, user: &str) -> Result<String, LoginError> {
        let (login, now) =
            (Login { host: host.to_owned(), port, user: user.to_owned() }, (self.now)());
        if let Some(token) = self.tokens().get(&login).filter(|token| now < token.until) {
            return Ok(token.text.clone());
        }
        let credentials = self.credentials.provide_credentials().await?;
        let end = now + TOKEN_LIFETIME;
        // A token ends with the credentials that it was signed with.
        let end = credentials.expiry().map_or(end, |expiry| expiry.min(end));
        let until = end.checked_sub(TOKEN_MARGIN).unwrap_or(now);
        let text = self.sign(credentials, now, &login)?;
        self.tokens().insert(login, Token { text: text.clone(), until });
        Ok(text)
    }

    /// Gives a token out no more: a server refused it.
    pub fn forget(&self, token: &str) {
        self.tokens().retain(|_, known| known.text != token);
    }

    fn tokens(&self) -> MutexGuard<'_, HashMap<Login, Token>> {
        // Whole after every step, also if one who held it panicked.
        self.tokens.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Asks nobody.
    fn sign(
        &self,
        credentials: Credentials,
        now: SystemTime,
        login: &Login,
    ) -> Result<String, LoginError> {
        let Login { host, port, user } = login;
        let identity = credentials.into();
        let mut settings = SigningSettings::default();
        settings.expires_in = Some(TOKEN_LIFETIME);
        settings.signature_location = SignatureLocation::QueryParams;
        let params = v4::SigningParams::builder()
            .identity(&identity)
            .region(&self.region)
            .name(SERVICE)
            .time(now)
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
    use aws_credential_types::provider::{ProvideCredentials, future};
    use std::sync::atomic::{AtomicU64, Ordering::SeqCst};

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
            tokens: Arc::default(),
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

    /// Credentials that end after half an hour, and how often somebody asked for them.
    #[derive(Clone, Debug, Default)]
    struct Counted(Arc<AtomicU64>);

    impl ProvideCredentials for Counted {
        fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
        where
            Self: 'a,
        {
            let number = self.0.fetch_add(1, SeqCst);
            let end = SystemTime::UNIX_EPOCH + THEN + Duration::from_secs(30 * 60);
            let key = Credentials::new(format!("AKID{number}"), "secret", None, Some(end), "test");
            future::ProvideCredentials::ready(Ok(key))
        }
    }

    #[tokio::test]
    async fn a_token_is_given_out_for_its_life_and_no_longer() {
        let (counted, seconds) = (Counted::default(), Arc::new(AtomicU64::new(0)));
        let clock = Arc::clone(&seconds);
        let login = DatabaseLogin {
            credentials: SharedCredentialsProvider::new(counted.clone()),
            now: Arc::new(move || {
                SystemTime::UNIX_EPOCH + THEN + Duration::from_secs(clock.load(SeqCst))
            }),
            ..login(SystemTime::UNIX_EPOCH)
        };
        let token = async |login: &DatabaseLogin, port| login.token(HOST, port, "u").await.unwrap();
        let first = token(&login, 5432).await;
        for (at, signed, port) in [
            (1, 1, 5432),
            (839, 1, 5432),
            (840, 2, 5432), // the last minute of the first
            (840, 3, 5433), // another server
            (1_679, 3, 5432),
            (1_680, 4, 5432),
            (1_739, 4, 5432),
            (1_740, 5, 5432), // the credentials end a minute later
        ] {
            seconds.store(at, SeqCst);
            let text = token(&login.clone(), port).await;
            assert_eq!(counted.0.load(SeqCst), signed, "after {at} s");
            assert_eq!(text == first, signed == 1, "after {at} s");
        }
    }

    #[tokio::test]
    async fn a_token_that_a_server_refused_is_not_given_out_again() {
        let counted = Counted::default();
        let login = DatabaseLogin {
            credentials: SharedCredentialsProvider::new(counted.clone()),
            ..login(SystemTime::UNIX_EPOCH + THEN)
        };
        let (ours, other) =
            (login.token(HOST, 1, "u").await.unwrap(), login.token(HOST, 2, "u").await.unwrap());
        login.forget(&ours);
        assert_ne!(login.token(HOST, 1, "u").await.unwrap(), ours);
        assert_eq!(login.token(HOST, 2, "u").await.unwrap(), other);
        assert_eq!(counted.0.load(SeqCst), 3);
    }
}
