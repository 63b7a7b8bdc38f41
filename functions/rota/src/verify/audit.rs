//! What can be said of an entry only with those before it, and of the schedule as a whole.
//!
//! One key signs a whole schedule: that of its first entry. The explorer has the same rule (`schedule.js`).
//! Recovery has not: it must take whatever was committed.

use super::check::{Checked, Defect, Part};
use crate::output::thousands;
use anyhow::{Context as _, anyhow};
use rota_ans104::{Address, Item};
use rota_schedule::{Follower, Head, ProcessId};

/// Follows a schedule and keeps count.
pub(super) struct Audit {
    process: ProcessId,
    follower: Follower,
    entries: u64,
    signer: Option<Signer>,
    unproven_assignments: u64,
    unproven_messages: u64,
    elsewhere: u64,
}

/// Who signed the first entry. Hashing the owner of every one would cost more than comparing it.
struct Signer {
    owner: Vec<u8>,
    address: Address,
}

impl Audit {
    /// Starts before the first entry.
    pub(super) const fn new(process: ProcessId) -> Self {
        Self {
            process,
            follower: Follower::new(process),
            entries: 0,
            signer: None,
            unproven_assignments: 0,
            unproven_messages: 0,
            elsewhere: 0,
        }
    }

    /// The process whose schedule it is.
    pub(super) const fn process(&self) -> ProcessId {
        self.process
    }

    /// The newest entry that was followed.
    pub(super) const fn head(&self) -> Option<&Head> {
        self.follower.head()
    }

    /// Follows the next entry. The error names it: it is the first bad one.
    pub(super) fn follow(&mut self, checked: Result<Checked, Defect>) -> anyhow::Result<()> {
        let nonce = self.head().map_or(0, |head| head.nonce.saturating_add(1));
        let followed = checked.and_then(|entry| self.take(&entry));
        followed.map_err(anyhow::Error::from).with_context(|| self.first_bad(nonce))
    }

    /// Ends it with something else that is wrong at the newest entry.
    pub(super) fn reject(&self, defect: Defect) -> anyhow::Error {
        let nonce = self.head().map_or(0, |head| head.nonce);
        anyhow!(defect).context(self.first_bad(nonce))
    }

    fn first_bad(&self, nonce: u64) -> String {
        format!("process {}: the first bad entry is at nonce {nonce}", self.process)
    }

    fn take(&mut self, entry: &Checked) -> Result<(), Defect> {
        let (assignment, message) = (entry.assignment.item(), entry.message.as_ref());
        self.follower.follow(assignment, message.map(Part::item))?;
        self.same_signer(assignment)?;
        self.entries += 1;
        self.unproven_assignments += is_unproven(&entry.assignment);
        self.unproven_messages += message.map_or(0, is_unproven);
        self.elsewhere += u64::from(message.is_none());
        Ok(())
    }

    fn same_signer(&mut self, assignment: &Item) -> Result<(), Defect> {
        let owner = assignment.owner();
        let first = self.signer.get_or_insert_with(|| Signer {
            owner: owner.to_owned(),
            address: Address::of_owner(owner),
        });
        if first.owner == owner {
            return Ok(());
        }
        let (id, signer) = (assignment.id(), assignment.owner_address());
        Err(Defect::OtherSigner { id, signer, first: first.address })
    }

    /// What was verified, in one line.
    pub(super) fn summary(&self) -> String {
        let Some(head) = self.head() else {
            return format!("process {}: no entries", self.process);
        };
        let entries = thousands(self.entries);
        let entries =
            if self.entries == 1 { "1 entry".into() } else { format!("{entries} entries") };
        let text = format!("process {}: {entries}, nonces 0 to {}", self.process, head.nonce);
        text + &self.proven() + &self.lying_elsewhere()
    }

    fn proven(&self) -> String {
        if self.unproven_assignments + self.unproven_messages == 0 {
            return ", all links and signatures verify".to_owned();
        }
        format!(
            ", all links verify and so does every signature that the JSON lets one check; not \
             checkable from JSON: {} assignments, {} messages",
            thousands(self.unproven_assignments),
            thousands(self.unproven_messages)
        )
    }

    fn lying_elsewhere(&self) -> String {
        match self.elsewhere {
            0 => String::new(),
            number => format!("; items that lie elsewhere: {}", thousands(number)),
        }
    }
}

fn is_unproven(part: &Part) -> u64 {
    u64::from(matches!(part, Part::Unproven { .. }))
}
