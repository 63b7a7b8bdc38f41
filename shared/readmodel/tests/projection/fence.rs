//! LSE-1 for real: an older term against a newer one, with batches held open, stuck, and racing.

use super::*;
use rota_readmodel::ModelError;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use tokio::time::{sleep, timeout};

/// A transaction that has passed the fence of term 1 and inserted a row, as a batch in flight has.
async fn held_open(url: &DatabaseUrl, row: &Row) -> sqlx::Transaction<'static, sqlx::Postgres> {
    let mut batch = url.primary(1).begin().await.unwrap();
    let fenced: bool =
        sqlx::query_scalar("SELECT fence(1, 1)").fetch_one(&mut *batch).await.unwrap();
    assert!(fenced);
    let insert = "INSERT INTO entries (process, nonce, timestamp, assignment_id, message_id, \
                  assignment) VALUES ($1, $2, 0, $3, $3, '')";
    sqlx::query(insert)
        .bind(&row.process.as_bytes()[..])
        .bind(i64::try_from(row.entry.nonce).unwrap())
        .bind(&row.entry.assignment_id.as_bytes()[..])
        .execute(&mut *batch)
        .await
        .unwrap();
    batch
}

#[tokio::test]
async fn a_term_waits_for_batches_in_flight_and_stops_those_behind() {
    let (url, id) = (database().await, process(1));
    let old = writer_of(&url, &[id]).await;
    old.project(&rows_of(id, 0..1)).await.unwrap();
    let batch = held_open(&url, &row_of(id, 1, 0)).await;
    let taking = tokio::spawn({
        let url = url.clone();
        async move { take(&url, 2).await }
    });
    sleep(Duration::from_millis(300)).await;
    assert!(!taking.is_finished(), "a term was taken while a batch of an older one was open");
    // It waits behind the taker, with a snapshot from before.
    let behind = tokio::spawn(async move { old.project(&rows_of(process(1), 1..2)).await });
    sleep(Duration::from_millis(300)).await;
    assert!(!behind.is_finished());
    batch.commit().await.unwrap();
    let new = taking.await.unwrap();
    assert_eq!(new.term, 2);
    assert_eq!(
        new.projection.heads(None, 9).await.unwrap()[0].nonce,
        1,
        "the batch in flight counts"
    );
    let behind = behind.await.unwrap();
    assert!(matches!(behind, Err(ModelError::Stale { term: 1 })), "{behind:?}");
    assert_eq!(sql(&url, "SELECT count(*) FROM entries"), "2");
}

#[tokio::test]
async fn a_stuck_session_cannot_keep_the_name() {
    let (url, id) = (database().await, process(1));
    writer_of(&url, &[id]).await;
    take_as(&url, "other", 9).await;
    let mut bystander = url.primary(1).begin().await.unwrap();
    sqlx::query("SELECT fence(2, 1)").execute(&mut *bystander).await.unwrap();
    let stuck = held_open(&url, &row_of(id, 0, 0)).await;
    let began = Instant::now();
    let new = timeout(Duration::from_secs(9), take(&url, 2)).await.unwrap();
    assert!(began.elapsed() > Duration::from_secs(1), "nobody was given time to end");
    assert_eq!(new.term, 2);
    assert!(stuck.commit().await.is_err());
    bystander.commit().await.unwrap();
    assert_eq!(new.projection.heads(None, 9).await.unwrap(), []);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn starters_at_once_get_a_term_each() {
    let url = database().await;
    let starters = (0..8).map(|holder| {
        let url = url.clone();
        tokio::spawn(async move { take(&url, holder).await })
    });
    let mut taken = Vec::new();
    for starter in starters.collect::<Vec<_>>() {
        taken.push(starter.await.unwrap());
    }
    taken.sort_by_key(|taken| taken.term);
    assert_eq!(
        taken.iter().map(|taken| taken.term).collect::<Vec<_>>(),
        (1..=8).collect::<Vec<_>>()
    );
    for (term, taken) in (1..).zip(&taken) {
        let bound = taken.projection.bind(&process(term)).await;
        assert_eq!(bound.is_ok(), term == 8, "term {term}: {bound:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn batches_without_end_do_not_starve_the_next_term() {
    let url = database().await;
    let old = writer_of(&url, &(0..8).map(process).collect::<Vec<_>>()).await;
    let taken = Arc::new(AtomicBool::new(false));
    let writing = (0..8).map(|number| {
        let (old, taken) = (old.clone(), Arc::clone(&taken));
        tokio::spawn(async move {
            for nonce in 0.. {
                let late = taken.load(Ordering::SeqCst);
                match old.project(&[row_of(process(number), nonce, 0)]).await {
                    Ok(()) => assert!(!late, "an old term committed after the new one was taken"),
                    Err(ModelError::Stale { .. }) => return nonce,
                    Err(error) => panic!("{error:?}"),
                }
            }
            0
        })
    });
    let writing: Vec<_> = writing.collect();
    sleep(Duration::from_millis(500)).await;
    let began = Instant::now();
    take(&url, 2).await;
    assert!(began.elapsed() < Duration::from_secs(1), "{:?}", began.elapsed());
    taken.store(true, Ordering::SeqCst);
    let mut total = 0;
    for task in writing {
        total += task.await.unwrap();
    }
    assert_eq!(sql(&url, "SELECT count(*) FROM entries"), total.to_string());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn two_hundred_races_for_the_name() {
    const ROUNDS: u8 = 200;
    let url = database().await;
    let mut current = take(&url, 0).await;
    let mut stale = 0;
    for round in 0..ROUNDS {
        let id = process(round);
        current.projection.bind(&id).await.unwrap();
        let old = current.projection.clone();
        let racing = tokio::spawn(async move {
            let mut committed = 0;
            for nonce in 0..20 {
                match old.project(&[row_of(id, nonce, 0)]).await {
                    Ok(()) => committed += 1,
                    Err(ModelError::Stale { .. }) => return (committed, true),
                    Err(error) => panic!("{error:?}"),
                }
            }
            (committed, false)
        });
        sleep(Duration::from_micros(u64::from(round) * 100)).await;
        current = take(&url, round + 1).await;
        let seen = stored(&current.projection, id).await.len() as u64;
        let (committed, stopped) = racing.await.unwrap();
        assert_eq!(seen, committed, "round {round}: a row of an older term came later, or went");
        stale += u32::from(stopped);
        let next = [row_of(id, committed, 1)];
        current.projection.project(&next).await.unwrap();
    }
    assert!(stale > 50, "only {stale} rounds raced");
}
