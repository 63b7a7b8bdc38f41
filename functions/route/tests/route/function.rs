//! The function as Lambda runs it, over a real DynamoDB stand-in.

use crate::writer::Writer;
use rota_ans104::{Item, b64};
use rota_directory::DynamoDirectory;
use rota_schedule::{Directory as _, LeaseHolder, Load};
use rota_testkit::aws::Aws;
use rota_testkit::lambda::{Lambda, event};
use rota_testkit::{Answer, message, spawn};
use std::process::Command;
use std::time::Duration;

/// Two writers in a table of their own, and the function before them.
pub(crate) struct Function {
    pub(crate) lambda: Lambda,
    directory: DynamoDirectory,
    pub(crate) table: String,
    pub(crate) writers: Vec<Writer>,
}

impl Function {
    pub(crate) async fn start(settings: &[(&str, &str)]) -> Self {
        let aws = Aws::shared();
        let table = aws.fresh_table();
        let config = rota_aws::stand_in(&aws.endpoint()).await;
        let directory = DynamoDirectory::new(&config, table.clone());
        directory.create_table().await.unwrap();
        let writers = vec![Writer::start("w0"), Writer::start("w1")];
        for (index, writer) in writers.iter().enumerate() {
            let name = format!("w{index}").parse().unwrap();
            let holder = LeaseHolder([index as u8; 16]);
            directory.take_lease(&name, holder, None).await.unwrap().unwrap();
            directory.beat(&name, holder, &writer.url, Load::default()).await.unwrap().unwrap();
        }
        let mut command = Command::new(env!("CARGO_BIN_EXE_route"));
        command.env("DIRECTORY_TABLE", &table).env("LOG_FORMAT", "json");
        command.envs(aws.settings()).envs(settings.iter().copied());
        Self { lambda: Lambda::start(command, None).await, directory, table, writers }
    }

    pub(crate) async fn post(&self, item: &Item) -> Answer {
        let mut event = event("POST", "/", &[("content-type", "application/octet-stream")]);
        event["body"] = base64(item.bytes()).into();
        event["isBase64Encoded"] = true.into();
        self.lambda.invoke(&event).await.answer()
    }
}

/// The usual base64, which events are in.
fn base64(bytes: &[u8]) -> String {
    let mut text = b64::encode(bytes).replace('-', "+").replace('_', "/");
    text.push_str(["", "", "==", "="][text.len() % 4]);
    text
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn spawns_are_bound_in_the_table_and_messages_find_them() {
    for mode in ["stream", "buffer"] {
        let function = Function::start(&[("LAMBDA_RESPONSE", mode)]).await;
        let item = spawn().sign();
        let answer = function.post(&item).await;
        assert_eq!(answer.status, 307, "{mode}: {}", answer.text());
        let location = answer.header("location").unwrap().to_owned();
        let owner = function.directory.owner(item.id().into()).await.unwrap().unwrap();
        let index: usize = owner.as_str()[1..].parse().unwrap();
        assert_eq!(location, format!("{}/", function.writers[index].url));
        let first = message(item.id().into()).data(vec![0xff; 100_000]).sign();
        assert_eq!(function.post(&first).await.header("location"), Some(location.as_str()));
        let page = function.lambda.get(&format!("/{}?from=1", item.id())).await;
        assert_eq!((page.status, page.body.len()), (307, 0));
        function.post(&message(spawn().sign().id().into()).sign()).await.error(404);
        assert_eq!(function.lambda.get("/health").await.status, 200);
        function.lambda.get("/metrics/a").await.error(404);
        function.lambda.send("POST", "/", &[]).await.error(400);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn in_proxy_mode_the_writer_s_answer_comes_back() {
    let function = Function::start(&[("ROUTE_MODE", "proxy")]).await;
    let item = spawn().sign();
    let answer = function.post(&item).await.ok();
    let index: usize = answer["writer"].as_str().unwrap()[1..].parse().unwrap();
    assert_eq!(function.writers[index].one().body, item.bytes());
    let assign = format!("/?process-id={0}&assign={0}", item.id());
    let answer = function.lambda.send("POST", &assign, &[]).await.ok();
    assert_eq!(answer["writer"], format!("w{index}"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_its_table_it_says_so_and_lives() {
    let mut command = Command::new(env!("CARGO_BIN_EXE_route"));
    command.env("DIRECTORY_TABLE", "no-such-table").envs(Aws::shared().settings());
    let lambda = Lambda::start(command, None).await;
    for target in ["/health", "/timestamp"] {
        let answer = lambda.get(target).await;
        assert!(answer.error(503).contains("the directory"), "{target}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn setting_that_restricts_access_in_the_reference_ends_the_start() {
    let mut command = Command::new(env!("CARGO_BIN_EXE_route"));
    command.env("DIRECTORY_TABLE", "rota").env("PROCESS_WHITELIST_URL", "https://list.example");
    let mut lambda = Lambda::start(command, None).await;
    let status = lambda.wait(Duration::from_secs(10)).await.expect("it ends");
    assert!(!status.success());
    assert!(lambda.logged().contains("PROCESS_WHITELIST_URL is set"), "{}", lambda.logged());
}
