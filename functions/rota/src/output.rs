//! What the command prints for a person: results on standard output, complaints on standard error.
//! The only place that may use `println!`; servers log through `tracing`.
#![expect(clippy::disallowed_macros, reason = "this module owns the terminal")]

/// A result, or a part of one.
pub(crate) fn line(text: &str) {
    println!("{text}");
}

/// Why a command failed.
pub(crate) fn fail(text: &str) {
    eprintln!("rota: {text}");
}
