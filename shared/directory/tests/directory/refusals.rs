//! What DynamoDB says when it is busy, which the stand-in never is: answers from a script.

use crate::dynamo::cause;
use crate::stores::dynamo_at;
use crate::{holder, load, name, process};
use rota_schedule::{Directory, DirectoryError, Lease};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// One answer for each request; the last one for all that follow.
struct Script {
    endpoint: String,
    asked: Arc<AtomicUsize>,
}

impl Script {
    async fn start(answers: &'static [(u16, &'static str)]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let asked = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&asked);
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                read_request(&mut stream).await;
                let number = counter.fetch_add(1, Ordering::Relaxed);
                let (status, body) = answers[number.min(answers.len() - 1)];
                let head = format!(
                    "HTTP/1.1 {status} x\r\nconnection: close\r\ncontent-length: {}\r\n\r\n",
                    body.len()
                );
                stream.write_all((head + body).as_bytes()).await.unwrap();
            }
        });
        Self { endpoint, asked }
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::Relaxed)
    }
}

async fn read_request(stream: &mut TcpStream) {
    let mut request = Vec::new();
    loop {
        stream.read_buf(&mut request).await.unwrap();
        let text = String::from_utf8_lossy(&request).to_lowercase();
        let Some((head, body)) = text.split_once("\r\n\r\n") else {
            continue;
        };
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
        if body.len() >= length.map_or(0, |length| length.parse().unwrap()) {
            return;
        }
    }
}

const DONE: (u16, &str) = (200, "{}");
const CONFLICT: (u16, &str) = (
    400,
    r#"{"__type":"com.amazonaws.dynamodb.v20120810#TransactionCanceledException",
    "CancellationReasons":[{"Code":"None"},{"Code":"TransactionConflict","Message":"ongoing"}]}"#,
);
const THROTTLED: (u16, &str) = (
    400,
    r#"{"__type":"com.amazonaws.dynamodb.v20120810#ThrottlingException","message":"slow down"}"#,
);
const DENIED: (u16, &str) =
    (400, r#"{"__type":"com.amazon.coral.service#AccessDeniedException","Message":"not you"}"#);
const BOUND: (u16, &str) = (
    400,
    r#"{"__type":"com.amazonaws.dynamodb.v20120810#TransactionCanceledException",
    "CancellationReasons":[{"Code":"ConditionalCheckFailed","Item":{"writer":{"S":"other"}}},
    {"Code":"TransactionConflict"}]}"#,
);

#[tokio::test]
async fn a_spawn_that_meets_others_tries_again() {
    let script = Script::start(&[CONFLICT, CONFLICT, CONFLICT, DONE]).await;
    let directory = dynamo_at(&script.endpoint, "t").await;
    assert_eq!(directory.bind(process(1), &name("w")).await.unwrap(), name("w"));
    assert_eq!(script.asked(), 4);
}

#[tokio::test]
async fn a_spawn_that_meets_others_for_ever_gives_up() {
    let script = Script::start(&[CONFLICT]).await;
    let directory = dynamo_at(&script.endpoint, "t").await;
    let error = directory.bind(process(1), &name("w")).await.unwrap_err();
    assert!(cause(&error).contains("TransactionCanceledException"), "{error:?}");
    assert!((5..=20).contains(&script.asked()), "{}", script.asked());
}

#[tokio::test]
async fn what_is_bound_is_bound_whatever_else_is_going_on() {
    let script = Script::start(&[BOUND]).await;
    let directory = dynamo_at(&script.endpoint, "t").await;
    assert_eq!(directory.bind(process(1), &name("w")).await.unwrap(), name("other"));
    assert_eq!(script.asked(), 1, "the refusal names the writer");
}

#[tokio::test]
async fn a_busy_table_and_a_forbidden_one_are_named_as_the_cause() {
    for (answer, code, asked) in [
        (&[THROTTLED], "ThrottlingException: slow down", 3),
        (&[DENIED], "AccessDeniedException: not you", 1),
    ] {
        let script = Script::start(answer).await;
        let directory = dynamo_at(&script.endpoint, "t").await;
        let error = directory.owner(process(1)).await.unwrap_err();
        assert!(cause(&error).ends_with(code), "{}", cause(&error));
        assert_eq!(script.asked(), asked, "{code}");
    }
}

const NO_ANSWER: (u16, &str) =
    (500, r#"{"__type":"com.amazonaws.dynamodb.v20120810#InternalServerError","message":"?"}"#);
const MEETS_A_TRANSACTION: (u16, &str) = (
    400,
    r#"{"__type":"com.amazonaws.dynamodb.v20120810#TransactionConflictException","message":"?"}"#,
);
/// The condition does not hold: the lease is that of `holder(1)`, with beat 5.
const IS_OURS: (u16, &str) = (
    400,
    r#"{"__type":"com.amazonaws.dynamodb.v20120810#ConditionalCheckFailedException","message":"no",
    "Item":{"holder":{"B":"AQEBAQEBAQEBAQEBAQEBAQ=="},"beat":{"N":"5"},"released":{"BOOL":false}}}"#,
);

#[tokio::test]
async fn lease_that_was_taken_without_an_answer_is_known_by_its_record() {
    let seen = Lease { holder: holder(2), beat: 4, released: false };
    let ours = Lease { holder: holder(1), beat: 5, released: false };
    for (taker, taken) in [(1, Some(ours)), (3, None)] {
        let script = Script::start(&[NO_ANSWER, IS_OURS]).await;
        let directory = dynamo_at(&script.endpoint, "t").await;
        let answer = directory.take_lease(&name("w"), holder(taker), Some(seen)).await;
        assert_eq!(answer.unwrap(), taken, "holder {taker}");
        assert_eq!(script.asked(), 2);
    }
}

/// An answer that says nothing of the condition is not a lost race: nobody ends for it.
#[tokio::test]
async fn lease_whose_change_has_no_answer_is_not_lost() {
    let seen = Lease { holder: holder(2), beat: 4, released: false };
    for answer in [&[NO_ANSWER], &[MEETS_A_TRANSACTION]] {
        let script = Script::start(answer).await;
        let directory = dynamo_at(&script.endpoint, "t").await;
        let w = name("w");
        let errors = [
            directory.take_lease(&w, holder(1), Some(seen)).await.unwrap_err(),
            directory.beat(&w, holder(1), "http://w", load(0, 0)).await.unwrap_err(),
            directory.release_lease(&w, holder(1)).await.unwrap_err(),
            directory.bind(process(1), &w).await.unwrap_err(),
        ];
        for error in errors {
            assert!(matches!(error, DirectoryError::Unavailable(_)), "{error:?}");
        }
    }
}
