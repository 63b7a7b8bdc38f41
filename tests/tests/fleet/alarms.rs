//! Every alarm of a writer (`infra/alarms-writer.yaml`), by causing what it watches: it is quiet before, and
//! fires on what the writer logs. A line of the metrics log stands for a period; where an alarm wants several
//! bad periods, each is caused.

use crate::town::{Machine, PATIENCE, Town, until};
use rota_schedule::ProcessId;
use rota_testkit::alarm::{Alarm, Period, metrics_lines};
use rota_testkit::proxy::{Fault, FaultProxy};
use rota_testkit::{BundlerMode, Client, GatewayMode, StubBundler, StubGateway, message};
use rota_tests::fast_dir;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};
use tokio::time::sleep;

/// Between two lines.
const INTERVAL: (&str, &str) = ("METRICS_LOG_INTERVAL", "200ms");
/// Limits that a test need not wait long for.
const LIMITS: [(&str, &str); 11] = [
    ("WriterName", "w"),
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

/// A line is a period.
fn periods(machine: &Machine) -> Vec<Period> {
    metrics_lines(&machine.rota.printed()).into_iter().map(|line| vec![line]).collect()
}

/// What is logged from now on.
struct Since<'a> {
    machine: &'a Machine,
    before: usize,
}

impl<'a> Since<'a> {
    fn now(machine: &'a Machine) -> Self {
        Self { machine, before: periods(machine).len() }
    }

    fn periods(&self) -> Vec<Period> {
        periods(self.machine).split_off(self.before)
    }

    /// All of it as one period, up to a line that begins after now.
    async fn ended(&self) -> Period {
        Since::now(self.machine).lines(2).await;
        self.periods().concat()
    }

    /// Waits for so many lines.
    async fn lines(&self, count: usize) {
        until("the writer logs", async || self.periods().len() >= count).await;
    }
}

/// It does not fire on what is logged in its whole time.
async fn quiet(alarm: &Alarm, machine: &Machine) {
    let since = Since::now(machine);
    since.lines(alarm.periods()).await;
    let periods = since.periods();
    assert!(!alarm.fires(&periods), "{alarm:?} sees {:?}", alarm.sees(&periods));
}

async fn fires(alarm: &Alarm, machine: &Machine) {
    fires_within(alarm, machine, PATIENCE).await;
}

async fn fires_within(alarm: &Alarm, machine: &Machine, max: Duration) {
    let begin = Instant::now();
    while !alarm.fires(&periods(machine)) {
        let sees = || alarm.sees(&periods(machine));
        assert!(begin.elapsed() < max, "{alarm:?} never fires: {:?}", sees());
        sleep(Duration::from_millis(50)).await;
    }
}

async fn ready_with(town: &Town, settings: &[(&str, &str)]) -> Machine {
    let machine = watched(town, settings);
    machine.ready().await;
    machine
}

fn watched(town: &Town, settings: &[(&str, &str)]) -> Machine {
    let settings: Vec<_> = settings.iter().copied().chain([INTERVAL]).collect();
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
    since.lines(alone.periods()).await;
    assert!(alone.fires(&since.periods()), "{:?}", alone.sees(&since.periods()));
    assert!(!nobody.fires(&since.periods()));

    let standby = watched(&town, &[]);
    let (of_writer, of_standby) = (Since::now(&writer), Since::now(&standby));
    of_standby.lines(alone.periods() + 3).await;
    of_writer.lines(alone.periods() + 3).await;
    let both = |one: Period, other: Period| [one, other].concat();
    let zip = of_writer.periods().into_iter().zip(of_standby.periods());
    let together: Vec<Period> = zip.map(|(one, other)| both(one, other)).collect();
    assert!(!alone.fires(&together) && !nobody.fires(&together));
    // What stands by does not write, and once both are gone nothing is logged at all.
    assert!(nobody.fires(&of_standby.periods()));
    writer.rota.kill_9();
    standby.rota.kill_9();
    assert!(nobody.fires(&vec![Period::new(); nobody.periods()]));
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
    for _ in 0..slow.periods() {
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
    for _ in 0..errors.periods() {
        let round = Since::now(&writer);
        Client::new(&writer.rota.url).get(&format!("/{process}/latest")).await.error(503);
        rounds.push(round.ended().await);
    }
    assert!(errors.fires(&rounds), "{:?}", errors.sees(&rounds));
    proxy.heal();
    until("it is well again", async || !waits.fires(&periods(&writer))).await;
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
    until("the outbox is empty", async || !outbox.fires(&periods(&writer))).await;
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
    let mut rounds = Vec::new();
    for round in 0..archive.periods() {
        let since = Since::now(&writer);
        let item = message(process).data(format!("{round}").repeat(LARGE)).sign();
        rota_tests::post_all(&writer.rota.url, vec![item], &town.book).await;
        rounds.push(since.ended().await);
    }
    assert!(archive.fires(&rounds), "{:?}", archive.sees(&rounds));
    fires(&lease, &writer).await;
    fires(&checkpoint, &writer).await;
    proxy.heal();
    until("both are well again", async || {
        !lease.fires(&periods(&writer)) && !checkpoint.fires(&periods(&writer))
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
    let writer = town.machine_with("w", disk, &[INTERVAL]);
    writer.ready().await;
    fires(&size, &writer).await;
}
