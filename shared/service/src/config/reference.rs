//! Settings of the reference SU that rota does not have, with what to do instead.
//!
//! An operator who brings the reference's `.env` must not get an open scheduler from a closed one. So a setting that
//! restricts who may do what ends the start; any other one is a notice. Names that both have are not here.
//! Source: `servers/su/src/domain/config.rs` and its README in `permaweb/ao`, July 2026.

use super::{ConfigError, Env, Source, is_blank};

/// What becomes of a setting that is not honoured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Weight {
    /// It restricts access: no start.
    Restricts,
    /// It restricts access when it is `true`.
    RestrictsIfTrue,
    /// A notice.
    Harmless,
    /// The name is so common that only the `.env` file says whose it is.
    Common,
}

use Weight::{Common, Harmless, Restricts, RestrictsIfTrue};

/// Name, weight, and what rota has instead.
const NAMES: [(&str, Weight, &str); 28] = [
    ("IP_WHITELIST_URL", Restricts, "let a proxy or firewall in front of rota decide who may POST"),
    (
        "PROCESS_WHITELIST_URL",
        Restricts,
        "let a proxy in front of rota decide which processes may be used",
    ),
    ("MAX_SIZE_OWNER_WHITELIST", Restricts, SIZE),
    ("MAX_SIZE_FROM_WHITELIST", Restricts, SIZE),
    ("MAX_SIZE_FROM_OWNER_WHITELIST", Restricts, SIZE),
    (
        "ENABLE_ROUTER_CHECK",
        RestrictsIfTrue,
        "run `rota writer`, whose directory (DIRECTORY_TABLE or SCHEDULER_LIST_PATH) says which writer owns a process",
    ),
    (
        "ROUTER_URL",
        Harmless,
        "the directory (DIRECTORY_TABLE or SCHEDULER_LIST_PATH) says who owns a process",
    ),
    ("ASSIGNMENT", Common, "WRITER_NAME names a writer"),
    ("URL", Common, "WRITER_URL says where others reach a writer"),
    ("MODE", Common, "the command says what runs: `rota local`, `rota writer` or `rota router`"),
    (
        "ENABLE_MESSAGE_MAX_SIZE",
        Harmless,
        "MAX_MESSAGE_SIZE_BYTES always holds, 10MiB unless it is set, for spawns too",
    ),
    ("USE_DISK", Harmless, STORE),
    ("USE_LOCAL_STORE", Harmless, STORE),
    ("SU_FILE_DB_DIR", Harmless, DIR),
    ("SU_INDEX_DB_DIR", Harmless, DIR),
    ("SU_FILE_SYNC_DB_DIR", Harmless, COPY),
    ("SU_INDEX_SYNC_DB_DIR", Harmless, COPY),
    ("DB_WRITE_CONNECTIONS", Harmless, "a writer opens as many connections as it needs"),
    ("DB_READ_CONNECTIONS", Harmless, "DATABASE_CONNECTIONS_MAX bounds the connections for reads"),
    ("MULTI_TENANT_BASE_CONN", Harmless, TENANTS),
    ("MULTI_TENANT_BASE_READ_CONN", Harmless, TENANTS),
    ("MULTI_TENANT_BASE_DATA_DIR", Harmless, DIR),
    ("MIGRATION_BATCH_SIZE", Harmless, NOTHING),
    ("MAX_READ_MEMORY", Harmless, "rota bounds the size of a page by itself"),
    ("PROCESS_CACHE_SIZE", Harmless, NOTHING),
    ("CURRENT_DEEPHASH_VERSION", Harmless, NOTHING),
    ("DEEPHASH_RECALC_LIMIT", Harmless, NOTHING),
    ("WARMUP_DELAY", Harmless, "/health says whether rota is ready"),
];

const SIZE: &str = "MAX_MESSAGE_SIZE_BYTES is the one limit for everybody";
const STORE: &str =
    "rota always keeps its ledger in SU_DATA_DIR, and commits in a database if DATABASE_URL is set";
const DIR: &str = "rota keeps everything in SU_DATA_DIR";
const COPY: &str = "ARCHIVE_BUCKET keeps checkpoints of the ledger";
const TENANTS: &str = "DATABASE_URL and DATABASE_READ_URL name the one database";
const NOTHING: &str = "rota needs no such setting";

/// Whether the reference SU has a setting of this name that rota does not have.
#[must_use]
pub fn is_reference_name(name: &str) -> bool {
    NAMES.iter().any(|(known, ..)| *known == name)
}

/// The settings of the reference SU that are set and that rota does not honour: one notice each.
///
/// # Errors
/// [`ConfigError::Unsupported`] for one that restricts access.
pub fn reference_notices(env: &Env) -> Result<Vec<String>, ConfigError> {
    let mut notices = Vec::new();
    for (name, weight, instead) in NAMES {
        let Some((raw, from)) = env.values.get(name).filter(|(raw, _)| !is_blank(raw)) else {
            continue;
        };
        let is_true = raw.to_str().is_some_and(|text| text.trim() == "true");
        match weight {
            Restricts => return Err(ConfigError::Unsupported { name, from: *from, instead }),
            RestrictsIfTrue if is_true => {
                return Err(ConfigError::Unsupported { name, from: *from, instead });
            }
            Common if *from != Source::DotEnv => {}
            RestrictsIfTrue | Harmless | Common => notices.push(format!(
                "{name} (from the {from}) is a setting of the reference SU that rota ignores: {instead}"
            )),
        }
    }
    Ok(notices)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;
    use std::io::Write as _;

    fn notices(pairs: &[(&str, &str)]) -> Result<Vec<String>, ConfigError> {
        reference_notices(&Env::from_pairs(pairs.iter().copied()))
    }

    #[test]
    fn names_are_different_and_each_has_its_place() {
        let names: HashSet<_> = NAMES.iter().map(|(name, ..)| *name).collect();
        assert_eq!(names.len(), NAMES.len());
        assert!(is_reference_name("USE_DISK") && !is_reference_name("DATABASE_URL"));
    }

    #[test]
    fn setting_that_restricts_access_is_an_error_with_the_replacement() {
        for (name, weight, instead) in NAMES {
            let outcome = notices(&[(name, "true")]);
            if matches!(weight, Restricts | RestrictsIfTrue) {
                let error = outcome.unwrap_err().to_string();
                assert!(error.starts_with(name) && error.contains(instead), "{error}");
                assert!(error.contains("environment"), "{error}");
            } else {
                outcome.unwrap();
            }
            assert!(notices(&[(name, " ")]).unwrap().is_empty(), "{name}: blank means not set");
        }
        assert_eq!(notices(&[("ENABLE_ROUTER_CHECK", "false")]).unwrap().len(), 1);
    }

    #[test]
    fn common_names_count_in_the_dotenv_file_only() {
        let pairs = [("MODE", "su"), ("USE_DISK", "true"), ("URL", "x")];
        let told = notices(&pairs).unwrap();
        assert_eq!(told.len(), 1, "{told:?}");
        assert!(told[0].contains("USE_DISK") && told[0].contains("SU_DATA_DIR"), "{told:?}");
        let mut file = tempfile::NamedTempFile::new().unwrap();
        writeln!(file, "MODE=su\nURL=x").unwrap();
        let told = reference_notices(&Env::load(Some(file.path())).unwrap()).unwrap();
        assert!(told.iter().any(|told| told.starts_with("MODE (from the .env file)")), "{told:?}");
    }
}
