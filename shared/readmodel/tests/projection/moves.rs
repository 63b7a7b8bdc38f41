//! Processes that go from one writer to another: each step once, under the fence, with what readers were
//! promised.

use super::*;
use rota_readmodel::{ModelError, MoveOrder, MoveState, Operator, Ordered, Ownership};

/// Writers `test` and `other` of one database; the first has a process with three entries.
async fn two() -> (DatabaseUrl, Projection, Projection, ProcessId) {
    let (url, id) = (database().await, process(1));
    let source = writer_of(&url, &[id]).await;
    source.project(&rows_of(id, 0..3)).await.unwrap();
    let target = take_as(&url, "other", 9).await.projection;
    (url, source, target, id)
}

fn states(orders: &[MoveOrder]) -> Vec<(bool, MoveState)> {
    orders.iter().map(|order| (order.incoming, order.state)).collect()
}

#[tokio::test]
async fn a_process_changes_hands_with_the_promise_under_which_it_was() {
    let (url, source, target, id) = two().await;
    let operator = Operator::new(&url);
    source.heartbeat(Timestamp(700), Timestamp(300), Some(1)).await.unwrap();
    let to = "other".parse().unwrap();
    assert_eq!(operator.order_move(&id, &to).await.unwrap(), Ordered::Yes);
    assert_eq!(operator.order_move(&id, &to).await.unwrap(), Ordered::Yes, "once");
    assert_eq!(states(&source.orders().await.unwrap()), [(false, MoveState::Asked)]);
    let asked = target.orders().await.unwrap();
    assert_eq!(states(&asked), [(true, MoveState::Asked)]);
    assert_eq!((asked[0].other.as_str(), asked[0].uploaded), (WRITER, Timestamp(300)));

    source.hand_over(&id).await.unwrap();
    assert!(source.owner(&id).await.unwrap().unwrap().mine, "not before it is copied");
    target.note_copied(&id).await.unwrap();
    let copied = MoveState::Copied { fresh: true };
    assert_eq!(states(&source.orders().await.unwrap()), [(false, copied)]);
    for _ in 0..2 {
        source.hand_over(&id).await.unwrap();
    }
    let owner = target.owner(&id).await.unwrap().unwrap();
    let expected = Ownership {
        writer: "other".to_owned(),
        mine: true,
        head: Some(2),
        floor: Timestamp(700),
        uploaded: Timestamp(300),
    };
    assert_eq!(owner, expected);
    let late = source.project(&rows_of(id, 3..4)).await;
    assert!(matches!(late, Err(ModelError::Foreign { .. })), "{late:?}");
    target.project(&rows_of(id, 3..4)).await.unwrap();
    assert!(target.heads(None, 9).await.unwrap()[0].moved);

    for _ in 0..2 {
        target.finish_move(&id).await.unwrap();
    }
    assert_eq!(target.orders().await.unwrap(), []);
    assert_eq!(target.owner(&id).await.unwrap().unwrap().floor, Timestamp(0));
    assert_eq!(operator.order_move(&id, &to).await.unwrap(), Ordered::There);
    assert_eq!(operator.progress(&id).await.unwrap().unwrap().owner, "other");
}

#[tokio::test]
async fn an_order_can_be_withdrawn_until_it_has_switched() {
    let (url, source, target, id) = two().await;
    let operator = Operator::new(&url);
    let to = "other".parse().unwrap();
    assert!(!operator.withdraw_move(&id).await.unwrap());
    operator.order_move(&id, &to).await.unwrap();
    assert!(operator.withdraw_move(&id).await.unwrap());
    target.note_copied(&id).await.unwrap();
    source.hand_over(&id).await.unwrap();
    assert!(source.owner(&id).await.unwrap().unwrap().mine);
    operator.order_move(&id, &to).await.unwrap();
    target.note_copied(&id).await.unwrap();
    source.hand_over(&id).await.unwrap();
    assert!(!operator.withdraw_move(&id).await.unwrap());
    let back = operator.order_move(&id, &WRITER.parse().unwrap()).await.unwrap();
    assert_eq!(back, Ordered::Underway("other".to_owned()), "one move at a time");
}

#[tokio::test]
async fn what_cannot_be_moved_is_told_apart() {
    let (url, _source, _target, id) = two().await;
    let operator = Operator::new(&url);
    let order = async |id, to: &str| operator.order_move(&id, &to.parse().unwrap()).await.unwrap();
    assert_eq!(order(id, "nobody").await, Ordered::NoWriter);
    assert_eq!(order(process(7), "other").await, Ordered::NoProcess);
    assert_eq!(order(id, WRITER).await, Ordered::There);
    assert_eq!(operator.progress(&process(7)).await.unwrap(), None);
    let name = WRITER.parse().unwrap();
    assert_eq!(operator.processes_of(&name, None, 9).await.unwrap(), [id]);
    assert_eq!(operator.count_of(&name).await.unwrap(), 1);
    order(id, "other").await;
    assert_eq!(operator.processes_of(&name, None, 9).await.unwrap(), [], "it is under way");
}

/// LSE-1: nothing of a move is done under a term that is over.
#[tokio::test]
async fn a_zombie_neither_gives_nor_takes() {
    let (url, source, target, id) = two().await;
    let operator = Operator::new(&url);
    operator.order_move(&id, &"other".parse().unwrap()).await.unwrap();
    let newer = take_as(&url, "other", 8).await.projection;
    let stale = |outcome: Result<(), ModelError>| {
        assert!(matches!(outcome, Err(ModelError::Stale { .. })), "{outcome:?}");
    };
    stale(target.note_copied(&id).await);
    newer.note_copied(&id).await.unwrap();
    take(&url, 3).await;
    stale(source.hand_over(&id).await);
    assert_eq!(source.owner(&id).await.unwrap().unwrap().writer, WRITER);
    assert_eq!(sql(&url, "SELECT state FROM moves"), "copied");
    stale(target.finish_move(&id).await);
}

#[tokio::test]
async fn a_standby_sees_what_a_writer_has_and_writes_nothing() {
    let (url, source, _target, id) = two().await;
    source.heartbeat(Timestamp(900), Timestamp(450), Some(1)).await.unwrap();
    assert!(Projection::observe(&url, 1, "nobody").await.unwrap().is_none());
    let observed = Projection::observe(&url, 1, WRITER).await.unwrap().unwrap();
    assert_eq!(observed.uploaded, Timestamp(450));
    assert_eq!(observed.database, claim(&url, WALLET).await.unwrap());
    let seen = observed.projection;
    assert_eq!(seen.heads(None, 9).await.unwrap()[0].process, id);
    assert_eq!(seen.entries(&id, None, 9).await.unwrap().len(), 3);
    let wrote = seen.project(&rows_of(id, 3..4)).await;
    assert!(matches!(wrote, Err(ModelError::Stale { .. })), "{wrote:?}");
}
