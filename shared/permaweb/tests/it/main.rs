//! The clients against real servers on loopback: good ones, wrong ones and hostile ones.
#![allow(clippy::unwrap_used, clippy::panic, reason = "every function here is part of a test")]

mod bundler;
mod gateway;
mod height;
mod leap;
mod server;
