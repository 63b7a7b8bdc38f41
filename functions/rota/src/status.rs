//! `rota status`: how a scheduler is doing, from what it serves to anyone: `/health`, `/`,
//! `/timestamp` and `/metrics`.
//!
//! What it does not say (metrics may be off, and other schedulers have others) is left out.

use crate::client::{Client, URL_DEFAULT, block_on};
use crate::height;
use crate::output::{self, field, thousands};
use clap::Args;
use serde::{Deserialize, Serialize};
use std::process::ExitCode;
use url::Url;

/// Flags of `rota status`.
#[derive(Args)]
pub(crate) struct StatusArgs {
    /// The scheduler
    #[arg(long, default_value = URL_DEFAULT)]
    url: Url,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

/// All that is known; absent is what the scheduler did not say.
#[derive(Debug, Default, PartialEq, Serialize)]
struct Status {
    url: String,
    healthy: bool,
    /// Why it is not healthy.
    reason: Option<String>,
    address: Option<String>,
    /// Contract §3 has no word for "not known": the scheduler says 0 then.
    block_height: Option<u64>,
    #[serde(flatten)]
    numbers: Numbers,
}

/// What the metrics say.
#[derive(Debug, Default, PartialEq, Serialize)]
struct Numbers {
    /// Since its start.
    entries_committed: Option<u64>,
    outbox_depth: Option<u64>,
    outbox_age_seconds: Option<u64>,
    lanes_active: Option<u64>,
    writer_term: Option<u64>,
    projection_rows: Option<u64>,
    /// Since its start.
    requests: Option<u64>,
    /// Files and sockets that it has open, and may have open.
    open_files: Option<u64>,
    open_files_max: Option<u64>,
}

#[derive(Deserialize)]
struct AddressAnswer {
    address: String,
}

#[derive(Deserialize)]
struct TimestampAnswer {
    block_height: String,
}

impl TimestampAnswer {
    fn height(&self) -> Option<u64> {
        self.block_height.parse().ok().filter(|height| *height > 0)
    }
}

/// Asks, prints, and fails if the scheduler is not healthy or not there.
pub(crate) fn run(args: &StatusArgs) -> anyhow::Result<ExitCode> {
    let client = Client::new(&args.url)?;
    let status = block_on(ask(&client))?;
    if args.json {
        output::line(&serde_json::to_string(&status)?);
    } else {
        print(&status);
    }
    Ok(if status.healthy { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

async fn ask(client: &Client) -> anyhow::Result<Status> {
    let health = client.get(&["health"], &[]).await?;
    let healthy = health.status.is_success();
    let address = client.get(&[], &[]).await?.json::<AddressAnswer>().ok();
    let timestamp = client.get(&["timestamp"], &[]).await?.json::<TimestampAnswer>().ok();
    let metrics = client.get(&["metrics"], &[]).await?.success().unwrap_or_default();
    Ok(Status {
        url: client.url().to_owned(),
        healthy,
        reason: (!healthy).then(|| health.reason()),
        address: address.map(|answer| answer.address),
        block_height: timestamp.and_then(|answer| answer.height()),
        numbers: Numbers::read(&String::from_utf8_lossy(&metrics)),
    })
}

impl Numbers {
    /// Reads OpenMetrics text.
    fn read(text: &str) -> Self {
        Self {
            entries_committed: sum(text, "rota_entries_committed_total"),
            outbox_depth: sum(text, "rota_outbox_depth"),
            outbox_age_seconds: sum(text, "rota_outbox_age_seconds"),
            lanes_active: sum(text, "rota_lanes_active"),
            writer_term: sum(text, "rota_writer_term"),
            projection_rows: sum(text, "rota_projection_rows"),
            requests: sum(text, "rota_http_requests_total"),
            open_files: sum(text, "rota_open_files"),
            open_files_max: sum(text, "rota_open_files_max"),
        }
    }
}

/// The sum of a metric over its labels; `None` if it is not there.
fn sum(text: &str, name: &str) -> Option<u64> {
    let values = text.lines().filter_map(|line| {
        let (line, _exemplar) = line.split_once(" # ").unwrap_or((line, ""));
        let rest = line.strip_prefix(name)?;
        // The value is what follows the labels, or the name where there are none.
        let value = rest.strip_prefix(' ').or_else(|| rest.rsplit_once("} ").map(|(_, v)| v))?;
        let value = value.split(' ').next()?;
        value.strip_suffix(".0").unwrap_or(value).parse::<u64>().ok()
    });
    values.reduce(u64::saturating_add)
}

fn print(status: &Status) {
    let Status { url, reason, address, block_height, numbers, .. } = status;
    match reason {
        None => output::line(&format!("{url} is healthy")),
        Some(reason) => output::line(&format!("{url} is not healthy: {reason}")),
    }
    let show = |name: &str, value: Option<String>| {
        if let Some(value) = value {
            field(&format!("  {name}"), value);
        }
    };
    show("address", address.clone());
    show("height", height(*block_height, status.healthy));
    let since_start = |number| format!("{} since its start", thousands(number));
    show("entries", numbers.entries_committed.map(since_start));
    show("requests", numbers.requests.map(since_start));
    show("lanes", numbers.lanes_active.map(|number| format!("{} active", thousands(number))));
    show("database", numbers.writer_term.and_then(|term| database(term, numbers.projection_rows)));
    let files = numbers.open_files.zip(numbers.open_files_max);
    show("files", files.map(|(now, max)| format!("{} of {} open", thousands(now), thousands(max))));
    show("outbox", numbers.outbox_depth.map(|depth| outbox(depth, numbers.outbox_age_seconds)));
}

/// A scheduler that is healthy without a height has no gateway. One that needs a height gives it as the reason.
fn height(blocks: Option<u64>, healthy: bool) -> Option<String> {
    blocks.map(thousands).or_else(|| healthy.then(|| height::UNKNOWN.to_owned()))
}

/// What commits where; a scheduler without a database has term 0.
fn database(term: u64, waiting: Option<u64>) -> Option<String> {
    let waiting = thousands(waiting.unwrap_or(0));
    (term > 0).then(|| format!("term {}, {waiting} entries waiting for it", thousands(term)))
}

fn outbox(depth: u64, age_seconds: Option<u64>) -> String {
    match age_seconds {
        Some(age) if depth > 0 => {
            format!("{} waiting, the oldest for {} s", thousands(depth), thousands(age))
        }
        _ => format!("{} waiting", thousands(depth)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metrics_are_summed_over_their_labels() {
        let text = "# TYPE rota_outbox_depth gauge\nrota_outbox_depth 12\n\
            rota_outbox_depth_max 99\n\
            rota_http_requests_total{method=\"GET\",route=\"/{id}\",status=\"200\"} 5\n\
            rota_http_requests_total{method=\"POST\",route=\"/\",status=\"200\"} 7 # {} 1.0\n\
            rota_open_files 120.0\nrota_open_files_max 1024.0\n\
            rota_entries_committed_total 1234567\n# EOF\n";
        let expected = Numbers {
            entries_committed: Some(1_234_567),
            outbox_depth: Some(12),
            requests: Some(12),
            open_files: Some(120),
            open_files_max: Some(1_024),
            ..Numbers::default()
        };
        assert_eq!(Numbers::read(text), expected);
        assert_eq!(Numbers::read("<html>404</html>"), Numbers::default());
    }

    #[test]
    fn what_is_not_there_has_no_number() {
        let told = |text: &str| TimestampAnswer { block_height: text.to_owned() }.height();
        assert_eq!((told("000000000000"), told("000001600000")), (None, Some(1_600_000)));
        assert_eq!(height(Some(1_600_000), false).unwrap(), "1,600,000");
        assert_eq!(height(None, true).unwrap(), "no gateway: height unknown");
        assert_eq!(height(None, false), None);
        assert_eq!(database(0, Some(0)), None);
        let shown = database(3, Some(1_200)).unwrap();
        assert_eq!(shown, "term 3, 1,200 entries waiting for it");
        assert_eq!(outbox(0, Some(0)), "0 waiting");
        assert_eq!(outbox(1_200, Some(61)), "1,200 waiting, the oldest for 61 s");
    }
}
