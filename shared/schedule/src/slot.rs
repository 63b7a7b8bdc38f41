//! Where the next entry of a process goes: nonce, hash chain, timestamp and block height.
//!
//! Keeps ORD-1, ORD-2 and ORD-3 by construction: a slot is a function of the head before it, and the
//! head after it is a function of the slot and the id of the signed assignment.

use crate::{AssignmentId, ProcessId, Timestamp};
use sha2::{Digest, Sha256};
use std::fmt;

/// One link of a process's hash chain (contract §2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct HashChain(pub [u8; 32]);

impl HashChain {
    /// The link of the first entry: SHA-256 of the process id's bytes.
    #[must_use]
    pub fn first(process: &ProcessId) -> Self {
        Self(Sha256::digest(process.as_bytes()).into())
    }

    /// The link after this one: SHA-256(id of this link's assignment ‖ this link).
    #[must_use]
    pub fn next(&self, assignment: &AssignmentId) -> Self {
        let hasher = Sha256::new().chain_update(assignment.as_bytes()).chain_update(self.0);
        Self(hasher.finalize().into())
    }
}

impl fmt::Display for HashChain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&rota_ans104::b64::encode(&self.0))
    }
}

/// The newest entry of a process, as far as the next one depends on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// The nonce of the newest entry.
    pub nonce: u64,
    /// The id of its assignment.
    pub assignment: AssignmentId,
    /// Its link.
    pub hash_chain: HashChain,
    /// Its timestamp.
    pub timestamp: Timestamp,
    /// The block height it was given.
    pub block_height: u64,
}

/// A place in a schedule that an assignment is to be signed for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slot {
    /// The process whose schedule it is.
    pub process: ProcessId,
    /// The place: 0 for the process itself, then 1, 2, …
    pub nonce: u64,
    /// The link to the entry before it.
    pub hash_chain: HashChain,
    /// When it was placed, strictly above the entry before it.
    pub timestamp: Timestamp,
    /// The height of the Arweave block chain as the scheduler knew it.
    pub block_height: u64,
}

impl Slot {
    /// The head of the process once `assignment` fills this slot.
    #[must_use]
    pub const fn head(&self, assignment: AssignmentId) -> Head {
        Head {
            nonce: self.nonce,
            assignment,
            hash_chain: self.hash_chain,
            timestamp: self.timestamp,
            block_height: self.block_height,
        }
    }
}

/// Why a process can take no further entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SlotError {
    /// Nonce or timestamp is at the end of its range.
    #[error("the schedule of this process is full")]
    Full,
}

/// The slot after `head`; the first one of the process if there is none.
///
/// The timestamp is `now` unless that would not lie above both the head's timestamp and `floor` (the
/// time up to which the writer has promised to commit nothing more): then it is one millisecond above
/// them. So it strictly increases whatever the clock does. The block height never goes back either.
///
/// # Errors
/// [`SlotError::Full`] at the end of the range of nonces or timestamps.
pub fn next_slot(
    process: ProcessId,
    head: Option<&Head>,
    now: Timestamp,
    floor: Timestamp,
    block_height: u64,
) -> Result<Slot, SlotError> {
    let above = |time: Timestamp| time.0.checked_add(1).ok_or(SlotError::Full);
    let Some(head) = head else {
        return Ok(Slot {
            process,
            nonce: 0,
            hash_chain: HashChain::first(&process),
            timestamp: Timestamp(now.0.max(above(floor)?)),
            block_height,
        });
    };
    Ok(Slot {
        process,
        nonce: head.nonce.checked_add(1).ok_or(SlotError::Full)?,
        hash_chain: head.hash_chain.next(&head.assignment),
        timestamp: Timestamp(now.0.max(above(head.timestamp)?).max(above(floor)?)),
        block_height: block_height.max(head.block_height),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const PROCESS: ProcessId = ProcessId::new([7; 32]);

    #[test]
    fn the_first_link_is_the_hash_of_the_process_id() {
        let slot = next_slot(PROCESS, None, Timestamp(5), Timestamp(0), 9).unwrap();
        assert_eq!(slot.hash_chain.0, <[u8; 32]>::from(Sha256::digest([7u8; 32])));
        assert_eq!((slot.nonce, slot.timestamp.0, slot.block_height), (0, 5, 9));
    }

    #[test]
    fn a_full_schedule_is_an_error_and_not_a_wrap() {
        let slot = next_slot(PROCESS, None, Timestamp(5), Timestamp(0), 9).unwrap();
        let head = Head { timestamp: Timestamp(u64::MAX), ..slot.head(AssignmentId::new([1; 32])) };
        assert_eq!(
            next_slot(PROCESS, Some(&head), Timestamp(1), Timestamp(0), 9),
            Err(SlotError::Full)
        );
        let head = Head { nonce: u64::MAX, ..slot.head(AssignmentId::new([1; 32])) };
        assert_eq!(
            next_slot(PROCESS, Some(&head), Timestamp(1), Timestamp(0), 9),
            Err(SlotError::Full)
        );
    }

    proptest! {
        /// ORD-1, ORD-3: whatever the clock, the floor and the height do.
        #[test]
        fn slots_follow_each_other_whatever_the_clock_does(
            steps in prop::collection::vec((0u64..1 << 44, 0u64..1 << 44, 0u64..1 << 24), 1..60)
        ) {
            let mut head: Option<Head> = None;
            for (index, (now, floor, height)) in steps.into_iter().enumerate() {
                let slot = next_slot(PROCESS, head.as_ref(), Timestamp(now), Timestamp(floor), height).unwrap();
                prop_assert_eq!(slot.nonce, index as u64);
                prop_assert!(slot.timestamp.0 > floor && slot.timestamp.0 >= now);
                if let Some(head) = head {
                    prop_assert!(slot.timestamp > head.timestamp && slot.block_height >= head.block_height);
                    prop_assert_eq!(slot.hash_chain, head.hash_chain.next(&head.assignment));
                }
                head = Some(slot.head(AssignmentId::new([index as u8; 32])));
            }
        }
    }
}
