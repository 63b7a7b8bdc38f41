//! What every rota server shares: settings, logs, metrics, the HTTP server loop and its layers,
//! bounded request bodies, shutdown.
//!
//! This crate must not know what an item, a process or a schedule is: it would serve any small HTTP
//! service as well. Of ao it has one list: the settings of the reference SU that rota does not honour.
//! Everything a client can make grow has a limit here: connections, header bytes, header time, body bytes,
//! body time, an answer nobody reads, the values of metric labels.

pub mod body;
pub mod budget;
pub mod config;
pub mod emf;
mod guests;
pub mod histogram;
mod json;
pub mod layers;
mod leftover;
pub mod logs;
pub mod metrics;
pub mod open_files;
pub mod server;
pub mod shutdown;
mod stall;
mod text;
pub mod trace;

pub use body::{BodyError, BodyLimits, read_body};
pub use budget::{BodyBudget, Peer, SMALL_BODY_BYTES_MAX};
pub use config::{ByteSize, ConfigError, Env, Setting, SettingReport, Source, reference_notices};
pub use logs::LogFormat;
pub use metrics::{HttpMetrics, HttpTotals};
pub use open_files::{FileShares, OpenFiles, TooFewFiles};
pub use server::{IDLE_TIMEOUT_DEFAULT, Server, ServerLimits};
pub use shutdown::Stop;
