//! A writer in this process, whose ledger is copied at a seeded moment as a power cut would leave it.
//!
//! The copy holds all files as they were; the end of the newest log that was not synced yet is cut off
//! at a seeded byte. A writer on the copy must show everything that was acknowledged when it was made.
//! A seed that ever failed is pinned below.

use fail::{FailGuard, FailScenario};
use parking_lot::Mutex;
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use rota_ans104::Item;
use rota_ledger::{KeptHeight, Ledger, LedgerOptions};
use rota_permaweb::HeightCache;
use rota_schedule::{MessageId, ProcessId, SystemClock};
use rota_testkit::{message, spawn};
use rota_tests::{Book, InProcess, Posted, fast_dir, follow_ledger, rounds};
use std::collections::HashSet;
use std::fs::{self, OpenOptions};
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use tempfile::TempDir;

const SEEDS: u64 = 200;
/// Seeds that failed once.
const PINNED: [u64; 0] = [];
const PROCESSES: usize = 3;
/// Messages for each process.
const MESSAGES: usize = 12;
/// Clients that post at once.
const CLIENTS: usize = 8;
/// Where images are made.
const POINTS: [&str; 5] = [
    "writer::before_sign",
    "writer::signed",
    "ledger::before_write",
    "ledger::after_write",
    "writer::before_reply",
];
/// How long an image waits before it looks at the book: time for answers that should not come.
const ANSWERS_MAY_COME: Duration = Duration::from_micros(300);

/// Items are signed once, for all seeds: each takes the same ones in another order.
fn items() -> &'static [Item] {
    static ITEMS: OnceLock<Vec<Item>> = OnceLock::new();
    ITEMS.get_or_init(|| {
        let spawns: Vec<Item> = (0..PROCESSES).map(|_| spawn().sign()).collect();
        let messages = spawns.iter().flat_map(|spawn| {
            let process = ProcessId::from(spawn.id());
            (0..MESSAGES).map(move |index| {
                let padding = if index == 0 { 30_000 } else { 50 };
                let data = format!("{index} {process} {}", "-".repeat(padding));
                message(process).data(data).sign()
            })
        });
        let messages: Vec<Item> = messages.collect();
        spawns.into_iter().chain(messages).collect()
    })
}

/// What a power cut left, and what the world knew at that moment.
struct Image {
    dir: TempDir,
    book: Book,
}

/// Makes one image, at the `hit`th time the failpoint is reached.
struct Camera {
    ledger: PathBuf,
    book: Arc<Book>,
    state: Mutex<State>,
}

struct State {
    rng: StdRng,
    hits_left: u32,
    /// The newest log, and how much of it was synced for sure: up to the last commit that is done.
    synced: Option<(PathBuf, u64)>,
    image: Option<Image>,
}

impl Camera {
    fn note_synced(&self) {
        self.state.lock().synced = Some(newest_log(&self.ledger));
    }

    fn hit(&self) {
        let mut state = self.state.lock();
        state.hits_left = state.hits_left.saturating_sub(1);
        if state.hits_left > 0 || state.image.is_some() {
            return;
        }
        std::thread::sleep(ANSWERS_MAY_COME);
        let book = self.book.copy();
        let dir = fast_dir();
        for file in fs::read_dir(&self.ledger).unwrap().map(Result::unwrap) {
            fs::copy(file.path(), dir.path().join(file.file_name())).unwrap();
        }
        let (log, end) = newest_log(dir.path());
        let safe = match &state.synced {
            Some((path, safe)) if path.file_name() == log.file_name() => *safe,
            _ => 0,
        };
        let kept = match state.rng.random_range(0..3) {
            0 => end,
            1 => safe,
            _ => state.rng.random_range(safe..=end),
        };
        OpenOptions::new().write(true).open(log).unwrap().set_len(kept).unwrap();
        state.image = Some(Image { dir, book });
    }
}

/// The log with the highest number, and its length.
fn newest_log(dir: &Path) -> (PathBuf, u64) {
    let files = fs::read_dir(dir).unwrap().map(|file| file.unwrap().path());
    let log =
        files.filter(|path| path.extension().is_some_and(|kind| kind == "log")).max().unwrap();
    let length = fs::metadata(&log).unwrap().len();
    (log, length)
}

/// Posts all items, a process before its messages, and takes the image meanwhile.
async fn photograph(seed: u64) -> Option<Image> {
    let mut rng = StdRng::seed_from_u64(seed);
    let dir = fast_dir();
    let book = Arc::<Book>::default();
    let point = POINTS[rng.random_range(0..POINTS.len())];
    let hits_left = rng.random_range(1..if point.starts_with("ledger") { 14 } else { 36 });
    let state = State { rng: StdRng::seed_from_u64(seed), hits_left, synced: None, image: None };
    let camera = Arc::new(Camera {
        ledger: dir.path().to_owned(),
        book: book.clone(),
        state: Mutex::new(state),
    });
    let (on_commit, on_hit) = (camera.clone(), camera.clone());
    let observe = Arc::new(move |_| on_commit.note_synced());
    let options = LedgerOptions { observe: Some(observe), ..LedgerOptions::default() };
    let ledger = Ledger::open(dir.path(), options).unwrap();
    let height = HeightCache::starting_at(None);
    let writer = InProcess::over(ledger, Arc::new(SystemClock), height, seed);
    camera.note_synced();
    let _point = FailGuard::with_callback(point, move || on_hit.hit()).unwrap();
    let (spawns, messages) = items().split_at(PROCESSES);
    post(&writer, &book, spawns.to_vec()).await;
    let mut messages = messages.to_vec();
    for index in 1..messages.len() {
        messages.swap(index, rng.random_range(0..=index));
    }
    post(&writer, &book, messages).await;
    drop(writer.stop().await);
    camera.state.lock().image.take()
}

/// Posts items, [`CLIENTS`] at once; what is acknowledged goes into the book. Gives the rest.
async fn post(writer: &InProcess, book: &Arc<Book>, items: Vec<Item>) -> Vec<Posted> {
    let mut refused = Vec::new();
    for (index, some) in items.chunks(CLIENTS).enumerate() {
        // A write that is not synced, as those of the uploader: the end of the log may be gone.
        writer.ledger.set_block_height(KeptHeight { height: index as u64, told: None });
        let posts = some.iter().cloned().map(|item| {
            let (writer, book) = (writer.clone(), book.clone());
            tokio::spawn(async move {
                book.posted(&item);
                let posted = writer.post(&item).await;
                if let Posted::Acked(timestamp) = posted {
                    book.acked(MessageId::from(item.id()), timestamp);
                }
                posted
            })
        });
        for post in posts.collect::<Vec<_>>() {
            refused.extend(Some(post.await.unwrap()).filter(|p| !matches!(p, Posted::Acked(_))));
        }
    }
    refused
}

/// Goes on from the image: all that was acknowledged is there, and posting everything again makes each
/// item be there once.
async fn go_on(image: Image, seed: u64) -> Result<(), String> {
    let Image { dir, book } = image;
    let ledger = Ledger::open(dir.path(), LedgerOptions::default()).map_err(|e| e.to_string())?;
    book.check(&follow_ledger(&ledger)?)?;
    check_outbox(&ledger)?;
    let height = HeightCache::starting_at(ledger.block_height().map(|kept| kept.height));
    let writer = InProcess::over(ledger, Arc::new(SystemClock), height, !seed);
    let book = Arc::new(book);
    let refused = post(&writer, &book, items()[..PROCESSES].to_vec()).await;
    let again = post(&writer, &book, items().to_vec()).await;
    if let Some(refused) = refused.first().or(again.first()) {
        return Err(format!("posted again, it was refused: {refused:?}"));
    }
    let ledger = writer.stop().await;
    book.check(&follow_ledger(&ledger)?)?;
    check_outbox(&ledger)
}

/// DUR-2: both parts of every entry wait to be uploaded, none twice, and the depth says so.
fn check_outbox(ledger: &Ledger) -> Result<(), String> {
    let text = |error: rota_ledger::LedgerError| error.to_string();
    let mut entries = 0;
    for row in ledger.processes().map_err(text)? {
        entries += row.map_err(text)?.1.nonce + 1;
    }
    let rows = ledger.outbox_after(None, usize::MAX).map_err(text)?;
    let items: Result<HashSet<_>, String> = rows
        .iter()
        .map(|row| {
            ledger
                .outbox_item(row)
                .map_err(text)?
                .map(|(id, _)| id)
                .ok_or_else(|| "no item".to_owned())
        })
        .collect();
    let (items, depth) = (items?.len() as u64, ledger.outbox_stats().depth);
    if (items, rows.len() as u64, depth) == (2 * entries, 2 * entries, 2 * entries) {
        return Ok(());
    }
    Err(format!("DUR-2: {entries} entries, {} rows, {items} items, depth {depth}", rows.len()))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_image_of_a_power_cut_holds_what_was_acknowledged() {
    let scenario = FailScenario::setup();
    let mut images = 0;
    for seed in PINNED.into_iter().chain(0..rounds(SEEDS)) {
        println!("seed {seed}");
        if let Some(image) = photograph(seed).await {
            images += 1;
            if let Err(why) = go_on(image, seed).await {
                panic!("seed {seed}: {why}");
            }
        }
    }
    assert!(images > rounds(SEEDS) * 3 / 4, "only {images} images were made");
    scenario.teardown();
}
