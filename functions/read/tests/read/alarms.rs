//! Every alarm of the read function (`infra/alarms-functions.yaml`), by causing what it watches. All that is
//! logged in a step stands for one minute, and for as many like it as the alarm wants.

use crate::database::{fill, read};
use rota_readmodel::{DatabaseUrl, Holder, Projection};
use rota_schedule::Timestamp;
use rota_testkit::alarm::{Alarm, Minute, firing, lines_of};
use rota_testkit::lambda::Lambda;
use rota_testkit::postgres::{PostgresCluster, PostgresOptions};
use rota_testkit::proxy::{Fault, FaultProxy};
use rota_testkit::{schedules, user};
use std::collections::BTreeMap;
use std::time::Duration;
use tokio::task::block_in_place;

/// Not the default, under which no alarm may find anything.
const NAMESPACE: &str = "rota-test";
/// Requests of a step.
const REQUESTS: usize = 12;

fn alarms() -> BTreeMap<String, Alarm> {
    let parameters = [
        ("ReadFunctionName", "read"),
        ("RouteFunctionName", "route"),
        ("MetricsNamespace", NAMESPACE),
        ("ReadMillisMax", "600"),
    ];
    Alarm::all("alarms-functions.yaml", &parameters)
}

/// What the function logs while it is asked for `target` some times.
async fn step(function: &Lambda, target: &str) -> Minute {
    lines_of(function, REQUESTS, async || {
        function.get(target).await;
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn databases_that_are_slow_lag_and_are_away() {
    let all = schedules();
    let primary = block_in_place(|| PostgresCluster::start(PostgresOptions::default()));
    let url = block_in_place(|| primary.create_database("rota"));
    fill(&url, &all).await;
    let replica = block_in_place(|| primary.replica());
    let (to_primary, to_replica) =
        (FaultProxy::start(primary.port()), FaultProxy::start(replica.port()));
    let (near, far) = (to_replica.url(&replica.url("rota")), to_primary.url(&url));
    let settings = [
        ("DATABASE_READ_URL", near.as_str()),
        ("DATABASE_URL", &far),
        ("METRICS_NAMESPACE", NAMESPACE),
    ];
    let function = Lambda::start(read(&settings), None).await;
    let latest = format!("/{}/latest", all[0].process);
    block_in_place(|| replica.caught_up());
    step(&function, &latest).await; // the first one connects
    let well = step(&function, &latest).await;
    assert_eq!(firing(&alarms(), &well), Vec::<String>::new());

    for proxy in [&to_primary, &to_replica] {
        proxy.set(Fault::Delay(Duration::from_millis(700)));
    }
    assert_eq!(firing(&alarms(), &step(&function, &latest).await), ["ReadSlow"]);
    for proxy in [&to_primary, &to_replica] {
        proxy.heal();
    }

    block_in_place(|| replica.pause());
    let writer: DatabaseUrl = url.parse().unwrap();
    let taken = Projection::take(&writer, 2, "test", Holder([1; 16]), user().address()).await;
    let later =
        taken.unwrap().projection.heartbeat(Timestamp(60_000), Timestamp(0), Some(42)).await;
    later.unwrap();
    let beyond = format!("/{}?to=50000", all[0].process);
    step(&function, &beyond).await; // which tells it how far the replica is behind
    assert_eq!(firing(&alarms(), &step(&function, &beyond).await), ["ReadLag"]);
    block_in_place(|| replica.resume());

    for proxy in [&to_primary, &to_replica] {
        proxy.set(Fault::Refuse);
    }
    let mut away = Minute::new();
    for _ in 0..6 {
        away.extend(step(&function, &latest).await);
        tokio::time::sleep(Duration::from_millis(500)).await; // what fails is left out for a while
    }
    let away = firing(&alarms(), &away);
    for name in ["ReadErrors", "ReadSources"] {
        assert!(away.iter().any(|fires| fires == name), "{away:?}");
    }
}

/// What Lambda counts as an error: the function ends before it has asked for an event.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_function_that_cannot_start_ends_with_the_reason() {
    let crashes = &alarms()["ReadCrashes"];
    assert_eq!(crashes.metric, ("AWS/Lambda".to_owned(), "Errors".to_owned()));
    let mut function = Lambda::start(read(&[("DATABASE_URL", "mysql://nobody")]), None).await;
    let status = function.wait(Duration::from_secs(10)).await.expect("it ends");
    assert!(!status.success());
    function.logs("DATABASE_URL").await;
}
