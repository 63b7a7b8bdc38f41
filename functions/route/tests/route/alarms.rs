//! Every alarm of the route function (`infra/alarms-functions.yaml`), by causing what it watches. All that is
//! logged in a step stands for one minute, and for as many like it as the alarm wants.

use crate::function::Function;
use rota_testkit::alarm::{Alarm, Minute, firing, lines_of};
use rota_testkit::aws::{Aws, settings_at};
use rota_testkit::lambda::Lambda;
use rota_testkit::proxy::{Fault, FaultProxy};
use rota_testkit::{message, spawn};
use std::collections::BTreeMap;
use std::process::Command;
use std::time::Duration;

/// Not the default, under which no alarm may find anything.
const NAMESPACE: &str = "rota-test";
/// Requests of a step.
const REQUESTS: usize = 12;
/// After that a writer that shows no sign of life is given up.
const SILENCE: Duration = Duration::from_secs(8);

fn fires(alarms: &BTreeMap<String, Alarm>, minute: &Minute, name: &str) -> bool {
    firing(alarms, minute).iter().any(|fires| fires == name)
}

fn alarms() -> BTreeMap<String, Alarm> {
    let names = [
        ("ReadFunctionName", "read"),
        ("RouteFunctionName", "route"),
        ("MetricsNamespace", NAMESPACE),
    ];
    Alarm::all("alarms-functions.yaml", &names)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn writers_that_do_not_answer_and_writers_that_are_silent() {
    // Reading them takes a while, in which writers would fall silent.
    let alarms = alarms();
    let function =
        Function::start(&[("ROUTE_MODE", "proxy"), ("METRICS_NAMESPACE", NAMESPACE)]).await;
    let process = spawn().sign();
    function.post(&process).await.ok();
    let post = async || {
        function.post(&message(process.id().into()).sign()).await;
    };
    let well = lines_of(&function.lambda, REQUESTS, post).await;
    assert_eq!(firing(&alarms, &well), Vec::<String>::new());

    for writer in &function.writers {
        writer.answer(|_| panic!("the connection breaks"));
    }
    let broken = lines_of(&function.lambda, REQUESTS, post).await;
    assert!(
        fires(&alarms, &broken, "RouteUpstream") && fires(&alarms, &broken, "RouteErrors"),
        "{:?}",
        firing(&alarms, &broken)
    );

    // Nobody beats their leases.
    tokio::time::sleep(SILENCE).await;
    let silent = lines_of(&function.lambda, REQUESTS, post).await;
    assert!(fires(&alarms, &silent, "RouteSilent"), "{:?}", firing(&alarms, &silent));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_directory_that_is_away() {
    let aws = Aws::shared();
    let proxy = FaultProxy::start(aws.port());
    let function = Function::start(&[]).await;
    let mut command = Command::new(env!("CARGO_BIN_EXE_route"));
    command.env("DIRECTORY_TABLE", &function.table).env("ROUTE_CACHE_MAX", "1ms");
    command.env("METRICS_NAMESPACE", NAMESPACE);
    command.envs(settings_at(&proxy.url(&aws.endpoint())));
    let lambda = Lambda::start(command, None).await;
    let ask = async || {
        // Each time another one, which no cache knows.
        lambda.get(&format!("/{}/latest", spawn().sign().id())).await;
    };
    assert_eq!(firing(&alarms(), &lines_of(&lambda, REQUESTS, ask).await), Vec::<String>::new());
    proxy.set(Fault::Refuse);
    let away = lines_of(&lambda, REQUESTS / 2, ask).await;
    assert!(fires(&alarms(), &away, "RouteDirectory"), "{:?}", firing(&alarms(), &away));
}

/// What Lambda counts as an error: the function ends before it has asked for an event.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_function_that_cannot_start_ends_with_the_reason() {
    let crashes = &alarms()["RouteCrashes"];
    assert_eq!(crashes.metric, ("AWS/Lambda".to_owned(), "Errors".to_owned()));
    let mut command = Command::new(env!("CARGO_BIN_EXE_route"));
    command.env("ROUTE_MODE", "teleport").envs(Aws::shared().settings());
    let mut lambda = Lambda::start(command, None).await;
    let status = lambda.wait(Duration::from_secs(10)).await.expect("it ends");
    assert!(!status.success());
    lambda.logs("ROUTE_MODE").await;
}
