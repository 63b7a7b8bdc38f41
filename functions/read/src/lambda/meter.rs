//! What the function tells of its databases with each line of its metrics log.

use rota_lambda::{Counts, Gauges, Meter};
use rota_readmodel::{Fallbacks, ReadModel, ReadStats};
use rota_schedule::Clock;
use rota_service::emf::{self, Namespace, Unit};
use std::sync::Arc;

/// Lines with what the reader knows of its databases.
#[must_use]
pub fn meter(reader: &ReadModel, namespace: Namespace, clock: Arc<dyn Clock>) -> Meter {
    let (counted, seen) = (reader.clone(), reader.clone());
    let counts = move || counts(&counted.stats());
    let gauges = move || gauges(&seen.stats());
    Meter::with("read", namespace, clock, emf::stdout, counts, gauges)
}

fn counts(stats: &ReadStats) -> Counts {
    let Fallbacks { newest, open_page, behind, not_found, no_replica } = stats.fallbacks;
    let failures = stats.replicas.iter().chain(&stats.primary).map(|source| source.failures);
    vec![
        ("primary_fallbacks", newest + open_page + behind + not_found + no_replica),
        ("source_failures", failures.sum()),
    ]
}

/// How far the replica that lags most is behind; nothing without replicas.
fn gauges(stats: &ReadStats) -> Gauges {
    let lag_ms = stats.replicas.iter().map(|replica| replica.lag_ms).max();
    lag_ms.map(|lag_ms| ("replica_lag_ms", Unit::Milliseconds, lag_ms as f64)).into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use rota_readmodel::SourceStats;

    fn source(failures: u64, lag_ms: u64) -> SourceStats {
        let (name, queries, times_left_out) = (String::new(), 9, 0);
        SourceStats { name, queries, failures, times_left_out, lag_ms, left_out: None }
    }

    #[test]
    fn all_databases_count_and_the_slowest_replica_is_told() {
        let fallbacks =
            Fallbacks { newest: 1, open_page: 2, behind: 4, not_found: 8, no_replica: 16 };
        let replicas = vec![source(1, 20), source(2, 300)];
        let stats = ReadStats { replicas, primary: Some(source(4, 0)), fallbacks };
        assert_eq!(counts(&stats), [("primary_fallbacks", 31), ("source_failures", 7)]);
        assert_eq!(gauges(&stats), [("replica_lag_ms", Unit::Milliseconds, 300.0)]);
        let alone = ReadStats { replicas: Vec::new(), ..stats };
        assert_eq!(gauges(&alone), []);
    }
}
