//! `sam build` of both functions, once a run, in a target directory that the next run finds again.
//!
//! What ships is built by the same command with the workspace's release profile (thin LTO, optimised); here the profile is
//! one that compiles sooner. README says what the shipped packages measure.

use crate::ROOT;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// The most that a function's package may have, zipped, in bytes.
const PACKAGE_BYTES_MAX: u64 = 10_000_000;
const FUNCTIONS: [&str; 2] = ["Read", "Route"];
/// A release build that is over soon.
const PROFILE: [(&str, &str); 5] = [
    ("CARGO_PROFILE_RELEASE_LTO", "off"),
    ("CARGO_PROFILE_RELEASE_OPT_LEVEL", "1"),
    ("CARGO_PROFILE_RELEASE_CODEGEN_UNITS", "16"),
    ("CARGO_PROFILE_RELEASE_DEBUG", "0"),
    ("CARGO_PROFILE_RELEASE_STRIP", "symbols"),
];

/// A program that `.ci/setup` installs, in the root of the workspace, which finds the other ones.
pub(crate) fn tool(name: &str) -> Command {
    let bin = Path::new(ROOT).join("target/tools/bin").canonicalize().expect("run .ci/setup");
    let path = std::env::var("PATH").unwrap_or_default();
    let mut command = Command::new(bin.join(name));
    command.current_dir(ROOT);
    command.env("PATH", format!("{}:{path}", bin.display()));
    command.env("SAM_CLI_TELEMETRY", "0").env("AWS_DEFAULT_REGION", "us-east-1");
    command
}

/// Runs it to its end; gives what it said if it is content.
#[track_caller]
pub(crate) fn content(command: &mut Command) -> String {
    let output = command.output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said).into_owned();
    assert!(output.status.success(), "{command:?}: {said}");
    said
}

/// The directory with the built template and functions.
pub(crate) fn built() -> &'static Path {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(|| {
        let target = Path::new(ROOT).canonicalize().unwrap().join("target/deploy");
        let directory = target.join("sam");
        let mut sam = tool("sam");
        sam.args(["build", "--build-dir"]).arg(&directory);
        // Whatever the tests were built with: these are other binaries, for another machine.
        sam.env_remove("RUSTFLAGS").env("CARGO_TARGET_DIR", &target).envs(PROFILE);
        content(&mut sam);
        directory
    })
}

#[test]
fn a_function_is_one_small_file_that_needs_nothing_but_glibc() {
    let scratch = tempfile::tempdir().unwrap();
    for function in FUNCTIONS {
        let directory = built().join("Functions").join(function);
        let files: Vec<_> = fs::read_dir(&directory).unwrap().map(|f| f.unwrap().path()).collect();
        assert_eq!(files, [directory.join("bootstrap")]);
        let zipped = scratch.path().join(function);
        content(tool("python3").args(["-m", "zipfile", "-c"]).arg(&zipped).arg(&files[0]));
        let size = fs::metadata(&zipped).unwrap().len();
        assert!(size <= PACKAGE_BYTES_MAX, "{function} has {size} bytes");
        let libraries = content(Command::new("ldd").arg(&files[0]));
        for foreign in ["libssl", "libcrypto", "libstdc++", "not found"] {
            assert!(!libraries.contains(foreign), "{function}: {libraries}");
        }
    }
}
