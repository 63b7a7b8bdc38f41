//! Which vitals there are: the one list that the metrics log, `/metrics` and `docs/metrics.md` agree on.

use super::sample::Sample;
use rota_service::emf::Unit;
use std::time::Duration;

/// How a number is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// As of now.
    Now,
    /// What was added since the line before.
    Added,
}

/// Where `/metrics` has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scraped {
    /// Under this name, from here.
    Here(&'static str),
    /// Within these metrics of a part of the scheduler.
    There(&'static str),
}

/// One vital.
pub(super) struct Vital {
    /// Its name in a line.
    pub(super) name: &'static str,
    pub(super) unit: Unit,
    pub(super) kind: Kind,
    pub(super) scraped: Scraped,
    pub(super) meaning: &'static str,
    /// `None` where there is no such thing.
    pub(super) read: fn(&Sample) -> Option<f64>,
}

impl Vital {
    const fn now(
        name: &'static str,
        unit: Unit,
        scraped: &'static str,
        meaning: &'static str,
        read: fn(&Sample) -> Option<f64>,
    ) -> Self {
        Self { name, unit, kind: Kind::Now, scraped: Scraped::Here(scraped), meaning, read }
    }

    const fn added(
        name: &'static str,
        scraped: &'static str,
        meaning: &'static str,
        read: fn(&Sample) -> Option<f64>,
    ) -> Self {
        let (unit, kind, scraped) = (Unit::Count, Kind::Added, Scraped::There(scraped));
        Self { name, unit, kind, scraped, meaning, read }
    }

    /// Which another part of the scheduler shows to a scraper.
    const fn there(mut self) -> Self {
        if let Scraped::Here(name) = self.scraped {
            self.scraped = Scraped::There(name);
        }
        self
    }

    /// A count that is shown from here.
    const fn here(mut self) -> Self {
        if let Scraped::There(name) = self.scraped {
            self.scraped = Scraped::Here(name);
        }
        self
    }
}

const fn seconds(age: Duration) -> Option<f64> {
    Some(age.as_secs_f64())
}

const fn flag(is_so: bool) -> Option<f64> {
    Some(if is_so { 1.0 } else { 0.0 })
}

const fn count(number: u64) -> Option<f64> {
    Some(number as f64)
}

/// All of them but the quantiles of stages, which are named after those.
#[rustfmt::skip]
pub(super) const VITALS: &[Vital] = &[
    Vital::now("holds", Unit::Count, "rota_holds",
        "1 while this machine writes under the name", |s| flag(s.holds)),
    Vital::now("standby", Unit::Count, "rota_standby",
        "1 while it stands by for another", |s| flag(s.standby)),
    Vital::now("ails", Unit::Count, "rota_ails",
        "1 while /health answers 503", |s| flag(s.ails)),
    Vital::added("entries", "rota_entries_committed_total",
        "Entries stored in the ledger", |s| count(s.writer.entries)),
    Vital::added("posts", "rota_http_requests_total",
        "POSTs answered", |s| count(s.http.posts.total())),
    Vital::added("status_4xx", "rota_http_requests_total",
        "Answers from 400 to 499", |s| count(s.http.status_4xx)),
    Vital::added("status_5xx", "rota_http_requests_total",
        "Answers from 500 on", |s| count(s.http.status_5xx)),
    Vital::now("outbox_depth", Unit::Count, "rota_outbox_depth",
        "Items committed and not uploaded yet", |s| count(s.outbox_depth)).there(),
    Vital::now("outbox_age_seconds", Unit::Seconds, "rota_outbox_age_seconds",
        "Age of the oldest item there", |s| seconds(s.outbox_age)).there(),
    Vital::added("uploads", "rota_uploads_total",
        "Items that a bundler took", |s| count(s.writer.uploads)),
    Vital::added("upload_failures", "rota_upload_failures_total",
        "Deliveries to be tried again", |s| count(s.writer.upload_failures)),
    Vital::added("cache_failures", "rota_cache_failures_total",
        "Items that the cache node did not take", |s| count(s.writer.cache_failures)),
    Vital::now("projection_rows", Unit::Count, "rota_projection_rows",
        "Entries waiting for the database", |s| count(s.writer.projection_rows)).there(),
    Vital::now("projection_age_seconds", Unit::Seconds, "rota_projection_age_seconds",
        "How long the oldest of them has waited", |s| seconds(s.projection_age)),
    Vital::added("projection_failures", "rota_projection_failures_total",
        "Batches without an answer of the database", |s| count(s.writer.projection_failures)),
    Vital::now("block_height_age_seconds", Unit::Seconds, "rota_block_height_age_seconds",
        "Since a gateway last told the block height, or the start", |s| s.height_age.and_then(seconds)),
    Vital::now("lease_age_seconds", Unit::Seconds, "rota_lease_age_seconds",
        "Since the directory last confirmed the lease; 0 without one", |s| seconds(s.lease_age)),
    Vital::now("moves_open", Unit::Count, "rota_moves_open",
        "Moves of processes from or to this writer, of each direction 64 at the most", |s| count(s.moves_open)),
    Vital::now("move_age_seconds", Unit::Seconds, "rota_move_age_seconds",
        "How long this run knows the oldest of them", |s| seconds(s.move_age)),
    Vital::now("checkpoint_age_seconds", Unit::Seconds, "rota_checkpoint_age_seconds",
        "Since the last checkpoint, or the start; absent without a bucket", |s| s.checkpoint_age.and_then(seconds)),
    Vital::added("checkpoint_failures", "rota_checkpoint_failures_total",
        "Checkpoints that were not taken", |s| s.writer.checkpoints.and_then(|it| count(it.failures))).here(),
    Vital::now("checkpoint_bytes", Unit::Bytes, "rota_checkpoint_bytes",
        "Size of the last one of this run", |s| s.writer.checkpoints.and_then(|it| count(it.bytes))),
    Vital::now("checkpoint_seconds", Unit::Seconds, "rota_checkpoint_seconds",
        "How long it took", |s| s.writer.checkpoints.and_then(|it| seconds(it.took))),
    Vital::added("archive_fallbacks", "rota_archive_fallbacks_total",
        "Large bodies that went into the database because S3 was away", |s| count(s.archive_fallbacks)).here(),
    Vital::now("disk_free_bytes", Unit::Bytes, "rota_disk_free_bytes",
        "Free on the volume of the ledger", |s| s.volume.and_then(|it| count(it.free_bytes))),
    Vital::now("disk_free_percent", Unit::Percent, "rota_disk_free_percent",
        "The same in hundredths of it", |s| s.volume.map(|it| it.free_percent)),
    Vital::now("ledger_bytes", Unit::Bytes, "rota_ledger_bytes",
        "Tables and large bodies of the ledger, on its disk", |s| count(s.ledger_bytes)),
    Vital::now("database_bytes", Unit::Bytes, "rota_database_bytes",
        "Size of the database, asked every 10 minutes; absent without one", |s| s.database_bytes.and_then(count)),
    Vital::now("process_resident_bytes", Unit::Bytes, "rota_process_resident_bytes",
        "Memory in use by this process", |s| s.resident_bytes.and_then(count)),
    Vital::now("open_files", Unit::Count, "rota_open_files",
        "Files and sockets that this process has open", |s| s.open_files.and_then(count)),
    Vital::now("open_files_max", Unit::Count, "rota_open_files_max",
        "How many it may have open", |s| count(s.open_files_max)),
    Vital::now("standby_lag_seconds", Unit::Seconds, "rota_standby_lag_seconds",
        "Since the ledger last had all that the database had; absent unless standing by", |s| s.standby_lag.and_then(seconds)),
    Vital::added("trace_spans_dropped", "rota_trace_spans_dropped_total",
        "Spans that were not exported: the queue was full, or the collector away", |s| count(s.spans_dropped)).here(),
];

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    const TABLES: &str = include_str!("../../../../docs/metrics.md");
    /// What is told of the times of each.
    const TIMED: [&str; 7] = ["verify", "facts", "queue", "sign", "commit", "project", "post"];

    /// The rows of the first table: name to unit and name in `/metrics`.
    fn documented() -> BTreeMap<String, (String, String)> {
        let table = TABLES.split("## Writer").nth(1).unwrap().split("##").next().unwrap();
        let rows = table.lines().filter(|line| line.starts_with("| `"));
        rows.map(|row| {
            let cells: Vec<&str> =
                row.split('|').map(|cell| cell.trim().trim_matches('`')).collect();
            (cells[1].to_owned(), (cells[2].to_owned(), cells[3].to_owned()))
        })
        .collect()
    }

    #[test]
    fn every_vital_is_documented_and_every_row_is_one() {
        let own = VITALS.iter().map(|vital| {
            let (Scraped::Here(scraped) | Scraped::There(scraped)) = vital.scraped;
            (vital.name.to_owned(), (vital.unit.name().to_owned(), scraped.to_owned()))
        });
        let timed = TIMED.iter().flat_map(|of| {
            let scraped = if *of == "post" {
                "rota_http_request_seconds"
            } else {
                "rota_write_stage_seconds"
            };
            let row = ("Milliseconds".to_owned(), scraped.to_owned());
            ["p50", "p99"].map(|name| (format!("{of}_{name}_ms"), row.clone()))
        });
        let all: BTreeMap<_, _> = own.chain(timed).collect();
        assert_eq!(all, documented());
        assert!(all.len() < rota_service::emf::METRICS_MAX);
    }

    #[test]
    fn names_are_unique_and_counters_are_named_as_such() {
        let names: std::collections::BTreeSet<_> = VITALS.iter().map(|vital| vital.name).collect();
        assert_eq!(names.len(), VITALS.len());
        for vital in VITALS {
            let (Scraped::Here(name) | Scraped::There(name)) = vital.scraped;
            assert_eq!(name.ends_with("_total"), vital.kind == Kind::Added, "{name}");
        }
    }
}
