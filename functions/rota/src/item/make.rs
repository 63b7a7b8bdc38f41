//! What the items of `rota item` consist of: pure, but for the data file and a random anchor.

use anyhow::{Context as _, anyhow};
use bytes::Bytes;
use clap::Args;
use rota_ans104::{Address, ItemId, UnsignedItem, b64};
use rota_schedule::ProcessId;
use std::path::PathBuf;
use std::str::FromStr;

/// The module of a process for which none is named: an id that no item has. A scheduler asks for a
/// module and does not run it; a process that is to be evaluated needs a real one.
const MODULE_PLACEHOLDER: &str = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
/// Random bytes of an anchor; in base64url they fill its 32 characters.
const ANCHOR_RANDOM_BYTES: usize = 24;

/// A tag, as `NAME=VALUE`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct TagArg(String, String);

impl FromStr for TagArg {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (name, value) = text.split_once('=').ok_or_else(|| anyhow!("a tag is NAME=VALUE"))?;
        Ok(Self(name.to_owned(), value.to_owned()))
    }
}

/// 32 bytes of text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct AnchorArg([u8; 32]);

impl FromStr for AnchorArg {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let bytes = text.as_bytes().try_into();
        bytes.map(Self).map_err(|_| anyhow!("an anchor is 32 bytes long, this has {}", text.len()))
    }
}

/// What a process or a message carries.
#[derive(Args)]
pub(super) struct Payload {
    /// A further tag; may be repeated
    #[arg(long = "tag", value_name = "NAME=VALUE", allow_hyphen_values = true)]
    tags: Vec<TagArg>,
    /// The data
    #[arg(long, value_name = "TEXT", allow_hyphen_values = true, conflicts_with = "data_file")]
    data: Option<String>,
    /// A file with the data
    #[arg(long, value_name = "FILE")]
    data_file: Option<PathBuf>,
    /// 32 characters that the item is bound to [default: random, so that saying the same twice makes
    /// two items]
    #[arg(long, value_name = "TEXT", allow_hyphen_values = true)]
    anchor: Option<AnchorArg>,
}

/// What only a process has.
#[derive(Args)]
pub(super) struct Spawn {
    /// The module that evaluates the process [default: a placeholder; the scheduler does not run it]
    #[arg(long, value_name = "ID", allow_hyphen_values = true)]
    module: Option<ItemId>,
    /// The scheduler's address [default: asks the scheduler]
    #[arg(long, value_name = "ADDRESS", allow_hyphen_values = true)]
    pub(super) scheduler: Option<Address>,
}

/// What only a message has.
#[derive(Args)]
pub(super) struct Message {
    /// The process it is for
    #[arg(long, value_name = "ID", allow_hyphen_values = true)]
    pub(super) process: ProcessId,
    /// What the process is to do: its tag Action
    #[arg(long, allow_hyphen_values = true)]
    action: Option<String>,
}

impl Spawn {
    /// The item that spawns the process at `scheduler`.
    pub(super) fn item(
        &self,
        scheduler: Address,
        payload: &Payload,
    ) -> anyhow::Result<UnsignedItem> {
        let module = self.module.map_or_else(|| MODULE_PLACEHOLDER.to_owned(), |id| id.to_string());
        let tags = vec![tag("Module", module), tag("Scheduler", scheduler.to_string())];
        payload.item("Process", tags, None)
    }
}

impl Message {
    /// The message.
    pub(super) fn item(&self, payload: &Payload) -> anyhow::Result<UnsignedItem> {
        let tags = self.action.iter().map(|action| tag("Action", action.clone())).collect();
        payload.item("Message", tags, Some(*self.process.as_bytes()))
    }
}

impl Payload {
    fn item(
        &self,
        kind: &str,
        own: Vec<(String, String)>,
        target: Option<[u8; 32]>,
    ) -> anyhow::Result<UnsignedItem> {
        let mut tags =
            vec![tag("Data-Protocol", "ao"), tag("Variant", "ao.TN.1"), tag("Type", kind)];
        tags.extend(own);
        tags.extend(self.tags.iter().map(|TagArg(name, value)| tag(name, value.clone())));
        let anchor = self.anchor.unwrap_or_else(random_anchor);
        Ok(UnsignedItem { target, anchor: Some(anchor.0), tags, data: self.data()? })
    }

    fn data(&self) -> anyhow::Result<Bytes> {
        match (&self.data, &self.data_file) {
            (Some(text), _) => Ok(text.clone().into()),
            (None, Some(path)) => {
                let data = std::fs::read(path);
                Ok(data.with_context(|| format!("cannot read {}", path.display()))?.into())
            }
            (None, None) => Ok(Bytes::new()),
        }
    }
}

/// Text, so that it shows in JSON and the item can be verified from there.
fn random_anchor() -> AnchorArg {
    let mut anchor = [b'A'; 32];
    let text = b64::encode(&rand::random::<[u8; ANCHOR_RANDOM_BYTES]>());
    for (to, from) in anchor.iter_mut().zip(text.bytes()) {
        *to = from;
    }
    AnchorArg(anchor)
}

fn tag(name: &str, value: impl Into<String>) -> (String, String) {
    (name.to_owned(), value.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn payload(tags: &[&str], data: Option<&str>) -> Payload {
        let tags = tags.iter().map(|text| text.parse().unwrap()).collect();
        Payload { tags, data: data.map(str::to_owned), data_file: None, anchor: None }
    }

    #[test]
    fn a_process_has_the_tags_that_a_scheduler_asks_for() {
        let spawn = Spawn { module: None, scheduler: None };
        let address = Address::new([7; 32]);
        let item = spawn.item(address, &payload(&["Name=a=b"], None)).unwrap();
        let names: Vec<_> = item.tags.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["Data-Protocol", "Variant", "Type", "Module", "Scheduler", "Name"]);
        assert_eq!(item.tags[4].1, address.to_string());
        assert_eq!(item.tags[5].1, "a=b");
        assert!(MODULE_PLACEHOLDER.parse::<ItemId>().is_ok());
        assert_eq!((item.target, item.data.len()), (None, 0));
    }

    #[test]
    fn a_message_has_its_target_and_the_same_words_make_another_item() {
        let message = Message { process: ProcessId::new([9; 32]), action: Some("Eval".to_owned()) };
        let first = message.item(&payload(&[], Some("hello"))).unwrap();
        let second = message.item(&payload(&[], Some("hello"))).unwrap();
        assert_eq!(first.target, Some([9; 32]));
        assert_eq!(first.tags[3], tag("Action", "Eval"));
        assert_eq!(first.data, "hello");
        assert_ne!(first.anchor, second.anchor);
        assert!(std::str::from_utf8(&first.anchor.unwrap()).is_ok());
    }

    #[test]
    fn malformed_tags_and_anchors_are_refused() {
        assert!("Name".parse::<TagArg>().is_err());
        assert_eq!("=x".parse::<TagArg>().unwrap(), TagArg(String::new(), "x".to_owned()));
        let short = "too short".parse::<AnchorArg>().unwrap_err();
        assert_eq!(short.to_string(), "an anchor is 32 bytes long, this has 9");
        assert!("0123456789abcdef0123456789abcdef".parse::<AnchorArg>().is_ok());
    }
}
