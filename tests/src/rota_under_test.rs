//! The `rota` command as the tests run it: the same code, with failpoints if the feature is on, which
//! `FAILPOINTS` then sets off.
//!
//! A binary of this package, so that one `cargo test` builds it with everything else: asking cargo for
//! it from a test would build dependencies twice wherever their features come out differently.

use std::process::ExitCode;

fn main() -> ExitCode {
    rota::run()
}
