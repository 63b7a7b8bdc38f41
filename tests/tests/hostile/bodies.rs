//! Bodies that are no items: cut short, mutated, and with numbers that lie.

use crate::prober::Prober;
use crate::site;
use bytes::Bytes;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use rota_ans104::Item;
use rota_testkit::{Client, Site, message, spawn, vectors};

/// Random mutations of each run.
const MUTATIONS: u64 = 2_000;
/// Requests at once.
const AT_ONCE: usize = 16;

/// Posts every body; each must be answered with one of `allowed`. The number tells which body it was.
async fn post_all(
    client: &Client,
    bodies: impl IntoIterator<Item = (u64, Bytes)>,
    allowed: &'static [u16],
) {
    let mut bodies = bodies.into_iter();
    loop {
        let group: Vec<_> = bodies.by_ref().take(AT_ONCE).collect();
        if group.is_empty() {
            return;
        }
        let running: Vec<_> = group
            .into_iter()
            .map(|(number, body)| {
                let client = client.clone();
                tokio::spawn(async move {
                    let answer = client.post_bytes(body.clone()).await;
                    assert!(
                        allowed.contains(&answer.status),
                        "body {number}: {} {}",
                        answer.status,
                        answer.text()
                    );
                    if answer.status != 200 {
                        answer.error(answer.status);
                    }
                })
            })
            .collect();
        for request in running {
            request.await.unwrap();
        }
    }
}

/// A scheduler with a process of three entries, and what must be true of it afterwards.
async fn attacked(attack: impl AsyncFnOnce(&Site)) {
    let site = site().await;
    let (process, _) = site.process_of(2).await;
    let prober = Prober::start(&site.process.url);
    attack(&site).await;
    prober.finish();
    site.client.post(&message(process).sign()).await.ok();
    assert_eq!(site.checked(process).await.len(), 4);
    assert_eq!(site.client.metric("rota_ledger_failed ").await.to_string(), "0");
}

/// Every vector, and items as this scheduler takes them.
fn seeds(site_process: Option<&Item>) -> Vec<Bytes> {
    let mut seeds: Vec<Bytes> =
        vectors::arbundles().into_iter().map(|vector| vector.bytes).collect();
    seeds.push(vectors::file("su-bundles/message.bin"));
    seeds.extend(site_process.map(|item| item.bytes().clone()));
    seeds
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_truncation_of_every_vector_is_400() {
    attacked(async |site| {
        // A cut within the data leaves an item that parses and does not verify; all others do not parse.
        let cuts = seeds(None).into_iter().flat_map(|seed| {
            let lengths = 0..seed.len();
            lengths.map(move |length| (length as u64, seed.slice(..length))).collect::<Vec<_>>()
        });
        post_all(&site.client, cuts, &[400]).await;
    })
    .await;
}

/// One random change: bits, bytes, a cut, a repetition, or a number in the place of another.
fn mutated(seed: &Bytes, random: &mut StdRng) -> Bytes {
    let mut bytes = seed.to_vec();
    for _ in 0..random.random_range(1..4) {
        let at = random.random_range(0..bytes.len());
        match random.random_range(0..6) {
            0 => bytes[at] ^= 1 << random.random_range(0..8),
            1 => bytes[at] = random.random(),
            2 => bytes.truncate(at.max(1)),
            3 => bytes.extend_from_within(at..),
            4 => {
                let end = (at + 8).min(bytes.len());
                bytes[at..end].fill(if random.random() { 0xff } else { 0 });
            }
            _ => bytes.insert(at, random.random()),
        }
    }
    bytes.into()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn mutated_items_are_refused() {
    attacked(async |site| {
        let seeds = seeds(Some(&spawn().sign()));
        let bodies = (0..MUTATIONS).map(|number| {
            let mut random = StdRng::seed_from_u64(number);
            let seed = &seeds[random.random_range(0..seeds.len())];
            (number, mutated(seed, &mut random))
        });
        // A mutation can undo another: then the item is what it was, for a process unknown here.
        post_all(&site.client, bodies, &[400, 404, 200]).await;
    })
    .await;
}

/// An Ed25519 item's bytes up to its tag count, then whatever is given.
fn with_tags(count: u64, length: u64, tags: &[u8]) -> Bytes {
    let mut bytes = vec![2, 0];
    bytes.resize(2 + 64 + 32, 7);
    bytes.extend_from_slice(&[0, 0]);
    bytes.extend_from_slice(&count.to_le_bytes());
    bytes.extend_from_slice(&length.to_le_bytes());
    bytes.extend_from_slice(tags);
    bytes.into()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn numbers_that_lie_are_400() {
    attacked(async |site| {
        let numbers =
            [0, 1, 2, 127, 128, 129, 1 << 20, u64::from(u32::MAX), 1 << 63, u64::MAX - 7, u64::MAX];
        let varints: [&[u8]; 8] = [
            b"",
            &[0],
            &[2, 2, b'a', 2, b'b', 0],
            &[0xff; 9],
            &[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1],
            &[0xff; 20],
            &[1, 0xff, 0xff, 0xff, 0xff, 0x0f],
            &[2, 0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1],
        ];
        let mut bodies = Vec::new();
        for count in numbers {
            for tags in varints {
                for length in numbers.into_iter().chain([tags.len() as u64]) {
                    bodies.push((count, with_tags(count, length, tags)));
                }
            }
        }
        post_all(&site.client, bodies, &[400]).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_thousand_tags_are_400_and_cheap() {
    attacked(async |site| {
        let count = 100_000_u64;
        let mut tags = vec![0xc0, 0x9a, 0x0c];
        tags.extend([2, b'a', 2, b'b'].repeat(usize::try_from(count).unwrap()));
        tags.push(0);
        let length = tags.len() as u64;
        let bodies = [count, 128, 0].map(|claimed| (claimed, with_tags(claimed, length, &tags)));
        post_all(&site.client, bodies, &[400]).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn signatures_over_the_wrong_key_or_length_are_400() {
    attacked(async |site| {
        let bodies = vectors::arbundles().into_iter().enumerate().flat_map(|(number, vector)| {
            [1_u16, 2, 3, 4, 5, 6, 7, 8, 101, 0, u16::MAX].map(|kind| {
                let mut bytes = vector.bytes.to_vec();
                bytes[..2].copy_from_slice(&kind.to_le_bytes());
                let own = kind.to_le_bytes() == vector.bytes[..2];
                if own {
                    // All zeros, and a key that is no point: neither may trouble the libraries below.
                    bytes[2..66].fill(0);
                }
                (number as u64 * 100 + u64::from(kind), Bytes::from(bytes))
            })
        });
        post_all(&site.client, bodies, &[400]).await;
    })
    .await;
}
