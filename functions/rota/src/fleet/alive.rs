//! Who is alive: whose lease changes while one looks on.

use rota_directory::AnyDirectory;
use rota_schedule::{Directory as _, WriterRecord};
use std::time::Duration;
use tokio::time::sleep;

/// Between the two looks; a writer gives a sign of life every second.
pub(super) const LOOK_ON: Duration = Duration::from_millis(2_500);

/// A writer, and how its lease is.
pub(super) struct Seen {
    pub(super) record: WriterRecord,
    pub(super) state: State,
}

/// How the lease of a writer is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// It gave a sign of life.
    Alive,
    /// It gave none.
    Silent,
    /// It was given back.
    Released,
    /// It takes no part in leases: it comes from a list.
    Listed,
}

impl State {
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Alive => "alive",
            Self::Silent => "silent",
            Self::Released => "released",
            Self::Listed => "listed",
        }
    }

    fn of(before: Option<&WriterRecord>, now: &WriterRecord) -> Self {
        let Some(lease) = now.lease else { return Self::Listed };
        if lease.released {
            return Self::Released;
        }
        let changed = before.is_none_or(|before| before.lease != now.lease);
        if changed { Self::Alive } else { Self::Silent }
    }
}

/// All writers, looked at twice.
pub(super) async fn writers(directory: &AnyDirectory) -> anyhow::Result<Vec<Seen>> {
    let before = directory.writers().await?;
    sleep(LOOK_ON).await;
    let now = directory.writers().await?;
    let seen = now.into_iter().map(|record| {
        let before = before.iter().find(|before| before.name == record.name);
        Seen { state: State::of(before, &record), record }
    });
    Ok(seen.collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use rota_schedule::{Lease, LeaseHolder, Load, RoutePolicy};

    fn record(lease: Option<(u64, bool)>) -> WriterRecord {
        WriterRecord {
            name: "w".parse().unwrap(),
            url: None,
            lease: lease.map(|(beat, released)| Lease {
                holder: LeaseHolder([1; 16]),
                beat,
                released,
            }),
            load: Load::default(),
            processes: 0,
            policy: RoutePolicy::default(),
        }
    }

    #[test]
    fn a_writer_is_alive_if_its_lease_changed_while_one_looked_on() {
        let beat = |beat| record(Some((beat, false)));
        assert_eq!(State::of(Some(&beat(3)), &beat(4)), State::Alive);
        assert_eq!(State::of(None, &beat(1)), State::Alive);
        assert_eq!(State::of(Some(&beat(3)), &beat(3)), State::Silent);
        assert_eq!(State::of(Some(&beat(3)), &record(Some((4, true)))), State::Released);
        assert_eq!(State::of(Some(&record(None)), &record(None)), State::Listed);
    }
}
