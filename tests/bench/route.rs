//! The router: CPU of a decision, how evenly many spawns at once spread, and what a large item costs it
//! that is passed on.

use crate::client::{self, Connection, Request};
use crate::report::{Report, Target, rounded};
use crate::seed;
use crate::server::Scheduler;
use rota_ans104::{Item, UnsignedItem, Wallet, WalletKind};
use rota_testkit::postgres::{PostgresCluster, PostgresOptions};
use serde_json::json;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::time::Duration;

const RUN_FOR: Duration = Duration::from_secs(4);
const WRITERS: usize = 8;
const SPAWNS: usize = 10_000;
const SPAWN_CONNECTIONS: usize = 64;
const SPAWN_TIME_MAX: Duration = Duration::from_secs(120);
const CONNECTIONS: usize = 16;
const LARGE_BYTES: usize = 10_000_000;

/// Reports all three.
pub(crate) fn run(report: &mut Report, rota: &Path) -> anyhow::Result<()> {
    if !report.wants("route") {
        return Ok(());
    }
    let cluster = PostgresCluster::start(PostgresOptions { fsync: true });
    let dir = tempfile::tempdir()?;
    let list = dir.path().join("writers.json");
    std::fs::write(&list, writers()?)?;
    let list = list.display().to_string();
    cluster.create_database("routes");
    let database = cluster.url("routes");
    let settings = [("SCHEDULER_LIST_PATH", list.as_str()), ("DATABASE_URL", database.as_str())];
    let user = Wallet::generate(WalletKind::Ed25519)?;
    let router = Scheduler::router(rota, &settings)?;
    let process = spread(report, &router, &user, &cluster)?;
    decision(report, &router, &user, &process)?;
    drop(router);
    let proxy = [&[("ROUTE_MODE", "proxy")], &settings[..]].concat();
    memory(report, &Scheduler::router(rota, &proxy)?, &user, &process)
}

/// Writers that answer, as a list in JSON.
fn writers() -> anyhow::Result<String> {
    let mut list = Vec::new();
    for index in 0..WRITERS {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let url = format!("http://{}", listener.local_addr()?);
        list.push(json!({ "name": format!("w{index}"), "url": url }));
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                // A connection that breaks is the end of it.
                std::thread::spawn(move || answer_all(&stream).ok());
            }
        });
    }
    Ok(serde_json::Value::from(list).to_string())
}

/// Reads requests of announced length and answers each with nothing.
fn answer_all(mut stream: &TcpStream) -> std::io::Result<()> {
    let mut requests = BufReader::new(stream);
    let mut length = 0;
    let mut line = String::new();
    while requests.read_line(&mut line)? > 0 {
        if let Some(value) = line.strip_prefix("content-length: ") {
            length = value.trim().parse().unwrap_or(0);
        }
        if line == "\r\n" {
            std::io::copy(&mut requests.by_ref().take(length), &mut std::io::sink())?;
            stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")?;
            length = 0;
        }
        line.clear();
    }
    Ok(())
}

/// Posts spawns over many connections; gives one of them.
fn spread(
    report: &mut Report,
    router: &Scheduler,
    user: &Wallet,
    cluster: &PostgresCluster,
) -> anyhow::Result<Item> {
    let spawns: Vec<Item> = (0..SPAWNS)
        .map(|number| seed::spawn(user, &number.to_string()))
        .collect::<Result<_, _>>()?;
    let mut connections = vec![Vec::<Request>::new(); SPAWN_CONNECTIONS];
    for (index, item) in spawns.iter().enumerate() {
        connections[index % SPAWN_CONNECTIONS].push(client::post(item.bytes()));
    }
    let load = client::run(router.address()?, &connections, SPAWN_TIME_MAX, false)?;
    let counts = "SELECT count(*) FROM directory_processes GROUP BY writer";
    let counts: Vec<f64> =
        cluster.sql("routes", counts).lines().map(str::parse).collect::<Result<_, _>>()?;
    let mean = SPAWNS as f64 / WRITERS as f64;
    let off = counts.iter().map(|count| (count - mean).abs() / mean).fold(0.0, f64::max);
    let bound: f64 = counts.iter().sum();
    let facts = json!({
        "spawns": load.answers, "writers": counts.len(), "per_second": rounded(load.rate()),
    });
    report.judged(
        "route.spread",
        facts,
        &[
            ("farthest_from_the_mean", off, Target::Max(0.1)),
            ("times_bound", bound / SPAWNS as f64, Target::Max(1.0)),
        ],
    );
    spawns.into_iter().next().ok_or_else(|| anyhow::anyhow!("no spawn"))
}

/// Posts messages to be pointed elsewhere.
fn decision(
    report: &mut Report,
    router: &Scheduler,
    user: &Wallet,
    process: &Item,
) -> anyhow::Result<()> {
    let request = client::post(seed::message(user, process, 0)?.bytes());
    let connections = vec![vec![request]; CONNECTIONS];
    client::run(router.address()?, &connections, Duration::from_secs(1), true)?;
    let before = router.cpu_seconds()?;
    let load = client::run(router.address()?, &connections, RUN_FOR, true)?;
    let cpu = (router.cpu_seconds()? - before) / load.answers as f64 * 1e3;
    let facts = json!({
        "per_second": rounded(load.rate()), "p50_ms": rounded(load.percentile_ms(50)),
    });
    report.judged("route.decision", facts, &[("cpu_ms", cpu, Target::Max(0.1))]);
    Ok(())
}

/// Passes a large message on.
fn memory(
    report: &mut Report,
    router: &Scheduler,
    user: &Wallet,
    process: &Item,
) -> anyhow::Result<()> {
    let tags = [("Data-Protocol", "ao"), ("Type", "Message")];
    let large = UnsignedItem {
        target: Some(*process.id().as_bytes()),
        tags: tags.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
        data: vec![b'x'; LARGE_BYTES].into(),
        anchor: None,
    };
    let request = client::post(large.sign(user)?.bytes());
    let mut connection = Connection::open(router.address()?)?;
    connection.ask(&client::post(seed::message(user, process, 0)?.bytes()))?;
    let before = router.memory_mb("VmRSS")?;
    router.reset_peak()?;
    connection.ask(&request)?;
    let added = router.memory_mb("VmHWM")? - before;
    let facts = json!({ "before_mb": rounded(before) });
    report.judged("route.memory_of_10_mb", facts, &[("added_mb", added, Target::Max(1.0))]);
    Ok(())
}
