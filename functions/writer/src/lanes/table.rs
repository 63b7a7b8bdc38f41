//! What the lanes hold in memory: queues, heads as staged, who waits for what, and which timestamps are
//! still in flight. All of it behind one lock; nothing here signs, stores or waits.

use super::Answer;
use super::holds::Holds;
use rota_schedule::{
    Admitted, ContentKey, Head, MessageId, ProcessId, Slot, SlotError, Timestamp, next_slot,
};
use rota_service::trace::Context;
use std::collections::{HashMap, VecDeque};
use std::time::Instant;
use tokio::sync::oneshot;

/// How far one heartbeat may move the closed timestamp, in milliseconds. A wall clock that jumps ahead
/// drags the schedules of all processes along only this far before it may be set right.
const CLOSE_STEP_MAX: u64 = 10_000;

pub(super) type Reply = oneshot::Sender<Answer>;

/// An item on its way into a schedule.
pub(super) struct Job {
    pub(super) admitted: Admitted,
    pub(super) reply: Reply,
    pub(super) since: Instant,
    /// The request that brought it.
    pub(super) trace: Option<Context>,
}

/// An entry that is signed and not committed: who is told, and what is remembered of it meanwhile.
pub(super) struct Staged {
    pub(super) process: ProcessId,
    /// The item's id, if it was posted: whoever posts it again waits with it.
    pub(super) posted: Option<MessageId>,
    pub(super) content: Option<ContentKey>,
    /// Who waits for an item that was only assigned.
    pub(super) alone: Option<Reply>,
    /// The request that it is placed for, and when the ledger was given it.
    pub(super) trace: Option<Context>,
    pub(super) since: Instant,
}

/// A content that is staged, and who has brought it again meanwhile.
pub(super) struct StagedContent {
    pub(super) nonce: u64,
    pub(super) waiting: Vec<Reply>,
}

/// One process with items in flight.
#[derive(Default)]
pub(super) struct Lane {
    pub(super) queue: VecDeque<Job>,
    /// A signing thread holds this lane, or will as soon as one is free.
    pub(super) scheduled: bool,
    /// The head with all staged entries; `None` until the first turn.
    pub(super) head: Option<Head>,
    /// Posted items that are signed and not committed, with those who wait for them.
    pub(super) staged: HashMap<MessageId, Vec<Reply>>,
    /// Contents that are signed and not committed (DUP-2).
    pub(super) contents: HashMap<ContentKey, StagedContent>,
    /// Timestamps of slots that are taken and not committed, oldest first.
    in_flight: VecDeque<Timestamp>,
}

impl Lane {
    /// A lane with nothing queued and nothing in flight holds nothing that the ledger does not.
    fn is_idle(&self) -> bool {
        !self.scheduled && self.in_flight.is_empty() && self.queue.is_empty()
    }
}

/// All lanes.
pub(super) struct Table {
    pub(super) lanes: HashMap<ProcessId, Lane>,
    /// Items in all queues.
    pub(super) waiting: usize,
    /// No slot is placed at or below it any more.
    closed: Timestamp,
    /// Whether it was moved since the start.
    closing: bool,
    /// It is to be moved up to here, even if that lies ahead of the clock.
    aim: Timestamp,
    /// In which processes slots may be taken.
    pub(super) holds: Holds,
}

impl Table {
    /// No lane at all; every slot lies above `closed`.
    pub(super) fn new(closed: Timestamp, holds: Holds) -> Self {
        let (lanes, aim) = (HashMap::new(), Timestamp(0));
        Self { lanes, waiting: 0, closed, closing: false, aim, holds }
    }

    /// Has the closed timestamp move up to a time, even if that lies ahead of the clock.
    pub(super) fn aim(&mut self, aim: Timestamp) {
        self.aim = self.aim.max(aim);
    }

    /// Takes the slot after `head`; it is in flight until [`Self::land`].
    pub(super) fn reserve(
        &mut self,
        process: ProcessId,
        head: Option<&Head>,
        now: Timestamp,
        height: u64,
    ) -> Result<Slot, SlotError> {
        let slot = next_slot(process, head, now, self.closed, height)?;
        self.lanes.entry(process).or_default().in_flight.push_back(slot.timestamp);
        Ok(slot)
    }

    /// Gives back the newest slot of a process: nothing was signed for it.
    pub(super) fn give_back(&mut self, process: &ProcessId) {
        if let Some(lane) = self.lanes.get_mut(process) {
            lane.in_flight.pop_back();
        }
        self.remove_if_idle(process);
    }

    /// The oldest slot of a process is in flight no more: entries of a process are committed in order.
    pub(super) fn land(&mut self, process: &ProcessId) {
        if let Some(lane) = self.lanes.get_mut(process) {
            lane.in_flight.pop_front();
        }
        self.remove_if_idle(process);
    }

    /// Slots in flight.
    pub(super) fn in_flight(&self) -> usize {
        self.lanes.values().map(|lane| lane.in_flight.len()).sum()
    }

    /// Moves the closed timestamp as far as it may: up to now (or where it is to go), under everything in
    /// flight.
    pub(super) fn close(&mut self, now: Timestamp) -> Timestamp {
        let oldest = self.lanes.values().filter_map(|lane| lane.in_flight.front()).min();
        let below = oldest.map_or(u64::MAX, |oldest| oldest.0.saturating_sub(1));
        let step = if self.closing { CLOSE_STEP_MAX } else { u64::MAX };
        let until = now.max(self.aim).0.min(below).min(self.closed.0.saturating_add(step));
        self.closed = self.closed.max(Timestamp(until));
        self.closing = true;
        self.closed
    }

    pub(super) fn remove_if_idle(&mut self, process: &ProcessId) {
        if self.lanes.get(process).is_some_and(Lane::is_idle) {
            self.lanes.remove(process);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rota_schedule::AssignmentId;

    const A: ProcessId = ProcessId::new([1; 32]);
    const B: ProcessId = ProcessId::new([2; 32]);

    fn at(table: &mut Table, process: ProcessId, head: Option<&Head>, now: u64) -> u64 {
        table.reserve(process, head, Timestamp(now), 0).unwrap().timestamp.0
    }

    #[test]
    fn the_closed_timestamp_stays_under_what_is_in_flight() {
        let mut table = Table::new(Timestamp(50), Holds::all());
        assert_eq!(at(&mut table, A, None, 10), 51, "above what earlier terms promised");
        assert_eq!(table.close(Timestamp(1_000)), Timestamp(50));
        assert_eq!(at(&mut table, B, None, 200), 200);
        table.land(&A);
        assert_eq!(table.close(Timestamp(1_000)), Timestamp(199));
        table.land(&B);
        assert_eq!((table.close(Timestamp(1_000)), table.in_flight()), (Timestamp(1_000), 0));
        assert_eq!(table.close(Timestamp(900)), Timestamp(1_000), "it never goes back");
        assert_eq!(at(&mut table, A, None, 900), 1_001);
        table.give_back(&A);
        assert!(table.lanes.is_empty());
    }

    #[test]
    fn a_clock_that_jumps_ahead_is_followed_in_steps() {
        let mut table = Table::new(Timestamp(5), Holds::all());
        assert_eq!(
            table.close(Timestamp(1_000_000)),
            Timestamp(1_000_000),
            "the first time at once"
        );
        let far = Timestamp(9_000_000_000);
        assert_eq!(table.close(far), Timestamp(1_000_000 + CLOSE_STEP_MAX));
        assert_eq!(table.close(far), Timestamp(1_000_000 + 2 * CLOSE_STEP_MAX));
        assert_eq!(table.close(Timestamp(u64::MAX)), Timestamp(1_000_000 + 3 * CLOSE_STEP_MAX));
    }

    #[test]
    fn what_another_writer_promised_is_promised_here_too_in_steps() {
        let mut table = Table::new(Timestamp(0), Holds::all());
        assert_eq!(table.close(Timestamp(1_000)), Timestamp(1_000));
        table.aim(Timestamp(1_000 + CLOSE_STEP_MAX + 7));
        assert_eq!(table.close(Timestamp(1_001)), Timestamp(1_000 + CLOSE_STEP_MAX));
        assert_eq!(table.close(Timestamp(1_002)), Timestamp(1_000 + CLOSE_STEP_MAX + 7));
        assert_eq!(at(&mut table, A, None, 1_003), 1_000 + CLOSE_STEP_MAX + 8);
    }

    proptest! {
        /// What is promised is kept: no slot is ever taken at or below a closed timestamp, and nothing in
        /// flight is ever at or below one.
        #[test]
        fn nothing_comes_at_or_below_a_closed_timestamp(
            steps in prop::collection::vec((0u8..4, 0u8..3, 0u64..100_000), 1..120)
        ) {
            let mut table = Table::new(Timestamp(0), Holds::all());
            let (mut closed, mut heads) = (0, HashMap::new());
            let mut flying: HashMap<ProcessId, VecDeque<u64>> = HashMap::new();
            for (step, process, now) in steps {
                let process = ProcessId::new([process; 32]);
                let open = flying.entry(process).or_default();
                match step {
                    0 | 1 => {
                        let head: Option<&Head> = heads.get(&process);
                        let slot = table.reserve(process, head, Timestamp(now), 0).unwrap();
                        prop_assert!(slot.timestamp.0 > closed);
                        heads.insert(process, slot.head(AssignmentId::new([3; 32])));
                        open.push_back(slot.timestamp.0);
                    }
                    2 => if open.pop_front().is_some() { table.land(&process) },
                    _ => {
                        let now_closed = table.close(Timestamp(now)).0;
                        prop_assert!(now_closed >= closed);
                        closed = now_closed;
                        prop_assert!(flying.values().flatten().all(|time| *time > closed));
                    }
                }
            }
        }
    }
}
