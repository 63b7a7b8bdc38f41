//! The static list of writers, as the reference SU reads it from `SCHEDULER_LIST_PATH`: a JSON array of
//! `{"url", "no_route", "wallets_to_route", "wallets_only"}`, and optionally `"name"`.
//!
//! `process_count` and unknown fields are ignored: counts are the directory's.

use rota_ans104::Address;
use rota_schedule::{RoutePolicy, WriterName};
use serde_json::{Map, Value};
use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;
use url::Url;

/// Bytes of a list.
pub const LIST_BYTES_MAX: usize = 1 << 20;
/// Writers in a list.
pub const LIST_WRITERS_MAX: usize = 1_000;
/// Wallets that one entry pins.
pub const LIST_WALLETS_MAX: usize = 1_000;

/// Why a text is no list of writers. Entries are counted from 1.
#[derive(Debug, thiserror::Error)]
pub enum ListError {
    /// The file cannot be read.
    #[error("the list of writers cannot be read")]
    Unreadable(#[source] io::Error),
    /// More than [`LIST_BYTES_MAX`].
    #[error("the list of writers is larger than {LIST_BYTES_MAX} bytes")]
    TooLarge,
    /// Not JSON.
    #[error("the list of writers is not JSON")]
    NotJson(#[source] serde_json::Error),
    /// JSON, but no array of at most [`LIST_WRITERS_MAX`].
    #[error("the list of writers must be an array of at most {LIST_WRITERS_MAX} objects")]
    NotAList,
    /// A field of an entry.
    #[error("entry {entry} of the list of writers: {field:?} must be {expects}")]
    Field {
        /// Which entry.
        entry: usize,
        /// Which field.
        field: &'static str,
        /// What would be right.
        expects: &'static str,
    },
    /// Two entries have one name, or hosts from which one name was made.
    #[error("two entries of the list of writers are named {0}: give each a \"name\" of its own")]
    Twice(WriterName),
}

/// A writer of the list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// Its name. If the list gives none it is made of the URL: the host, and the port if it is not the
    /// scheme's own, as in `su.example.com` and `su.example.com-9000`.
    pub name: WriterName,
    /// Where it listens, without a trailing slash.
    pub url: String,
    /// What the list says about new processes.
    pub policy: RoutePolicy,
}

/// The writers of a list, in the order of their names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StaticList(Vec<Listed>);

impl StaticList {
    /// Reads a list from a file.
    ///
    /// # Errors
    /// [`ListError`].
    pub fn read(path: &Path) -> Result<Self, ListError> {
        let mut json = Vec::new();
        let file = File::open(path).map_err(ListError::Unreadable)?;
        let bounded = file.take(LIST_BYTES_MAX as u64 + 1).read_to_end(&mut json);
        bounded.map_err(ListError::Unreadable)?;
        Self::parse(&json)
    }

    /// Reads a list.
    ///
    /// # Errors
    /// [`ListError`]; it names the entry and the field that is wrong.
    pub fn parse(json: &[u8]) -> Result<Self, ListError> {
        if json.len() > LIST_BYTES_MAX {
            return Err(ListError::TooLarge);
        }
        let Value::Array(entries) = serde_json::from_slice(json).map_err(ListError::NotJson)?
        else {
            return Err(ListError::NotAList);
        };
        if entries.len() > LIST_WRITERS_MAX {
            return Err(ListError::NotAList);
        }
        let listed = |(at, entry): (usize, &Value)| match entry {
            Value::Object(fields) => Entry { number: at + 1, fields }.read(),
            _ => Err(ListError::NotAList),
        };
        let mut writers: Vec<_> =
            entries.iter().enumerate().map(listed).collect::<Result<_, _>>()?;
        writers.sort_by(|a, b| a.name.cmp(&b.name));
        let same = writers.iter().zip(writers.iter().skip(1)).find(|(a, b)| a.name == b.name);
        match same {
            Some((twice, _)) => Err(ListError::Twice(twice.name.clone())),
            None => Ok(Self(writers)),
        }
    }

    /// The writers, in the order of their names.
    #[must_use]
    pub fn writers(&self) -> &[Listed] {
        &self.0
    }
}

/// One entry, with its number for errors.
struct Entry<'a> {
    number: usize,
    fields: &'a Map<String, Value>,
}

impl Entry<'_> {
    fn read(&self) -> Result<Listed, ListError> {
        let url = self.url()?;
        let policy = RoutePolicy {
            no_route: self.flag("no_route")?,
            wallets_to_route: self.wallets()?,
            wallets_only: self.flag("wallets_only")?,
        };
        let name = self.name(&url)?;
        Ok(Listed { name, url: url.as_str().trim_end_matches('/').to_owned(), policy })
    }

    /// A field that is there and not null.
    fn get(&self, field: &str) -> Option<&Value> {
        self.fields.get(field).filter(|value| !value.is_null())
    }

    fn wrong(&self, field: &'static str, expects: &'static str) -> ListError {
        ListError::Field { entry: self.number, field, expects }
    }

    fn url(&self) -> Result<Url, ListError> {
        let url = self.get("url").and_then(Value::as_str).and_then(|text| Url::parse(text).ok());
        let plain = |url: &Url| {
            matches!(url.scheme(), "http" | "https")
                && url.username().is_empty()
                && url.password().is_none()
                && url.query().is_none()
                && url.fragment().is_none()
        };
        let expects = "an http or https URL without credentials, query and fragment";
        url.filter(plain).ok_or_else(|| self.wrong("url", expects))
    }

    fn flag(&self, field: &'static str) -> Result<bool, ListError> {
        match self.get(field) {
            None => Ok(false),
            Some(value) => value.as_bool().ok_or_else(|| self.wrong(field, "true, false or null")),
        }
    }

    fn wallets(&self) -> Result<Vec<Address>, ListError> {
        let Some(value) = self.get("wallets_to_route") else {
            return Ok(Vec::new());
        };
        let texts = value.as_str().into_iter().flat_map(|text| text.split(','));
        let texts = texts.map(str::trim).filter(|text| !text.is_empty());
        let wallets = texts.map(|text| text.parse().ok()).collect::<Option<Vec<_>>>();
        wallets
            .filter(|wallets| value.is_string() && wallets.len() <= LIST_WALLETS_MAX)
            .ok_or_else(|| self.wrong("wallets_to_route", "addresses, separated by commas"))
    }

    fn name(&self, url: &Url) -> Result<WriterName, ListError> {
        let expects = "1 to 64 of A-Z a-z 0-9 . _ - (it may be absent if the URL's host is short)";
        let wrong = || self.wrong("name", expects);
        let name = match self.get("name") {
            Some(name) => name.as_str().and_then(|name| name.parse().ok()),
            None => name_of(url).parse().ok(),
        };
        name.ok_or_else(wrong)
    }
}

/// The name of a writer that was not given one.
fn name_of(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    let port = url.port().map(|port| format!("-{port}")).unwrap_or_default();
    let plain = |c: char| if c.is_ascii_alphanumeric() || ".-_".contains(c) { c } else { '-' };
    host.chars().map(plain).chain(port.chars()).collect()
}

#[cfg(test)]
mod tests;
