//! A process of its own for what a test cannot do to itself: this test program, started again for one
//! ignored "test".

use std::io::{BufRead, BufReader};
use std::process::{ChildStderr, Command, ExitStatus, Stdio};

/// Set in the second process only.
const MARK: &str = "ROTA_TEST_CHILD";

/// Whether this is the second process: its "tests" wait for what nobody does if all ignored tests are run.
pub(crate) fn is_child() -> bool {
    std::env::var_os(MARK).is_some()
}

/// The second process, killed if a test fails before it has ended. `logs` is its stderr.
pub(crate) struct Child {
    process: std::process::Child,
    pub(crate) logs: BufReader<ChildStderr>,
}

impl Drop for Child {
    fn drop(&mut self) {
        // It has usually ended already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Child {
    /// Starts `test` in a shell after `setup`, a shell command.
    pub(crate) fn start(test: &str, setup: &str) -> Self {
        let mut command = Command::new("sh");
        let exec = format!(r#"{setup}; exec "$0" --ignored --exact --nocapture {test}"#);
        command.arg("-c").arg(exec).arg(std::env::current_exe().unwrap()).env(MARK, "1");
        let mut process = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let logs = BufReader::new(process.stderr.take().unwrap());
        Self { process, logs }
    }

    pub(crate) fn line(&mut self) -> String {
        let mut line = String::new();
        self.logs.read_line(&mut line).unwrap();
        line
    }

    pub(crate) fn signal(&self, signal: &str) {
        let id = self.process.id().to_string();
        assert!(Command::new("kill").args([signal, &id]).status().unwrap().success());
    }

    pub(crate) fn wait(&mut self) -> ExitStatus {
        self.process.wait().unwrap()
    }
}
