//! A real server of DynamoDB and S3 on loopback (ministack), whose conditional writes have one winner.
//!
//! Everything blocks and nothing is async, and the kit links no AWS client: tests make theirs from the
//! endpoint, and processes get it by [`Aws::settings`]. However the test process ends, the server ends too.

use crate::port::free_port;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// How long the start may take.
const START_MAX: Duration = Duration::from_secs(60);
/// How often it is looked at.
const POLL: Duration = Duration::from_millis(20);
/// Where `.ci/setup` installs it.
const INSTALLED: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../target/tools/bin/ministack");
/// The one region of the stand-in.
const REGION: &str = "us-east-1";

/// The guard: starts the server, and ends it when its own input ends, however that comes.
const GUARD: &str = r#"
trap '' HUP INT TERM
"$1" >"$TMPDIR/log" 2>&1 </dev/null & pid=$!
echo "$pid"
read -r _
kill -CONT "$pid"; kill -KILL "$pid"
wait "$pid" 2>/dev/null
"#;

/// A running server. What it holds is in memory and gone with it.
pub struct Aws {
    port: u16,
    guard: Child,
    pid: String,
    dir: TempDir,
}

impl Aws {
    /// Starts a server of its own and waits until it answers.
    #[must_use]
    pub fn start() -> Self {
        Self::start_with(&[])
    }

    /// The same with settings of its own: the functions that it runs find AWS where `AWS_ENDPOINT_URL` says.
    #[must_use]
    pub fn start_with(settings: &[(&str, &str)]) -> Self {
        let dir = TempDir::new().unwrap();
        let port = free_port();
        let mut guard = Command::new("sh")
            .args(["-c", GUARD, "guard"])
            .arg(program())
            .env("BIND_HOST", "127.0.0.1")
            .env("GATEWAY_PORT", port.to_string())
            .env("TMPDIR", dir.path())
            .env("MINISTACK_REGION", REGION)
            .envs(settings.iter().copied())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .process_group(0) // Ctrl-C is for the tests: the guard must outlive them
            .spawn()
            .unwrap();
        let mut pid = String::new();
        let mut said = std::io::BufReader::new(guard.stdout.take().unwrap());
        std::io::BufRead::read_line(&mut said, &mut pid).unwrap();
        let aws = Self { port, guard, pid: pid.trim().to_owned(), dir };
        aws.wait_until_ready();
        aws
    }

    /// The one server of a test process, for tests that leave the server itself alone.
    pub fn shared() -> &'static Self {
        static SHARED: OnceLock<Aws> = OnceLock::new();
        SHARED.get_or_init(Self::start)
    }

    /// Where it answers, as in `http://127.0.0.1:40123`.
    #[must_use]
    pub fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// The port on 127.0.0.1.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The environment of a process that is to use it.
    #[must_use]
    pub fn settings(&self) -> Vec<(&'static str, String)> {
        settings_at(&self.endpoint())
    }

    /// Makes an empty bucket under a name that no other has, and gives the name.
    pub fn fresh_bucket(&self) -> String {
        let bucket = fresh_name("bucket");
        let answer = self.ask(&format!("PUT /{bucket}"));
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        bucket
    }

    /// Puts an object into a bucket, with the SHA-256 that it says it has: as base64url.
    pub fn put_object(&self, bucket: &str, key: &str, bytes: &[u8], sha256: &str) {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        let head = format!(
            "PUT /{bucket}/{key} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\
             x-amz-meta-sha256: {sha256}\r\ncontent-length: {}\r\n\r\n",
            bytes.len()
        );
        stream.write_all(head.as_bytes()).unwrap();
        stream.write_all(bytes).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    }

    /// A name for a table that no other test has.
    pub fn fresh_table(&self) -> String {
        fresh_name("table")
    }

    /// Stops it where it is: connections stay, nothing answers.
    pub fn freeze(&self) {
        self.signal("STOP");
    }

    /// Lets go on what [`Self::freeze`] stopped.
    pub fn thaw(&self) {
        self.signal("CONT");
    }

    fn signal(&self, name: &str) {
        assert!(Command::new("kill").args(["-s", name, &self.pid]).status().unwrap().success());
    }

    fn wait_until_ready(&self) {
        let until = Instant::now() + START_MAX;
        while TcpStream::connect(("127.0.0.1", self.port)).is_err() {
            let log = || std::fs::read_to_string(self.dir.path().join("log")).unwrap_or_default();
            assert!(Instant::now() < until, "ministack does not start: {}", log());
            thread::sleep(POLL);
        }
    }

    fn ask(&self, request: &str) -> String {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        let head = "HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";
        write!(stream, "{request} {head}").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }
}

impl Drop for Aws {
    fn drop(&mut self) {
        drop(self.guard.stdin.take());
        let _ = self.guard.wait(); // fails only if nobody is there to wait for
    }
}

/// The environment of a process that is to find DynamoDB and S3 at `endpoint`, which may be a proxy
/// before an [`Aws`].
#[must_use]
pub fn settings_at(endpoint: &str) -> Vec<(&'static str, String)> {
    vec![
        ("AWS_ENDPOINT_URL", endpoint.to_owned()),
        ("AWS_REGION", REGION.to_owned()),
        ("AWS_ACCESS_KEY_ID", "test".to_owned()),
        ("AWS_SECRET_ACCESS_KEY", "test".to_owned()),
    ]
}

fn fresh_name(kind: &str) -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    format!("{kind}-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed))
}

fn program() -> PathBuf {
    let on_path = std::env::var_os("PATH").and_then(|path| {
        std::env::split_paths(&path).map(|dir| dir.join("ministack")).find(|file| file.exists())
    });
    let installed = Path::new(INSTALLED);
    if installed.exists() {
        return installed.to_owned();
    }
    on_path.expect("ministack is not installed: run .ci/setup")
}
