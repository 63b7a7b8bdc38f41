//! Every item by itself: what goes wrong at the bundler costs time, never an item.

use crate::setup::{Shelf, until};
use crate::stub::{Reply, Stub};
use axum::Router;
use axum::http::{StatusCode, Uri};
use rota_ans104::ItemId;
use rota_writer::UploadMode::Items;
use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tokio::net::{TcpListener, TcpSocket};

const fn millis(n: u64) -> Duration {
    Duration::from_millis(n)
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_is_delivered_once_byte_for_byte_before_and_after_the_start() {
    let (mut shelf, stub) = (Shelf::with(300), Stub::good().await);
    let running = shelf.upload(&stub.url, Items);
    shelf.uploaded_to(0).await;
    for _ in 0..5 {
        shelf.append(3, 50);
        shelf.uploaded_to(0).await;
    }
    shelf.assert_taken_once(&stub);
    assert_eq!(running.counter("rota_uploads"), shelf.committed.len());
    assert_eq!(running.counter("rota_upload_failures"), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn sixteen_deliveries_run_at_once_and_never_more() {
    let shelf = Shelf::with(24);
    // Longer than it takes to begin sixteen.
    let stub = Stub::with(|_| Reply::TookAfter(millis(500))).await;
    let _running = shelf.upload(&stub.url, Items);
    shelf.uploaded_to(0).await;
    shelf.assert_taken_once(&stub);
    assert_eq!(stub.in_flight_max(), 16);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bundler_that_is_down_gets_everything_when_it_is_up() {
    let shelf = Shelf::with(50);
    // Bound, so that nobody else gets the port, and refusing until it listens.
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let address = socket.local_addr().unwrap();
    let running = shelf.upload(&format!("http://{address}").parse().unwrap(), Items);
    tokio::time::sleep(millis(600)).await;
    assert_eq!(shelf.depth(), 100);
    assert!(running.counter("rota_upload_failures") < 30, "it was not hammered");
    let stub = Stub::on(socket.listen(64).unwrap(), |_| Reply::Took);
    shelf.uploaded_to(0).await;
    shelf.assert_taken_once(&stub);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failing_bundler_is_probed_by_one_delivery_at_a_time() {
    let shelf = Shelf::with(200);
    let stub = Stub::with(|_| Reply::Status(500)).await;
    let _running = shelf.upload(&stub.url, Items);
    let probed = until("it is probed", || stub.tried() > 16);
    tokio::join!(probed, tokio::time::sleep(millis(800)));
    let tried = stub.tried();
    assert!(tried < 40, "{tried}");
    stub.behave(|_| Reply::Took);
    shelf.uploaded_to(0).await;
    shelf.assert_taken_once(&stub);
}

#[tokio::test(flavor = "multi_thread")]
async fn retry_after_is_honoured() {
    let shelf = Shelf::with(20);
    let stub = Stub::with(|_| Reply::Later(1)).await;
    let _running = shelf.upload(&stub.url, Items);
    until("it was asked to wait", || stub.tried() > 0).await;
    tokio::time::sleep(millis(600)).await; // what was on its way by then arrives
    let asked = stub.deliveries();
    stub.behave(|_| Reply::Took);
    shelf.uploaded_to(0).await;
    let pause = stub.deliveries()[asked.len()].at - asked[0].at;
    assert!(pause >= millis(980), "{pause:?}");
    shelf.assert_taken_once(&stub);
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_but_the_id_counts_as_a_receipt() {
    let lies = [
        r#"{"id":"fOi3N1_9VdYG_skzQBL7b2GARdK53mHd5eBFYZtpFqY"}"#,
        "<html>welcome</html>",
        r#"{"timestamp":1}"#,
    ];
    let shelf = Shelf::with(20);
    let told: Mutex<HashMap<ItemId, usize>> = Mutex::default();
    let stub = Stub::with(move |item| {
        let mut told = told.lock().unwrap();
        let told = told.entry(item.id()).or_default();
        *told += 1;
        // One item in three is lied about, each time in another way.
        let lied = item.id().as_bytes()[0].is_multiple_of(3);
        lies.get(*told - 1).filter(|_| lied).map_or(Reply::Took, |lie| Reply::Says((*lie).into()))
    })
    .await;
    let _running = shelf.upload(&stub.url, Items);
    shelf.uploaded_to(0).await;
    shelf.assert_taken_once(&stub);
    let lied = stub.taken().iter().filter(|item| item.id().as_bytes()[0].is_multiple_of(3)).count();
    assert_eq!(stub.tried(), stub.taken().len() + lied * 3);
}

/// As Turbo answers to an item that it has already: success, and no id.
#[tokio::test(flavor = "multi_thread")]
async fn without_a_receipt_it_counts_that_a_gateway_has_the_item() {
    let mut shelf = Shelf::with(20);
    let known: Arc<Mutex<HashSet<String>>> = Arc::default();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    shelf.gateway = format!("http://{}", listener.local_addr().unwrap()).parse().unwrap();
    let has = Arc::clone(&known);
    let gateway = Router::new().fallback(async move |uri: Uri| {
        let known = has.lock().unwrap().contains(uri.path().trim_start_matches('/'));
        if known { StatusCode::OK } else { StatusCode::NOT_FOUND }
    });
    let gateway = tokio::spawn(async move { axum::serve(listener, gateway).await.unwrap() });
    let stub = Stub::with(|_| Reply::Says("{}".into())).await;
    let _running = shelf.upload(&stub.url, Items);
    until("it is not believed", || stub.tried() > 20).await;
    assert_eq!(shelf.depth(), 40);
    let all = shelf.committed.keys().map(ToString::to_string);
    known.lock().unwrap().extend(all);
    shelf.uploaded_to(0).await;
    assert_eq!(stub.taken().len(), 0);
    gateway.abort();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bundler_that_only_lies_is_not_hammered() {
    let shelf = Shelf::with(200);
    let stub = Stub::with(|_| Reply::Says(r#"{"id":"none"}"#.into())).await;
    let _running = shelf.upload(&stub.url, Items);
    let missed = until("it has lied often enough", || stub.tried() >= 32);
    tokio::join!(missed, tokio::time::sleep(millis(1_000)));
    assert!(stub.tried() < 70, "{}", stub.tried());
    assert_eq!(shelf.depth(), 400);
    stub.behave(|_| Reply::Took);
    shelf.uploaded_to(0).await;
    shelf.assert_taken_once(&stub);
}

/// Delivers all but one item, which is answered with `status` for ever; gives how often that one was
/// sent.
async fn poisoned(status: u16) -> usize {
    let mut shelf = Shelf::with(10);
    let poison = shelf.append(1, 100)[0];
    shelf.append(200, 100);
    let stub = Stub::with(move |item| match item.id() == poison {
        true => Reply::Status(status),
        false => Reply::Took,
    })
    .await;
    let _running = shelf.upload(&stub.url, Items);
    shelf.uploaded_to(1).await;
    shelf.append(5, 100);
    shelf.uploaded_to(1).await;
    shelf.committed.remove(&poison);
    shelf.assert_taken_once(&stub);
    stub.deliveries().iter().filter(|delivery| delivery.id() == poison).count()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_item_that_is_refused_for_ever_holds_up_no_other() {
    let begun = Instant::now();
    let sent = poisoned(400).await;
    assert!((1..10).contains(&sent), "{sent} in {:?}", begun.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_item_at_which_the_bundler_breaks_holds_up_no_other() {
    let sent = poisoned(500).await;
    assert!((2..15).contains(&sent), "{sent}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crash_in_the_middle_loses_nothing() {
    let mut shelf = Shelf::with(150);
    let stub = Stub::with(|_| Reply::TookAfter(millis(5))).await;
    for share in [100, 200] {
        let running = shelf.upload(&stub.url, Items);
        until("some are delivered", || stub.tried() >= share).await;
        drop(running);
        shelf.reopen().await;
        assert!(shelf.depth() > 0);
    }
    let _running = shelf.upload(&stub.url, Items);
    shelf.uploaded_to(0).await;
    shelf.assert_taken(stub.taken());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_records_what_is_in_flight_so_that_nothing_goes_twice() {
    let mut shelf = Shelf::with(150);
    let stub = Stub::with(|_| Reply::TookAfter(millis(20))).await;
    let running = shelf.upload(&stub.url, Items);
    until("some are delivered", || stub.tried() >= 50).await;
    running.stop().await;
    shelf.reopen().await;
    assert_eq!(shelf.depth() as usize, 300 - stub.tried());
    let _running = shelf.upload(&stub.url, Items);
    shelf.uploaded_to(0).await;
    shelf.assert_taken_once(&stub);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_does_not_wait_for_a_bundler_that_hangs() {
    let shelf = Shelf::with(1);
    let stub = Stub::with(|_| Reply::TookAfter(millis(60_000))).await;
    let running = shelf.upload(&stub.url, Items);
    until("it hangs", || stub.in_flight_max() == 2).await;
    let begun = Instant::now();
    running.stop().await;
    assert!((millis(1_900)..millis(3_000)).contains(&begun.elapsed()));
    assert_eq!(shelf.depth(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backlog_of_large_items_does_not_fill_memory() {
    let mut shelf = Shelf::new();
    shelf.append(30, 10 << 20);
    let stub = Stub::with(|_| Reply::TookAfter(millis(50))).await;
    let _running = shelf.upload(&stub.url, Items);
    shelf.uploaded_to(0).await;
    shelf.assert_taken_once(&stub);
    let most = stub.bytes_in_flight_max();
    assert!((50 << 20..=64 << 20).contains(&most), "{most}");
}
