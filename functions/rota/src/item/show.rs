//! `rota item show`: what is in an item's file.

use crate::output::{self, field, thousands};
use anyhow::Context as _;
use rota_ans104::Item;
use std::path::Path;
use std::process::ExitCode;

/// Prints the fields of the item; fails if its signature does not verify.
pub(super) fn run(file: &Path) -> anyhow::Result<ExitCode> {
    let item = read(file)?;
    field("id", item.id());
    field("signed by", item.signature_type());
    field("owner", item.owner_address());
    field("target", optional(item.target().map(|target| rota_ans104::b64::encode(target))));
    field("anchor", optional(item.anchor().map(|anchor| String::from_utf8_lossy(anchor).into())));
    for tag in item.tags() {
        // Quoted as Rust does: a tag may hold anything, a terminal's control characters too.
        field("tag", format_args!("{:?} = {:?}", tag.name, tag.value));
    }
    let length = u64::try_from(item.data().len()).unwrap_or(u64::MAX);
    field("data", format_args!("{} bytes", thousands(length)));
    Ok(match item.verify() {
        Ok(_) => {
            field("signature", "verifies");
            ExitCode::SUCCESS
        }
        Err(error) => {
            field("signature", "does not verify");
            output::fail(&error.to_string());
            ExitCode::FAILURE
        }
    })
}

/// The item that a file holds.
pub(super) fn read(file: &Path) -> anyhow::Result<Item> {
    let bytes = std::fs::read(file).with_context(|| format!("cannot read {}", file.display()))?;
    let item = Item::parse(bytes.into());
    item.with_context(|| format!("{} does not hold an item", file.display()))
}

fn optional(text: Option<String>) -> String {
    text.map_or_else(|| "(none)".to_owned(), |text| text.escape_debug().to_string())
}
