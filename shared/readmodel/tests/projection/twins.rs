//! One id with two contents: there is a key whose one signature fits any content. Bodies lie under their hash, so
//! each row keeps its own. Rows from before are read from where they are.

use super::*;
use rota_archive::{Archive, BodyHash};
use rota_readmodel::{INLINE_BYTES_MAX, ModelError};
use rota_testkit::aws::Aws;
use rota_testkit::{keyless, message};

/// Two lengths of bodies that do not lie in their rows.
const SHORTER: usize = 200_000;
const LONGER: usize = 300_000;

/// A bucket, and the archive in it.
async fn archive() -> (String, Archive) {
    let started = tokio::task::spawn_blocking(|| (Aws::shared(), Aws::shared().fresh_bucket()));
    let (aws, bucket) = started.await.unwrap();
    let config = rota_aws::stand_in(&aws.endpoint()).await;
    let archive = Archive::new(&config, &bucket, "");
    (bucket, archive)
}

/// A row whose item has the id that all these have.
fn twin(process: ProcessId, nonce: u64, length: usize) -> Row {
    let item = message(process).data(vec![nonce as u8; length]).sign_as(&keyless());
    let mut row = row_of(process, nonce, 0);
    row.entry.message_id = item.id().into();
    row.entry.message = Some(item.bytes().clone());
    row
}

fn twins(process: ProcessId) -> Vec<Row> {
    let lengths = [SHORTER, LONGER, SHORTER, SHORTER, 10, INLINE_BYTES_MAX];
    let rows: Vec<Row> = (0..).zip(lengths).map(|(nonce, len)| twin(process, nonce, len)).collect();
    assert!(rows.iter().all(|row| row.entry.message_id == rows[0].entry.message_id));
    rows
}

/// Puts the bodies of all rows where the release before had them in the database.
fn as_before(url: &DatabaseUrl) {
    sql(
        url,
        "INSERT INTO bodies SELECT message_id, bytes FROM entries \
         JOIN bodies_by_hash ON sha256 = body; \
         UPDATE entries SET body = NULL; DELETE FROM bodies_by_hash",
    );
}

#[tokio::test]
async fn two_contents_of_one_id_both_come_back() {
    for archive in [None, Some(archive().await.1)] {
        let (url, ids) = (database().await, [process(1), process(2)]);
        let projection = writer_of(&url, &ids).await.with_archive(archive.clone());
        let (together, alone) = (twins(ids[0]), twins(ids[1]));
        projection.project(&together).await.unwrap();
        for row in &alone {
            projection.project(std::slice::from_ref(row)).await.unwrap();
        }
        assert_eq!(stored(&projection, ids[0]).await, together);
        assert_eq!(stored(&projection, ids[1]).await, alone);
        // Five contents of each process are large; none is there twice.
        let in_table = if archive.is_some() { "0" } else { "10" };
        assert_eq!(sql(&url, "SELECT count(*) FROM bodies_by_hash"), in_table);
        assert_eq!(sql(&url, "SELECT count(*) FROM bodies"), "0");
        assert_eq!(sql(&url, "SELECT count(*) FROM entries WHERE body IS NOT NULL"), "10");
    }
}

#[tokio::test]
async fn rows_from_before_are_read_from_the_database() {
    let (url, id) = (database().await, process(1));
    let projection = writer_of(&url, &[id]).await;
    let mut rows = vec![twin(id, 0, SHORTER)];
    projection.project(&rows).await.unwrap();
    as_before(&url);
    assert_eq!(stored(&projection, id).await, rows);
    rows.push(twin(id, 1, SHORTER));
    projection.project(&rows).await.unwrap();
    assert_eq!(stored(&projection, id).await, rows, "with another content of the same id");
}

#[tokio::test]
async fn rows_from_before_are_read_from_the_archive() {
    let (url, id) = (database().await, process(1));
    let (bucket, archive) = archive().await;
    let projection = writer_of(&url, &[id]).await.with_archive(Some(archive));
    let mut rows = vec![twin(id, 0, LONGER)];
    projection.project(&rows).await.unwrap();
    sql(&url, "UPDATE entries SET body = NULL");
    let bytes = rows[0].entry.message.clone().unwrap();
    let (key, hash) = (format!("bodies/{}", rows[0].entry.message_id), BodyHash::of(&bytes));
    let put = move || Aws::shared().put_object(&bucket, &key, &bytes, &hash.to_string());
    tokio::task::spawn_blocking(put).await.unwrap();
    assert_eq!(stored(&projection, id).await, rows);
    rows.push(twin(id, 1, LONGER));
    projection.project(&rows).await.unwrap();
    assert_eq!(stored(&projection, id).await, rows, "with another content of the same id");
}

#[tokio::test]
async fn body_that_is_not_the_one_of_its_row_is_damage() {
    let (url, id) = (database().await, process(1));
    let projection = writer_of(&url, &[id]).await;
    projection.project(&[twin(id, 0, SHORTER)]).await.unwrap();
    sql(&url, "UPDATE bodies_by_hash SET bytes = set_byte(bytes, 190000, 7)");
    let found = projection.entries(&id, None, 1).await;
    assert!(matches!(found, Err(ModelError::Damaged(_))), "{found:?}");
}

/// Readers tell a hash from an item by its length.
#[tokio::test]
async fn schema_keeps_an_item_as_short_as_a_hash_in_its_row() {
    const INSERT: &str = "INSERT INTO entries (process, nonce, timestamp, message_length, \
        assignment_id, message_id, assignment, message, body) \
        VALUES (sha256(''), 0, 0, $1, sha256(''), sha256(''), '', $2, $3)";
    let url = database().await;
    let pool = url.primary(1);
    let none: Option<&[u8]> = None;
    for (message, length, body) in
        [(none, 32, 32), (none, 0, 32), (none, 33, 31), (Some(&b"x"[..]), 33, 32)]
    {
        let query = sqlx::query(INSERT).bind(length).bind(message).bind(vec![0_u8; body]);
        let refused = query.execute(&pool).await.unwrap_err();
        let code = refused.as_database_error().and_then(|error| error.code().map(Into::into));
        assert_eq!(code, Some("23514".to_owned()), "{length} {body}: {refused}");
    }
    let query = sqlx::query(INSERT).bind(33).bind(none).bind(vec![0_u8; 32]);
    query.execute(&pool).await.unwrap();
}
