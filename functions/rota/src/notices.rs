//! What an operator should know about the settings before a server starts: names that rota does not have, and
//! settings that change nothing as they are combined.
//!
//! All names that rota has are those of `docs/settings.md`, which a test compares with the code.

use crate::output;
use rota_service::config::is_reference_name;
use rota_service::{ConfigError, Env, Source, reference_notices};
use std::collections::HashMap;

/// The page of all settings.
const PAGE: &str = include_str!("../../../docs/settings.md");
/// The heading of those that libraries read: they see the environment of the process, not the `.env` file.
const ENVIRONMENT_ONLY: &str = "## From the environment of the process only";
/// A name that differs by more edits is another name.
const EDITS_MAX: usize = 2;

/// Which server is to run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Server {
    Local,
    Writer,
    Router,
}

/// When a setting that is read changes nothing.
enum Idle {
    /// None of these is set.
    Without(&'static [&'static str]),
    /// This is set.
    Beside(&'static str),
    /// This has that value.
    With(&'static str, &'static str),
}

const DATABASE: Idle = Idle::Without(&["DATABASE_URL"]);
const REPLICAS: Idle = Idle::Without(&["DATABASE_READ_URL"]);
const BUCKET: Idle = Idle::Without(&["ARCHIVE_BUCKET"]);
const UPLOADS: Idle = Idle::Without(&["UPLOAD_NODE_URL"]);
const TRACES: Idle = Idle::Without(&["OTEL_EXPORTER_OTLP_ENDPOINT"]);

/// Settings that are read, and when they have no effect.
const IDLE: [(&str, Idle); 22] = [
    ("ACK_AFTER", DATABASE),
    ("DATABASE_READER_ROLE", DATABASE),
    ("DATABASE_CONNECTIONS_MAX", DATABASE),
    ("READ_STALENESS_MAX", REPLICAS),
    ("REPLICA_LAG_MAX", REPLICAS),
    ("WRITER_NAME", Idle::Without(&["DATABASE_URL", "ARCHIVE_BUCKET"])),
    ("ARCHIVE_PREFIX", BUCKET),
    ("CHECKPOINT_INTERVAL", BUCKET),
    ("CHECKPOINTS_KEEP", BUCKET),
    ("UPLOAD_MODE", UPLOADS),
    ("UPLOAD_TIMEOUT", UPLOADS),
    ("GRAPHQL_URL", Idle::With("ENABLE_PROCESS_ASSIGNMENT", "false")),
    ("SU_WALLET_PATH", Idle::Beside("SU_WALLET")),
    ("METRICS_NAMESPACE", Idle::Without(&["METRICS_LOG_INTERVAL"])),
    ("DIRECTORY_TABLE", Idle::With("DIRECTORY", "postgres")),
    ("SCHEDULER_LIST_PATH", Idle::With("DIRECTORY", "dynamodb")),
    ("OTEL_EXPORTER_OTLP_PROTOCOL", TRACES),
    ("OTEL_EXPORTER_OTLP_HEADERS", TRACES),
    ("OTEL_SERVICE_NAME", TRACES),
    ("OTEL_RESOURCE_ATTRIBUTES", TRACES),
    ("OTEL_TRACES_SAMPLER", TRACES),
    ("OTEL_TRACES_SAMPLER_ARG", TRACES),
];

/// Everything to be said about the settings of a server that `env` was asked for.
///
/// # Errors
/// One restricts access in the reference SU, and rota does not have it.
pub(crate) fn of(env: &Env, server: Server) -> Result<Vec<String>, ConfigError> {
    let mut notices = reference_notices(env)?;
    notices.extend(unknown(env));
    notices.extend(without_effect(env));
    notices.extend(of_others(env, server));
    if env.report().iter().any(|it| it.name == ASSIGN && it.value.as_deref() == Some("false")) {
        notices.push(format!(
            "{ASSIGN} is false: `assign` is off. A spawn gets nonce 0 all the same, unlike in the reference SU"
        ));
    }
    Ok(notices)
}

const ASSIGN: &str = "ENABLE_PROCESS_ASSIGNMENT";

/// Shows them to a person who looks at the settings.
pub(crate) fn print(notices: &[String]) {
    notices.iter().for_each(|notice| output::line(&format!("note: {notice}")));
}

/// Logs them when a server starts.
pub(crate) fn log(notices: &[String]) {
    notices.iter().for_each(|notice| tracing::warn!("{notice}"));
}

/// A setting as the page has it.
#[derive(Debug, PartialEq, Eq)]
struct Listed {
    name: &'static str,
    environment_only: bool,
}

/// The rows of the page's tables: each begins with a name in backticks.
fn listed() -> impl Iterator<Item = Listed> {
    let mut environment_only = false;
    PAGE.lines().filter_map(move |line| {
        if line.starts_with("## ") {
            environment_only = line == ENVIRONMENT_ONLY;
        }
        let name = line.strip_prefix("| `")?.split('`').next()?;
        Some(Listed { name, environment_only })
    })
}

/// Names in the `.env` file that nobody reads there.
fn unknown(env: &Env) -> Vec<String> {
    let notice = |name: &String| {
        if is_reference_name(name) {
            return None;
        }
        match listed().find(|listed| listed.name == name) {
            Some(Listed { environment_only: false, .. }) => None,
            Some(_) => Some(format!(
                "{name} in the .env file has no effect: set it in the environment of the process"
            )),
            None => Some(match nearest(name) {
                Some(near) => {
                    format!("{name} in the .env file is no setting of rota: did you mean {near}?")
                }
                None => format!("{name} in the .env file is no setting of rota"),
            }),
        }
    };
    env.dotenv_names().iter().filter_map(notice).collect()
}

/// The listed name that differs least, if it differs little.
fn nearest(name: &str) -> Option<&'static str> {
    let upper = name.to_ascii_uppercase();
    let near = listed().map(|listed| (edits(&upper, listed.name), listed.name));
    let (_, near) = near.filter(|(edits, _)| *edits <= EDITS_MAX.min(name.len() / 3)).min()?;
    Some(near)
}

/// How many letters must be put in, taken out or changed to make one text the other (Levenshtein).
fn edits(from: &str, to: &str) -> usize {
    let mut above: Vec<usize> = (0..=to.len()).collect();
    for (row, a) in from.bytes().enumerate() {
        let mut left = row + 1;
        let mut corner = std::mem::replace(&mut above[0], left);
        for (column, b) in to.bytes().enumerate() {
            let changed = corner + usize::from(a != b);
            corner = above[column + 1];
            left = changed.min(left + 1).min(corner + 1);
            above[column + 1] = left;
        }
    }
    above[to.len()]
}

/// Settings that were read, are set, and change nothing.
fn without_effect(env: &Env) -> Vec<String> {
    let report = env.report();
    let set: HashMap<_, _> = report
        .iter()
        .filter(|setting| setting.source != Source::Default)
        .map(|setting| (setting.name, setting.value.as_deref()))
        .collect();
    let notice = |(name, idle): &(&str, Idle)| {
        set.get(name)?;
        let why = match idle {
            Idle::Without(needed) if !needed.iter().any(|name| set.contains_key(name)) => {
                format!("{} is not set", needed.join(" or "))
            }
            Idle::Beside(other) if set.contains_key(other) => format!("{other} is set"),
            Idle::With(other, value) if set.get(other) == Some(&Some(value)) => {
                format!("{other} is {value}")
            }
            Idle::Without(_) | Idle::Beside(_) | Idle::With(..) => return None,
        };
        Some(format!("{name} has no effect: {why}"))
    };
    IDLE.iter().filter_map(notice).collect()
}

/// Settings that make a scheduler one of several, at one that is alone.
fn of_others(env: &Env, server: Server) -> Vec<String> {
    let names = ["DIRECTORY", "DIRECTORY_TABLE", "WRITER_URL"];
    let set = names.into_iter().filter(|name| server == Server::Local && env.is_set(name));
    set.map(|name| {
        format!("{name} has no effect: `rota local` is in no directory, `rota writer` is")
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write as _;

    fn dotenv(text: &str) -> Env {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(text.as_bytes()).unwrap();
        Env::load(Some(file.path())).unwrap()
    }

    /// Asks for every name of the table, as the servers do.
    fn idle(pairs: &[(&str, &str)]) -> Vec<String> {
        let mut env = Env::from_pairs(pairs.iter().copied());
        for (name, idle) in &IDLE {
            let others = match idle {
                Idle::Without(names) => names.to_vec(),
                Idle::Beside(name) | Idle::With(name, _) => vec![*name],
            };
            for name in others.into_iter().chain([*name]) {
                env.get::<String>(name).unwrap();
            }
        }
        without_effect(&env)
    }

    #[test]
    fn unknown_names_in_dotenv_are_told_with_the_nearest_one() {
        let told = unknown(&dotenv(
            "DATABSE_URL=x\nGATEWAY_ULR=x\nport=1\nCOMPOSE_PROJECT_NAME=x\nMODE=su\nPORT=1\nHOSTS=\n",
        ));
        assert_eq!(
            told,
            [
                "DATABSE_URL in the .env file is no setting of rota: did you mean DATABASE_URL?",
                "GATEWAY_ULR in the .env file is no setting of rota: did you mean GATEWAY_URL?",
                "port in the .env file is no setting of rota: did you mean PORT?",
                "COMPOSE_PROJECT_NAME in the .env file is no setting of rota",
            ]
        );
        let aws = unknown(&dotenv("AWS_REGION=eu-central-1\n"));
        assert!(aws[0].contains("environment of the process"), "{aws:?}");
        assert!(unknown(&Env::from_pairs([("DATABSE_URL", "x")])).is_empty());
    }

    #[test]
    fn setting_without_what_it_needs_has_no_effect() {
        for (name, idle_when) in &IDLE {
            let (bad, good) = match idle_when {
                Idle::Without(needed) => (vec![], vec![(needed[0], "x")]),
                Idle::Beside(other) => (vec![(*other, "x")], vec![]),
                Idle::With(other, value) => (vec![(*other, *value)], vec![(*other, "x")]),
            };
            let told = idle(&[&bad[..], &[(*name, "y")]].concat());
            let beginning = format!("{name} has no effect: ");
            assert!(told.iter().any(|told| told.starts_with(&beginning)), "{name}: {told:?}");
            let told = idle(&[&good[..], &[(*name, "y")]].concat());
            assert!(!told.iter().any(|told| told.starts_with(&beginning)), "{name}: {told:?}");
            assert!(idle(&good).is_empty(), "{name} is not set");
        }
    }

    #[test]
    fn settings_of_many_writers_are_told_to_one_alone() {
        let env = Env::from_pairs([("DIRECTORY_TABLE", "rota")]);
        assert_eq!(of(&env, Server::Local).unwrap().len(), 1);
        assert!(of(&env, Server::Router).unwrap().is_empty());
    }

    #[test]
    fn edits_are_counted() {
        for (from, to, count) in
            [("", "", 0), ("", "ab", 2), ("abc", "abc", 0), ("abcd", "acbd", 2)]
        {
            assert_eq!((edits(from, to), edits(to, from)), (count, count), "{from} {to}");
        }
        assert_eq!(nearest("XYZ"), None);
        assert_eq!(nearest("HOTS"), None, "a short name has many neighbours");
    }
}
