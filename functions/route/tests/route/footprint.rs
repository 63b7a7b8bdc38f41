//! What a large item costs a router that passes it on: a process of its own, measured by the kernel.

use crate::memory::Memory;
use crate::site::Site;
use crate::writer::Writer;
use rota_testkit::message;
use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};

/// Where the router's process is told of its writer.
const WRITER: &str = "TEST_WRITER";
/// The name of the only process, to be bound in the router's process too.
const PROCESS: &str = "TEST_PROCESS";
const LARGE_BYTES: usize = 10_000_000;
/// The most that it may add to the router's memory.
const ADDED_BYTES_MAX: u64 = 1 << 20;

/// Not a test of its own: the router, as the test here starts it.
#[tokio::test]
#[ignore = "the test starts it as a process of its own"]
async fn serves_a_router() {
    let (Ok(writer), Ok(process)) = (std::env::var(WRITER), std::env::var(PROCESS)) else { return };
    let directory = Memory::default();
    directory.add("w0", &writer, false);
    directory.set_owner(process.parse().unwrap(), "w0");
    let site = Site::over(directory, Vec::new(), &[("ROUTE_MODE", "proxy")]);
    #[expect(clippy::disallowed_macros, reason = "its parent reads it")]
    {
        println!("\nurl {}", site.url);
    }
    std::future::pending::<()>().await;
}

/// The router's process. It is killed when the value is dropped.
struct Router {
    child: Child,
    url: String,
}

impl Router {
    fn start(writer: &str, process: &str) -> Self {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--ignored", "--exact", "footprint::serves_a_router", "--nocapture"])
            .env(WRITER, writer)
            .env(PROCESS, process)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let url = lines
            .map_while(Result::ok)
            .find_map(|line| Some(line.strip_prefix("url ")?.to_owned()));
        Self { child, url: url.unwrap() }
    }

    /// A line of `/proc/PID/status`, in bytes.
    fn memory(&self, line: &str) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let value = status.lines().find_map(|found| found.strip_prefix(line)?.strip_prefix(':'));
        value.unwrap().split_whitespace().next().unwrap().parse::<u64>().unwrap() * 1024
    }

    fn reset_peak(&self) {
        std::fs::write(format!("/proc/{}/clear_refs", self.child.id()), "5").unwrap();
    }
}

impl Drop for Router {
    fn drop(&mut self) {
        // Both fail only if it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_large_item_is_passed_on_in_little_memory() {
    let writer = Writer::start("w0");
    let process = rota_testkit::spawn().sign().id().into();
    let large = message(process).data(vec![b'x'; LARGE_BYTES]).sign();
    let small = message(process).sign();
    let router = Router::start(&writer.url, &process.to_string());
    let client = rota_testkit::Client::new(&router.url);
    client.post(&small).await.ok();
    let before = router.memory("VmRSS");
    router.reset_peak();
    client.post(&large).await.ok();
    let added = router.memory("VmHWM").saturating_sub(before);
    assert!(writer.arrived().iter().any(|arrived| arrived.body == *large.bytes()));
    assert!(added <= ADDED_BYTES_MAX, "{added} bytes");
}
