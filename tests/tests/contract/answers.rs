//! The small answers: time, address, health, metrics.

use crate::{site, site_with};
use rota_ans104::WalletKind;
use rota_testkit::{Client, GatewayMode, MODULE, wallet};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

#[expect(clippy::disallowed_methods, reason = "the test compares with the wall clock")]
fn now_ms() -> u64 {
    u64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis()).unwrap()
}

/// Waits until the scheduler has asked the gateway for the height.
async fn height(client: &Client) -> String {
    for _ in 0..200 {
        let json = client.get("/timestamp").await.ok();
        let height = json["block_height"].as_str().unwrap().to_owned();
        if height != "000000000000" {
            return height;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("the height never came");
}

#[tokio::test]
async fn timestamp_and_height_are_strings() {
    let site = site_with(&[]).await;
    assert_eq!(height(&site.client).await, "000001600000");
    let process = site.spawned().await;
    for query in [String::new(), format!("?process-id={process}"), format!("?proc-id={MODULE}")] {
        let json = site.client.get(&format!("/timestamp{query}")).await.ok();
        let shown: u64 = json["timestamp"].as_str().unwrap().parse().unwrap();
        assert!(shown.abs_diff(now_ms()) < 60_000, "{shown}");
        assert_eq!(json["block_height"], "000001600000");
        assert_eq!(json.as_object().unwrap().len(), 2);
    }
    site.client.get("/timestamp?process-id=x").await.error(400);
}

#[tokio::test]
async fn the_last_height_stays_when_the_gateway_goes_and_through_a_restart() {
    let mut site = site_with(&[]).await;
    height(&site.client).await;
    site.gateway.behave(GatewayMode::Status(500));
    // The height is not synced, so something must be committed behind it.
    site.spawned().await;
    site.restart();
    assert_eq!(height(&site.client).await, "000001600000");
    let process = site.spawned().await;
    let node = site.client.get(&format!("/{process}/latest")).await.ok();
    assert_eq!(crate::posting::tag(&node, "Block-Height"), "000001600000");
}

#[tokio::test]
async fn the_root_tells_the_wallets_address() {
    let site = site().await;
    for query in ["", "?process-id=", &format!("?process-id={MODULE}")] {
        let json = site.client.get(&format!("/{query}")).await.ok();
        assert_eq!(json["address"], wallet(WalletKind::Rsa4Prime).address().to_string());
        assert!(json["timestamp"].as_str().unwrap().parse::<u64>().is_ok());
        assert_eq!(json.as_object().unwrap().len(), 2);
    }
    site.client.get("/?process-id=x").await.error(400);
}

#[tokio::test]
async fn health_is_200_and_empty() {
    let site = site_with(&[]).await;
    let answer = site.client.get("/health").await;
    assert_eq!((answer.status, answer.body.len()), (200, 0));
}

#[tokio::test]
async fn metrics_exist_and_count() {
    let site = site_with(&[]).await;
    let (process, items) = site.process_of(4).await;
    site.client.post(&items[0]).await.ok();
    site.client.get("/no/such/route").await.error(404);
    let answer = site.client.get("/metrics").await;
    assert!(answer.header("content-type").unwrap().starts_with("application/openmetrics-text"));
    assert!(answer.text().ends_with("# EOF\n"));
    for (name, value) in [
        ("rota_entries_committed_total", 5.0),
        ("rota_repeated_items_total", 1.0),
        ("rota_ledger_failed ", 0.0),
        ("rota_write_stage_seconds_count{stage=\"sign\"}", 5.0),
        ("rota_write_stage_seconds_count{stage=\"verify\"}", 6.0),
    ] {
        let found = site.client.metric(name).await;
        assert!((found - value).abs() < 0.1, "{name}: {found}");
    }
    // Over a database an entry waits for its upload only a moment after it was answered.
    while site.client.metric("rota_outbox_depth ").await < 10.0 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let text = site.client.get("/metrics").await.text();
    assert!(text.contains("route=\"/\"") && text.contains("status=\"200\""), "{text}");
    assert!(!text.contains(&process.to_string()), "a label has the values of clients");
}

#[tokio::test]
async fn metrics_can_be_switched_off() {
    let site = site_with(&[("ENABLE_METRICS", "false")]).await;
    let status = site.client.get("/metrics").await.status;
    assert!(matches!(status, 400 | 404), "{status}");
}
