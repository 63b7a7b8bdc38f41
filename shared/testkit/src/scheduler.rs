//! A real `rota local` in a process of its own, for tests that stop it, kill it and start it again.
//!
//! It listens on a free port of loopback and is told of no gateway, bundler or cache node but those that
//! the test names, so nothing leaves the machine. Unless the test names one, a block height is all it gets.
//! It is killed when the value is dropped, however the test ends.

use crate::heights;
use std::env;
use std::io::{BufRead, BufReader, Read};
use std::path::{self, Path};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// How long a start may take: it may have to make an RSA key first, in an unoptimised build.
pub const START_MAX: Duration = Duration::from_secs(60);
/// How long a stop may take: what the command promises after a signal.
pub const STOP_MAX: Duration = Duration::from_secs(5);
/// How often an end is looked for.
const POLL: Duration = Duration::from_millis(10);
/// Where nobody listens: every request to it is refused at once.
const NOWHERE: &str = "http://127.0.0.1:9";
/// What the line begins with that tells the URL of a scheduler that is ready.
pub const READY: &str = "rota is ready at ";
/// A running scheduler.
pub struct RotaProcess {
    /// Where it listens, as in `http://127.0.0.1:40123`.
    pub url: String,
    child: Child,
    printed: Arc<Mutex<String>>,
    logged: Arc<Mutex<String>>,
    /// Ends when all that was logged is in `logged`.
    log: Option<JoinHandle<()>>,
}

impl RotaProcess {
    /// Starts `rota local` in `data_dir` and waits until it serves. `bin` is the `rota` command;
    /// `envs` is its whole environment besides `PATH` and the defaults of this module's head, over which
    /// it wins; paths in it must be absolute.
    ///
    /// # Panics
    /// If it ends, or is not ready within [`START_MAX`]; the message has what it logged.
    #[must_use]
    pub fn start(bin: &Path, data_dir: &Path, envs: &[(&str, &str)]) -> Self {
        Self::try_start(bin, data_dir, envs).unwrap_or_else(|why| panic!("{why}"))
    }

    /// As [`Self::start`], for a start that may fail.
    ///
    /// # Errors
    /// How it ended or what it waits for, and what it printed and logged.
    pub fn try_start(bin: &Path, data_dir: &Path, envs: &[(&str, &str)]) -> Result<Self, String> {
        let data_dir = path::absolute(data_dir).unwrap();
        let args = ["local", "--port", "0", "--data-dir", data_dir.to_str().unwrap()];
        Self::try_start_as(bin, &args, envs, READY)
    }

    /// Starts any server of `bin` and waits until it prints a line that begins with `announces` and goes on
    /// with its URL.
    ///
    /// # Errors
    /// As [`Self::try_start`].
    pub fn try_start_as(
        bin: &Path,
        args: &[&str],
        envs: &[(&str, &str)],
        announces: &str,
    ) -> Result<Self, String> {
        let mut child = command(&path::absolute(bin).unwrap())
            .args(args)
            .envs(envs.iter().copied())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|error| format!("{} does not start: {error}", bin.display()))?;
        let (sender, lines) = channel();
        let printed = Arc::default();
        let logged = Arc::default();
        drain(child.stdout.take().unwrap(), Arc::clone(&printed), move |line| {
            let _ = sender.send(line.to_owned()); // once it is ready nobody listens any more
        });
        let log = drain(child.stderr.take().unwrap(), Arc::clone(&logged), |_| {});
        let mut process = Self { url: String::new(), child, printed, logged, log: Some(log) };
        process.url = process.wait_until_ready(&lines, announces)?;
        Ok(process)
    }

    /// The id of the operating system's process.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Waits until it has printed `text`, at most for [`STOP_MAX`], and gives all it has printed.
    ///
    /// # Panics
    /// If it does not print that.
    #[must_use]
    pub fn printed_with(&self, text: &str) -> String {
        with(text, || self.printed())
    }

    /// The same of what it logs. A line comes through a pipe: it may not be there yet when whatever it tells
    /// of has happened.
    ///
    /// # Panics
    /// If it does not log that.
    #[must_use]
    pub fn logged_with(&self, text: &str) -> String {
        with(text, || self.logged())
    }

    /// What it has printed so far.
    #[must_use]
    pub fn printed(&self) -> String {
        self.printed.lock().unwrap().clone()
    }

    /// What it has logged so far.
    #[must_use]
    pub fn logged(&self) -> String {
        self.logged.lock().unwrap().clone()
    }

    /// Sends a signal by its name, as in `INT` or `STOP`.
    ///
    /// # Panics
    /// If the process is gone.
    pub fn signal(&self, name: &str) {
        let pid = self.pid().to_string();
        let sent = Command::new("kill").args(["-s", name, &pid]).status().unwrap();
        assert!(sent.success(), "cannot send {name} to {pid}");
    }

    /// Interrupts it as Ctrl-C does and waits for its end.
    ///
    /// # Panics
    /// If it has not ended after [`STOP_MAX`].
    #[must_use]
    pub fn stop_gently(mut self) -> ExitStatus {
        self.signal("INT");
        self.wait(STOP_MAX).unwrap_or_else(|| panic!("it does not stop: {}", self.logged()))
    }

    /// Ends it at once, as a crash would: no code of it runs any more.
    pub fn kill_9(mut self) {
        self.end();
    }

    /// Waits until it ends by itself, at most for `max`. Then all that it logged can be read.
    pub fn wait(&mut self, max: Duration) -> Option<ExitStatus> {
        let until = Instant::now() + max;
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                if let Some(log) = self.log.take() {
                    log.join().unwrap();
                }
                return Some(status);
            }
            if Instant::now() >= until {
                return None;
            }
            thread::sleep(POLL);
        }
    }

    fn wait_until_ready(
        &mut self,
        lines: &Receiver<String>,
        announces: &str,
    ) -> Result<String, String> {
        let until = Instant::now() + START_MAX;
        loop {
            match lines.recv_timeout(until.saturating_duration_since(Instant::now())) {
                Ok(line) => {
                    if let Some(rest) = line.strip_prefix(announces) {
                        let url = rest.split(' ').next().unwrap_or_default();
                        return Ok(url.to_owned());
                    }
                }
                Err(RecvTimeoutError::Timeout) => return Err(self.why_not("is not ready")),
                Err(RecvTimeoutError::Disconnected) => {
                    let status = self.wait(STOP_MAX);
                    return Err(self.why_not(&format!("ended with {status:?}")));
                }
            }
        }
    }

    fn why_not(&self, what: &str) -> String {
        format!("the scheduler {what}: {}{}", self.printed(), self.logged())
    }

    fn end(&mut self) {
        // Both fail only if it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Waits until `said` has `text` in it.
fn with(text: &str, said: impl Fn() -> String) -> String {
    let until = Instant::now() + STOP_MAX;
    loop {
        let said = said();
        if said.contains(text) {
            return said;
        }
        assert!(Instant::now() < until, "{text:?} is not in what it said: {said}");
        thread::sleep(POLL);
    }
}

impl Drop for RotaProcess {
    #[allow(clippy::disallowed_macros, reason = "a failed test tells what its servers have said")]
    fn drop(&mut self) {
        self.end();
        if thread::panicking() {
            eprintln!("{} said:\n{}{}", self.url, self.printed(), self.logged());
        }
    }
}

/// A command without the environment of whoever runs the tests (settings, proxies) but for `PATH`, and
/// with no gateway to talk to but [`heights`], and no cache node. It runs in the directory for temporary files, where no
/// `.env` is.
#[must_use]
pub fn command(bin: &Path) -> Command {
    let mut command = Command::new(bin);
    let path = env::var_os("PATH").unwrap_or_default();
    command.env_clear().env("PATH", path).current_dir(env::temp_dir());
    command.env("GATEWAY_URL", NOWHERE).env("ARWEAVE_URL", heights::url()).env("CACHE_URL", "off");
    command.stdin(Stdio::null());
    command
}

/// Keeps reading, so that the process never waits for a full pipe.
pub(crate) fn drain(
    from: impl Read + Send + 'static,
    into: Arc<Mutex<String>>,
    each: impl Fn(&str) + Send + 'static,
) -> JoinHandle<()> {
    thread::spawn(move || {
        for line in BufReader::new(from).lines().map_while(Result::ok) {
            each(&line);
            let mut text = into.lock().unwrap();
            text.push_str(&line);
            text.push('\n');
        }
    })
}
