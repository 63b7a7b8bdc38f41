//! A writer that is cut off: from the directory, or from the database. Nobody waits for it, and it does no harm.

use crate::town::Town;
use rota_testkit::aws;
use rota_testkit::proxy::{Fault, FaultProxy};
use rota_tests::fast_dir;
use std::time::Duration;
use tokio::time::sleep;

fn through<'a>(settings: &'a [(&'static str, String)]) -> Vec<(&'a str, &'a str)> {
    settings.iter().map(|(name, value)| (*name, value.as_str())).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cut_off_from_the_directory_a_writer_goes_on_until_a_standby_takes_its_name() {
    let town = Town::new().await;
    let proxy = FaultProxy::start(town.aws.port());
    let settings = aws::settings_at(&proxy.url(&town.aws.endpoint()));
    let mut writer = town.machine_with("w", fast_dir(), &through(&settings));
    writer.ready().await;
    let processes = town.spawned(&writer, 2).await;
    proxy.set(Fault::Stall);
    let clients = town.clients(&processes, 4);
    clients.more(100).await;
    sleep(Duration::from_secs(9)).await;
    clients.more(100).await; // nobody else wants the name
    let standby = town.machine("w");
    standby.ready().await;
    writer.gives_up().await;
    clients.more(50).await;
    clients.finish().await;
    town.check();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cut_off_from_the_database_a_writer_keeps_its_name_and_comes_back() {
    let town = Town::new().await;
    let port = town.cluster.port();
    let proxy = FaultProxy::start(port);
    let url = proxy.url(&town.url);
    let writer = town.machine_with("w", fast_dir(), &[("DATABASE_URL", &url)]);
    writer.ready().await;
    let processes = town.spawned(&writer, 2).await;
    let clients = town.clients(&processes, 4);
    clients.more(50).await;
    proxy.set(Fault::Refuse);
    let standby = town.machine("w");
    sleep(Duration::from_secs(9)).await;
    assert!(!standby.is_ready(), "the holder lives: its lease is beaten");
    proxy.heal();
    clients.more(50).await;
    clients.finish().await;
    town.check();
    assert!(writer.rota.stop_gently().success());
    standby.ready().await;
}
