//! The serial step of a lane: whether an item has its entry already, else its slot and its one signature.
//!
//! Only the thread that holds the lane is here, so nothing of its process changes in between (ORD-1).

use super::table::Job;
use super::{Shared, duplicates};
use crate::stage::tell;
use rand::Rng;
use rand::rngs::StdRng;
use rota_schedule::{Admitted, Assignment, Committed, Entry, Head, Refusal, Slot, Subject};
use rota_service::trace;
use rota_wire::ApiError;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

/// What a turn comes to.
enum Placing {
    /// The item has its entry already.
    Known(Committed<Entry>),
    /// It gets a new one after this head.
    After(Option<Head>),
}

impl Shared {
    /// The serial step: duplicate check, slot, one signature, hand-over to the ledger.
    pub(super) fn place(self: &Arc<Self>, job: Job, staged: Option<Head>, anchors: &mut StdRng) {
        let Job { admitted, reply, .. } = job;
        let Some(reply) = self.join_duplicate(&admitted, reply) else { return };
        match self.placing(&admitted, staged) {
            Ok(Placing::Known(entry)) => {
                self.parts.metrics.repeated.inc();
                let _ = reply.send(Ok(entry));
            }
            Ok(Placing::After(head)) => match self.sign(&admitted, head.as_ref(), anchors) {
                Ok((entry, head)) => self.commit(&admitted, entry, head, reply),
                Err(error) => drop(reply.send(Err(error))),
            },
            Err(error) => drop(reply.send(Err(error))),
        }
    }

    fn placing(&self, admitted: &Admitted, staged: Option<Head>) -> Result<Placing, ApiError> {
        let ledger = &self.parts.ledger;
        if ledger.failure().is_some() {
            return Err(ApiError::NotAccepting("a write to the ledger failed"));
        }
        if let Some(reason) = self.parts.database.as_ref().and_then(|it| it.projector.failure()) {
            return Err(ApiError::NotAccepting(reason));
        }
        let process = &admitted.process;
        if admitted.message.is_some()
            && let Some(nonce) = ledger.place_of(process, &admitted.message_id).map_err(internal)?
        {
            // It is not staged, else it would have joined those who wait: so it is committed.
            let entry = ledger.entry(process, nonce).map_err(internal)?;
            return entry
                .map(|entry| Placing::Known(Committed::by_store(entry)))
                .ok_or_else(|| internal("an indexed entry is missing"));
        }
        if let Some(content) = &admitted.content
            && let Some(nonce) = duplicates::place(ledger, process, content).map_err(internal)?
        {
            return Err(Refusal::Duplicate { nonce }.into());
        }
        let head = match staged {
            Some(head) => Some(head),
            None => ledger.head(process).map_err(internal)?,
        };
        match (admitted.subject, head) {
            (Subject::Message(_), None) => Err(Refusal::ProcessUnknown(*process).into()),
            (Subject::Process, Some(_)) => {
                Err(internal("a process with a head has no entry of its own"))
            }
            (_, head) => Ok(Placing::After(head)),
        }
    }

    fn sign(
        &self,
        admitted: &Admitted,
        head: Option<&Head>,
        anchors: &mut StdRng,
    ) -> Result<(Entry, Head), ApiError> {
        let height = self.parts.height.get().map_err(ApiError::NotAccepting)?;
        let now = self.parts.clock.now();
        // From here on the slot is in flight, so no heartbeat promises that it stays empty.
        let slot =
            self.table.lock().reserve(admitted.process, head, now, height).map_err(internal)?;
        let signed = self.fill(&slot, admitted, anchors);
        if signed.is_err() {
            self.table.lock().give_back(&admitted.process);
        }
        signed
    }

    /// Signs the assignment that fills a slot: once (DUR-3).
    fn fill(
        &self,
        slot: &Slot,
        admitted: &Admitted,
        anchors: &mut StdRng,
    ) -> Result<(Entry, Head), ApiError> {
        let parts = &self.parts;
        let mut anchor = [0; 24];
        anchors.fill_bytes(&mut anchor);
        let draft = Assignment::draft(slot, admitted.subject, &admitted.exclude, anchor);
        fail::fail_point!("writer::before_sign");
        let since = Instant::now();
        let assignment = draft.sign(parts.signer.as_ref()).map_err(internal)?;
        let took = since.elapsed();
        parts.metrics.sign.observe(took);
        tell(trace::current(), "sign", since, &admitted.process, Some(slot.nonce));
        let took_ns = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
        self.signing_ns.fetch_add(took_ns, Ordering::Relaxed);
        let assignment_id = assignment.id().into();
        let entry = Entry {
            nonce: slot.nonce,
            timestamp: slot.timestamp,
            assignment_id,
            message_id: admitted.message_id,
            assignment: assignment.bytes().clone(),
            message: admitted.message.clone(),
        };
        Ok((entry, slot.head(assignment_id)))
    }
}

/// Logs what went wrong inside; the client learns only that it did.
fn internal(error: impl std::fmt::Display) -> ApiError {
    tracing::error!(%error, "an item could not be placed");
    ApiError::Internal
}
