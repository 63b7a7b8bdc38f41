//! A writer whose primary's address leads to a standby after a fail-over: nothing that the standby says is believed,
//! and nothing is taken for lost.

use super::*;
use rota_readmodel::{ModelError, Operator, is_of_the_connection};
use rota_testkit::postgres::PostgresOptions;
use rota_testkit::proxy::FaultProxy;
use sqlx::{Connection as _, PgConnection};
use tokio::task::block_in_place;

#[tokio::test(flavor = "multi_thread")]
async fn writer_asks_again_until_the_address_leads_to_a_primary() {
    let cluster = block_in_place(|| PostgresCluster::start(PostgresOptions::default()));
    let direct = cluster.create_database("rota");
    let replica = block_in_place(|| cluster.replica());
    let proxy = FaultProxy::start(cluster.port());
    let url: DatabaseUrl = proxy.url(&direct).parse().unwrap();
    migrate(&url).await.unwrap();
    let id = process(1);
    let writer = writer_of(&url, &[id]).await;
    writer.project(&rows_of(id, 0..2)).await.unwrap();
    replica.caught_up();
    replica.pause();
    writer.project(&rows_of(id, 2..4)).await.unwrap();
    let operator = Operator::new(&url);

    proxy.lead_to(replica.port());
    let rows = rows_of(id, 4..6);
    let (projected, bound, beaten, heads, owner, count) = tokio::join!(
        writer.project(&rows),
        writer.bind(&id),
        writer.heartbeat(Timestamp(9), Timestamp(0), Some(1)),
        writer.heads(None, 9),
        writer.owner(&id),
        async { operator.progress(&id).await.map(drop) },
    );
    let unavailable = |error: Option<ModelError>| {
        assert!(matches!(error, Some(ModelError::Unavailable(_))), "{error:?}");
    };
    unavailable(projected.err());
    unavailable(bound.err());
    unavailable(beaten.err());
    unavailable(heads.err());
    unavailable(owner.err());
    unavailable(count.err());
    let refused = migrate(&url).await;
    assert!(matches!(refused, Err(ModelError::Standby { .. })), "{refused:?}");

    proxy.lead_to(cluster.port());
    writer.project(&rows).await.unwrap();
    assert_eq!(writer.heads(None, 9).await.unwrap()[0].nonce, 5);
    assert_eq!(stored(&writer, id).await, rows_of(id, 0..6));
}

#[tokio::test(flavor = "multi_thread")]
async fn write_that_a_standby_refuses_is_a_reason_to_ask_on_another_connection() {
    let cluster = block_in_place(|| PostgresCluster::start(PostgresOptions::default()));
    let replica = block_in_place(|| cluster.replica());
    let mut connection = PgConnection::connect(&replica.url("postgres")).await.unwrap();
    let refused = sqlx::raw_sql("CREATE TABLE t ()").execute(&mut connection).await.unwrap_err();
    assert!(is_of_the_connection(&refused), "{refused}");
    let other = sqlx::raw_sql("SELECT 1 / 0").execute(&mut connection).await.unwrap_err();
    assert!(!is_of_the_connection(&other), "{other}");
}
