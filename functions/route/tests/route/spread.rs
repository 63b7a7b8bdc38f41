//! Many spawns at once, over a real directory: each bound once, and nobody overloaded.

use crate::writer::serve;
use axum::Router;
use axum::body::Body;
use axum::http::Request;
use futures_util::future::join_all;
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use rota_ans104::Item;
use rota_directory::DynamoDirectory;
use rota_route::{RouteConfig, RouteMetrics, RouteState, router};
use rota_schedule::{Directory, LeaseHolder, Load, WriterName};
use rota_service::{ByteSize, Env, Stop};
use rota_testkit::aws::Aws;
use rota_testkit::spawn;
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::sync::oneshot;

const WRITERS: usize = 8;
const CONNECTIONS: usize = 64;
/// As many as a stand-in in Python binds within seconds; `just bench route` does 10,000.
const SPAWNS: usize = 1_000;
/// Between two signs of life.
const BEAT: Duration = Duration::from_secs(1);
/// Of the mean.
const SPREAD_MAX: f64 = 0.1;

/// A directory in a table of its own.
async fn directory() -> DynamoDirectory {
    let aws = Aws::shared();
    let config = rota_aws::stand_in(&aws.endpoint()).await;
    let directory = DynamoDirectory::new(&config, aws.fresh_table());
    directory.create_table().await.unwrap();
    directory
}

/// Writers that nobody asks; they live for as long as this is polled.
async fn live(directory: &DynamoDirectory, mut ready: Option<oneshot::Sender<()>>) {
    let holder = LeaseHolder([7; 16]);
    let names: Vec<WriterName> =
        (0..WRITERS).map(|index| format!("w{index}").parse().unwrap()).collect();
    for name in &names {
        directory.take_lease(name, holder, None).await.unwrap().unwrap();
    }
    loop {
        // At once, as writers do: one after the other, behind all the spawns, they would look silent.
        let beats = names.iter().map(async |name| {
            let url = format!("http://{name}.example");
            directory.beat(name, holder, &url, Load::default()).await.unwrap().unwrap();
        });
        join_all(beats).await;
        if let Some(ready) = ready.take() {
            ready.send(()).unwrap();
        }
        tokio::time::sleep(BEAT).await;
    }
}

/// Two routers over it, as there are many instances of a function.
fn routers(directory: &DynamoDirectory) -> Vec<(String, Stop)> {
    let start = |_| {
        let config = RouteConfig::read(&mut Env::from_pairs([("", ""); 0]), ByteSize(1 << 20));
        let state = RouteState::new(directory.clone(), config.unwrap(), RouteMetrics::default());
        serve(Router::new().merge(router(Arc::new(state))))
    };
    (0..2).map(start).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn spawns_from_many_connections_spread_evenly_and_are_bound_once() {
    let directory = directory().await;
    let (ready, living) = oneshot::channel();
    let beating = directory.clone();
    let beating = tokio::spawn(async move { live(&beating, Some(ready)).await });
    living.await.unwrap();
    let routers = routers(&directory);
    let spawns: Arc<Vec<Item>> = Arc::new((0..SPAWNS).map(|_| spawn().sign()).collect());
    let next = Arc::new(AtomicUsize::new(0));
    let posting: Vec<_> = (0..CONNECTIONS)
        .map(|connection| {
            let (spawns, next) = (Arc::clone(&spawns), Arc::clone(&next));
            let url = routers[connection % routers.len()].0.clone();
            tokio::spawn(async move {
                let client = Client::builder(TokioExecutor::new()).build_http::<Body>();
                let mut pointed = Vec::new();
                loop {
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    let Some(item) = spawns.get(index) else { return pointed };
                    let body = Body::from(item.bytes().clone());
                    let request = Request::post(format!("{url}/")).body(body).unwrap();
                    let answer = client.request(request).await.unwrap();
                    assert_eq!(answer.status(), 307);
                    let location = answer.headers()["location"].to_str().unwrap().to_owned();
                    pointed.push((index, location));
                }
            })
        })
        .collect();
    let mut counts = HashMap::new();
    for task in posting {
        for (index, location) in task.await.unwrap() {
            let owner = directory.owner(spawns[index].id().into()).await.unwrap().unwrap();
            assert_eq!(location, format!("http://{owner}.example/"));
            *counts.entry(owner).or_insert(0_usize) += 1;
        }
    }
    beating.abort();
    let mean = SPAWNS as f64 / WRITERS as f64;
    for writer in directory.writers().await.unwrap() {
        let count = counts.get(&writer.name).copied().unwrap_or_default();
        assert_eq!(writer.processes, count as u64, "{}: each is counted once", writer.name);
        let off = (count as f64 - mean).abs() / mean;
        assert!(off <= SPREAD_MAX, "{}: {count} of {mean}", writer.name);
    }
}
