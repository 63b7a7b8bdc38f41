//! The settings of a scheduler, parsed once from flags, environment and `.env`. Names are those of
//! the reference SU where it has one for the same thing.

use crate::first_start::WalletSource;
use crate::height;
use crate::local::LocalArgs;
use anyhow::Context as _;
use rota_archive::ArchiveSettings;
use rota_permaweb::{
    CACHE_TIMEOUT_DEFAULT, CacheConfig, DELIVERY_TIMEOUT_DEFAULT, GatewayConfig,
    REQUEST_TIMEOUT_DEFAULT,
};
use rota_readmodel::ReadModelConfig;
use rota_service::emf::Namespace;
use rota_service::trace::TraceSettings;
use rota_service::{ByteSize, ConfigError, Env, LogFormat, Setting};
use rota_writer::{
    AckAfter, CHECKPOINT_INTERVAL_DEFAULT, DatabaseConfig, ITEM_BYTES_MAX_DEFAULT, UploadMode,
    WriterConfig,
};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;
use url::Url;

const ARWEAVE_NET: &str = "https://arweave.net";
/// The cache node that the reference shows every upload.
const CACHE_NODE: &str = "https://cache.forward.computer";
const PORT_DEFAULT: u16 = 9000;
/// A writer that is the only one needs no name of its own.
pub(crate) const WRITER_NAME_DEFAULT: &str = "main";
const CPUS_FALLBACK: usize = 2;

/// Where what is committed is uploaded to.
#[derive(Clone, Debug)]
pub(crate) struct UploadSettings {
    pub(crate) url: Url,
    pub(crate) mode: UploadMode,
    pub(crate) timeout: Duration,
    /// Who is shown what is committed.
    pub(crate) cache: Option<CacheConfig>,
}

/// Where committed items are shown, as a setting.
struct CacheSetting(Option<Url>);

impl Setting for CacheSetting {
    const EXPECTS: &'static str = "a URL, or off";

    fn parse(text: &str) -> Option<Self> {
        if text == "off" {
            Some(Self(None))
        } else {
            <Url as Setting>::parse(text).map(|url| Self(Some(url)))
        }
    }

    fn show(&self) -> String {
        self.0.as_ref().map_or_else(|| "off".to_owned(), Setting::show)
    }
}

/// The writer's upload mode as a setting.
#[derive(Default)]
struct ModeSetting(UploadMode);

impl Setting for ModeSetting {
    const EXPECTS: &'static str = "items or bundle";

    fn parse(text: &str) -> Option<Self> {
        text.parse().ok().map(Self)
    }

    fn show(&self) -> String {
        self.0.to_string()
    }
}

/// Everything that a scheduler on one machine can be told.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) address: SocketAddr,
    pub(crate) data_dir: PathBuf,
    pub(crate) wallet: WalletSource,
    pub(crate) writer_name: String,
    pub(crate) gateway: GatewayConfig,
    pub(crate) upload: Option<UploadSettings>,
    pub(crate) database: Option<DatabaseConfig>,
    pub(crate) read: Option<ReadModelConfig>,
    pub(crate) archive: Option<ArchiveSettings>,
    pub(crate) checkpoint_interval: Duration,
    pub(crate) writer: WriterConfig,
    pub(crate) metrics: bool,
    /// Between two lines of the metrics log; `None`: there is none.
    pub(crate) metrics_log_interval: Option<Duration>,
    pub(crate) metrics_namespace: Namespace,
    pub(crate) log_format: LogFormat,
    pub(crate) log_filter: String,
    pub(crate) traces: TraceSettings,
}

impl Settings {
    /// Reads them all; `env` then knows what was asked and where each value came from.
    pub(crate) fn read(env: &mut Env) -> anyhow::Result<Self> {
        let data_dir = data_dir(env)?;
        let writer_name = env.or("WRITER_NAME", WRITER_NAME_DEFAULT.to_owned())?;
        let (database, read) = databases(env, &writer_name)?.unzip();
        Ok(Self {
            address: address(env)?,
            wallet: wallet(env, &data_dir)?,
            data_dir,
            writer_name,
            gateway: gateway(env)?,
            upload: upload(env)?,
            database,
            read,
            archive: ArchiveSettings::read(env)?,
            checkpoint_interval: env.or("CHECKPOINT_INTERVAL", CHECKPOINT_INTERVAL_DEFAULT)?,
            writer: WriterConfig {
                item_bytes_max: item_bytes_max(env)?.0,
                deep_hash_checks: env.or("ENABLE_DEEP_HASH_CHECKS", true)?,
                process_assignment: env.or("ENABLE_PROCESS_ASSIGNMENT", true)?,
                without_height: height::without_height(env),
                cpus: std::thread::available_parallelism().map_or(CPUS_FALLBACK, usize::from),
            },
            metrics: env.or("ENABLE_METRICS", true)?,
            metrics_log_interval: metrics_log_interval(env)?,
            metrics_namespace: Namespace::read(env)?,
            log_format: env.or("LOG_FORMAT", LogFormat::Auto)?,
            log_filter: env.or("RUST_LOG", rota_service::logs::DEFAULT_FILTER.to_owned())?,
            traces: TraceSettings::read(env, "rota-writer")?,
        })
    }

    /// Opens the archive, for all who use it. Asks nobody yet.
    pub(crate) async fn open_archive(&mut self) {
        let Some(settings) = &self.archive else { return };
        let archive = settings.archive().await;
        if let Some(database) = &mut self.database {
            database.archive = Some(archive.clone());
        }
        if let Some(read) = &mut self.read {
            read.archive = Some(archive);
        }
    }

    /// Where the ledger lies.
    pub(crate) fn ledger_dir(&self) -> PathBuf {
        ledger_in(&self.data_dir)
    }
}

/// Between two lines of the metrics log. Zero says the same as nothing: never.
fn metrics_log_interval(env: &mut Env) -> Result<Option<Duration>, ConfigError> {
    let interval = env.get::<Duration>("METRICS_LOG_INTERVAL")?;
    Ok(interval.filter(|interval| !interval.is_zero()))
}

/// Where a server listens.
pub(crate) fn address(env: &mut Env) -> Result<SocketAddr, ConfigError> {
    let host = env.or("HOST", IpAddr::V4(Ipv4Addr::LOCALHOST))?;
    Ok(SocketAddr::new(host, env.or("PORT", PORT_DEFAULT)?))
}

/// The largest item.
pub(crate) fn item_bytes_max(env: &mut Env) -> Result<ByteSize, ConfigError> {
    env.or("MAX_MESSAGE_SIZE_BYTES", ByteSize(ITEM_BYTES_MAX_DEFAULT))
}

/// Where everything lies that a scheduler keeps.
pub(crate) fn data_dir(env: &mut Env) -> Result<PathBuf, ConfigError> {
    env.or("SU_DATA_DIR", PathBuf::from("rota-data"))
}

/// Where the wallet of the scheduler with this data directory lies.
pub(crate) fn wallet_path(env: &mut Env, data_dir: &Path) -> Result<PathBuf, ConfigError> {
    env.or("SU_WALLET_PATH", data_dir.join("wallet.json"))
}

/// Where the wallet of the scheduler with this data directory comes from.
fn wallet(env: &mut Env, data_dir: &Path) -> Result<WalletSource, ConfigError> {
    let given = env.secret("SU_WALLET")?.map(WalletSource::Given);
    let path = wallet_path(env, data_dir)?;
    Ok(given.unwrap_or(WalletSource::File(path)))
}

/// Where the ledger of the scheduler with this data directory lies.
pub(crate) fn ledger_in(data_dir: &Path) -> PathBuf {
    data_dir.join("ledger")
}

/// The environment of this process with the flags of the command over it.
pub(crate) fn environment(args: &LocalArgs) -> Result<Env, ConfigError> {
    let mut env = Env::load(Some(Path::new(".env")))?;
    let flags = [
        ("HOST", args.host.map(|host| host.to_string())),
        ("PORT", args.port.map(|port| port.to_string())),
        ("SU_DATA_DIR", args.data_dir.as_ref().map(|dir| dir.display().to_string())),
    ];
    for (name, value) in flags {
        if let Some(value) = value {
            env = env.with_flag(name, value);
        }
    }
    Ok(env)
}

fn gateway(env: &mut Env) -> anyhow::Result<GatewayConfig> {
    let arweave_net = Url::parse(ARWEAVE_NET).context("the default gateway")?;
    let gateway_url = env.or("GATEWAY_URL", arweave_net)?;
    Ok(GatewayConfig {
        // As in the reference, the gateway stands in for the node.
        arweave_url: env.or("ARWEAVE_URL", gateway_url.clone())?,
        gateway_url,
        graphql_url: env.get("GRAPHQL_URL")?,
        arweave_url_list: env.or("ARWEAVE_URL_LIST", Vec::new())?,
        timeout: env.or("GATEWAY_TIMEOUT", REQUEST_TIMEOUT_DEFAULT)?,
    })
}

/// When a client is told that its item is placed.
#[derive(Default)]
struct AckSetting(AckAfter);

impl Setting for AckSetting {
    const EXPECTS: &'static str = "database or disk";

    fn parse(text: &str) -> Option<Self> {
        match text {
            "database" => Some(Self(AckAfter::Database)),
            "disk" => Some(Self(AckAfter::Disk)),
            _ => None,
        }
    }

    fn show(&self) -> String {
        match self.0 {
            AckAfter::Database => "database".to_owned(),
            AckAfter::Disk => "disk".to_owned(),
        }
    }
}

/// Where entries are committed, and where schedules are read then: from the replicas of that database,
/// and where they lag from itself.
fn databases(
    env: &mut Env,
    name: &str,
) -> anyhow::Result<Option<(DatabaseConfig, ReadModelConfig)>> {
    let read = rota_read::read_model(env)?;
    let ack_after = env.or("ACK_AFTER", AckSetting::default())?.0;
    let reader_role = env.get("DATABASE_READER_ROLE")?;
    let Some(url) = read.primary.clone() else {
        anyhow::ensure!(
            read.replicas.is_empty(),
            "DATABASE_READ_URL is set, but DATABASE_URL is not: this writer would not write there"
        );
        return Ok(None);
    };
    let name = name.to_owned();
    let database = DatabaseConfig { url, name, ack_after, archive: None, reader_role };
    Ok(Some((database, read)))
}

fn upload(env: &mut Env) -> anyhow::Result<Option<UploadSettings>> {
    let url: Option<Url> = env.get("UPLOAD_NODE_URL")?;
    let mode = env.or("UPLOAD_MODE", ModeSetting::default())?.0;
    let timeout = env.or("UPLOAD_TIMEOUT", DELIVERY_TIMEOUT_DEFAULT)?;
    // Without uploads nothing leaves the machine, whatever this says.
    let default = if url.is_some() { Some(Url::parse(CACHE_NODE)?) } else { None };
    let cache = env.or("CACHE_URL", CacheSetting(default))?.0;
    let cache = cache.map(|url| CacheConfig { url, timeout: CACHE_TIMEOUT_DEFAULT });
    Ok(url.map(|url| UploadSettings { url, mode, timeout, cache }))
}
