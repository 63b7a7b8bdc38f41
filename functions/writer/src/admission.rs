//! Admission: everything that is decided about an item before it enters its lane. Many at once, no
//! lock. The rules themselves are in `rota_schedule`; this gathers what they need to know.

use crate::stage::tell;
use crate::writer::Writer;
use bytes::Bytes;
use rota_ans104::{Item, ItemId};
use rota_permaweb::PermawebError;
use rota_schedule::{
    Admitted, Candidate, Content, ContentHash, Exclude, Facts, MessageId, ProcessId, Refusal,
    settlement_depth,
};
use rota_service::trace;
use rota_wire::ApiError;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::time::timeout;

/// How long a question to a gateway waits for its turn.
const LOOK_UP_WAIT_MAX: Duration = Duration::from_secs(10);

impl Writer {
    /// Parses, verifies and admits an item that was posted.
    pub(crate) async fn admit_item(&self, body: Bytes) -> Result<Admitted, ApiError> {
        let candidate = self.verify(body).await?;
        let since = Instant::now();
        let facts = self.facts(&candidate).await?;
        self.metrics().facts.observe(since.elapsed());
        tell(trace::current(), "facts", since, &candidate.process(), None);
        Ok(candidate.admit(facts)?)
    }

    /// Off the async threads: hashing a large item takes tens of milliseconds.
    async fn verify(&self, body: Bytes) -> Result<Candidate, ApiError> {
        let Ok(turn) = Arc::clone(self.verifiers()).acquire_owned().await else {
            return Err(ApiError::NotAccepting("the scheduler is stopping"));
        };
        let content_checks = self.config().deep_hash_checks;
        let since = Instant::now();
        let work = tokio::task::spawn_blocking(move || {
            // Held to the end of the work, which goes on when the client is gone.
            let _turn = turn;
            let item = Item::parse_new(body).map_err(|error| ApiError::Item(error.to_string()))?;
            let verified = item.verify().map_err(|error| ApiError::Item(error.to_string()))?;
            Ok(Candidate::of(verified, content_checks)?)
        });
        let candidate = work.await.unwrap_or_else(|error| {
            tracing::error!(%error, "verifying an item did not come to an end");
            Err(ApiError::Internal)
        });
        self.metrics().verify.observe(since.elapsed());
        trace::leaf(trace::current(), "verify", since, Vec::new);
        candidate
    }

    async fn facts(&self, candidate: &Candidate) -> Result<Facts, ApiError> {
        let process = candidate.process();
        let process_known = self.has(process).await?;
        let on_boot_found = match candidate {
            // A process that is here already gets its first answer, whatever the gateways say today.
            Candidate::Process { on_boot: Some(id), .. } if !process_known => {
                self.look_up(self.gateway().exists(id)).await?
            }
            Candidate::Process { .. } | Candidate::Message { .. } => true,
        };
        let is_new = matches!(candidate, Candidate::Process { .. }) && !process_known;
        let bound_here = !is_new || !on_boot_found || self.bind(process).await?;
        Ok(Facts { process_known, on_boot_found, bound_here })
    }

    /// Admits an item that lies elsewhere: by what the gateway knows of it, or with `base_layer` by
    /// how deep it is settled.
    pub(crate) async fn admit_assignment(
        &self,
        process: ProcessId,
        id: MessageId,
        base_layer: bool,
        exclude: Exclude,
    ) -> Result<Admitted, ApiError> {
        if !self.config().process_assignment {
            return Err(Refusal::AssignOff.into());
        }
        if !self.has(process).await? {
            return Err(Refusal::ProcessUnknown(process).into());
        }
        if base_layer {
            let needed = self.settlement_depth(&process)?;
            let item = id.into();
            let confirmations = self.look_up(self.gateway().confirmations(&item)).await?;
            return Ok(Admitted::settled(process, id, exclude, confirmations, needed)?);
        }
        let content = self.content_at_gateway(id).await?;
        Ok(Admitted::known_item(process, id, exclude, content))
    }

    /// Asks a gateway, as one of a few at a time: each question takes sockets.
    async fn look_up<T>(
        &self,
        question: impl Future<Output = Result<T, PermawebError>>,
    ) -> Result<T, ApiError> {
        let turn = timeout(LOOK_UP_WAIT_MAX, self.look_ups().acquire()).await;
        let Ok(Ok(_turn)) = turn else { return Err(ApiError::Upstream("the gateway")) };
        question.await.map_err(|error| upstream(&error))
    }

    fn settlement_depth(&self, process: &ProcessId) -> Result<u64, ApiError> {
        let entry = self.ledger().entry(process, 0).map_err(|error| store(&error))?;
        let bytes = entry.and_then(|entry| entry.message).unwrap_or_default();
        // Without an item of its own (an imported process) there is no wish, and the default holds.
        Ok(Item::parse(bytes).map_or_else(
            |_| rota_schedule::SETTLEMENT_DEPTH_DEFAULT,
            |item| settlement_depth(&item),
        ))
    }

    async fn content_at_gateway(&self, id: MessageId) -> Result<Option<Content>, ApiError> {
        let id = ItemId::from(id);
        let known = self.look_up(self.gateway().transaction(&id)).await?;
        let Some(transaction) = known else { return Err(Refusal::ItemUnknown(id.into()).into()) };
        if !self.config().deep_hash_checks {
            return Ok(None);
        }
        let max = usize::try_from(self.config().item_bytes_max).unwrap_or(usize::MAX);
        let data = self.look_up(self.gateway().raw(&id, max)).await?;
        let recipient = transaction.recipient.as_ref().map_or(&[][..], |id| &id[..]);
        let tags = transaction.tags.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        let hash = ContentHash::of_fields(recipient, &transaction.anchor, tags, &data);
        Ok(Some(Content::new(hash, transaction.signer)))
    }
}

fn upstream(error: &PermawebError) -> ApiError {
    tracing::warn!(%error, "a gateway did not answer");
    ApiError::Upstream("the gateway")
}

pub(crate) fn store(error: &rota_ledger::LedgerError) -> ApiError {
    tracing::error!(%error, "the ledger did not answer");
    ApiError::Upstream("the store")
}
