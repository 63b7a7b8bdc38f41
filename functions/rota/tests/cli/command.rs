//! Runs the command and takes down what it says.

use rota_testkit::scheduler::{self, RotaProcess};
use std::path::Path;
use std::process::Output;

/// The command under test.
pub(crate) const BIN: &str = env!("CARGO_BIN_EXE_rota");

/// How a run of the command ended.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Ran {
    fn of(output: &Output) -> Self {
        Self {
            code: output.status.code(),
            out: String::from_utf8_lossy(&output.stdout).into(),
            err: String::from_utf8_lossy(&output.stderr).into(),
        }
    }

    /// Checks that it succeeded, and gives what it printed.
    pub(crate) fn ok(self) -> String {
        assert_eq!((self.code, self.err.as_str()), (Some(0), ""), "{}", self.out);
        self.out
    }

    /// Checks that it failed with one line that says what is wrong, and gives that line.
    pub(crate) fn fails(self, code: i32) -> String {
        assert_eq!(self.code, Some(code), "{self:?}");
        assert_eq!(self.out, "", "a failure is told on stderr only: {}", self.err);
        assert_eq!(self.err.lines().count(), 1, "one line: {}", self.err);
        assert!(self.err.starts_with("rota: "), "{}", self.err);
        self.err
    }

    /// Checks that it failed with an explanation, one thought a line, and gives that.
    pub(crate) fn explains(self) -> String {
        assert_eq!((self.code, self.out.as_str()), (Some(1), ""), "{self:?}");
        let mut lines = self.err.lines();
        assert!(lines.next().is_some_and(|first| first.starts_with("rota: ")), "{}", self.err);
        assert!(lines.all(|line| line.starts_with("  ")), "{}", self.err);
        assert!(self.err.lines().count() > 1, "it says what to do: {}", self.err);
        self.err
    }
}

/// Runs `rota` with these arguments in this directory.
pub(crate) fn rota(dir: &Path, args: &[&str]) -> Ran {
    let mut command = scheduler::command(Path::new(BIN));
    Ran::of(&command.args(args).current_dir(dir).output().unwrap())
}

/// Runs `rota` with one more environment variable.
pub(crate) fn rota_with(dir: &Path, env: (&str, &str), args: &[&str]) -> Ran {
    rota_under(dir, &[(env.0, env.1.to_owned())], args)
}

/// Runs `rota` with more environment variables.
pub(crate) fn rota_under(dir: &Path, env: &[(&str, String)], args: &[&str]) -> Ran {
    let mut command = scheduler::command(Path::new(BIN));
    command.envs(env.iter().map(|(name, value)| (name, value)));
    Ran::of(&command.args(args).current_dir(dir).output().unwrap())
}

/// Runs a line as it was printed, in a shell.
pub(crate) fn shell(dir: &Path, line: &str) -> Ran {
    let mut command = scheduler::command(Path::new("sh"));
    let output = command.args(["-c", line]).current_dir(dir).output();
    Ran::of(&output.unwrap())
}

/// The line of a text that begins so, without what it begins with.
pub(crate) fn after<'a>(text: &'a str, beginning: &str) -> &'a str {
    let found = text.lines().find_map(|line| line.trim_start().strip_prefix(beginning));
    found.unwrap_or_else(|| panic!("no line begins with {beginning:?}: {text}")).trim()
}

/// The command that a text proposes as the next one.
pub(crate) fn proposed(text: &str) -> &str {
    let me = format!("  {BIN} ");
    let found = text.lines().find_map(|line| line.strip_prefix(&me).map(|_| line.trim()));
    found.unwrap_or_else(|| panic!("no command is proposed: {text}"))
}

/// A scheduler in `dir/rota-data` whose wallet is made quickly.
pub(crate) fn scheduler_in(dir: &Path) -> RotaProcess {
    let data = dir.join("rota-data");
    if !data.join("wallet.json").exists() {
        rota(dir, &["wallet", "new", "--kind", "ed25519"]).ok();
    }
    RotaProcess::start(Path::new(BIN), &data, &[])
}
