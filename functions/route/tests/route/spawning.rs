//! Spawns: bound once, and only if their signature holds.

use crate::memory::Memory;
use crate::site::Site;
use rota_ans104::Item;
use rota_schedule::Refusal;
use rota_testkit::{message, signers, spawn, user};
use std::sync::Arc;

#[tokio::test]
async fn a_spawn_is_bound_where_it_goes_and_again_goes_there() {
    let site = Site::start(&[]).await;
    for signer in signers() {
        let item = spawn().sign_as(&*signer);
        let owner = site.named(&site.post(&item).await);
        for _ in 0..3 {
            assert_eq!(site.named(&site.post(&item).await), owner);
        }
        let first = message(item.id().into()).sign();
        assert_eq!(site.named(&site.post(&first).await), owner);
    }
    assert_eq!(site.directory.bound(), signers().len());
}

#[tokio::test]
async fn what_a_writer_would_refuse_is_bound_to_nobody() {
    let site = Site::start(&[]).await;
    let forged = {
        let mut bytes = spawn().sign().bytes().to_vec();
        let last = bytes.len() - 1;
        bytes[last] ^= 1;
        Item::parse(bytes.into()).unwrap()
    };
    assert!(site.post(&forged).await.error(400).contains("signature"));
    for tag in ["Module", "Scheduler", "Data-Protocol"] {
        let text = site.post(&spawn().without(tag).sign()).await.error(400);
        assert!(text.contains(tag), "{text}");
    }
    let link = spawn().tag("a+link", "b").sign();
    assert_eq!(site.post(&link).await.error(400), Refusal::Link("a+link".to_owned()).to_string());
    assert_eq!(site.directory.bound(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_spawn_posted_many_times_at_once_has_one_writer() {
    let site = Arc::new(Site::start(&[]).await);
    for _ in 0..5 {
        let item = spawn().sign();
        let posts: Vec<_> = (0..16)
            .map(|_| {
                let (site, item) = (Arc::clone(&site), item.clone());
                tokio::spawn(async move { site.named(&site.post(&item).await) })
            })
            .collect();
        let mut owners = Vec::new();
        for post in posts {
            owners.push(post.await.unwrap());
        }
        owners.dedup();
        assert_eq!(owners.len(), 1);
    }
    assert_eq!(site.directory.bound(), 5);
}

#[tokio::test]
async fn operators_decide_who_gets_new_processes() {
    let site = Site::start(&[]).await;
    site.directory.change("w0", |writer| writer.policy.no_route = true);
    site.directory.change("w1", |writer| {
        writer.policy.wallets_to_route = vec![user().address()];
        writer.policy.wallets_only = true;
    });
    let rsa = signers().remove(0);
    for _ in 0..4 {
        assert_eq!(site.named(&site.post(&spawn().sign()).await), 1, "its wallet is pinned");
        assert_eq!(site.named(&site.post(&spawn().sign_as(&*rsa)).await), 2);
    }
}

#[tokio::test]
async fn without_a_writer_that_takes_it_a_spawn_is_put_off() {
    let site = Site::over(Memory::default(), Vec::new(), &[]);
    let answer = site.post(&spawn().sign()).await;
    assert!(answer.error(503).contains("no writer takes new processes"));
    assert!(answer.header("retry-after").is_some());
    assert_eq!(site.get("/timestamp").await.status, 503);
}
