//! Writers that are taken out of the read model, and what keeps one in.

use super::*;
use rota_readmodel::{ModelError, MoveState, Operator, Ordered, Removed};
use rota_schedule::WriterName;

const OTHER: &str = "other";

fn name(text: &str) -> WriterName {
    text.parse().unwrap()
}

async fn take_other(url: &DatabaseUrl) -> Taken {
    Projection::take(url, CONNECTIONS, OTHER, Holder([2; 16]), WALLET).await.unwrap()
}

#[tokio::test]
async fn retired_writer_is_removed_and_its_term_goes_on_when_it_comes_back() {
    let url = database().await;
    let operator = Operator::new(&url);
    assert_eq!(operator.remains(&name(WRITER)).await.unwrap(), None);
    let old = take(&url, 1).await;
    old.projection.heartbeat(Timestamp(70), Timestamp(0), Some(1)).await.unwrap();
    take_other(&url).await.projection.bind(&process(1)).await.unwrap();
    assert_eq!(operator.order_checkpoint(&name(WRITER)).await.unwrap(), Some(1));
    let seen = operator.remains(&name(WRITER)).await.unwrap().unwrap();
    assert_eq!(operator.remove_writer(&name(WRITER), seen).await.unwrap(), Removed::Done);

    assert_eq!(operator.remains(&name(WRITER)).await.unwrap(), None);
    assert_eq!(sql(&url, "SELECT count(*) FROM writer_progress"), "1");
    let to = operator.order_move(&process(1), &name(WRITER)).await.unwrap();
    assert_eq!(to, Ordered::NoWriter, "nobody would take it");
    assert_eq!(operator.order_checkpoint(&name(WRITER)).await.unwrap(), None);
    let zombie = old.projection.bind(&process(9)).await;
    assert!(matches!(zombie, Err(ModelError::Stale { term: 1 })), "{zombie:?}");
    let zombie = old.projection.heartbeat(Timestamp(80), Timestamp(0), Some(1)).await;
    assert!(matches!(zombie, Err(ModelError::Stale { term: 1 })), "{zombie:?}");

    let again = take(&url, 1).await;
    assert_eq!((again.term, again.closed), (3, Timestamp(0)));
    assert!(again.projection.bind(&process(2)).await.unwrap());
    assert_eq!(operator.order_move(&process(1), &name(WRITER)).await.unwrap(), Ordered::Yes);
}

#[tokio::test]
async fn writer_that_runs_or_owns_or_takes_part_in_a_move_stays() {
    let url = database().await;
    let operator = Operator::new(&url);
    let (one, two) = (take(&url, 1).await.projection, take_other(&url).await.projection);
    let remains = async |writer: &str| operator.remains(&name(writer)).await.unwrap().unwrap();
    let remove =
        async |writer: &str, seen| operator.remove_writer(&name(writer), seen).await.unwrap();
    let seen = remains(WRITER).await;
    one.heartbeat(Timestamp(70), Timestamp(0), Some(1)).await.unwrap();
    assert_eq!(remove(WRITER, seen).await, Removed::Alive, "it has beaten");
    let seen = remains(WRITER).await;
    let one = take(&url, 1).await.projection;
    assert_eq!(remove(WRITER, seen).await, Removed::Alive, "it has started");
    one.bind(&process(1)).await.unwrap();
    one.bind(&process(2)).await.unwrap();
    assert_eq!(remove(WRITER, remains(WRITER).await).await, Removed::Owns(2));
    operator.order_move(&process(1), &name(OTHER)).await.unwrap();
    assert_eq!(remove(OTHER, remains(OTHER).await).await, Removed::Moving(1));
    // None of that did any harm: it goes on under its term.
    one.bind(&process(3)).await.unwrap();
    two.note_copied(&process(1)).await.unwrap();
    one.hand_over(&process(1)).await.unwrap();
    assert_eq!(two.orders().await.unwrap()[0].state, MoveState::Switched);
    assert_eq!(remove(OTHER, remains(OTHER).await).await, Removed::Owns(1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_a_removal_and_a_move_to_the_same_writer_one_happens() {
    let url = database().await;
    let operator = Operator::new(&url);
    let mut outcomes = [0, 0];
    for number in 0..40 {
        let id = process(number);
        take(&url, 1).await.projection.bind(&id).await.unwrap();
        take_other(&url).await;
        let seen = operator.remains(&name(OTHER)).await.unwrap().unwrap();
        let mover = operator.clone();
        let moving =
            tokio::spawn(async move { mover.order_move(&id, &name(OTHER)).await.unwrap() });
        tokio::time::sleep(std::time::Duration::from_micros(u64::from(number) * 50)).await;
        let removed = operator.remove_writer(&name(OTHER), seen).await.unwrap();
        moving.await.unwrap();
        let ordered = operator.withdraw_move(&id).await.unwrap();
        assert_eq!(removed == Removed::Done, !ordered, "round {number}: {removed:?}");
        outcomes[usize::from(ordered)] += 1;
    }
    assert!(outcomes[0] + outcomes[1] == 40, "{outcomes:?}");
}

#[tokio::test]
async fn what_others_have_closed_is_the_greatest_of_their_promises() {
    let url = database().await;
    let one = take(&url, 1).await.projection;
    assert_eq!(one.closed_by_others().await.unwrap(), Timestamp(0));
    one.heartbeat(Timestamp(90), Timestamp(0), Some(1)).await.unwrap();
    let two = take_other(&url).await.projection;
    two.heartbeat(Timestamp(70), Timestamp(0), Some(1)).await.unwrap();
    assert_eq!(one.closed_by_others().await.unwrap(), Timestamp(70));
    assert_eq!(two.closed_by_others().await.unwrap(), Timestamp(90));
}
