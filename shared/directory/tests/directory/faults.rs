//! A directory that cannot be reached, or not for long enough: an error within seconds, and a retry that
//! finds what has happened.

use crate::stores::{database, dynamo_at, endpoint, table};
use crate::{counts, holder, join, load, names, process};
use rota_directory::{ANSWER_MAX, PostgresDirectory};
use rota_schedule::{Directory, DirectoryError, WriterName};
use rota_testkit::aws::Aws;
use rota_testkit::postgres::PostgresCluster;
use rota_testkit::proxy::{Fault, FaultProxy};
use std::time::{Duration, Instant};

/// How much later than promised an error may come on a busy machine.
const LATE_MAX: Duration = Duration::from_secs(2);

/// What a caller goes through whose way to the directory is `proxy`.
async fn survives(directory: impl Directory, proxy: &FaultProxy) {
    let names = names(2);
    join(&directory, &names).await;
    spawn_through(&directory, proxy, &names).await;
    take_through(&directory, proxy, &names[0]).await;
}

async fn spawn_through(directory: &impl Directory, proxy: &FaultProxy, names: &[WriterName]) {
    for (number, fault) in (1..).zip([Fault::CutAnswers, Fault::Stall, Fault::Refuse]) {
        proxy.set(fault);
        let started = Instant::now();
        let failed = directory.bind(process(number), &names[0]).await.unwrap_err();
        assert!(matches!(failed, DirectoryError::Unavailable(_)), "{fault:?}: {failed}");
        assert!(started.elapsed() < ANSWER_MAX + LATE_MAX, "{fault:?}: {:?}", started.elapsed());
        proxy.heal();
        let bound = directory.bind(process(number), &names[1]).await.unwrap();
        assert_eq!(directory.owner(process(number)).await.unwrap(), Some(bound.clone()));
        assert_eq!(directory.bind(process(number), &bound).await.unwrap(), bound);
        let counted = counts(directory, names).await;
        assert_eq!(counted.iter().sum::<u64>(), u64::from(number), "{fault:?}");
    }
}

/// The answer to a take is lost: whoever asks again has it, and nobody else.
async fn take_through(directory: &impl Directory, proxy: &FaultProxy, name: &WriterName) {
    let seen = directory.writer(name).await.unwrap().unwrap().lease;
    proxy.set(Fault::CutAnswers);
    directory.take_lease(name, holder(9), seen).await.unwrap_err();
    proxy.heal();
    let taken = directory.take_lease(name, holder(9), seen).await.unwrap();
    assert_eq!(taken.unwrap().beat, seen.unwrap().beat + 1, "once, though asked for twice");
    assert_eq!(directory.take_lease(name, holder(8), seen).await.unwrap(), None);
    assert_eq!(directory.writer(name).await.unwrap().unwrap().lease, taken);
    let beaten = directory.beat(name, holder(9), "http://w", load(0, 0)).await.unwrap();
    assert!(beaten.unwrap().beat > taken.unwrap().beat);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn dynamodb_may_go_away_at_any_moment() {
    let (_, table) = table().await;
    let proxy = FaultProxy::start(Aws::shared().port());
    let through = proxy.url(&endpoint().await);
    survives(dynamo_at(&through, &table).await, &proxy).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn postgres_may_go_away_at_any_moment() {
    let url = database().await;
    let name = url.to_string().rsplit_once('/').unwrap().1.to_owned();
    let cluster = PostgresCluster::shared();
    let proxy = FaultProxy::start(cluster.port());
    let through = proxy.url(&cluster.url(&name)).parse().unwrap();
    survives(PostgresDirectory::new(&through), &proxy).await;
}
