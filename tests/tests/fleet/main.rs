//! Several writers of one database: names that change hands, processes that move. Real processes, real
//! signals, a real Postgres, and a DynamoDB whose conditional writes have one winner (RTE-1, LSE-1).
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a helper that cannot go on is a failed test"
)]

mod alarms;
mod archive;
mod clients;
mod commands;
mod cut_off;
mod dashboards;
mod moving;
mod moving_faults;
mod retired;
mod rolling;
mod routed;
mod stale;
mod takeover;
mod town;
mod traces;
mod vitals;
