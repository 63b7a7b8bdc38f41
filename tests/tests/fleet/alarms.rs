//! Every alarm of a writer (`infra/alarms-writer.yaml`), by causing what it watches: it is quiet before, and
//! fires on what the writer logs. A line of the metrics log stands for a minute; where an alarm wants several
//! bad ones, each is caused.

use crate::town::{Machine, PATIENCE, Town, until};
use rota_schedule::ProcessId;
use rota_testkit::alarm::{Alarm, Minute, metrics_lines};
use rota_testkit::proxy::{Fault, FaultProxy};
use rota_testkit::{BundlerMode, Client, GatewayMode, StubBundler, StubGateway, message};
use rota_tests::fast_dir;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};
use tokio::time::sleep;

/// Between two lines.
const INTERVAL: (&str, &str) = ("METRICS_LOG_INTERVAL", "200ms");
/// Not the default, under which no alarm may find anything.
const NAMESPACE: &str = "rota-test";
/// Limits that a test need not wait long for.
const LIMITS: [(&str, &str); 12] = [
    ("WriterName", "w"),
    ("MetricsNamespace", NAMESPACE),
    ("ErrorsMax", "1"),
    ("PostMillisMax", "500"),
    ("ProjectionSecondsMax", "1"),
    ("OutboxSecondsMax", "2"),
    // A gateway is asked every 30 s.
    ("HeightSecondsMax", "33"),
    ("LeaseSecondsMax", "3"),
    ("MoveSecondsMax", "2"),
    // One is taken every second, which takes its time.
    ("CheckpointSecondsMax", "8"),
    ("DatabaseMbMax", "30"),
    ("ArchiveFallbacksMax", "1"),
];
/// The size from which bodies lie in the archive, and something more.
const LARGE: usize = 300 << 10;

fn alarm(name: &str) -> Alarm {
    let alarms: BTreeMap<_, _> = Alarm::all("alarms-writer.yaml", &LIMITS);
    alarms[name].clone()
}

/// A line stands for a minute.
fn minutes(machine: &Machine) -> Vec<Minute> {
    metrics_lines(&machine.rota.printed()).into_iter().map(|line| vec![line]).collect()
}

/// What is logged from now on.
struct Since<'a> {
    machine: &'a Machine,
    before: usize,
}

impl<'a> Since<'a> {
    fn now(machine: &'a Machine) -> Self {
        Self { machine, before: minutes(machine).len() }
    }

    fn minutes(&self) -> Vec<Minute> {
        minutes(self.machine).split_off(self.before)
    }

    /// All of it as one minute, up to a line that begins after now.
    async fn ended(&self) -> Minute {
        Since::now(self.machine).lines(2).await;
        self.minutes().concat()
    }

    /// Waits for so many lines.
    async fn lines(&self, count: usize) {
        until("the writer logs", async || self.minutes().len() >= count).await;
    }
}

/// It does not fire on what is logged in its whole time.
async fn quiet(alarm: &Alarm, machine: &Machine) {
    let since = Since::now(machine);
    since.lines(alarm.minutes()).await;
    let minutes = since.minutes();
    assert!(!alarm.fires(&minutes), "{alarm:?} sees {:?}", alarm.sees(&minutes));
}

async fn fires(alarm: &Alarm, machine: &Machine) {
    fires_within(alarm, machine, PATIENCE).await;
}

async fn fires_within(alarm: &Alarm, machine: &Machine, max: Duration) {
    let begin = Instant::now();
    while !alarm.fires(&minutes(machine)) {
        let sees = || alarm.sees(&minutes(machine));
        assert!(begin.elapsed() < max, "{alarm:?} never fires: {:?}", sees());
        sleep(Duration::from_millis(50)).await;
    }
}

async fn ready_with(town: &Town, settings: &[(&str, &str)]) -> Machine {
    let machine = watched(town, settings);
    machine.ready().await;
    machine
}

/// What makes a writer log what the alarms watch.
fn logged() -> [(&'static str, &'static str); 2] {
    [INTERVAL, ("METRICS_NAMESPACE", NAMESPACE)]
}

fn watched(town: &Town, settings: &[(&str, &str)]) -> Machine {
    let settings: Vec<_> = settings.iter().copied().chain(logged()).collect();
    town.machine_with("w", fast_dir(), &settings)
}

/// Posts a message, whatever becomes of it.
async fn post(machine: &Machine, process: ProcessId) {
    let item = message(process).sign();
    let client = rota_tests::http();
    let _ = client.post(&machine.rota.url).body(item.bytes().clone()).send().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_name_without_a_writer_and_a_writer_without_a_standby() {
    let town = Town::new().await;
    let (nobody, alone) = (alarm("NoWriter"), alarm("NoStandby"));
    let writer = ready_with(&town, &[]).await;
    let since = Since::now(&writer);
    since.lines(alone.minutes()).await;
    assert!(alone.fires(&since.minutes()), "{:?}", alone.sees(&since.minutes()));
    assert!(!nobody.fires(&since.minutes()));

    let standby = watched(&town, &[]);
    let (of_writer, of_standby) = (Since::now(&writer), Since::now(&standby));
    of_standby.lines(alone.minutes() + 3).await;
    of_writer.lines(alone.minutes() + 3).await;
    let both = |one: Minute, other: Minute| [one, other].concat();
    let zip = of_writer.minutes().into_iter().zip(of_standby.minutes());
    let together: Vec<Minute> = zip.map(|(one, other)| both(one, other)).collect();
    assert!(!alone.fires(&together) && !nobody.fires(&together));
    // What stands by does not write, and once both are gone nothing is logged at all.
    assert!(nobody.fires(&of_standby.minutes()));
    writer.rota.kill_9();
    standby.rota.kill_9();
    assert!(nobody.fires(&vec![Minute::new(); nobody.minutes()]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_that_is_away_and_one_that_is_slow() {
    let town = Town::new().await;
    let proxy = FaultProxy::start(town.cluster.port());
    let url = proxy.url(&town.url);
    let writer = ready_with(&town, &[("DATABASE_URL", &url)]).await;
    let process = town.spawned(&writer, 1).await[0];
    let names = ["Ailing", "Errors", "Database", "Slow"];
    let [ailing, errors, waits, slow] = names.map(alarm);
    for alarm in [&ailing, &errors, &waits, &slow] {
        quiet(alarm, &writer).await;
    }

    proxy.set(Fault::Delay(Duration::from_millis(700)));
    let mut rounds = Vec::new();
    for _ in 0..slow.minutes() {
        let round = Since::now(&writer);
        post(&writer, process).await;
        rounds.push(round.ended().await);
    }
    assert!(slow.fires(&rounds), "{:?}", slow.sees(&rounds));

    proxy.set(Fault::Refuse);
    post(&writer, process).await;
    fires(&waits, &writer).await;
    fires(&ailing, &writer).await;
    let mut rounds = Vec::new();
    for _ in 0..errors.minutes() {
        let round = Since::now(&writer);
        Client::new(&writer.rota.url).get(&format!("/{process}/latest")).await.error(503);
        rounds.push(round.ended().await);
    }
    assert!(errors.fires(&rounds), "{:?}", errors.sees(&rounds));
    proxy.heal();
    until("it is well again", async || !waits.fires(&minutes(&writer))).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bundler_that_takes_nothing_and_gateways_that_do_not_answer() {
    let town = Town::new().await;
    let (outbox, height) = (alarm("Outbox"), alarm("BlockHeight"));
    let (bundler, gateway) = (StubBundler::start().await, StubGateway::start(1_600_000).await);
    let mut settings: Vec<(&str, String)> = gateway.settings();
    settings.push(("UPLOAD_NODE_URL", bundler.url().to_owned()));
    let settings: Vec<_> = settings.iter().map(|(name, text)| (*name, text.as_str())).collect();
    let writer = ready_with(&town, &settings).await;
    town.spawned(&writer, 3).await;
    until("all is uploaded", async || bundler.items().len() >= 6).await;
    gateway.behave(GatewayMode::Status(500));
    bundler.behave(BundlerMode::Failing);
    for alarm in [&outbox, &height] {
        quiet(alarm, &writer).await;
    }
    town.spawned(&writer, 1).await;
    fires(&outbox, &writer).await;
    // At once: the pauses between attempts grow.
    bundler.behave(BundlerMode::Good);
    until("the outbox is empty", async || !outbox.fires(&minutes(&writer))).await;
    fires_within(&height, &writer, Duration::from_secs(60)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_directory_and_an_archive_that_are_away() {
    let town = Town::new().await;
    let proxy = FaultProxy::start(town.aws.port());
    let endpoint = proxy.url(&town.aws.endpoint());
    let bucket = town.aws.fresh_bucket();
    let settings = [
        ("AWS_ENDPOINT_URL", endpoint.as_str()),
        ("ARCHIVE_BUCKET", &bucket),
        ("CHECKPOINT_INTERVAL", "1s"),
    ];
    let writer = ready_with(&town, &settings).await;
    let process = town.spawned(&writer, 1).await[0];
    let [lease, checkpoint, archive] = ["Lease", "Checkpoint", "Archive"].map(alarm);
    sleep(Duration::from_secs(10)).await; // longer than the limits
    for alarm in [&lease, &checkpoint, &archive] {
        quiet(alarm, &writer).await;
    }

    proxy.set(Fault::Refuse);
    let since = Since::now(&writer);
    let item = message(process).data("x".repeat(LARGE)).sign();
    rota_tests::post_all(&writer.rota.url, vec![item], &town.book).await;
    // One body in the whole time is enough, however few there are.
    let mut seen = vec![since.ended().await];
    seen.resize(archive.minutes(), Minute::new());
    assert!(archive.fires(&seen), "{:?}", archive.sees(&seen));
    fires(&lease, &writer).await;
    fires(&checkpoint, &writer).await;
    proxy.heal();
    until("both are well again", async || {
        !lease.fires(&minutes(&writer)) && !checkpoint.fires(&minutes(&writer))
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_move_that_does_not_end_and_a_database_that_has_grown() {
    let town = Town::new().await;
    let (moves, size) = (alarm("Move"), alarm("DatabaseSize"));
    let writer = ready_with(&town, &[]).await;
    let target = town.ready("target").await;
    let process = town.spawned(&writer, 1).await[0];
    for alarm in [&moves, &size] {
        quiet(alarm, &writer).await;
    }
    target.rota.kill_9();
    town.operator().order_move(&process, &"target".parse().unwrap()).await.unwrap();
    fires(&moves, &writer).await;

    let filler = "CREATE TABLE filler AS SELECT md5(n::text) FROM generate_series(1, 700000) n";
    town.sql(filler);
    // The size is asked at the start, and every 10 minutes.
    let disk = writer.kill_9();
    let writer = town.machine_with("w", disk, &logged());
    writer.ready().await;
    fires(&size, &writer).await;
}
