//! What every rota server shares: settings, logs, metrics, the HTTP server loop and its layers,
//! bounded request bodies, shutdown.
//!
//! This crate must not know what an item, a process or a schedule is: it would serve any small HTTP
//! service as well. Everything a client can make grow has a limit here: connections, header bytes,
//! header time, body bytes, body time, an answer nobody reads, the values of metric labels.

pub mod body;
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
pub mod trace;

pub use body::{BodyBudget, BodyError, BodyPermit, read_body};
pub use config::{ByteSize, ConfigError, Env, Setting, SettingReport, Source};
pub use logs::LogFormat;
pub use metrics::{HttpMetrics, HttpTotals};
pub use open_files::{FileShares, OpenFiles, TooFewFiles};
pub use server::{IDLE_TIMEOUT_DEFAULT, Server, ServerLimits};
pub use shutdown::Stop;
