//! The stack as `sam deploy` makes it in the stand-in, with the parameters of `dev` and a database that exists already: the
//! stand-in has no Postgres of its own.

use crate::ROOT;
use crate::api::Api;
use crate::built::{built, content, tool};
use rota_testkit::aws::{Aws, settings_at};
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

pub(crate) const NAME: &str = "rota-dev";
/// How soon the writer takes a checkpoint, so that a test sees several.
pub(crate) const CHECKPOINT_INTERVAL: &str = "1s";

/// Where things are that the stack does not make.
pub(crate) struct Outside {
    /// The primary.
    pub(crate) writer: String,
    /// The primary, for readers.
    pub(crate) reader: String,
    /// A replica, for readers.
    pub(crate) replica: String,
    /// The gateway.
    pub(crate) gateway: String,
}

/// Creates it; gives its outputs.
pub(crate) async fn create(aws: &Aws, outside: Outside) -> BTreeMap<String, String> {
    let Outside { writer, reader, replica, gateway } = outside;
    let mut parameters = dev();
    parameters.extend([
        "WriterImage=rota:1".to_owned(),
        "WalletSecretArn=arn:aws:secretsmanager:us-east-1:000000000000:secret:wallet".to_owned(),
        "DatabaseKind=existing".to_owned(),
        "ExistingReaderAuth=password".to_owned(),
        format!("ExistingDatabaseUrl={writer}"),
        format!("ExistingReaderUrl={reader}"),
        format!("ExistingReplicaUrls={replica}"),
        format!("GatewayUrl={gateway}"),
        format!("CheckpointInterval={CHECKPOINT_INTERVAL}"),
    ]);
    let (bucket, endpoint) = (aws.fresh_bucket(), aws.endpoint());
    let mut sam = tool("sam");
    sam.current_dir(built()).args(["deploy", "--template-file", "template.yaml"]);
    sam.args(["--stack-name", NAME, "--s3-bucket", &bucket, "--no-confirm-changeset"]);
    sam.args(["--no-progressbar", "--capabilities", "CAPABILITY_IAM", "CAPABILITY_AUTO_EXPAND"]);
    sam.arg("--parameter-overrides").args(parameters).envs(settings_at(&endpoint));
    tokio::task::spawn_blocking(move || content(&mut sam)).await.unwrap();
    Api::new(endpoint).outputs(NAME).await
}

/// What samconfig.toml says of `dev`, but for the database.
fn dev() -> Vec<String> {
    let text = fs::read_to_string(Path::new(ROOT).join("samconfig.toml")).unwrap();
    let (_, dev) = text.split_once("[dev.deploy.parameters]").unwrap();
    let (_, list) = dev.split_once("parameter_overrides = [").unwrap();
    let lines = list.lines().skip(1).take_while(|line| *line != "]");
    let texts = lines.map(|line| line.trim().trim_end_matches(',').trim_matches('"').to_owned());
    let ours: Vec<String> = texts.filter(|text| !text.starts_with("DatabaseKind=")).collect();
    assert!(ours.len() > 5, "{ours:?}");
    ours
}
