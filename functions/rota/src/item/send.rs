//! Signs what was made, sends it (or keeps it), and says what happened and what to do next.

use super::post::{GivenUp, Repeat, post};
use super::{AssignArgs, MessageArgs, PostArgs, SendArgs, SpawnArgs, keep, show};
use crate::client::{Client, URL_DEFAULT, block_on};
use crate::first_start::{self, USER_WALLET};
use crate::local::LocalArgs;
use crate::{output, settings};
use anyhow::{Context as _, anyhow, bail};
use bytes::Bytes;
use reqwest::StatusCode;
use rota_ans104::{Address, Item, ItemId, UnsignedItem, Wallet};
use rota_wire::ForeignNode;
use serde::Deserialize;
use std::path::Path;
use url::Url;

/// The answer to a POST (contract §3).
#[derive(Deserialize)]
struct Receipt {
    id: ItemId,
    /// Milliseconds.
    timestamp: u64,
}

/// The part of the answer of `GET /` that is used here.
#[derive(Deserialize)]
struct Scheduler {
    address: Address,
}

/// Spawns a process.
pub(super) fn spawn(args: &SpawnArgs) -> anyhow::Result<()> {
    let client = Client::new(&args.send.url)?;
    let wallet = wallet(&args.send)?;
    let scheduler = match args.spawn.scheduler {
        Some(address) => address,
        None => block_on(address(&client))?,
    };
    let item = sign(&args.spawn.item(scheduler, &args.payload)?, &wallet)?;
    if post_or_keep(&client, &args.send, &item, "process")? {
        output::line("Next, send it a message:");
        let flags = same_flags(&args.send);
        output::line(&format!(
            "  {} item message{flags} --process {} --data hello",
            output::me(),
            item.id()
        ));
    }
    Ok(())
}

/// Sends a message.
pub(super) fn message(args: &MessageArgs) -> anyhow::Result<()> {
    let client = Client::new(&args.send.url)?;
    let wallet = wallet(&args.send)?;
    let item = sign(&args.message.item(&args.payload)?, &wallet)?;
    if post_or_keep(&client, &args.send, &item, "message")? {
        output::line("Next, check the whole schedule of the process:");
        let url = url_flag(&args.send.url);
        output::line(&format!("  {} verify{url} {}", output::me(), args.message.process));
    }
    Ok(())
}

/// Assigns an item that lies elsewhere.
pub(super) fn assign(args: &AssignArgs) -> anyhow::Result<()> {
    let client = Client::new(&args.url)?;
    let (process, item) = (args.process.to_string(), args.item.to_string());
    let mut query = vec![("process-id", process.as_str()), ("assign", item.as_str())];
    if args.base_layer {
        query.push(("base-layer", ""));
    }
    if let Some(names) = &args.exclude {
        query.push(("exclude", names));
    }
    block_on(async {
        // With the base layer each assignment takes a place of its own; else the second one is refused.
        let repeat = if args.base_layer { Repeat::UnlessOpen } else { Repeat::Always };
        match post(&client, &query, Bytes::new(), repeat).await {
            Ok(answer) => {
                let receipt: Receipt = answer.json()?;
                output::field("assignment", receipt.id);
                output::field("timestamp", receipt.timestamp);
                Ok(())
            }
            Err(given_up) if given_up.is_open => {
                let found = found_assignment(&client, &process, &item).await;
                if let (Some(id), Some(StatusCode::CONFLICT)) = (&found, given_up.status) {
                    output::field("assignment", id);
                    return Ok(());
                }
                Err(open_assignment(&client, &given_up, found, &process, &item))
            }
            Err(given_up) => Err(anyhow!(given_up.reason)),
        }
    })
}

/// The assignment of an item in a process, if it is there.
async fn found_assignment(client: &Client, process: &str, item: &str) -> Option<ItemId> {
    let answer = client.get(&[item], &[("process-id", process), ("show-anchor", "")]).await.ok()?;
    let node = answer.json::<ForeignNode>().ok()?;
    node.assignment().ok()?.first().map(Item::id)
}

/// Says that an item may have been assigned, and how to find out.
fn open_assignment(
    client: &Client,
    given_up: &GivenUp,
    found: Option<ItemId>,
    process: &str,
    item: &str,
) -> anyhow::Error {
    let seen = match found {
        Some(id) => format!("the process has assignment {id} of it, this one or an earlier one"),
        None => {
            let url = client.url();
            format!(
                "before you assign it again, see whether it is there: {url}/{item}?process-id={process}"
            )
        }
    };
    anyhow!("item {item} may be assigned or not ({}): {seen}", given_up.reason)
}

/// Posts an item as it lies in a file.
pub(super) fn post_file(args: &PostArgs) -> anyhow::Result<()> {
    let item = show::read(&args.file)?;
    let client = Client::new(&args.url)?;
    let receipt = block_on(post_item(&client, &args.url, &item, Some(&args.file)))?;
    output::field("item", receipt.id);
    output::field("timestamp", receipt.timestamp);
    Ok(())
}

/// The wallet that was named, or the user's own; the first time it is made.
fn wallet(args: &SendArgs) -> anyhow::Result<Wallet> {
    if let Some(path) = &args.wallet {
        return first_start::load_wallet(path);
    }
    let data_dir = settings::data_dir(&mut settings::environment(&LocalArgs::default())?)?;
    first_start::data_dir(&data_dir)?;
    let path = data_dir.join("user.json");
    let found = first_start::wallet(&path, USER_WALLET)?;
    if found.created {
        let (kind, address) = (found.wallet.kind(), found.wallet.address());
        output::line(&format!("Created a wallet for you: {} ({kind}, {address})", path.display()));
    }
    Ok(found.wallet)
}

async fn address(client: &Client) -> anyhow::Result<Address> {
    let answer = client.get(&[], &[]).await?;
    let scheduler: Scheduler =
        answer.json().context("cannot learn the scheduler's address; name it with --scheduler")?;
    Ok(scheduler.address)
}

fn sign(item: &UnsignedItem, wallet: &Wallet) -> anyhow::Result<Item> {
    item.sign(wallet).context("cannot make the item")
}

/// Whether the item was posted.
fn post_or_keep(client: &Client, args: &SendArgs, item: &Item, name: &str) -> anyhow::Result<bool> {
    if let Some(path) = &args.out {
        std::fs::write(path, item.bytes())
            .with_context(|| format!("cannot write {}", path.display()))?;
        output::field(name, item.id());
        output::field("file", path.display());
        return Ok(false);
    }
    let receipt = block_on(post_item(client, &args.url, item, None))?;
    output::field(name, receipt.id);
    output::field("timestamp", receipt.timestamp);
    Ok(true)
}

/// Posts an item. If it is not known what became of it, its bytes are in a file: `file`, or a new one.
async fn post_item(
    client: &Client,
    url: &Url,
    item: &Item,
    file: Option<&Path>,
) -> anyhow::Result<Receipt> {
    let answer = match post(client, &[], item.bytes().clone(), Repeat::Always).await {
        Ok(answer) => answer,
        Err(given_up) => return Err(kept(&given_up, url, item, file)),
    };
    let is_success = answer.status.is_success();
    let receipt: Receipt = match answer.json() {
        Ok(receipt) => receipt,
        Err(error) if is_success => {
            let (reason, status) = (format!("{error:#}"), None);
            let given_up = GivenUp { reason, is_open: true, was_reached: true, status };
            return Err(kept(&given_up, url, item, file));
        }
        Err(error) => return Err(error),
    };
    if receipt.id != item.id() {
        bail!("posted item {}, but the scheduler answers for {}", item.id(), receipt.id);
    }
    Ok(receipt)
}

/// Says why an item is not known to be scheduled, where its bytes are, and how to post them again.
fn kept(given_up: &GivenUp, url: &Url, item: &Item, file: Option<&Path>) -> anyhow::Error {
    if !given_up.was_reached {
        return anyhow!(given_up.reason.clone());
    }
    let file = match file.map_or_else(|| keep::keep(item), |file| Ok(file.to_owned())) {
        Ok(file) => file.display().to_string(),
        Err(error) => {
            return error.context(format!("item {} is lost: {}", item.id(), given_up.reason));
        }
    };
    let outcome = if given_up.is_open { "may be scheduled or not" } else { "is not scheduled" };
    let again = format!("{} item post{} {}", output::me(), url_flag(url), shell_word(&file));
    anyhow!(
        "item {} {outcome}: {}\nIts bytes are in {file}\nPost them again, the same item gets the same answer:\n  {again}",
        item.id(),
        given_up.reason
    )
}

/// What to add to the next command so that it goes to the same place, signed by the same wallet.
fn same_flags(args: &SendArgs) -> String {
    let wallet = args.wallet.as_ref();
    let wallet =
        wallet.map(|path| format!(" --wallet {}", shell_word(&path.display().to_string())));
    url_flag(&args.url) + &wallet.unwrap_or_default()
}

fn url_flag(url: &Url) -> String {
    let text = url.as_str().trim_end_matches('/');
    if text == URL_DEFAULT { String::new() } else { format!(" --url {}", shell_word(text)) }
}

/// The text as one word of a shell.
fn shell_word(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-:=@%+,".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        return text.to_owned();
    }
    format!("'{}'", text.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_command_repeats_what_is_not_the_default() {
        let args = |url: &str, wallet: Option<&str>| SendArgs {
            url: url.parse().unwrap(),
            wallet: wallet.map(Into::into),
            out: None,
        };
        assert_eq!(same_flags(&args(URL_DEFAULT, None)), "");
        let flags = same_flags(&args("http://127.0.0.1:7/su?k=a&b", Some("my wallet's.json")));
        let expected = r" --url 'http://127.0.0.1:7/su?k=a&b' --wallet 'my wallet'\''s.json'";
        assert_eq!(flags, expected);
    }
}
