//! A function in a process of its own, driven as Lambda drives it: by the Runtime API on loopback.
//!
//! The emulator holds to what the platform does where tests could notice: events of API Gateway's payload
//! 2.0, answers streamed behind a prelude of JSON and eight NULs or buffered as one document of at most
//! 6 MB, header fields with one value each, errors reported instead of answered.

mod event;
mod runtime_api;

pub use event::event;

use crate::Answer;
use crate::scheduler::drain;
use runtime_api::RuntimeApi;
use serde_json::Value;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// The longest that a test waits for one answer.
const ANSWER_MAX: Duration = Duration::from_secs(40);
/// How often an end is looked for.
const POLL: Duration = Duration::from_millis(5);

/// What became of an event.
#[derive(Clone, Debug)]
pub enum Outcome {
    /// An answer as the client gets it.
    Answered(Answer),
    /// The function reported an error, or answered what the platform does not take: the client sees a
    /// 502 and none of this.
    Failed(String),
}

impl Outcome {
    /// The answer, which there must be.
    #[track_caller]
    pub fn answer(self) -> Answer {
        match self {
            Self::Answered(answer) => answer,
            Self::Failed(why) => panic!("the invocation failed: {why}"),
        }
    }
}

/// A running function. It is killed when the value is dropped.
pub struct Lambda {
    api: RuntimeApi,
    child: Child,
    printed: Arc<Mutex<String>>,
    logged: Arc<Mutex<String>>,
    /// Ends when all that was logged is in `logged`.
    log: Option<JoinHandle<()>>,
}

impl Lambda {
    /// Starts `command` as a function, `concurrency` events at once. It has not asked for an event yet.
    pub async fn start(command: Command, concurrency: Option<usize>) -> Self {
        Self::over(RuntimeApi::start().await, command, concurrency)
    }

    fn over(api: RuntimeApi, mut command: Command, concurrency: Option<usize>) -> Self {
        command
            .env("AWS_LAMBDA_RUNTIME_API", &api.address)
            .env("AWS_LAMBDA_FUNCTION_NAME", "read")
            .env("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST")
            .env("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "256");
        if let Some(concurrency) = concurrency {
            command.env("AWS_LAMBDA_MAX_CONCURRENCY", concurrency.to_string());
        }
        let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
        let mut child = child.unwrap_or_else(|error| panic!("{command:?}: {error}"));
        let (printed, logged) = (Arc::default(), Arc::default());
        // The threads end with the child.
        drain(child.stdout.take().unwrap(), Arc::clone(&printed), |_| {});
        let log = Some(drain(child.stderr.take().unwrap(), Arc::clone(&logged), |_| {}));
        Self { api, child, printed, logged, log }
    }

    /// Sends any event and waits for what becomes of it.
    ///
    /// # Panics
    /// If nothing does; the message has what the function logged.
    pub async fn invoke(&self, event: &Value) -> Outcome {
        let outcome = tokio::time::timeout(ANSWER_MAX, self.api.invoke(event)).await;
        outcome.unwrap_or_else(|_| panic!("no answer to {event}: {}", self.logged()))
    }

    /// Sends a request. `target` is the path with its query, as a client writes it.
    pub async fn send(&self, method: &str, target: &str, headers: &[(&str, &str)]) -> Answer {
        self.invoke(&event(method, target, headers)).await.answer()
    }

    /// GET.
    pub async fn get(&self, target: &str) -> Answer {
        self.send("GET", target, &[]).await
    }

    /// Waits until the function asks for its next event: it has started, and all is answered.
    pub async fn idle(&self) {
        let idle = tokio::time::timeout(ANSWER_MAX, self.api.idle()).await;
        idle.unwrap_or_else(|_| panic!("it does not ask for events: {}", self.logged()));
    }

    /// What it reported while it started, if anything.
    pub fn init_error(&self) -> Option<String> {
        self.api.init_error()
    }

    /// What it has printed so far.
    pub fn printed(&self) -> String {
        self.printed.lock().unwrap().clone()
    }

    /// What it has logged so far.
    pub fn logged(&self) -> String {
        self.logged.lock().unwrap().clone()
    }

    /// Waits until it has logged this.
    ///
    /// # Panics
    /// It does not.
    pub async fn logs(&self, text: &str) {
        says(text, || self.logged()).await;
    }

    /// The same of what it prints, which comes through a pipe, too.
    ///
    /// # Panics
    /// It does not.
    pub async fn prints(&self, text: &str) {
        says(text, || self.printed()).await;
    }

    /// Sends a signal by its name, as in `TERM`.
    pub fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        let status = Command::new("kill").args(["-s", name, &pid]).status().unwrap();
        assert!(status.success(), "no process to signal");
    }

    /// Waits until it ends by itself, at most for `max`. Then all that it logged can be read.
    pub async fn wait(&mut self, max: Duration) -> Option<ExitStatus> {
        let until = Instant::now() + max;
        while Instant::now() < until {
            if let Some(status) = self.child.try_wait().unwrap() {
                if let Some(log) = self.log.take() {
                    log.join().unwrap();
                }
                return Some(status);
            }
            tokio::time::sleep(POLL).await;
        }
        None
    }
}

/// Waits until `said` has `text` in it.
async fn says(text: &str, said: impl Fn() -> String) {
    let until = Instant::now() + ANSWER_MAX;
    while !said().contains(text) {
        assert!(Instant::now() < until, "{text:?} is not in what it said: {}", said());
        tokio::time::sleep(POLL).await;
    }
}

impl Drop for Lambda {
    fn drop(&mut self) {
        // Both fail only if it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Starts `command` with a GET of `target` waiting for it. Gives the time from the start of the process
/// to its answer, and the answer.
pub async fn cold_start(command: Command, target: &str) -> (Duration, Answer) {
    let api = RuntimeApi::start().await;
    let event = event("GET", target, &[]);
    let answer = api.queue(&event);
    let started = Instant::now();
    let _running = Lambda::over(api, command, None);
    let outcome = tokio::time::timeout(ANSWER_MAX, answer).await.unwrap().unwrap();
    (started.elapsed(), outcome.answer())
}
