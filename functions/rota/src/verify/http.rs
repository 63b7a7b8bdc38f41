//! The schedule as a scheduler serves it, page by page.
//!
//! Progress is by the nonces that were followed, which can only go up: a server that shows a page
//! again, shows nothing where it promises more, or ends below what it showed as the newest, is caught.

use super::audit::Audit;
use super::check::{self, Defect, on_all_cores};
use super::raw::RawItems;
use crate::client::Client;
use crate::output::Progress;
use anyhow::{Context as _, bail};
use rota_schedule::{Assignment, PAGE_LIMIT_MAX, PAGE_PART_BYTES_MAX, ProcessId};
use rota_wire::{ForeignEdge, ForeignNode, ForeignPage};
use url::Url;

/// Follows the whole schedule, as long as it was when this began at least.
pub(super) async fn follow(audit: &mut Audit, url: &Url) -> anyhow::Result<()> {
    let client = Client::new(url)?;
    let process = audit.process();
    let newest = newest_nonce(&client, &process).await?;
    let mut progress =
        Progress::start("verifying entries", newest.and_then(|nonce| nonce.checked_add(1)));
    let mut raw = RawItems::new(&client);
    loop {
        let after = audit.head().map(|head| head.nonce);
        let page = page(&client, &process, after).await?;
        if page.edges.is_empty() && page.page_info.has_next_page {
            bail!("the scheduler says that more follows {}, and shows nothing", place(after));
        }
        follow_page(audit, &mut raw, &page.edges).await?;
        progress.advance(page.edges.len() as u64);
        if !page.page_info.has_next_page {
            break;
        }
    }
    let last = audit.head().map(|head| head.nonce);
    if last < newest {
        bail!("the pages end at {}, but the newest entry was at {}", place(last), place(newest));
    }
    Ok(())
}

async fn follow_page(
    audit: &mut Audit,
    raw: &mut RawItems,
    edges: &[ForeignEdge],
) -> anyhow::Result<()> {
    let mut checked = on_all_cores(edges, |edge: &ForeignEdge| check::node(&edge.node));
    raw.prove(&mut checked).await?;
    for (edge, checked) in edges.iter().zip(checked) {
        audit.follow(checked)?;
        let nonce = audit.head().map_or(0, |head| head.nonce);
        if edge.cursor != nonce.to_string() {
            return Err(audit.reject(Defect::Cursor { shown: edge.cursor.clone(), nonce }));
        }
    }
    Ok(())
}

/// The page after a nonce, or the first. Everything is asked for that makes signatures checkable.
async fn page(
    client: &Client,
    process: &ProcessId,
    after: Option<u64>,
) -> anyhow::Result<ForeignPage> {
    let (path, limit) = (process.to_string(), PAGE_LIMIT_MAX.to_string());
    // A whole page is parsed at once. Other schedulers do not know this parameter and ignore it.
    let bytes_max = PAGE_PART_BYTES_MAX.to_string();
    let after = after.map_or_else(|| "-1".to_owned(), |nonce| nonce.to_string());
    let query = [
        ("process-id", path.as_str()),
        ("from-nonce", &after),
        ("limit", &limit),
        ("bytes-max", &bytes_max),
        ("show-anchor", "true"),
    ];
    let answer = client.get(&[&path], &query).await?;
    answer.json().with_context(|| format!("cannot read the schedule of process {path}"))
}

fn place(nonce: Option<u64>) -> String {
    nonce.map_or_else(|| "the start".to_owned(), |nonce| format!("nonce {nonce}"))
}

/// Up to where the schedule goes; `None` if the scheduler does not say.
async fn newest_nonce(client: &Client, process: &ProcessId) -> anyhow::Result<Option<u64>> {
    let answer = client.get(&[&process.to_string(), "latest"], &[]).await?;
    let Ok(node) = answer.json::<ForeignNode>() else {
        return Ok(None);
    };
    let item = node.assignment().ok().and_then(|ways| ways.into_iter().next());
    let assignment = item.and_then(|item| Assignment::read(&item).ok());
    Ok(assignment.map(|assignment| assignment.slot.nonce))
}
