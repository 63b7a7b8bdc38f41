//! Empty directories of both kinds, on the servers that the tests of this binary share.

use rota_directory::{AnyDirectory, DynamoDirectory, PostgresDirectory};
use rota_readmodel::{DatabaseUrl, migrate};
use rota_testkit::aws::Aws;
use rota_testkit::postgres::PostgresCluster;
use tokio::task::spawn_blocking;

/// Where the stand-in for AWS is.
pub(crate) async fn endpoint() -> String {
    spawn_blocking(|| Aws::shared().endpoint()).await.unwrap()
}

/// The directory in a table, by whatever way to the server.
pub(crate) async fn dynamo_at(endpoint: &str, table: &str) -> DynamoDirectory {
    DynamoDirectory::new(&rota_aws::stand_in(endpoint).await, table.to_owned())
}

/// A new table and its name.
pub(crate) async fn table() -> (DynamoDirectory, String) {
    let endpoint = endpoint().await;
    let table = Aws::shared().fresh_table();
    let directory = dynamo_at(&endpoint, &table).await;
    directory.create_table().await.unwrap();
    (directory, table)
}

/// A new table, as programs use it.
pub(crate) async fn dynamo() -> AnyDirectory {
    AnyDirectory::Dynamo(table().await.0)
}

/// A new database with its schema.
pub(crate) async fn database() -> DatabaseUrl {
    let url = spawn_blocking(|| PostgresCluster::shared().fresh_database());
    let url = url.await.unwrap().parse().unwrap();
    migrate(&url).await.unwrap();
    url
}

/// A directory in a new database, as programs use it.
pub(crate) async fn postgres() -> AnyDirectory {
    AnyDirectory::Postgres(PostgresDirectory::new(&database().await))
}
