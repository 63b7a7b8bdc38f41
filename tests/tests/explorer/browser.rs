//! Chromium, driven by its own protocol over a pipe (`--remote-debugging-pipe`).
//!
//! No WebDriver: the pipe needs no second program and no port, knows keys, screens, networks and pictures, and
//! ends the browser when this process ends, however it does: Chromium quits when its pipe does, and the
//! shell around it then removes what it wrote. One browser serves all tests; each page has a context (cookies,
//! storage, cache) of its own.

use parking_lot::Mutex;
use serde_json::{Value, json};
use std::collections::HashMap;
use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::process::CommandExt as _;
use std::process::{ChildStdin, ChildStdout, Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use tokio::sync::oneshot;

/// The longest that a test waits for the browser.
const ANSWER_MAX: Duration = Duration::from_secs(60);
/// Where Debian has it.
const CHROMIUM: &str = "/usr/bin/chromium";

/// Starts the browser with the pipe where it wants it, and cleans up after it. Signals are for the tests: it ends
/// when its input does.
const GUARD: &str = r#"
trap '' HUP INT TERM
dir=$(mktemp -d)
"$@" --user-data-dir="$dir" 3<&0 4>&1 </dev/null >/dev/null 2>"$dir/log"
rm -rf "$dir"
"#;

const FLAGS: [&str; 13] = [
    "--headless",
    "--remote-debugging-pipe",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    "--hide-scrollbars",
    "--no-proxy-server",
    "--host-resolver-rules=MAP plain.example 127.0.0.1",
];

/// What the browser has said of one page since it was opened.
pub(crate) type Log = Arc<Mutex<Vec<Value>>>;

/// The running browser.
pub(crate) struct Browser {
    pipe: Mutex<ChildStdin>,
    next: AtomicU64,
    waiting: Mutex<HashMap<u64, oneshot::Sender<Value>>>,
    logs: Mutex<HashMap<String, Log>>,
}

impl Browser {
    /// The one of this test process.
    pub(crate) fn shared() -> &'static Self {
        static SHARED: OnceLock<&'static Browser> = OnceLock::new();
        SHARED.get_or_init(|| {
            let (browser, output) = Self::start();
            let browser: &'static Self = Box::leak(Box::new(browser));
            browser.listen(output);
            browser
        })
    }

    #[expect(
        clippy::zombie_processes,
        reason = "it is there until the tests end, and ends with them"
    )]
    fn start() -> (Self, ChildStdout) {
        let mut guard = Command::new("sh")
            .args(["-c", GUARD, "guard", CHROMIUM])
            .args(FLAGS)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()
            .unwrap();
        let pipe = Mutex::new(guard.stdin.take().unwrap());
        let (next, waiting, logs) = (AtomicU64::new(1), Mutex::default(), Mutex::default());
        (Self { pipe, next, waiting, logs }, guard.stdout.take().unwrap())
    }

    fn listen(&'static self, output: ChildStdout) {
        std::thread::spawn(move || {
            for message in BufReader::new(output).split(0).map_while(Result::ok) {
                self.hear(serde_json::from_slice(&message).unwrap());
            }
        });
    }

    fn hear(&self, message: Value) {
        if let Some(id) = message["id"].as_u64() {
            if let Some(waiting) = self.waiting.lock().remove(&id) {
                let _ = waiting.send(message); // a test that was given up does not listen any more
            }
        } else if let Some(log) =
            message["sessionId"].as_str().and_then(|of| self.logs.lock().get(of).cloned())
        {
            log.lock().push(message);
        }
    }

    /// Keeps what the browser says of a page.
    pub(crate) fn log(&self, session: &str) -> Log {
        self.logs.lock().entry(session.to_owned()).or_default().clone()
    }

    /// Sends a command; its answer need not be waited for.
    pub(crate) fn send(
        &self,
        session: &str,
        method: &str,
        params: &Value,
    ) -> oneshot::Receiver<Value> {
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        let mut message = json!({"id": id, "method": method, "params": params});
        if !session.is_empty() {
            message["sessionId"] = session.into();
        }
        let (sender, answer) = oneshot::channel();
        self.waiting.lock().insert(id, sender);
        let mut pipe = self.pipe.lock();
        pipe.write_all(message.to_string().as_bytes())
            .expect("is chromium installed? run .ci/setup");
        pipe.write_all(&[0]).unwrap();
        pipe.flush().unwrap();
        answer
    }

    /// Sends a command and waits for its result. The empty session is the browser itself.
    pub(crate) async fn call(&self, session: &str, method: &str, params: Value) -> Value {
        let answer = tokio::time::timeout(ANSWER_MAX, self.send(session, method, &params)).await;
        let answer = answer.unwrap_or_else(|_| panic!("{method}: no answer")).unwrap();
        assert_eq!(answer["error"], Value::Null, "{method} {params}");
        answer["result"].clone()
    }
}
