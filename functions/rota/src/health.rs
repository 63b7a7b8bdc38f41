//! `rota health`: what a supervisor asks the scheduler on its own machine, to restart what hangs.
//!
//! It asks `/started`, not `/health`: what that complains of, no restart mends, and a writer that could be
//! helped by one ends by itself. A container's supervisor counts failures, and has no other patience for a
//! disk that is being filled: so one that answers, but has not started yet, can be waited for.

use crate::client::{Client, block_on};
use crate::local::LocalArgs;
use crate::settings::{address, environment};
use anyhow::Context as _;
use clap::Args;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::process::ExitCode;
use std::time::{Duration, Instant};
use tokio::time::{sleep, timeout};
use url::Url;

/// How long the answer may take.
const ANSWER_MAX: Duration = Duration::from_secs(2);

/// How often one that has not started yet is asked again.
const LOOK: Duration = Duration::from_millis(500);

/// Flags of `rota health`.
#[derive(Args)]
pub(crate) struct HealthArgs {
    #[command(flatten)]
    local: LocalArgs,
    /// How many seconds to wait for one that answers, but has not started yet
    #[arg(long, default_value_t = 0)]
    wait: u64,
}

/// Asks where a scheduler with these flags and this environment listens.
pub(crate) fn run(args: &HealthArgs) -> anyhow::Result<ExitCode> {
    let address = reachable(address(&mut environment(&args.local)?)?);
    let client = Client::new(&Url::parse(&format!("http://{address}"))?)?;
    let (since, wait) = (Instant::now(), Duration::from_secs(args.wait));
    block_on(async {
        loop {
            let asked = timeout(ANSWER_MAX, client.get(&["started"], &[])).await;
            let answer = asked
                .with_context(|| format!("{address} gives no answer within {ANSWER_MAX:?}"))??;
            if answer.status.is_success() {
                return Ok(ExitCode::SUCCESS);
            }
            let is_over = since.elapsed() >= wait;
            anyhow::ensure!(!is_over, "{address} answers: {}", answer.reason());
            sleep(LOOK).await;
        }
    })
}

/// Who listens on every address of the machine is asked on loopback.
const fn reachable(listens: SocketAddr) -> SocketAddr {
    let ip = match listens.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::V6(std::net::Ipv6Addr::LOCALHOST),
        ip => ip,
    };
    SocketAddr::new(ip, listens.port())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_address_means_loopback() {
        for (listens, asked) in [
            ("0.0.0.0:9000", "127.0.0.1:9000"),
            ("[::]:9000", "[::1]:9000"),
            ("10.0.1.2:80", "10.0.1.2:80"),
        ] {
            assert_eq!(reachable(listens.parse().unwrap()), asked.parse().unwrap());
        }
    }
}
