//! What routing and leases need of a store: which writer a process belongs to, what writers there are,
//! and who is one of them now. `rota_directory` implements it.
//!
//! The directory binds each process once (RTE-1) and says who *should* be a writer; that nobody else *can*
//! commit is the fence of the database (LSE-1). Nothing here compares wall clocks of two machines: that a
//! holder is gone shows by its [`Lease`] not changing any more.

use crate::ProcessId;
use rota_ans104::Address;
use std::fmt;
use std::future::Future;
use std::str::FromStr;

/// Characters of a writer's name.
pub const WRITER_NAME_MAX: usize = 64;

/// The name of a writer: 1 to 64 of `A-Z a-z 0-9 . _ -`. Machines come and go under it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WriterName(Box<str>);

/// A text that is no name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a writer's name has 1 to {WRITER_NAME_MAX} characters of A-Z a-z 0-9 . _ -")]
pub struct NotAName;

impl WriterName {
    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for WriterName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for WriterName {
    type Err = NotAName;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
        let fits = (1..=WRITER_NAME_MAX).contains(&text.len()) && text.bytes().all(allowed);
        if fits { Ok(Self(text.into())) } else { Err(NotAName) }
    }
}

/// One run of a writer: 16 bytes that no other run on any machine has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct LeaseHolder(pub [u8; 16]);

/// Who is a writer now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lease {
    /// The run that has it.
    pub holder: LeaseHolder,
    /// Rises with every beat and every change of hands.
    pub beat: u64,
    /// The holder has given it back: nobody has to wait for its beats to cease.
    pub released: bool,
}

/// How busy a writer is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Load {
    /// How much of its signing capacity was in use since the last beat, in thousandths.
    pub signing_permille: u16,
    /// Items that wait in its lanes.
    pub waiting: u32,
}

/// What an operator has decided about a writer; the reference's `no_route`, `wallets_to_route` and
/// `wallets_only`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RoutePolicy {
    /// It gets no new processes.
    pub no_route: bool,
    /// New processes of these wallets are for it.
    pub wallets_to_route: Vec<Address>,
    /// It gets new processes of those wallets only.
    pub wallets_only: bool,
}

/// A writer as the directory has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WriterRecord {
    /// Its name.
    pub name: WriterName,
    /// Where its holder listens (an absolute `http` or `https` URL without a trailing slash); `None` until
    /// there was one.
    pub url: Option<String>,
    /// Who holds it; `None` if it never took part in leases (a URL of a static list).
    pub lease: Option<Lease>,
    /// As of its last beat.
    pub load: Load,
    /// How many processes are bound to it.
    pub processes: u64,
    /// What the operator has decided.
    pub policy: RoutePolicy,
}

/// Why the directory gave no answer. Never means "not bound": that is an `Ok(None)`.
#[derive(Debug, thiserror::Error)]
pub enum DirectoryError {
    /// It cannot answer now; a change that was asked for may have happened.
    #[error("the directory did not answer")]
    Unavailable(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// What lies there cannot be what was put there.
    #[error("a record of the directory is damaged: {0}")]
    Damaged(&'static str),
    /// The writer is not in it.
    #[error("writer {0} is not known to the directory")]
    NoWriter(WriterName),
}

/// What became of the wish to take a writer out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Removal {
    /// It is out.
    Done,
    /// It was not in.
    Unknown,
    /// Its lease is not as it was seen: it lives.
    Changed,
    /// So many processes are bound to it.
    Owns(u64),
    /// The static list names it, and would bring it back.
    Listed,
}

/// Answers of a directory.
pub type DirectoryResult<T> = Result<T, DirectoryError>;

/// Process → writer, and the writers. Every change is one atomic, conditional step: whoever makes it twice,
/// or at the same time as another, changes nothing twice.
pub trait Directory: Send + Sync + 'static {
    /// The writer that a process is bound to. Reads what was last written, never a stale copy.
    fn owner(
        &self,
        process: ProcessId,
    ) -> impl Future<Output = DirectoryResult<Option<WriterName>>> + Send;

    /// Binds a process to a writer unless it is bound, and counts it there; gives the writer that it is bound
    /// to then (RTE-1).
    fn bind(
        &self,
        process: ProcessId,
        writer: &WriterName,
    ) -> impl Future<Output = DirectoryResult<WriterName>> + Send;

    /// Binds a process that is bound to `from` to `to` instead, and moves its count; gives the writer that it
    /// is bound to then, which is another than `to` if it was not bound to `from` (or to `to` already).
    fn rebind(
        &self,
        process: ProcessId,
        from: &WriterName,
        to: &WriterName,
    ) -> impl Future<Output = DirectoryResult<Option<WriterName>>> + Send;

    /// Every writer, by name.
    fn writers(&self) -> impl Future<Output = DirectoryResult<Vec<WriterRecord>>> + Send;

    /// One writer.
    fn writer(
        &self,
        name: &WriterName,
    ) -> impl Future<Output = DirectoryResult<Option<WriterRecord>>> + Send;

    /// Sets what the operator has decided about a writer; makes its record if there is none.
    fn set_policy(
        &self,
        name: &WriterName,
        policy: &RoutePolicy,
    ) -> impl Future<Output = DirectoryResult<()>> + Send;

    /// Takes a writer out that no process is bound to and whose lease still is as it was `seen` (`None`: nobody ever
    /// had it). Whether the holder is gone is for the caller to judge, as in [`Self::take_lease`]. A writer that starts
    /// under the name at the same time is in afterwards, or keeps the name in.
    fn remove_writer(
        &self,
        name: &WriterName,
        seen: Option<Lease>,
    ) -> impl Future<Output = DirectoryResult<Removal>> + Send;

    /// Takes a writer's lease if it still is as the taker has `seen` it (`None`: nobody ever had it). Gives
    /// the new lease; `None` if it has changed since. Makes the writer's record if there is none. Whether the
    /// holder is gone is for the taker to judge: it has watched for long enough that nothing changes.
    fn take_lease(
        &self,
        name: &WriterName,
        holder: LeaseHolder,
        seen: Option<Lease>,
    ) -> impl Future<Output = DirectoryResult<Option<Lease>>> + Send;

    /// A sign of life of the holder: its beat rises, its URL and load are known. Gives the lease; `None` if
    /// another holds it, or nobody ever did.
    fn beat(
        &self,
        name: &WriterName,
        holder: LeaseHolder,
        url: &str,
        load: Load,
    ) -> impl Future<Output = DirectoryResult<Option<Lease>>> + Send;

    /// Gives the lease back; true if `holder` had it.
    fn release_lease(
        &self,
        name: &WriterName,
        holder: LeaseHolder,
    ) -> impl Future<Output = DirectoryResult<bool>> + Send;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_short_and_plain() {
        for text in ["main", "w-1", "su.example_7", &"x".repeat(WRITER_NAME_MAX)] {
            assert_eq!(text.parse::<WriterName>().unwrap().as_str(), text);
        }
        for text in ["", "a b", "a/b", "ä", "a\0", &"x".repeat(WRITER_NAME_MAX + 1)] {
            assert_eq!(text.parse::<WriterName>(), Err(NotAName), "{text:?}");
        }
    }
}
