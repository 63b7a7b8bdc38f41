//! Checks a schedule from its JSON alone, with general-purpose libraries and nothing of rota's.
//!
//! It knows deep hash, Avro tags, the signature schemes and the rules of an assignment by itself, from
//! the contract page and ANS-104, so that a mistake made on both sides of rota's own code cannot cancel
//! out. Slow and plain on purpose.

mod item;
mod signature;

pub use item::{JsonItem, address_of, b64, deep_hash, unb64};
pub use signature::{eip712_digest, ethereum_address, verifies};

use serde_json::Value;
use sha2::{Digest, Sha256};

/// The tags of an assignment, in the order of the contract (§2), before `Message` and `Exclude`.
const TAGS: [&str; 9] = [
    "Process",
    "Epoch",
    "Nonce",
    "Hash-Chain",
    "Block-Height",
    "Timestamp",
    "Data-Protocol",
    "Type",
    "Variant",
];

/// Follows one process through the nodes that a scheduler shows.
pub struct Checker {
    process: String,
    next_nonce: u64,
    last: Option<Link>,
    owner: Option<String>,
    /// Messages whose signature cannot be checked from JSON, because their data is no text.
    pub not_checkable: Vec<String>,
}

struct Link {
    assignment: Vec<u8>,
    chain: Vec<u8>,
    timestamp: u64,
    height: u64,
}

impl Checker {
    /// Starts before the first entry of `process`.
    pub fn new(process: &str) -> Self {
        Self {
            process: process.to_owned(),
            next_nonce: 0,
            last: None,
            owner: None,
            not_checkable: Vec::new(),
        }
    }

    /// How many entries were checked.
    pub const fn entries(&self) -> u64 {
        self.next_nonce
    }

    /// Checks the next node.
    ///
    /// # Errors
    /// What is wrong with it, in words.
    pub fn node(&mut self, node: &Value) -> Result<(), String> {
        let nonce = self.next_nonce;
        self.check(node)
            .map_err(|wrong| format!("process {}, nonce {nonce}: {wrong}\n{node:#}", self.process))
    }

    fn check(&mut self, node: &Value) -> Result<(), String> {
        let assignment = JsonItem::read(&node["assignment"])?;
        assignment.check_id_and_address()?;
        if !assignment.signature_verifies() {
            return Err("the assignment does not verify from its JSON".to_owned());
        }
        self.same_owner(&assignment)?;
        self.check_tags(&assignment)?;
        let message = &node["message"];
        if !message.is_null() {
            self.check_message(&JsonItem::read(message)?, &assignment)?;
        }
        Ok(())
    }

    fn same_owner(&mut self, assignment: &JsonItem) -> Result<(), String> {
        let owner = self.owner.get_or_insert_with(|| assignment.owner_text.clone());
        if *owner != assignment.owner_text {
            let (signer, first) = (&assignment.owner_text, &owner);
            return Err(format!("assignment {} has key {signer}, not {first}", assignment.id));
        }
        Ok(())
    }

    fn check_tags(&mut self, assignment: &JsonItem) -> Result<(), String> {
        expect("data", assignment.data.as_deref().unwrap_or_default(), "")?;
        expect("target", &b64(&assignment.target), "")?;
        if assignment.anchor.len() != 32 || !assignment.anchor.is_ascii() {
            return Err("the anchor is not 32 ASCII characters".to_owned());
        }
        for (index, name) in TAGS.iter().enumerate() {
            let (shown, _) = assignment.tags.get(index).ok_or("tags are missing")?;
            expect("tag name", shown, name)?;
        }
        let value = |index: usize| assignment.tags[index].1.as_str();
        expect("Process", value(0), &self.process)?;
        expect("Epoch", value(1), "0")?;
        expect("Nonce", value(2), &self.next_nonce.to_string())?;
        expect("Data-Protocol", value(6), "ao")?;
        expect("Type", value(7), "Assignment")?;
        expect("Variant", value(8), "ao.TN.1")?;
        let rest = &assignment.tags[TAGS.len()..];
        if rest.iter().filter(|(name, _)| name == "Exclude").count() == 1 {
            return Err("a lone Exclude tag ends today's Compute Unit".to_owned());
        }
        for (index, (name, _)) in rest.iter().enumerate() {
            let wanted = if index == 0 && self.next_nonce > 0 { "Message" } else { "Exclude" };
            expect("tag name", name, wanted)?;
        }
        self.follow(assignment, value(3), value(4), value(5))
    }

    fn follow(
        &mut self,
        assignment: &JsonItem,
        chain: &str,
        height: &str,
        time: &str,
    ) -> Result<(), String> {
        let expected = match &self.last {
            None => Sha256::digest(unb64(&self.process)?).to_vec(),
            Some(last) => Sha256::digest([&last.assignment[..], &last.chain].concat()).to_vec(),
        };
        expect("Hash-Chain", chain, &b64(&expected))?;
        let number = |text: &str| text.parse::<u64>().map_err(|_| format!("{text:?} is no number"));
        let (timestamp, block) = (number(time)?, number(height)?);
        if height.len() != 12 {
            return Err(format!("Block-Height {height:?} has not 12 digits"));
        }
        if self.last.as_ref().is_some_and(|last| timestamp <= last.timestamp || block < last.height)
        {
            return Err(format!("time {timestamp} or height {block} went back"));
        }
        let assignment = unb64(&assignment.id)?;
        self.last = Some(Link { assignment, chain: expected, timestamp, height: block });
        self.next_nonce += 1;
        Ok(())
    }

    fn check_message(&mut self, message: &JsonItem, assignment: &JsonItem) -> Result<(), String> {
        message.check_id_and_address()?;
        match assignment.tags.iter().find(|(name, _)| name == "Message") {
            Some((_, id)) => expect("tag Message", id, &message.id)?,
            None => expect("the process's own id", &message.id, &self.process)?,
        }
        if message.signature_verifies() {
            return Ok(());
        }
        if message.data.as_ref().is_some_and(|data| data.contains('\u{fffd}')) {
            self.not_checkable.push(message.id.clone());
            return Ok(());
        }
        Err("the message does not verify from its JSON".to_owned())
    }
}

fn expect(what: &str, found: &str, wanted: &str) -> Result<(), String> {
    if found == wanted { Ok(()) } else { Err(format!("{what} is {found:?}, not {wanted:?}")) }
}
