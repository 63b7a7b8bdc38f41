//! `rota config`: which settings are in force, and where each comes from.

use crate::local::LocalArgs;
use crate::notices::{self, Server};
use crate::output;
use crate::settings::{Settings, environment};
use rota_service::Env;
use rota_service::config::MASK;
use std::process::ExitCode;

/// Runs the command.
pub(crate) fn run(args: &LocalArgs) -> anyhow::Result<ExitCode> {
    let mut env = environment(args)?;
    Settings::read(&mut env)?;
    print(&env, &notices::of(&env, Server::Local)?);
    Ok(ExitCode::SUCCESS)
}

/// Prints one line a setting, then what there is to say about them. Secrets are masked by whoever reads
/// them, and so are the passwords of URLs; the queries of URLs are masked here, because some services take
/// a key there.
pub(crate) fn print(env: &Env, notices: &[String]) {
    for setting in env.report() {
        let value =
            setting.value.as_deref().map_or_else(|| "(not set)".to_owned(), without_queries);
        output::line(&format!("{:<28} {:<36} {}", setting.name, value, setting.source));
    }
    notices::print(notices);
}

/// The text, or list of texts, with the query of every URL masked.
fn without_queries(value: &str) -> String {
    let masked = value.split(',').map(|part| match part.split_once('?') {
        Some((url, _)) if url.starts_with("http") => format!("{url}?{MASK}"),
        _ => part.to_owned(),
    });
    masked.collect::<Vec<_>>().join(",")
}
