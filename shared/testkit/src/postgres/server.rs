//! One server, primary or replica, and the guard that ends it.
//!
//! The guard is a shell that starts the server when it is told to on its standard input. When the test
//! process is gone, however it went, the guard reads the end of its input, ends the server and removes
//! the directory. (A death signal of the kernel would not do: it is bound to the thread that forked.)

use super::proc;
use crate::port::free_port;
use std::fs::{self, OpenOptions};
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::{MetadataExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::{Mutex, OnceLock};
use std::thread;
use std::time::{Duration, Instant};

/// How long anything may take that a server is asked for.
pub(super) const WAIT_MAX: Duration = Duration::from_secs(60);
/// How often a state is looked at.
pub(super) const POLL: Duration = Duration::from_millis(5);
/// The one user of the servers.
pub(super) const USER: &str = "postgres";

/// The guard. Arguments: the postgres binary, the directory, the port.
///
/// It ignores the signal that the kernel sends to a group with stopped processes whose parent has died.
const GUARD: &str = r#"
trap '' HUP INT TERM
pid=
children() { cat "/proc/$pid/task/$pid/children"; }
while read -r word; do
  case $word in
    start) "$1" -D "$2/data" -p "$3" >>"$2/log" 2>&1 </dev/null & pid=$!; echo "$pid" ;;
    wait) wait "$pid"; pid=; echo ended ;;
  esac
done
if [ -n "$pid" ]; then
  kill -CONT "$pid" $(children)
  kill -QUIT "$pid"
  wait "$pid"
fi
if [ -f "$2/data/postmaster.pid" ]; then
  ipcrm -m "$(sed -n '7s/.* //p' "$2/data/postmaster.pid")"
fi
rm -rf "$2"
"#;

/// How a server is stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// Sessions are ended, then everything is written: a planned restart.
    Fast,
    /// Everything ends at once; the next start recovers from the log.
    Immediate,
    /// All processes are killed, as by a machine that loses power but for the disk's cache.
    Kill,
}

/// A server's directory, its guard, and whether it runs.
pub(super) struct Server {
    pub(super) port: u16,
    dir: PathBuf,
    guard: Mutex<Guard>,
}

struct Guard {
    shell: Child,
    answers: BufReader<ChildStdout>,
    postmaster: Option<u32>,
}

impl Server {
    /// A directory without a data directory yet, and a port that is free now.
    pub(super) fn new() -> Self {
        let dir = tempfile::Builder::new().prefix("rota-postgres-").tempdir().unwrap();
        let dir = dir.keep(); // from here on it is the guard's to remove
        let port = free_port();
        if let Some((uid, gid)) = unprivileged() {
            chown(&dir, Some(uid), Some(gid)).unwrap();
        }
        let mut shell = as_server("sh", &dir)
            .args(["-c", GUARD, "guard"])
            .arg(bin("postgres"))
            .arg(&dir)
            .arg(port.to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .process_group(0) // Ctrl-C is for the tests: the guard must outlive them
            .spawn()
            .unwrap();
        let answers = BufReader::new(shell.stdout.take().unwrap());
        Self { port, dir, guard: Mutex::new(Guard { shell, answers, postmaster: None }) }
    }

    /// Makes an empty data directory with these settings.
    pub(super) fn initdb(&self, settings: &str) {
        let data = self.data();
        self.run(
            "initdb",
            &["-A", "trust", "-E", "UTF8", "--locale=C", "-U", USER, "--no-sync", "-D", &data],
        );
        let conf = Path::new(&data).join("postgresql.conf");
        OpenOptions::new().append(true).open(conf).unwrap().write_all(settings.as_bytes()).unwrap();
    }

    /// Fills the data directory with a copy of a running server, set up to stream from it.
    pub(super) fn copy_of(&self, other: &Self) {
        let port = other.port.to_string();
        self.run(
            "pg_basebackup",
            &["-h", "127.0.0.1", "-p", &port, "-U", USER, "-D", &self.data(), "-R", "-X", "stream"]
                .into_iter()
                .chain(["-c", "fast", "--no-sync"])
                .collect::<Vec<_>>(),
        );
    }

    /// Starts it and waits until it takes connections. Does nothing if it runs.
    pub(super) fn start(&self) {
        let mut guard = self.guard.lock().unwrap();
        if guard.postmaster.is_some() {
            return;
        }
        let pid: u32 = guard.ask("start").parse().unwrap();
        guard.postmaster = Some(pid);
        let state = Path::new(&self.data()).join("postmaster.pid");
        wait_until(
            || {
                assert!(!proc::has_ended(pid), "the server ends at its start: {}", self.log());
                let text = fs::read_to_string(&state).unwrap_or_default();
                let mut lines = text.lines();
                lines.next() == Some(pid.to_string().as_str())
                    && lines.nth(6).is_some_and(|state| state.trim() == "ready")
            },
            || format!("the server does not start: {}", self.log()),
        );
    }

    /// Stops it and waits for its end. Does nothing if it does not run.
    pub(super) fn stop(&self, how: Stop) {
        match how {
            Stop::Fast => self.signal_postmaster("INT"),
            Stop::Immediate => self.signal_postmaster("QUIT"),
            Stop::Kill => self.kill_all(),
        }
        let mut guard = self.guard.lock().unwrap();
        if guard.postmaster.take().is_some() {
            guard.ask("wait");
        }
    }

    /// Sends a signal to all its processes.
    pub(super) fn signal(&self, name: &str) {
        kill(name, &self.processes());
    }

    fn processes(&self) -> Vec<u32> {
        let postmaster = self.guard.lock().unwrap().postmaster;
        postmaster.map_or_else(Vec::new, proc::with_children)
    }

    /// Kills all its processes and waits until none holds its memory or its port.
    fn kill_all(&self) {
        self.signal_postmaster("STOP"); // it starts no more
        let pids = self.processes();
        kill("KILL", &pids);
        let ended = || pids.iter().all(|pid| proc::has_ended(*pid));
        wait_until(ended, || format!("{pids:?} are not killed"));
    }

    fn signal_postmaster(&self, name: &str) {
        let postmaster = self.guard.lock().unwrap().postmaster;
        kill(name, &postmaster.into_iter().collect::<Vec<_>>());
    }

    /// What it and all that it started have used. The guard has waited for earlier runs, so theirs is in
    /// its own account.
    pub(super) fn cpu_seconds(&self) -> f64 {
        let guard = self.guard.lock().unwrap();
        let running = guard.postmaster.map_or_else(Vec::new, proc::with_children);
        running.into_iter().chain([guard.shell.id()]).map(proc::seconds_of).sum()
    }

    pub(super) fn url(&self, database: &str) -> String {
        format!("postgres://{USER}@127.0.0.1:{}/{database}?sslmode=disable", self.port)
    }

    /// Runs statements and gives what they print.
    pub(super) fn sql(&self, database: &str, statements: &str) -> String {
        psql(self.port, database, statements)
    }

    fn data(&self) -> String {
        self.dir.join("data").to_str().unwrap().to_owned()
    }

    fn log(&self) -> String {
        fs::read_to_string(self.dir.join("log")).unwrap_or_default()
    }

    fn run(&self, program: &str, args: &[&str]) {
        let out = as_server(&bin(program), &self.dir).args(args).output().unwrap();
        let said = String::from_utf8_lossy(&out.stderr);
        assert!(out.status.success(), "{program} fails: {said}");
    }
}

impl Guard {
    /// Tells the guard a word and reads its answer.
    fn ask(&mut self, word: &str) -> String {
        writeln!(self.shell.stdin.as_ref().unwrap(), "{word}").unwrap();
        let mut answer = String::new();
        self.answers.read_line(&mut answer).unwrap();
        answer.trim_end().to_owned()
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        drop(self.shell.stdin.take());
        let _ = self.shell.wait(); // fails only if nobody is there to wait for
    }
}

/// Waits for something, at most for [`WAIT_MAX`].
pub(super) fn wait_until(mut done: impl FnMut() -> bool, why: impl FnOnce() -> String) {
    let until = Instant::now() + WAIT_MAX;
    while !done() {
        if Instant::now() > until {
            panic!("{}", why());
        }
        thread::sleep(POLL);
    }
}

/// Runs statements as the superuser of the server at `port`.
pub(super) fn psql(port: u16, database: &str, statements: &str) -> String {
    let port = port.to_string();
    let out = Command::new(bin("psql"))
        .env_remove("PGOPTIONS")
        .args(["-X", "-A", "-t", "-q", "-v", "ON_ERROR_STOP=1", "-h", "127.0.0.1"])
        .args(["-p", &port, "-U", USER, "-d", database, "-c", statements])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&out.stderr);
    assert!(out.status.success(), "{statements}: {said}");
    String::from_utf8(out.stdout).unwrap().trim_end().to_owned()
}

fn kill(name: &str, pids: &[u32]) {
    if !pids.is_empty() {
        // It fails if one of them has just ended, which is as well.
        let _ = Command::new("kill")
            .args(["-s", name])
            .args(pids.iter().map(u32::to_string))
            .stderr(Stdio::null())
            .status();
    }
}

/// A command in `dir` as a user that PostgreSQL accepts: it refuses to run as root.
fn as_server(program: &str, dir: &Path) -> Command {
    let mut command = Command::new(program);
    command.current_dir(dir).stdin(Stdio::null());
    if let Some((uid, gid)) = unprivileged() {
        command.uid(uid).gid(gid);
    }
    command
}

/// Whom to run as if the tests run as root: `postgres`, else `nobody`.
fn unprivileged() -> Option<(u32, u32)> {
    if fs::metadata("/proc/self").unwrap().uid() != 0 {
        return None;
    }
    let users = fs::read_to_string("/etc/passwd").unwrap();
    let of = |name: &str| {
        let line = users.lines().find(|line| line.split(':').next() == Some(name))?;
        let mut fields = line.split(':').skip(2);
        Some((fields.next()?.parse().ok()?, fields.next()?.parse().ok()?))
    };
    of("postgres").or_else(|| of("nobody"))
}

/// The path of one of PostgreSQL's programs; the newest version that is installed.
fn bin(program: &str) -> String {
    static DIR: OnceLock<PathBuf> = OnceLock::new();
    let dir = DIR.get_or_init(|| {
        let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
        let newest = versions
            .filter(|version| version.path().join("bin/initdb").exists())
            .max_by_key(|version| version.file_name().to_string_lossy().parse::<u32>().ok());
        newest.expect("PostgreSQL is not installed: run .ci/setup").path().join("bin")
    });
    dir.join(program).to_str().unwrap().to_owned()
}
