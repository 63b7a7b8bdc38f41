//! For tests only: what several crates' tests need and no server links. Builders of items, the vectors,
//! stub upstreams, a client, a real scheduler in a process of its own, a model of a schedule, and a
//! checker that shares no code with what it checks.
//!
//! A helper that cannot do its work ends the test: tests have nothing else to do about it. Nothing
//! leaves loopback, every port is the system's choice, every child is killed with its owner.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::missing_panics_doc,
    reason = "every caller is a test, for which a panic is the report"
)]

pub mod alarm;
pub mod aws;
mod bundler;
mod cache;
mod client;
mod collector;
mod gateway;
pub mod heights;
pub mod independent;
mod items;
pub mod lambda;
mod model;
pub mod port;
pub mod postgres;
pub mod proxy;
mod reader_suite;
mod s3_refusals;
pub mod scheduler;
mod site;
mod stub;
pub mod vectors;

pub use bundler::{BundlerMode, StubBundler};
pub use cache::{CacheMode, Shown, StubCache};
pub use client::{Answer, Client};
pub use collector::{CollectorMode, Span, StubCollector};
pub use gateway::{GatewayMode, StubGateway};
pub use items::{
    ItemBuilder, MODULE, ethereum_twin, hex_solana, keyless, message, pushed, signers, spawn,
    typed_ethereum, user, wallet,
};
pub use model::Model;
pub use reader_suite::{Schedule, reader_suite, schedules, whole_page};
pub use s3_refusals::{Refused, S3Refusals};
pub use scheduler::RotaProcess;
pub use site::Site;
