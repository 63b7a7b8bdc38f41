//! Builds the crate again when a migration is added: they are compiled in, and cargo watches files only.

fn main() {
    // Cargo reads this line from the standard output of a build script.
    use std::io::Write;
    let _ = std::io::stdout().write_all(b"cargo::rerun-if-changed=../../migrations\n");
}
