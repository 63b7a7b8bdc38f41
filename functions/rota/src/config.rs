//! `rota config`: which settings are in force, and where each comes from.

use crate::local::LocalArgs;
use crate::output;
use crate::settings::{Settings, environment};
use std::process::ExitCode;

/// Prints one line a setting. Secrets are masked by whoever reads them.
pub(crate) fn run(args: &LocalArgs) -> anyhow::Result<ExitCode> {
    let mut env = environment(args)?;
    Settings::read(&mut env)?;
    for setting in env.report() {
        let value = setting.value.as_deref().unwrap_or("(not set)");
        output::line(&format!("{:<28} {:<36} {}", setting.name, value, setting.source));
    }
    Ok(ExitCode::SUCCESS)
}
