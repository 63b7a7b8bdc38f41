//! What a router counts besides requests: where its knowledge came from, and what did not answer.

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::Registry;

/// A label with values that are known beforehand.
type Label = [(&'static str, &'static str); 1];

/// Why what was passed on had no answer.
const UPSTREAM_WHYS: [&str; 5] = ["circle", "no_files", "unreachable", "broken", "late"];

/// Counters of a router. Clones count into the same.
#[derive(Clone, Debug, Default)]
pub struct RouteMetrics {
    lookups: Family<Label, Counter>,
    binds: Counter,
    directory_failures: Counter,
    upstream_failures: Family<Label, Counter>,
    silent: Counter,
}

/// Where the owner of a process was known from.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Source {
    /// It was looked up lately.
    Cache,
    /// The directory was asked.
    Directory,
    /// The directory did not answer: it was looked up some time ago.
    Stale,
}

impl RouteMetrics {
    /// Counters that `registry` shows. Once a registry.
    pub fn register(registry: &mut Registry) -> Self {
        let metrics = Self::default();
        let Self { lookups, binds, directory_failures, upstream_failures, silent } =
            metrics.clone();
        registry.register("rota_route_lookups", "Owners of processes, by where from", lookups);
        registry.register("rota_route_binds", "Spawns that were bound or found bound", binds);
        registry.register(
            "rota_route_directory_failures",
            "Questions that the directory did not answer",
            directory_failures,
        );
        registry.register(
            "rota_route_upstream_failures",
            "Requests that were passed on and not answered, by why",
            upstream_failures,
        );
        registry.register(
            "rota_route_writer_silent",
            "Requests whose writer shows no sign of life",
            silent,
        );
        metrics
    }

    /// The failures by name, as sums since the start.
    #[must_use]
    pub fn failures(&self) -> Vec<(&'static str, u64)> {
        let whys =
            UPSTREAM_WHYS.map(|why| self.upstream_failures.get_or_create(&[("why", why)]).get());
        vec![
            ("directory_failures", self.directory_failures.get()),
            ("upstream_failures", whys.iter().sum()),
            ("writer_silent", self.silent.get()),
        ]
    }

    pub(crate) fn looked_up(&self, source: Source) {
        let name = match source {
            Source::Cache => "cache",
            Source::Directory => "directory",
            Source::Stale => "stale",
        };
        self.lookups.get_or_create(&[("from", name)]).inc();
    }

    pub(crate) fn bound(&self) {
        self.binds.inc();
    }

    pub(crate) fn directory_failed(&self) {
        self.directory_failures.inc();
    }

    pub(crate) fn silent(&self) {
        self.silent.inc();
    }

    pub(crate) fn upstream_failed(&self, why: &'static str) {
        self.upstream_failures.get_or_create(&[("why", why)]).inc();
    }
}
