//! The `rota` command.

use std::process::ExitCode;

fn main() -> ExitCode {
    rota::run()
}
