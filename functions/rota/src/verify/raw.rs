//! Proves from their bytes the items that JSON does not show completely.
//!
//! `GET /raw/{id}` is rota's own route. Where there is none, what JSON may have cut is counted as not
//! checkable, and what it shows completely is what it is: badly signed.

use super::check::{self, Checked, Defect, Half, Part};
use crate::client::{Answer, Client};
use anyhow::{Context as _, anyhow};
use rota_ans104::{Item, ItemId};
use tokio::task::JoinSet;

/// Requests that are under way at once.
const REQUESTS_MAX: usize = 8;

/// Asks for bytes, as long as the server has them.
pub(super) struct RawItems {
    client: Client,
    /// The server has no such route.
    absent: bool,
}

/// Which half of which entry of a page.
type Place = (usize, Half);

impl RawItems {
    /// Nothing is asked yet.
    pub(super) fn new(client: &Client) -> Self {
        Self { client: client.clone(), absent: false }
    }

    /// Proves what is unproven on a page, or finds what is wrong with it.
    pub(super) async fn prove(
        &mut self,
        page: &mut [Result<Checked, Defect>],
    ) -> anyhow::Result<()> {
        let mut places = unproven(page).into_iter();
        let mut requests = JoinSet::new();
        loop {
            while !self.absent && requests.len() < REQUESTS_MAX {
                let Some((place, id)) = places.next() else {
                    break;
                };
                let client = self.client.clone();
                requests.spawn(async move { (place, fetch(&client, id).await) });
            }
            let Some(fetched) = requests.join_next().await else {
                break;
            };
            let ((index, half), answer) = fetched.context("a request was cut off")?;
            match answer? {
                Some(answer) => settle(&mut page[index], half, |part| prove(half, part, answer)),
                None => self.absent = true,
            }
        }
        for (index, half) in unproven(page).into_iter().map(|(place, _)| place) {
            settle(&mut page[index], half, |part| without_bytes(half, part));
        }
        Ok(())
    }
}

/// What remains to be proven, and its id.
fn unproven(page: &[Result<Checked, Defect>]) -> Vec<(Place, ItemId)> {
    let mut places = Vec::new();
    for (index, checked) in page.iter().enumerate() {
        let Ok(checked) = checked else { continue };
        let halves = [
            (Half::Assignment, Some(&checked.assignment)),
            (Half::Message, checked.message.as_ref()),
        ];
        for (half, part) in halves {
            if let Some(Part::Unproven { shown, .. }) = part {
                places.push(((index, half), shown.id()));
            }
        }
    }
    places
}

/// The bytes of an item; `None` if the server does not have (or know) the route.
async fn fetch(client: &Client, id: ItemId) -> anyhow::Result<Option<Answer>> {
    let answer = client.get(&["raw", &id.to_string()], &[]).await?;
    if answer.status.is_server_error() {
        return Err(anyhow!(answer.reason()).context(format!("cannot get the bytes of {id}")));
    }
    Ok(Some(answer).filter(|answer| answer.status.is_success() && answer.is_octets))
}

/// Puts another part where one was, or the defect that was found in it.
fn settle(
    checked: &mut Result<Checked, Defect>,
    half: Half,
    judge: impl FnOnce(&Part) -> Result<Option<Part>, Defect>,
) {
    let Ok(entry) = checked else { return };
    let part = match half {
        Half::Assignment => Some(&mut entry.assignment),
        Half::Message => entry.message.as_mut(),
    };
    let Some(part) = part else { return };
    match judge(part) {
        Ok(Some(proven)) => *part = proven,
        Ok(None) => {}
        Err(defect) => *checked = Err(defect),
    }
}

/// Verifies the bytes, and that the JSON shows what is in them.
fn prove(half: Half, part: &Part, answer: Answer) -> Result<Option<Part>, Defect> {
    let shown = part.item();
    let item = Item::parse(answer.body).map_err(|source| Defect::Parse { half, source })?;
    let (id, actual) = (shown.id(), item.id());
    if id != actual {
        return Err(Defect::OtherBytes { half, shown: id, actual });
    }
    let item = check::verified(half, item)?;
    match first_difference(half, shown, &item) {
        Some(field) => Err(Defect::ShownOtherwise { half, id, field }),
        None => Ok(Some(Part::Proven(item))),
    }
}

/// The first field that JSON shows otherwise than the bytes have it.
fn first_difference(half: Half, shown: &Item, item: &Item) -> Option<&'static str> {
    let same_anchor = shown.anchor().is_none() || shown.anchor() == item.anchor();
    let same_tags = shown
        .tags()
        .map(|tag| (tag.name, tag.value))
        .eq(item.tags().map(|tag| (tag.name, tag.value)));
    // The JSON of an assignment has no data.
    let same_data =
        half == Half::Assignment || shown.data() == String::from_utf8_lossy(item.data()).as_bytes();
    let fields = [
        ("owner", shown.owner() == item.owner()),
        ("target", shown.target() == item.target()),
        ("anchor", same_anchor),
        ("tag", same_tags),
        ("data", same_data),
    ];
    fields.into_iter().find(|(_, same)| !same).map(|(field, _)| field)
}

/// Without bytes, only what JSON shows completely can be blamed.
fn without_bytes(half: Half, part: &Part) -> Result<Option<Part>, Defect> {
    match part {
        Part::Unproven { shown, lossy: false } => {
            check::verified(half, shown.clone()).map(|item| Some(Part::Proven(item)))
        }
        Part::Unproven { .. } | Part::Proven(_) => Ok(None),
    }
}
