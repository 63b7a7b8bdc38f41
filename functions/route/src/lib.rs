//! The route function: one address for many writers (contract §4).
//!
//! For every request it finds the writer whose process it is about, and points the client there (307) or
//! passes the request on. A spawn is the one thing that it changes anything for: its process is bound, once
//! and for good (RTE-1), and only after its signature was verified, so that nobody fills the directory with
//! made-up ids. Where it is wrong, because a process was moved or a writer has died a moment ago, the writers
//! still are right: nothing here is needed for the safety of a schedule.
//!
//! It must not know stores, schedules or keys: only the head of an item, and a `Directory`.

mod config;
mod follow;
mod metrics;
mod origin;
mod owners;
mod peek;
mod proxy;
mod read;
mod routes;
mod state;
mod submit;
mod writers;

#[cfg(feature = "lambda")]
pub mod lambda;

pub use config::{ANSWER_MAX_DEFAULT, OWNER_AGE_MAX_DEFAULT, RouteConfig, RouteMode};
pub use metrics::RouteMetrics;
pub use origin::{NotAnOrigin, Origin};
pub use routes::router;
pub use state::RouteState;
