//! Who owns which process, as far as it was looked up lately.
//!
//! Two generations of bounded size: what is asked for moves to the young one, and when that is full the old
//! one is forgotten. So a process that is in use stays, and a flood of others costs no more than a bound.

use parking_lot::Mutex;
use rota_schedule::{ProcessId, WriterName};
use std::collections::HashMap;
use std::time::Duration;
use tokio::time::Instant;

/// Processes in one generation.
const GENERATION_MAX: usize = 50_000;
/// How long a process that has no owner is taken to have none: it may be spawned at any moment.
pub(crate) const UNBOUND_AGE_MAX: Duration = Duration::from_secs(1);

/// What was found out about a process, and when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Known {
    /// `None`: it was bound to no writer.
    pub(crate) owner: Option<WriterName>,
    /// When the directory was asked.
    pub(crate) since: Instant,
}

impl Known {
    /// Whether it may be taken for true without asking again.
    pub(crate) fn is_fresh(&self, owner_age_max: Duration) -> bool {
        let max = if self.owner.is_some() { owner_age_max } else { UNBOUND_AGE_MAX };
        self.since.elapsed() < max
    }
}

/// The cache.
#[derive(Default)]
pub(crate) struct Owners(Mutex<Generations>);

#[derive(Default)]
struct Generations {
    young: HashMap<ProcessId, Known>,
    old: HashMap<ProcessId, Known>,
}

impl Owners {
    /// What is known, however long ago it was found out.
    pub(crate) fn get(&self, process: &ProcessId) -> Option<Known> {
        let mut generations = self.0.lock();
        if let Some(known) = generations.young.get(process) {
            return Some(known.clone());
        }
        let known = generations.old.remove(process)?;
        generations.put(*process, known.clone());
        Some(known)
    }

    /// Notes what the directory has just said.
    pub(crate) fn put(&self, process: ProcessId, owner: Option<WriterName>) {
        self.0.lock().put(process, Known { owner, since: Instant::now() });
    }

    /// Forgets one, because it turned out to be wrong.
    pub(crate) fn forget(&self, process: &ProcessId) {
        let mut generations = self.0.lock();
        generations.young.remove(process);
        generations.old.remove(process);
    }
}

impl Generations {
    fn put(&mut self, process: ProcessId, known: Known) {
        if self.young.len() >= GENERATION_MAX {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(process, known);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn process(number: usize) -> ProcessId {
        let mut bytes = [0; 32];
        bytes[..8].copy_from_slice(&number.to_le_bytes());
        ProcessId::new(bytes)
    }

    fn writer() -> Option<WriterName> {
        Some("w".parse().unwrap())
    }

    #[test]
    fn what_is_in_use_stays_and_the_rest_is_bounded() {
        let owners = Owners::default();
        owners.put(process(0), writer());
        for number in 1..GENERATION_MAX * 5 {
            owners.put(process(number), None);
            if number % 1_000 == 0 {
                assert_eq!(owners.get(&process(0)).unwrap().owner, writer(), "{number}");
            }
        }
        let generations = owners.0.lock();
        assert!(generations.young.len() <= GENERATION_MAX);
        assert!(generations.old.len() <= GENERATION_MAX);
        assert!(!generations.old.contains_key(&process(1)));
    }

    #[tokio::test(start_paused = true)]
    async fn an_owner_is_believed_longer_than_that_there_is_none() {
        let owners = Owners::default();
        owners.put(process(1), writer());
        owners.put(process(2), None);
        let fresh = |number| {
            owners.get(&process(number)).is_some_and(|known| known.is_fresh(Duration::from_secs(5)))
        };
        assert!(fresh(1) && fresh(2) && !fresh(3));
        tokio::time::advance(Duration::from_secs(1)).await;
        assert!(fresh(1) && !fresh(2));
        tokio::time::advance(Duration::from_secs(4)).await;
        assert!(!fresh(1));
        owners.forget(&process(1));
        assert_eq!(owners.get(&process(1)), None);
    }
}
