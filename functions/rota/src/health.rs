//! `rota health`: what a supervisor asks the scheduler on its own machine, to restart what hangs.
//!
//! It asks `/started`, not `/health`: what that complains of, no restart mends, and a writer that could be
//! helped by one ends by itself.

use crate::client::{Client, block_on};
use crate::local::LocalArgs;
use crate::settings::{address, environment};
use anyhow::Context as _;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::process::ExitCode;
use std::time::Duration;
use tokio::time::timeout;
use url::Url;

/// How long the answer may take.
const ANSWER_MAX: Duration = Duration::from_secs(2);

/// Asks where a scheduler with these flags and this environment listens.
pub(crate) fn run(args: &LocalArgs) -> anyhow::Result<ExitCode> {
    let address = reachable(address(&mut environment(args)?)?);
    let client = Client::new(&Url::parse(&format!("http://{address}"))?)?;
    let answer = block_on(async {
        let asked = timeout(ANSWER_MAX, client.get(&["started"], &[])).await;
        asked.with_context(|| format!("{address} gives no answer within {ANSWER_MAX:?}"))?
    })?;
    anyhow::ensure!(answer.status.is_success(), "{address} answers: {}", answer.reason());
    Ok(ExitCode::SUCCESS)
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
