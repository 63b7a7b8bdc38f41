//! Whether a pushed message of this content is in the schedule already, or on its way there (DUP-2).

use super::Shared;
use super::table::Reply;
use rota_ledger::{Ledger, LedgerError};
use rota_schedule::{Admitted, Content, ProcessId};

impl Shared {
    /// A message waits if one of its content and signer is staged: nobody is told of an entry before it is
    /// committed (DUR-1). Gives the reply back if there is none.
    pub(super) fn join_duplicate(&self, admitted: &Admitted, reply: Reply) -> Option<Reply> {
        let Some(content) = &admitted.content else { return Some(reply) };
        let mut table = self.table.lock();
        let lane = table.lanes.get_mut(&admitted.process);
        match lane.and_then(|lane| lane.contents.get_mut(content.key())) {
            Some(staged) => {
                staged.waiting.push(reply);
                None
            }
            None => Some(reply),
        }
    }
}

/// The nonce at which the schedule has a message of this content by the same signer.
///
/// Earlier releases stored no signer with the content. If an entry of theirs has this content, its item
/// tells who signed it.
pub(super) fn place(
    ledger: &Ledger,
    process: &ProcessId,
    content: &Content,
) -> Result<Option<u64>, LedgerError> {
    if let Some(nonce) = ledger.place_of_content(process, content.key())? {
        return Ok(Some(nonce));
    }
    let Some(nonce) = ledger.place_of_content(process, &content.key_without_signer())? else {
        return Ok(None);
    };
    let entry = ledger.entry(process, nonce)?;
    let repeats = content.may_repeat(entry.and_then(|entry| entry.message).as_ref());
    Ok(repeats.then_some(nonce))
}
