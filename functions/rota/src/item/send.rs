//! Signs what was made, sends it (or keeps it), and says what happened and what to do next.

use super::{AssignArgs, MessageArgs, SendArgs, SpawnArgs};
use crate::client::{Client, URL_DEFAULT, block_on};
use crate::first_start::{self, USER_WALLET};
use crate::local::LocalArgs;
use crate::{output, settings};
use anyhow::{Context as _, bail};
use bytes::Bytes;
use rota_ans104::{Address, Item, ItemId, UnsignedItem, Wallet};
use serde::Deserialize;
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
    let receipt = block_on(post(&client, &query, Bytes::new()))?;
    output::field("assignment", receipt.id);
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
    let receipt = block_on(post(client, &[], item.bytes().clone()))?;
    if receipt.id != item.id() {
        bail!("posted item {}, but the scheduler answers for {}", item.id(), receipt.id);
    }
    output::field(name, receipt.id);
    output::field("timestamp", receipt.timestamp);
    Ok(true)
}

async fn post(client: &Client, query: &[(&str, &str)], body: Bytes) -> anyhow::Result<Receipt> {
    client.post(query, body).await?.json()
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
