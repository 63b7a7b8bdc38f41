//! Everything at once: database and replica, the stand-in with the stack in it, the recorder before it, and the writer that
//! the task definition describes.

use crate::ROTA;
use crate::api::{Api, signed};
use crate::recorder::Recorder;
use crate::stack::{self, Outside};
use rota_directory::DynamoDirectory;
use rota_schedule::{Directory as _, ProcessId, RoutePolicy, WriterName};
use rota_testkit::aws::{Aws, settings_at};
use rota_testkit::postgres::{PostgresCluster, PostgresOptions, Replica};
use rota_testkit::scheduler::command;
use rota_testkit::{Answer, Client, RotaProcess, StubGateway};
use rota_tests::{fast_dir, scheduler_wallet};
use serde_json::Value;
use std::collections::BTreeMap;
use std::net::TcpListener;
use std::path::Path;
use tempfile::TempDir;

/// The writer's access key, by which the recorder knows it.
pub(crate) const WRITER_KEY: &str = "writer";
const READY: &str = "rota is ready at ";
const DATABASE: &str = "rota";

pub(crate) struct Town {
    pub(crate) recorder: Recorder,
    pub(crate) outputs: BTreeMap<String, String>,
    pub(crate) api: Api,
    pub(crate) task: Value,
    client: Client,
    aws: Aws,
    _gateway: StubGateway,
    _replica: Replica,
    _cluster: PostgresCluster,
}

/// A running writer and its disk.
pub(crate) struct Machine {
    pub(crate) rota: RotaProcess,
    _disk: TempDir,
}

impl Town {
    pub(crate) async fn new() -> Self {
        let recorder = Recorder::start().await;
        let aws = Aws::start_with(&[("AWS_ENDPOINT_URL", &recorder.url)]);
        recorder.forward(aws.endpoint());
        let cluster = PostgresCluster::start(PostgresOptions::default());
        let writer = cluster.create_database(DATABASE);
        let replica = cluster.replica();
        // The role is made by the writer at its first start.
        let as_reader = |url: &str| {
            let (_, place) = url.split_once('@').unwrap();
            format!("postgres://rota_reader@{place}")
        };
        let gateway = StubGateway::start(1_600_000).await;
        let outside = Outside {
            reader: as_reader(&writer),
            replica: as_reader(&replica.url(DATABASE)),
            writer,
            gateway: gateway.url().to_owned(),
        };
        let outputs = stack::create(&aws, outside).await;
        let api = Api::new(aws.endpoint());
        let task = api.task_definition().await;
        let client = Client::new(&aws.endpoint());
        Self {
            recorder,
            outputs,
            api,
            task,
            client,
            aws,
            _gateway: gateway,
            _replica: replica,
            _cluster: cluster,
        }
    }

    /// Starts what the task definition says on a new disk, and waits until it writes. Its name in the VPC is none
    /// here, so it says where it really is; and where to find AWS.
    pub(crate) fn machine(&self) -> Machine {
        let container = &self.task["containerDefinitions"][0];
        let settings = self.settings();
        let settings: Vec<(&str, &str)> =
            settings.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let disk = fast_dir();
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let (port, data) = (port.to_string(), disk.path().join("data"));
        let url = format!("http://127.0.0.1:{port}");
        let command = container["command"][0].as_str().unwrap();
        let data = data.to_str().unwrap();
        let args =
            [command, "--host", "127.0.0.1", "--port", &port, "--data-dir", data, "--url", &url];
        let rota = RotaProcess::try_start_as(Path::new(ROTA), &args, &settings, READY).unwrap();
        Machine { rota, _disk: disk }
    }

    /// What a task of the writer's definition is told.
    fn settings(&self) -> Vec<(String, String)> {
        let container = &self.task["containerDefinitions"][0];
        let mut settings: Vec<(String, String)> = pairs(&container["environment"], "value");
        let secrets = pairs(&container["secrets"], "valueFrom");
        assert_eq!(secrets.len(), 1, "the wallet; there is no password: {secrets:?}");
        settings.push((secrets[0].0.clone(), scheduler_wallet().to_jwk().to_string()));
        let aws = settings_at(&self.recorder.url).into_iter();
        settings.extend(aws.map(|(name, value)| (name.to_owned(), value)));
        settings.push(("AWS_ACCESS_KEY_ID".to_owned(), WRITER_KEY.to_owned()));
        settings
    }

    /// Takes a writer out as an operator does, with a task of the writer's definition; gives what it says.
    pub(crate) async fn remove_writer(&self, name: &str) -> String {
        let config = rota_aws::stand_in(&self.aws.endpoint()).await;
        let directory = DynamoDirectory::new(&config, self.outputs["DirectoryTable"].clone());
        directory.set_policy(&name.parse().unwrap(), &RoutePolicy::default()).await.unwrap();
        let mut command = command(Path::new(ROTA));
        command.args(["writers", "remove", name]).envs(self.settings());
        let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{said}");
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// A request to the router's HTTP API.
    pub(crate) async fn route(&self, method: &str, path: &str, body: Vec<u8>) -> Answer {
        let (_, host) = self.outputs["RouterUrl"].split_once("://").unwrap();
        let headers = [("host", host), ("content-type", "application/octet-stream")];
        self.client.send(method, path, &headers, body.into()).await
    }

    /// A request to the read function's URL, as CloudFront sends it.
    pub(crate) async fn read(&self, path: &str) -> Answer {
        let path = format!("/_aws/lambda-url/{}{path}", self.read_id());
        let signature = signed("lambda");
        self.client.send("GET", &path, &[("authorization", &signature)], Vec::new().into()).await
    }

    /// The same from somebody else.
    pub(crate) async fn read_unsigned(&self, path: &str) -> Answer {
        self.client.get(&format!("/_aws/lambda-url/{}{path}", self.read_id())).await
    }

    fn read_id(&self) -> &str {
        let (_, host) = self.outputs["ReadUrl"].split_once("://").unwrap();
        host.split('.').next().unwrap()
    }

    /// Gives a process to another writer.
    pub(crate) async fn bind_elsewhere(&self, process: ProcessId) {
        let config = rota_aws::stand_in(&self.aws.endpoint()).await;
        let directory = DynamoDirectory::new(&config, self.outputs["DirectoryTable"].clone());
        let other: WriterName = "su-2".parse().unwrap();
        directory.set_policy(&other, &RoutePolicy::default()).await.unwrap();
        assert_eq!(directory.bind(process, &other).await.unwrap(), other);
    }

    /// How many objects there are in the archive under a prefix.
    pub(crate) async fn archived(&self, prefix: &str) -> usize {
        let path = format!("/{}?list-type=2&prefix={prefix}", self.outputs["ArchiveBucket"]);
        let client = Client::new(&self.aws.endpoint());
        client.get(&path).await.text().matches("<Key>").count()
    }
}

/// `[{"name": …, "value": …}]`. The stand-in leaves the keys of secrets as the template has them: `Name`.
fn pairs(list: &Value, value: &str) -> Vec<(String, String)> {
    let text = |entry: &Value, key: &str| {
        let (first, rest) = key.split_at(1);
        let in_template = format!("{}{rest}", first.to_uppercase());
        let given = entry.get(key).or_else(|| entry.get(in_template)).and_then(Value::as_str);
        given.unwrap_or_else(|| panic!("no {key} in {entry}")).to_owned()
    };
    let list = list.as_array().unwrap().iter();
    list.map(|entry| (text(entry, "name"), text(entry, value))).collect()
}
