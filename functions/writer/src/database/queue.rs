//! What waits for the database: per process in its order, taken in batches of many processes.
//!
//! Keeps ORD-1 and PRJ-1: a process is in one batch at a time, and its rows leave in the order in which
//! they came, so whichever batch commits first, a schedule grows by its next entries only. Knows no
//! database and no clock.

use rota_readmodel::Row;
use rota_schedule::ProcessId;
use std::collections::{HashMap, VecDeque};
use std::time::Instant;

/// Rows that are committed together, each with `D`, whoever is told of its end.
pub(crate) struct Batch<D> {
    /// The rows of a process are adjacent and in its order.
    pub(crate) rows: Vec<Row>,
    /// As many as rows.
    pub(crate) done: Vec<D>,
}

/// The rows of one process.
struct Line<D> {
    waiting: VecDeque<(Row, Instant, D)>,
    /// Since when its first row is here, waiting or in a batch.
    since: Instant,
    /// Some of its rows are in a batch: the others wait for its end.
    in_batch: bool,
}

/// Everything that waits or is in a batch.
pub(crate) struct Queue<D> {
    lines: HashMap<ProcessId, Line<D>>,
    /// Processes whose rows may be taken, in the order in which they came.
    ready: VecDeque<ProcessId>,
    rows: usize,
    bytes: usize,
}

impl<D> Default for Queue<D> {
    fn default() -> Self {
        Self { lines: HashMap::new(), ready: VecDeque::new(), rows: 0, bytes: 0 }
    }
}

impl<D> Queue<D> {
    /// Puts a row at the end of its process's line.
    pub(crate) fn push(&mut self, row: Row, now: Instant, done: D) {
        let process = row.process;
        self.rows += 1;
        self.bytes += row.entry.len_bytes();
        let new = || Line { waiting: VecDeque::new(), since: now, in_batch: false };
        let line = self.lines.entry(process).or_insert_with(new);
        if line.waiting.is_empty() && !line.in_batch {
            self.ready.push_back(process);
        }
        line.waiting.push_back((row, now, done));
    }

    /// Rows and bytes of items that wait or are in a batch.
    pub(crate) const fn len(&self) -> (usize, usize) {
        (self.rows, self.bytes)
    }

    /// Since when the oldest row is here.
    pub(crate) fn oldest(&self) -> Option<Instant> {
        self.lines.values().map(|line| line.since).min()
    }

    /// Whether anything may be taken now.
    pub(crate) fn is_ready(&self) -> bool {
        !self.ready.is_empty()
    }

    /// Takes at most so many rows and bytes; a row that is larger goes alone. `None` if there is nothing
    /// that may be taken now.
    pub(crate) fn take(&mut self, rows_max: usize, bytes_max: usize) -> Option<Batch<D>> {
        let mut batch = Batch { rows: Vec::new(), done: Vec::new() };
        let mut bytes = 0;
        while let Some(process) = self.ready.front() {
            let Some(line) = self.lines.get_mut(process) else { break };
            let before = batch.rows.len();
            while let Some((row, ..)) = line.waiting.front() {
                let fits = bytes + row.entry.len_bytes() <= bytes_max;
                if batch.rows.len() >= rows_max || !(fits || batch.rows.is_empty()) {
                    break;
                }
                bytes += row.entry.len_bytes();
                if let Some((row, _, done)) = line.waiting.pop_front() {
                    batch.rows.push(row);
                    batch.done.push(done);
                }
            }
            if batch.rows.len() == before {
                break;
            }
            line.in_batch = true;
            self.ready.pop_front();
        }
        (!batch.rows.is_empty()).then_some(batch)
    }

    /// Forgets the rows of a batch that has ended; its processes may be taken again.
    pub(crate) fn finish(&mut self, rows: &[Row]) {
        for row in rows {
            self.rows -= 1;
            self.bytes -= row.entry.len_bytes();
            // Only the first of a process's rows finds it in a batch.
            let Some(line) = self.lines.get_mut(&row.process).filter(|line| line.in_batch) else {
                continue;
            };
            line.in_batch = false;
            if let Some((_, since, _)) = line.waiting.front() {
                line.since = *since;
                self.ready.push_back(row.process);
            } else {
                self.lines.remove(&row.process);
            }
        }
    }

    /// Gives up everything that is in no batch.
    pub(crate) fn clear(&mut self) -> Vec<D> {
        self.ready.clear();
        let mut given_up = Vec::new();
        for (row, _, done) in self.lines.values_mut().flat_map(|line| line.waiting.drain(..)) {
            self.rows -= 1;
            self.bytes -= row.entry.len_bytes();
            given_up.push(done);
        }
        self.lines.retain(|_, line| line.in_batch);
        given_up
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use proptest::prelude::*;
    use rota_schedule::{AssignmentId, Entry, MessageId, Timestamp};

    fn row(process: u8, nonce: u64, bytes: usize) -> Row {
        let entry = Entry {
            nonce,
            timestamp: Timestamp(nonce),
            assignment_id: AssignmentId::new([1; 32]),
            message_id: MessageId::new([2; 32]),
            assignment: Bytes::from(vec![0; bytes]),
            message: None,
        };
        Row { process: ProcessId::new([process; 32]), entry, content: None }
    }

    fn taken(batch: Option<&Batch<u64>>) -> Vec<(u8, u64)> {
        let rows = batch.map_or(&[][..], |batch| &batch.rows);
        rows.iter().map(|row| (row.process.as_bytes()[0], row.entry.nonce)).collect()
    }

    #[test]
    fn a_process_is_in_one_batch_at_a_time() {
        let mut queue = Queue::default();
        queue.push(row(1, 0, 10), Instant::now(), 0);
        queue.push(row(2, 0, 10), Instant::now(), 1);
        queue.push(row(1, 1, 10), Instant::now(), 2);
        let first = queue.take(100, 1_000).unwrap();
        assert_eq!(taken(Some(&first)), [(1, 0), (1, 1), (2, 0)]);
        assert_eq!(first.done, [0, 2, 1]);
        queue.push(row(1, 2, 10), Instant::now(), 3);
        queue.push(row(3, 0, 10), Instant::now(), 4);
        let second = queue.take(100, 1_000);
        assert_eq!(taken(second.as_ref()), [(3, 0)]);
        assert!(queue.take(100, 1_000).is_none());
        queue.finish(&first.rows);
        assert_eq!(taken(queue.take(100, 1_000).as_ref()), [(1, 2)]);
        assert_eq!(queue.len(), (2, 20));
    }

    #[test]
    fn the_oldest_row_is_known_until_it_is_committed() {
        let (mut queue, start) = (Queue::default(), Instant::now());
        let at = |seconds| start + std::time::Duration::from_secs(seconds);
        assert_eq!(queue.oldest(), None);
        queue.push(row(1, 0, 10), at(0), 0);
        queue.push(row(2, 0, 10), at(1), 1);
        queue.push(row(1, 1, 10), at(2), 2);
        let first = queue.take(1, 1_000).unwrap();
        assert_eq!(queue.oldest(), Some(at(0)), "it is on its way");
        queue.finish(&first.rows);
        assert_eq!(queue.oldest(), Some(at(1)));
        let rest = queue.take(10, 1_000).unwrap();
        queue.finish(&rest.rows);
        assert_eq!(queue.oldest(), None);
    }

    #[test]
    fn what_is_given_up_is_told_and_what_is_in_a_batch_is_not() {
        let mut queue = Queue::default();
        for nonce in 0..3 {
            queue.push(row(1, nonce, 10), Instant::now(), nonce);
        }
        let batch = queue.take(1, 1_000).unwrap();
        queue.push(row(2, 0, 10), Instant::now(), 7);
        let mut told = queue.clear();
        told.sort_unstable();
        assert_eq!(told, [1, 2, 7]);
        assert_eq!(queue.len(), (1, 10));
        queue.finish(&batch.rows);
        assert_eq!(queue.len(), (0, 0));
        assert!(queue.take(9, 9).is_none() && queue.lines.is_empty());
    }

    proptest! {
        /// Whatever comes and goes: each process's rows leave once, in order, never two batches at a time.
        #[test]
        fn rows_leave_once_and_in_order(
            steps in prop::collection::vec((0u8..4, 0u8..6, 1usize..40), 1..200),
            rows_max in 1usize..6, bytes_max in 1usize..100,
        ) {
            let mut queue = Queue::default();
            let (mut pushed, mut left) = ([0u64; 4], [0u64; 4]);
            let mut open: Vec<Batch<u64>> = Vec::new();
            for (process, step, bytes) in steps {
                let index = usize::from(process);
                match step {
                    0..3 => {
                        queue.push(row(process, pushed[index], bytes), Instant::now(), pushed[index]);
                        pushed[index] += 1;
                    }
                    3..5 => if let Some(batch) = queue.take(rows_max, bytes_max) {
                        let size: usize = batch.rows.iter().map(|row| row.entry.len_bytes()).sum();
                        prop_assert!(batch.rows.len() <= rows_max);
                        prop_assert!(size <= bytes_max || batch.rows.len() == 1);
                        for (process, nonce) in taken(Some(&batch)) {
                            prop_assert_eq!(nonce, left[usize::from(process)]);
                            left[usize::from(process)] += 1;
                            let busy = open.iter().any(|other| taken(Some(other)).iter().any(|row| row.0 == process));
                            prop_assert!(!busy, "process {} is in two batches", process);
                        }
                        open.push(batch);
                    },
                    _ => if !open.is_empty() {
                        let batch = open.swap_remove(usize::from(process) % open.len());
                        queue.finish(&batch.rows);
                    },
                }
            }
            loop {
                open.drain(..).for_each(|batch| queue.finish(&batch.rows));
                let Some(batch) = queue.take(rows_max, bytes_max) else { break };
                taken(Some(&batch)).iter().for_each(|row| left[usize::from(row.0)] += 1);
                open.push(batch);
            }
            prop_assert_eq!(pushed, left);
            prop_assert_eq!(queue.len(), (0, 0));
        }
    }
}
