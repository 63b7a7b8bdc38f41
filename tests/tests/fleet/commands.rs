//! The operator's commands, as an operator types them.

use crate::town::Town;
use rota_schedule::{Directory as _, WriterName};

fn name(text: &str) -> WriterName {
    text.parse().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_writer_is_drained_under_load_and_taken_back() {
    let town = Town::new().await;
    let a = town.ready("a").await;
    let _b = town.ready("b").await;
    let _c = town.ready("c").await;
    let processes = town.spawned(&a, 30).await;
    let clients = town.clients(&processes[..4], 4);
    let said = town.command(&["drain", "a"]).await.unwrap();
    assert!(said.contains("no processes any more (30 moved)"), "{said}");
    clients.more(20).await;
    clients.finish().await;
    let mut counts = Vec::new();
    for writer in ["a", "b", "c"] {
        counts.push(town.operator().count_of(&name(writer)).await.unwrap());
    }
    assert_eq!(counts, [0, 15, 15]);
    assert!(town.record("a").await.policy.no_route);
    let said = town.command(&["drain", "a", "--undo"]).await.unwrap();
    assert!(said.contains("gets new processes again"), "{said}");
    assert!(!town.record("a").await.policy.no_route);
    town.check();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_process_is_moved_and_the_writers_are_listed() {
    let town = Town::new().await;
    let a = town.ready("a").await;
    let b = town.ready("b").await;
    let process = town.spawned(&a, 1).await[0].to_string();
    let said = town.command(&["move", &process, "--to", "b"]).await.unwrap();
    assert!(said.ends_with(&format!("process {process} belongs to writer b\n")), "{said}");
    let refused = town.command(&["move", &process, "--to", "nobody"]).await.unwrap_err();
    assert!(refused.contains("no writer ever ran as nobody"), "{refused}");
    let refused = town.command(&["move", &process, "--withdraw"]).await.unwrap_err();
    assert!(refused.contains("no move to withdraw"), "{refused}");
    assert!(a.rota.stop_gently().success());
    let wallet = "fOi3N1_9VdYG_skzQBL7b2GARdK53mHd5eBFYZtpFqY";
    let set = ["writers", "set", "b", "--wallets-to-route", wallet, "--wallets-only", "true"];
    town.command(&set).await.unwrap();
    let listed = town.command(&["writers", "list", "--json"]).await.unwrap();
    let rows: Vec<serde_json::Value> =
        listed.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(rows.len(), 2);
    assert_eq!((&rows[0]["name"], &rows[0]["state"]), (&"a".into(), &"released".into()));
    assert_eq!((&rows[1]["state"], &rows[1]["processes"]), (&"alive".into(), &1.into()));
    assert_eq!(rows[1]["url"], b.rota.url.as_str());
    assert_eq!(rows[1]["wallets_to_route"][0], wallet);
    let table = town.command(&["writers", "list"]).await.unwrap();
    assert!(table.contains("gets new processes of 1 wallets only"), "{table}");
}

/// A scheduler that is older than the directory.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn processes_of_before_are_entered_into_the_directory() {
    let mut town = Town::new().await;
    let a = town.ready("a").await;
    let processes = town.spawned(&a, 5).await;
    town.new_directory().await;
    let a = town.machine_with("a", a.kill_9(), &[]);
    a.ready().await;
    assert_eq!(town.directory.owner(processes[0]).await.unwrap(), None);
    let said = town.command(&["writers", "register", "a"]).await.unwrap();
    assert!(said.contains("5 processes"), "{said}");
    assert_eq!(town.directory.owner(processes[4]).await.unwrap(), Some(name("a")));
    assert_eq!(town.record("a").await.processes, 5);
}
