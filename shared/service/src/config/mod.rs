//! Settings, parsed once at the start, each with the place it came from.
//!
//! A flag of the command line wins over the process environment, which wins over a `.env` file, which
//! wins over the default in the code. The process environment itself is only read, never changed:
//! changing it is unsound once there are threads. Every setting asked for is recorded, so that a server
//! can say at its start what it runs with; a secret is recorded masked.
//!
//! Values are trimmed, and an empty one counts as not set: a template that leaves a variable blank
//! means the default.

mod reference;
mod setting;

use std::collections::HashMap;
use std::ffi::{OsStr, OsString};
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

pub use reference::{is_reference_name, reference_notices};
pub use setting::{ByteSize, Setting};

/// What a masked value looks like in reports and errors.
pub const MASK: &str = "***";

/// Why the settings could not be read. Each names the variable or the file that is wrong.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The value of a variable is not one of those its type allows.
    #[error("{name} is {value:?} (from the {from}), but must be {expects}")]
    Invalid {
        /// The variable.
        name: &'static str,
        /// Its value, [`MASK`] if it is a secret.
        value: String,
        /// Where the value came from.
        from: Source,
        /// What would be right.
        expects: &'static str,
    },
    /// A variable without a default is not set.
    #[error("{name} is not set: it must be {expects}")]
    Missing {
        /// The variable.
        name: &'static str,
        /// What would be right.
        expects: &'static str,
    },
    /// A setting of the reference SU restricts access, and rota does not have it.
    #[error(
        "{name} is set (in the {from}), but rota does not restrict access by it: {instead}, then remove {name}"
    )]
    Unsupported {
        /// The variable.
        name: &'static str,
        /// Where its value came from.
        from: Source,
        /// What to do instead.
        instead: &'static str,
    },
    /// The `.env` file is there but cannot be read.
    #[error("cannot read {}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// The reason.
        source: io::Error,
    },
    /// A line of the `.env` file is not `NAME=value`. The line is not shown: it may hold a secret.
    #[error("{} has a line that is not NAME=value after {settings} settings", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// How many settings precede the bad line.
        settings: usize,
    },
}

/// Where a value came from, weakest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Source {
    /// The code: nobody set it.
    Default,
    /// The `.env` file.
    DotEnv,
    /// The environment of the process.
    Environment,
    /// The command line.
    Flag,
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Default => "default",
            Self::DotEnv => ".env file",
            Self::Environment => "environment",
            Self::Flag => "command line",
        })
    }
}

/// One setting as a server runs with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SettingReport {
    /// The variable.
    pub name: &'static str,
    /// Its value in readable form, [`MASK`] for a secret, `None` if it has neither value nor default.
    pub value: Option<String>,
    /// Where the value came from.
    pub source: Source,
}

/// All settings that could be asked for, and a record of those that were.
#[derive(Default)]
pub struct Env {
    values: HashMap<String, (OsString, Source)>,
    /// Names that the `.env` file sets to something, in its order.
    dotenv: Vec<String>,
    asked: Vec<SettingReport>,
}

/// Shows names only: the values may be secret.
impl fmt::Debug for Env {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Env").field("asked", &self.asked).finish_non_exhaustive()
    }
}

impl Env {
    /// The process environment over the `.env` file, if one is named and exists.
    ///
    /// # Errors
    /// The file exists but cannot be read, or is not a list of `NAME=value` lines.
    pub fn load(dotenv: Option<&Path>) -> Result<Self, ConfigError> {
        let mut env = Self::default();
        if let Some(path) = dotenv {
            env.read_dotenv(path)?;
        }
        for (name, value) in std::env::vars_os() {
            // A name that is not text is none that the code could ask for.
            if let Ok(name) = name.into_string() {
                env.put(name, value, Source::Environment);
            }
        }
        Ok(env)
    }

    /// Exactly these settings, as if they were the process environment.
    pub fn from_pairs<N: Into<String>, V: Into<String>>(
        pairs: impl IntoIterator<Item = (N, V)>,
    ) -> Self {
        let mut env = Self::default();
        for (name, value) in pairs {
            env.put(name.into(), value.into().into(), Source::Environment);
        }
        env
    }

    /// With a value from the command line, which wins over all others.
    #[must_use]
    pub fn with_flag(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.put(name.into(), value.into().into(), Source::Flag);
        self
    }

    /// The value of `name`, if it is set.
    ///
    /// # Errors
    /// [`ConfigError::Invalid`] if the value is not a `T`.
    pub fn get<T: Setting>(&mut self, name: &'static str) -> Result<Option<T>, ConfigError> {
        self.ask(name, T::show)
    }

    /// The value of `name`, or `default` if it is not set.
    ///
    /// # Errors
    /// [`ConfigError::Invalid`] if the value is not a `T`.
    pub fn or<T: Setting>(&mut self, name: &'static str, default: T) -> Result<T, ConfigError> {
        let value = self.get(name)?;
        Ok(value.unwrap_or_else(|| {
            self.record(name, Some(default.show()), Source::Default);
            default
        }))
    }

    /// The value of `name`, which must be set.
    ///
    /// # Errors
    /// [`ConfigError::Missing`] if it is not set, [`ConfigError::Invalid`] if it is not a `T`.
    pub fn required<T: Setting>(&mut self, name: &'static str) -> Result<T, ConfigError> {
        self.get(name)?.ok_or(ConfigError::Missing { name, expects: T::EXPECTS })
    }

    /// The value of `name`, if it is set, which neither a report nor an error ever shows.
    ///
    /// # Errors
    /// [`ConfigError::Invalid`] if the value is not a `T`.
    pub fn secret<T: Setting>(&mut self, name: &'static str) -> Result<Option<T>, ConfigError> {
        self.ask(name, |_| MASK.to_owned()).map_err(|error| match error {
            ConfigError::Invalid { name, from, expects, .. } => {
                ConfigError::Invalid { name, value: MASK.to_owned(), from, expects }
            }
            other => other,
        })
    }

    /// Whether `name` has a value that is not blank. Does not count as asking for it.
    #[must_use]
    pub fn is_set(&self, name: &str) -> bool {
        self.values.get(name).is_some_and(|(raw, _)| !is_blank(raw))
    }

    /// The names that the `.env` file sets to something, whether anybody asks for them or not.
    #[must_use]
    pub fn dotenv_names(&self) -> &[String] {
        &self.dotenv
    }

    /// Every setting asked for so far, in the order of asking.
    #[must_use]
    pub fn report(&self) -> Vec<SettingReport> {
        self.asked.clone()
    }

    fn ask<T: Setting>(
        &mut self,
        name: &'static str,
        show: impl Fn(&T) -> String,
    ) -> Result<Option<T>, ConfigError> {
        let Some((raw, source)) = self.values.get(name).filter(|(raw, _)| !is_blank(raw)) else {
            self.record(name, None, Source::Default);
            return Ok(None);
        };
        let (source, text) = (*source, raw.to_str().map(str::trim));
        let Some(value) = text.and_then(T::parse) else {
            let value = raw.to_string_lossy().trim().to_owned();
            return Err(ConfigError::Invalid { name, value, from: source, expects: T::EXPECTS });
        };
        self.record(name, Some(show(&value)), source);
        Ok(Some(value))
    }

    fn record(&mut self, name: &'static str, value: Option<String>, source: Source) {
        let report = SettingReport { name, value, source };
        match self.asked.iter_mut().find(|asked| asked.name == name) {
            Some(asked) => *asked = report,
            None => self.asked.push(report),
        }
    }

    /// Keeps the stronger source, and the first value of one source.
    fn put(&mut self, name: String, value: OsString, source: Source) {
        let weaker = self.values.get(&name).is_none_or(|(_, held)| *held < source);
        if weaker {
            self.values.insert(name, (value, source));
        }
    }

    fn read_dotenv(&mut self, path: &Path) -> Result<(), ConfigError> {
        let unreadable = |source| ConfigError::Unreadable { path: path.to_owned(), source };
        let file = match std::fs::File::open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(unreadable(error)),
        };
        for (settings, line) in dotenvy::Iter::new(file).enumerate() {
            let (name, value) = line.map_err(|error| match error {
                dotenvy::Error::Io(source) => unreadable(source),
                _ => ConfigError::Malformed { path: path.to_owned(), settings },
            })?;
            if !value.trim().is_empty() && !self.dotenv.contains(&name) {
                self.dotenv.push(name.clone());
            }
            self.put(name, value.into(), Source::DotEnv);
        }
        Ok(())
    }
}

fn is_blank(raw: &OsStr) -> bool {
    raw.to_str().is_some_and(|text| text.trim().is_empty())
}
