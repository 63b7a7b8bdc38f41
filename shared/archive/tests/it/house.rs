//! A bucket of one's own, a ledger that is a directory of files, and a look at what lies in the bucket.

use aws_sdk_s3::Client;
use rota_archive::{Archive, ArchiveError, Checkpoints, Fetching, Snapshot, Taken};
use rota_schedule::Timestamp;
use rota_testkit::aws::Aws;
use std::collections::BTreeMap;
use std::num::NonZero;
use std::path::PathBuf;
use tempfile::TempDir;

/// What stands before every key.
pub(crate) const PREFIX: &str = "tests/archive";
pub(crate) const WRITER: &str = "w1";
const KEEP: NonZero<usize> = NonZero::new(2).unwrap();

/// A bucket, and who looks into it.
pub(crate) struct House {
    pub(crate) bucket: String,
    pub(crate) archive: Archive,
    pub(crate) checkpoints: Checkpoints,
    client: Client,
}

impl House {
    pub(crate) async fn new() -> Self {
        let aws = tokio::task::spawn_blocking(Aws::shared).await.unwrap();
        let bucket = tokio::task::spawn_blocking(|| aws.fresh_bucket()).await.unwrap();
        let config = rota_aws::stand_in(&aws.endpoint()).await;
        let archive = Archive::new(&config, &bucket, PREFIX);
        let checkpoints = archive.checkpoints(WRITER, KEEP);
        Self { bucket, archive, checkpoints, client: Client::new(&config) }
    }

    /// The same archive, reached through another endpoint.
    pub(crate) async fn through(&self, endpoint: &str) -> Archive {
        Archive::new(&rota_aws::stand_in(endpoint).await, &self.bucket, PREFIX)
    }

    pub(crate) async fn checkpoints_through(&self, endpoint: &str) -> Checkpoints {
        self.through(endpoint).await.checkpoints(WRITER, KEEP)
    }

    /// A key as the bucket has it.
    pub(crate) fn full(key: &str) -> String {
        format!("{PREFIX}/{key}")
    }

    /// Everything in the bucket: key without the prefix, and size.
    pub(crate) async fn objects(&self) -> BTreeMap<String, i64> {
        let list = self.client.list_objects_v2().bucket(&self.bucket).send().await.unwrap();
        let object = |object: &aws_sdk_s3::types::Object| {
            let key = object.key().unwrap().strip_prefix(&format!("{PREFIX}/")).unwrap();
            (key.to_owned(), object.size().unwrap())
        };
        list.contents().iter().map(object).collect()
    }

    /// Keys of this writer that contain a text.
    pub(crate) async fn keys(&self, containing: &str) -> Vec<String> {
        self.objects().await.into_keys().filter(|key| key.contains(containing)).collect()
    }

    pub(crate) async fn remove(&self, key: &str) {
        let request = self.client.delete_object().bucket(&self.bucket);
        request.key(format!("{PREFIX}/{key}")).send().await.unwrap();
    }

    pub(crate) async fn get(&self, key: &str) -> Vec<u8> {
        let request = self.client.get_object().bucket(&self.bucket);
        let object = request.key(format!("{PREFIX}/{key}")).send().await.unwrap();
        object.body.collect().await.unwrap().to_vec()
    }

    /// Other bytes under a key, with all that is said of those that were there.
    pub(crate) async fn put(&self, key: &str, bytes: Vec<u8>) {
        let key = format!("{PREFIX}/{key}");
        let there = self.client.head_object().bucket(&self.bucket).key(&key).send().await;
        let metadata = there.ok().and_then(|there| there.metadata);
        let request = self.client.put_object().bucket(&self.bucket).key(key);
        request.set_metadata(metadata).body(bytes.into()).send().await.unwrap();
    }
}

/// A directory of files, and where its hashes are remembered.
pub(crate) struct Files {
    dir: TempDir,
}

impl Files {
    pub(crate) fn new(files: &[(&str, &[u8])]) -> Self {
        let own = Self { dir: TempDir::new().unwrap() };
        std::fs::create_dir(own.path()).unwrap();
        for (name, bytes) in files {
            own.write(name, bytes);
        }
        own
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.dir.path().join("files")
    }

    pub(crate) fn write(&self, name: &str, bytes: &[u8]) {
        std::fs::write(self.path().join(name), bytes).unwrap();
    }

    pub(crate) fn remove(&self, name: &str) {
        std::fs::remove_file(self.path().join(name)).unwrap();
    }

    pub(crate) fn snapshot(&self) -> Snapshot {
        Snapshot {
            dir: self.path(),
            hashes: self.dir.path().join("hashes.json"),
            ledger: [7; 16],
            processes: 3,
            created: Timestamp(1_700_000_000_000),
        }
    }

    pub(crate) async fn checkpoint(
        &self,
        to: &Checkpoints,
        term: u64,
    ) -> Result<Taken, ArchiveError> {
        to.take(&self.snapshot(), term).await
    }

    /// All files with their bytes.
    pub(crate) fn content(&self) -> BTreeMap<String, Vec<u8>> {
        content(&self.path())
    }
}

/// All files of a directory with their bytes.
pub(crate) fn content(dir: &std::path::Path) -> BTreeMap<String, Vec<u8>> {
    let file = |found: std::fs::DirEntry| {
        (found.file_name().into_string().unwrap(), std::fs::read(found.path()).unwrap())
    };
    std::fs::read_dir(dir).unwrap().map(|found| file(found.unwrap())).collect()
}

/// Bytes that differ from seed to seed.
pub(crate) fn bytes(seed: u8, length: usize) -> Vec<u8> {
    (0..length).map(|at| (at / 256) as u8 ^ (at as u8).wrapping_mul(31) ^ seed).collect()
}

/// For who does not want to know how far fetching is.
pub(crate) fn silent(_: Fetching<'_>) {}
