//! Many items in one signed bundle.

use crate::setup::{Shelf, WALLET, until};
use crate::stub::{Reply, Stub};
use rota_ans104::{Bundle, Item, SignError, SignatureType, Signer};
use rota_writer::UploadMode::Bundle as Bundles;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

#[tokio::test(flavor = "multi_thread")]
async fn bundles_are_full_signed_and_hold_each_item_once() {
    let (shelf, stub) = (Shelf::with(1_250), Stub::good().await);
    let running = shelf.upload(&stub.url, Bundles);
    shelf.uploaded_to(0).await;
    let bundles = stub.bundles();
    let mut sizes: Vec<_> = bundles.iter().map(Vec::len).collect();
    sizes.sort_unstable();
    assert_eq!(sizes, [500, 1_000, 1_000]);
    assert_eq!(running.counter("rota_uploads"), 2_500);
    shelf.assert_taken(bundles.into_iter().flatten().collect());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_assignment_comes_right_before_its_message() {
    let mut shelf = Shelf::new();
    let messages = shelf.append(20, 10);
    let stub = Stub::good().await;
    let _running = shelf.upload(&stub.url, Bundles);
    shelf.uploaded_to(0).await;
    let items = stub.bundles().concat();
    let (odd, even): (Vec<_>, Vec<_>) =
        items.chunks_exact(2).map(|pair| (pair[1].id(), pair[0].data().len())).unzip();
    assert_eq!(odd, messages);
    assert!(even.into_iter().all(|data| data == 0), "assignments have no data");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_few_items_do_not_wait_for_more_for_long() {
    // A new process waits for nothing, so it goes first.
    let (mut shelf, stub) = (Shelf::with(1), Stub::good().await);
    let _running = shelf.upload(&stub.url, Bundles);
    shelf.uploaded_to(0).await;
    for _ in 0..3 {
        let begun = Instant::now();
        shelf.append(2, 10);
        shelf.uploaded_to(0).await;
        assert!(begun.elapsed() < Duration::from_secs(1), "{:?}", begun.elapsed());
    }
    assert_eq!(stub.bundles().iter().map(Vec::len).collect::<Vec<_>>(), [2, 4, 4, 4]);
}

#[tokio::test(flavor = "multi_thread")]
async fn bundles_stay_below_their_size_but_for_one_large_entry() {
    let (mut shelf, stub) = (Shelf::new(), Stub::good().await);
    shelf.append(5, 1 << 20);
    shelf.append(2, 6 << 20);
    shelf.append(3, 100);
    let _running = shelf.upload(&stub.url, Bundles);
    shelf.uploaded_to(0).await;
    let bundles = stub.bundles();
    for bundle in &bundles {
        let bytes: usize = bundle.iter().map(|item| item.bytes().len()).sum();
        assert!(bytes <= 4 << 20 || bundle.len() == 2, "{} with {bytes}", bundle.len());
    }
    assert_eq!(bundles.len(), 5);
    shelf.assert_taken(bundles.concat());
}

/// All but one item arrive although every bundle that holds that one is answered with `status`; gives
/// how often it was sent.
async fn poisoned(status: u16, entries: usize) -> usize {
    let mut shelf = Shelf::with(entries);
    let poison = shelf.append(1, 100)[0];
    shelf.append(entries, 100);
    let holds = move |item: &Item| {
        Bundle::from_item(item).unwrap().items().iter().any(|item| item.id() == poison)
    };
    let stub = Stub::with(move |item| match holds(item) {
        true => Reply::Status(status),
        false => Reply::Took,
    })
    .await;
    let _running = shelf.upload(&stub.url, Bundles);
    shelf.uploaded_to(1).await;
    shelf.append(10, 100);
    shelf.uploaded_to(1).await;
    shelf.committed.remove(&poison);
    let items = stub.bundles().concat();
    assert_eq!(items.len(), shelf.committed.len());
    shelf.assert_taken(items);
    stub.deliveries().iter().filter(|delivery| holds(&delivery.item)).count()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_item_is_found_by_halving_and_holds_up_no_other() {
    let sent = poisoned(400, 300).await;
    assert!((10..20).contains(&sent), "{sent}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_item_at_which_the_bundler_breaks_is_found_as_well() {
    let sent = poisoned(500, 2).await;
    assert!((10..40).contains(&sent), "{sent}");
}

/// A key that panics, then fails, and then signs.
struct Unsteady(AtomicUsize);

impl Signer for Unsteady {
    fn signature_type(&self) -> SignatureType {
        WALLET.signature_type()
    }

    fn owner(&self) -> &[u8] {
        WALLET.owner()
    }

    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, SignError> {
        match self.0.fetch_add(1, Ordering::Relaxed) {
            0 => panic!("the key is lost, says a test"),
            1 => Err(SignError::Key("the key is busy".into())),
            _ => WALLET.sign(message),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_panics_or_fails_costs_time_and_no_item() {
    let (mut shelf, stub) = (Shelf::with(100), Stub::good().await);
    let signer = Arc::new(Unsteady(AtomicUsize::new(0)));
    let _running = shelf.upload_signed(&stub.url, Bundles, signer);
    shelf.uploaded_to(0).await;
    shelf.append(10, 100);
    shelf.uploaded_to(0).await;
    assert_eq!(stub.taken().len(), 2);
    shelf.assert_taken(stub.bundles().concat());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crash_in_the_middle_loses_nothing() {
    let mut shelf = Shelf::with(2_000);
    let stub = Stub::with(|_| Reply::TookAfter(Duration::from_millis(100))).await;
    let running = shelf.upload(&stub.url, Bundles);
    until("a bundle is delivered", || stub.tried() > 0).await;
    drop(running);
    shelf.reopen().await;
    let _running = shelf.upload(&stub.url, Bundles);
    shelf.uploaded_to(0).await;
    shelf.assert_taken(stub.bundles().concat());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bundler_that_was_down_gets_all_bundles() {
    let shelf = Shelf::with(1_200);
    let stub = Stub::with(|_| Reply::Status(503)).await;
    let _running = shelf.upload(&stub.url, Bundles);
    tokio::time::sleep(Duration::from_millis(800)).await;
    assert!(stub.tried() < 20, "{}", stub.tried());
    stub.behave(|_| Reply::Took);
    shelf.uploaded_to(0).await;
    let items = stub.bundles().concat();
    assert_eq!(items.len(), 2_400);
    shelf.assert_taken(items);
}
