//! Writers that are taken out of service for good, and their rows.

use crate::town::Town;
use rota_schedule::{Clock as _, SystemClock};
use rota_testkit::Client;
use rota_tests::fast_dir;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn writer_is_removed_once_it_is_drained_and_stopped_and_may_come_back() {
    let town = Town::new().await;
    let a = town.ready("a").await;
    let _b = town.ready("b").await;
    let processes = town.spawned(&a, 2).await;
    let remove = ["writers", "remove", "a"];
    let refused = town.command(&remove).await.unwrap_err();
    assert!(refused.contains("writer a runs"), "{refused}");
    assert!(a.rota.stop_gently().success());
    let refused = town.command(&remove).await.unwrap_err();
    assert!(refused.contains("has 2 processes") && refused.contains("rota drain a"), "{refused}");

    let a = town.ready("a").await;
    town.command(&["drain", "a"]).await.unwrap();
    assert!(a.rota.stop_gently().success());
    assert_eq!(town.command(&remove).await.unwrap(), "writer a is removed\n");
    let listed = town.command(&["writers", "list"]).await.unwrap();
    assert!(listed.contains("\nb ") && !listed.contains("\na "), "{listed}");
    assert_eq!(town.sql("SELECT count(*) FROM writer_progress"), "1");
    let refused = town.command(&remove).await.unwrap_err();
    assert!(refused.contains("there is no writer a"), "{refused}");
    let moved = ["move", &processes[0].to_string(), "--to", "a"];
    let refused = town.command(&moved).await.unwrap_err();
    assert!(refused.contains("no writer ever ran as a"), "{refused}");

    let a = town.machine_with("a", fast_dir(), &[]);
    a.ready().await;
    assert_eq!(town.spawned(&a, 1).await.len(), 1);
    assert_eq!(town.sql("SELECT term FROM writers WHERE name = 'a'"), "4");
    town.check();
}

/// Readers trust a replica up to what all writers with processes have promised. One that had none must not place
/// anything below that, though its clock is slower.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn first_process_of_a_writer_lies_above_what_others_have_promised() {
    const AHEAD: u64 = 3_000;
    let town = Town::new().await;
    let a = town.ready("a").await;
    let now = SystemClock.now().0;
    town.sql(&format!(
        "INSERT INTO writers (name, term) VALUES ('fast', 1); \
         INSERT INTO writer_progress SELECT id, {}, 1, decode(repeat('00', 32), 'hex') \
         FROM writers WHERE name = 'fast'",
        now + AHEAD
    ));
    let process = town.spawned(&a, 1).await[0];
    let first = Client::new(&a.rota.url).get(&format!("/processes/{process}")).await.ok();
    let timestamp = first["timestamp"].as_u64().unwrap();
    assert!(timestamp > now + AHEAD, "{timestamp} is not above {}", now + AHEAD);
}
