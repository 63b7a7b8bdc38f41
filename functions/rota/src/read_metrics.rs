//! What the reader knows of its databases, as metrics: which were asked, which are left out, and why the
//! primary had the last word.

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use rota_readmodel::{Fallbacks, ReadModel, ReadStats, SourceStats};
use std::fmt;

/// Asks the reader at each scrape.
pub(crate) struct ReadCollector(pub(crate) ReadModel);

impl fmt::Debug for ReadCollector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ReadCollector")
    }
}

/// A number of each database: name, help, and how it is read.
type SourceCounter = (&'static str, &'static str, fn(&SourceStats) -> u64);

const SOURCE_COUNTERS: [SourceCounter; 3] = [
    ("rota_read_queries", "Statements that a database was asked", |source| source.queries),
    ("rota_read_failures", "Statements that it did not answer", |source| source.failures),
    ("rota_read_exclusions", "How often it was left out", |source| source.times_left_out),
];

impl Collector for ReadCollector {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let ReadStats { replicas, primary, fallbacks } = self.0.stats();
        let sources: Vec<SourceStats> = replicas.into_iter().chain(primary).collect();
        for (name, help, number) in SOURCE_COUNTERS {
            let mut metric = encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
            for source in &sources {
                let labels = [("database", source.name.as_str())];
                ConstCounter::new(number(source)).encode(metric.encode_family(&labels)?)?;
            }
        }
        let (name, help) = ("rota_read_left_out", "1 while a database is left out");
        let mut metric = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
        for source in &sources {
            let labels = [("database", source.name.as_str())];
            let left_out = i64::from(source.left_out.is_some());
            ConstGauge::new(left_out).encode(metric.encode_family(&labels)?)?;
        }
        let (name, help) = ("rota_read_lag_milliseconds", "How far behind it last was");
        let mut metric = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
        for source in &sources {
            let labels = [("database", source.name.as_str())];
            ConstGauge::new(source.lag_ms as f64).encode(metric.encode_family(&labels)?)?;
        }
        let (name, help) = ("rota_read_fallbacks", "Questions that only the primary could answer");
        let mut metric = encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
        for (reason, count) in reasons(&fallbacks) {
            ConstCounter::new(count).encode(metric.encode_family(&[("reason", reason)])?)?;
        }
        Ok(())
    }
}

const fn reasons(fallbacks: &Fallbacks) -> [(&'static str, u64); 5] {
    let Fallbacks { newest, open_page, behind, not_found, no_replica } = *fallbacks;
    [
        ("newest", newest),
        ("open_page", open_page),
        ("behind", behind),
        ("not_found", not_found),
        ("no_replica", no_replica),
    ]
}
