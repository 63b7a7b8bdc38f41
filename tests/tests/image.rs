//! The writer's image on paper, since no image is built here: what the Dockerfile puts into it, whether the
//! base has every library that `rota` is linked to, and how large that is.

#![allow(clippy::unwrap_used, clippy::panic, reason = "in a test a panic is the report")]

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

/// The most that the image may hold, in bytes, unpacked.
const IMAGE_BYTES_MAX: u64 = 150_000_000;
/// The base of the last stage.
const BASE: &str = "gcr.io/distroless/cc-debian12:nonroot";
/// What that base is made of: packages of Debian 12, with the KiB that each says to take on a disk.
const BASE_PACKAGES: [(&str, u64); 12] = [
    ("base-files", 341),
    ("ca-certificates", 387),
    ("gcc-12-base", 100),
    ("libc6", 13_001),
    ("libgcc-s1", 140),
    ("libgomp1", 312),
    ("libssl3", 6_042),
    ("libstdc++6", 2_686),
    ("media-types", 92),
    ("netbase", 36),
    ("openssl", 2_315),
    ("tzdata", 2_565),
];
/// The libraries of theirs that a program may need.
const BASE_LIBRARIES: [&str; 8] = [
    "ld-linux-x86-64.so.2",
    "libc.so.6",
    "libcrypto.so.3",
    "libdl.so.2",
    "libgcc_s.so.1",
    "libm.so.6",
    "libssl.so.3",
    "libstdc++.so.6",
];

fn read(name: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(name)).unwrap()
}

/// The instructions of the last stage, continued lines joined.
fn last_stage() -> Vec<String> {
    let dockerfile = read("Dockerfile").replace("\\\n", " ");
    let lines: Vec<_> =
        dockerfile.lines().filter(|line| !line.trim_start().starts_with('#')).collect();
    let begin = lines.iter().rposition(|line| line.starts_with("FROM ")).unwrap();
    lines[begin..].iter().filter(|line| !line.is_empty()).map(ToString::to_string).collect()
}

fn run(program: &str, args: &[&str]) -> String {
    let output = Command::new(program).args(args).output().unwrap();
    assert!(output.status.success(), "{program} {args:?}: {output:?}");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn it_holds_rota_and_an_empty_directory_and_runs_as_nobody_in_particular() {
    let stage = last_stage();
    assert_eq!(stage[0], format!("FROM {BASE}"));
    let brought: Vec<_> = stage
        .iter()
        .filter(|line| ["COPY", "ADD", "RUN"].iter().any(|verb| line.starts_with(verb)))
        .map(|line| line.rsplit(' ').next().unwrap())
        .collect();
    assert_eq!(brought, ["/usr/local/bin/rota", "/data"]);
    for line in
        ["USER 10001:10001", "VOLUME [\"/data\"]", "ENTRYPOINT [\"rota\"]", "STOPSIGNAL SIGTERM"]
    {
        assert!(stage.iter().any(|given| given == line), "{line} is not in {stage:#?}");
    }
    let health = stage.iter().find(|line| line.starts_with("HEALTHCHECK")).unwrap();
    assert!(
        health.ends_with("CMD [\"rota\", \"health\", \"--wait\", \"55\"]"),
        "there is no shell: {health}"
    );
}

/// A build takes the whole directory with it, and layers of its stages are kept and pushed to caches.
#[test]
fn what_git_is_kept_from_never_gets_into_a_build() {
    let kept_out = read(".dockerignore");
    let secret = read(".gitignore");
    let secret: Vec<_> = secret.lines().filter(|line| line.starts_with('/')).collect();
    assert!(secret.contains(&"/.env"), "{secret:?}");
    for line in secret {
        assert!(kept_out.lines().any(|kept| kept == line), "{line}");
    }
}

#[test]
fn it_is_small_and_its_base_has_every_library_that_rota_needs() {
    let rota = env!("CARGO_BIN_EXE_rota-under-test");
    let needed: BTreeSet<_> = run("readelf", &["--dynamic", rota])
        .lines()
        .filter(|line| line.contains("(NEEDED)"))
        .map(|line| line.split(['[', ']']).nth(1).unwrap().to_owned())
        .collect();
    assert!(needed.contains("libssl.so.3"), "{needed:?}");
    for library in &needed {
        assert!(BASE_LIBRARIES.contains(&library.as_str()), "the base has no {library}");
    }

    // A debug build is larger than what ships, even without its symbols.
    let stripped = tempfile::NamedTempFile::new().unwrap();
    run("strip", &["-o", stripped.path().to_str().unwrap(), rota]);
    let rota_bytes = stripped.path().metadata().unwrap().len();
    let packages: u64 = BASE_PACKAGES.iter().map(|(_, kib)| kib * 1024).sum();
    let total = rota_bytes + packages;
    assert!(total <= IMAGE_BYTES_MAX, "rota {rota_bytes} + base {packages} bytes");
}

#[test]
fn its_rocksdb_and_its_compiler_are_those_of_the_workspace() {
    let dockerfile = read("Dockerfile");
    let lock = read("Cargo.lock");
    let (_, entry) = lock.split_once("name = \"rocksdb\"\nversion = \"").unwrap();
    let version = entry.split('"').next().unwrap();
    assert!(dockerfile.contains(&format!("ARG ROCKSDB_VERSION={version}\n")), "{version}");
    let manifest = read("Cargo.toml");
    let features = manifest.lines().find(|line| line.starts_with("rocksdb = ")).unwrap();
    assert!(features.contains(r#"features = ["bindgen-runtime", "lz4", "zstd"]"#), "{features}");
    assert!(dockerfile.contains("--features bindgen-runtime,lz4,zstd"));

    let least = manifest.lines().find_map(|line| line.strip_prefix("rust-version = ")).unwrap();
    let (_, image) = dockerfile.split_once("FROM rust:").unwrap();
    let minor = |version: &str| version.split('.').nth(1).unwrap().parse::<u32>().unwrap();
    assert!(minor(image) >= minor(least.trim_matches('"')), "{least}");
}
