//! Query strings of the GET routes (contract §3). Bad input names the parameter.

use rota_schedule::{Bounds, Cursor, PAGE_BYTES_MAX, PAGE_LIMIT_MAX, PageQuery, ProcessId};
use std::borrow::Cow;
use url::form_urlencoded;

/// A query parameter that cannot be what it must be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum QueryError {
    /// It is no id.
    #[error("{0} must be an id of 43 base64url characters")]
    NotAnId(&'static str),
    /// It is no number.
    #[error("{0} must be a whole number from 0 to 18446744073709551615")]
    NotANumber(&'static str),
    /// A page without entries was asked for.
    #[error("limit must be a whole number from 1, at most {PAGE_LIMIT_MAX} are served")]
    Limit,
    /// One of a pair is missing.
    #[error("{given} was given without {missing}")]
    Incomplete {
        /// What was there.
        given: &'static str,
        /// What must come with it.
        missing: &'static str,
    },
}

/// The parameter by which a client asks for a page of fewer bytes: one that cannot take a large answer.
const BYTES_MAX: &str = "bytes-max";

/// The query of `GET /{id}`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ReadQuery {
    /// The process to look in, if the id is a message's.
    pub process: Option<ProcessId>,
    /// Which page, if the id is a process's.
    pub page: PageQuery,
    /// Show the anchor of an assignment even if it is not text.
    pub show_anchor: bool,
}

impl ReadQuery {
    /// Reads a raw query string. Unknown parameters are ignored and empty values count as absent:
    /// both are live among clients.
    ///
    /// # Errors
    /// The first parameter that is malformed.
    pub fn parse(raw: Option<&str>) -> Result<Self, QueryError> {
        let mut query = Self::default();
        let mut bounds = Bounds::default();
        for (name, value) in pairs(raw) {
            if name == "show-anchor" {
                query.show_anchor = true;
                continue;
            }
            if value.is_empty() {
                continue;
            }
            match name.as_ref() {
                "process-id" | "proc-id" => query.process = Some(id("process-id", &value)?),
                "from" => bounds.after_time = after("from", &value)?,
                "to" => bounds.to_time = Some(number("to", &value)?),
                "from-nonce" => bounds.after_nonce = after("from-nonce", &value)?,
                "to-nonce" => bounds.to_nonce = Some(number("to-nonce", &value)?),
                "limit" => query.page.limit = limit(&value)?,
                BYTES_MAX => query.page.bytes_max = bytes_max(&value)?,
                _ => {}
            }
            if matches!(name.as_ref(), "from-nonce" | "to-nonce") {
                query.page.cursor = Cursor::Nonce;
            }
        }
        query.page.bounds = bounds;
        Ok(query)
    }
}

/// The `process-id` (or `proc-id`) of a query, as `/timestamp` and `/` take it: of several the last, as
/// everywhere.
///
/// # Errors
/// [`QueryError::NotAnId`] if one is there and no id.
pub fn process_parameter(raw: Option<&str>) -> Result<Option<ProcessId>, QueryError> {
    pairs(raw)
        .filter(|(name, value)| {
            matches!(name.as_ref(), "process-id" | "proc-id") && !value.is_empty()
        })
        .try_fold(None, |_, (_, value)| id("process-id", &value).map(Some))
}

/// The names and values of a raw query string.
pub(crate) fn pairs(raw: Option<&str>) -> impl Iterator<Item = (Cow<'_, str>, Cow<'_, str>)> {
    form_urlencoded::parse(raw.unwrap_or_default().as_bytes())
}

/// Reads an id of whatever kind the caller wants.
pub(crate) fn id<T: std::str::FromStr>(name: &'static str, value: &str) -> Result<T, QueryError> {
    value.parse().map_err(|_| QueryError::NotAnId(name))
}

fn number(name: &'static str, value: &str) -> Result<u64, QueryError> {
    let digits = value.bytes().all(|byte| byte.is_ascii_digit());
    value.parse().ok().filter(|_| digits).ok_or(QueryError::NotANumber(name))
}

/// An exclusive lower bound; -1 lies below everything, so it does not bound.
fn after(name: &'static str, value: &str) -> Result<Option<u64>, QueryError> {
    if value == "-1" {
        return Ok(None);
    }
    number(name, value).map(Some)
}

fn limit(value: &str) -> Result<u32, QueryError> {
    match number("limit", value) {
        Ok(0) | Err(_) => Err(QueryError::Limit),
        Ok(limit) => Ok(u32::try_from(limit).unwrap_or(PAGE_LIMIT_MAX).min(PAGE_LIMIT_MAX)),
    }
}

/// More than a server serves is clamped.
fn bytes_max(value: &str) -> Result<usize, QueryError> {
    let bytes = number(BYTES_MAX, value)?;
    Ok(usize::try_from(bytes).unwrap_or(PAGE_BYTES_MAX).min(PAGE_BYTES_MAX))
}

/// The same question for a page of at most `max` bytes. A client that asks for fewer gets fewer.
#[must_use]
pub fn with_bytes_max(raw: Option<&str>, max: usize) -> String {
    let asked = pairs(raw).filter(|(name, value)| name == BYTES_MAX && !value.is_empty());
    let asked = asked.last().and_then(|(_, value)| bytes_max(&value).ok());
    let bound = format!("{BYTES_MAX}={}", asked.unwrap_or(max).min(max));
    match raw {
        Some(raw) if !raw.is_empty() => format!("{raw}&{bound}"),
        _ => bound,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(raw: &str) -> Result<ReadQuery, QueryError> {
        ReadQuery::parse(Some(raw))
    }

    #[test]
    fn an_absent_query_is_the_first_hundred_by_timestamp() {
        let query = ReadQuery::parse(None).unwrap();
        assert_eq!((query.page.limit, query.page.cursor), (100, Cursor::Timestamp));
        assert_eq!(query.page.bounds, Bounds::default());
    }

    #[test]
    fn any_nonce_parameter_makes_the_cursor_a_nonce() {
        for raw in ["from-nonce=3", "to-nonce=9", "from=1&to-nonce=9", "from-nonce=-1"] {
            assert_eq!(parse(raw).unwrap().page.cursor, Cursor::Nonce, "{raw}");
        }
        assert_eq!(parse("from=1&to=2").unwrap().page.cursor, Cursor::Timestamp);
    }

    #[test]
    fn minus_one_is_below_the_process_itself() {
        assert_eq!(parse("from-nonce=-1").unwrap().page.bounds.after_nonce, None);
        assert_eq!(parse("from-nonce=0").unwrap().page.bounds.after_nonce, Some(0));
    }

    #[test]
    fn limits_are_clamped_above_and_refused_below() {
        assert_eq!(parse("limit=1000").unwrap().page.limit, 1000);
        assert_eq!(parse("limit=5000000000").unwrap().page.limit, PAGE_LIMIT_MAX);
        for raw in [
            "limit=0",
            "limit=-1",
            "limit=ten",
            "limit=1e3",
            "limit=99999999999999999999999",
            "limit=+5",
        ] {
            assert_eq!(parse(raw), Err(QueryError::Limit), "{raw}");
        }
    }

    #[test]
    fn bytes_are_clamped_above_and_none_means_one_entry() {
        assert_eq!(parse("").unwrap().page.bytes_max, PAGE_BYTES_MAX);
        assert_eq!(parse("bytes-max=4194304").unwrap().page.bytes_max, 4 << 20);
        assert_eq!(parse("bytes-max=0").unwrap().page.bytes_max, 0);
        assert_eq!(parse("bytes-max=99999999999").unwrap().page.bytes_max, PAGE_BYTES_MAX);
    }

    #[test]
    fn a_bound_that_is_added_never_raises_the_clients() {
        for (raw, bounded) in [
            (None, "bytes-max=9"),
            (Some(""), "bytes-max=9"),
            (Some("limit=2"), "limit=2&bytes-max=9"),
            (Some("bytes-max=5"), "bytes-max=5&bytes-max=5"),
            (Some("bytes-max=50&bytes-max="), "bytes-max=50&bytes-max=&bytes-max=9"),
        ] {
            assert_eq!(with_bytes_max(raw, 9), bounded);
            assert!(parse(bounded).unwrap().page.bytes_max <= 9, "the last one counts");
        }
    }

    #[test]
    fn malformed_parameters_are_named() {
        for (raw, name) in [
            ("bytes-max=4MiB", "bytes-max"),
            ("from=x", "from"),
            ("to=-5", "to"),
            ("from-nonce=-2", "from-nonce"),
            ("to-nonce=1.5", "to-nonce"),
        ] {
            assert_eq!(parse(raw), Err(QueryError::NotANumber(name)), "{raw}");
        }
        assert_eq!(parse("process-id=abc"), Err(QueryError::NotAnId("process-id")));
        assert_eq!(parse("proc-id=%ff%00"), Err(QueryError::NotAnId("process-id")));
    }

    #[test]
    fn both_names_of_the_process_and_empty_values_are_understood() {
        let id = "fOi3N1_9VdYG_skzQBL7b2GARdK53mHd5eBFYZtpFqY";
        for raw in [format!("process-id={id}"), format!("proc-id={id}&from=&limit=")] {
            assert_eq!(parse(&raw).unwrap().process.unwrap().to_string(), id);
            assert_eq!(process_parameter(Some(&raw)).unwrap().unwrap().to_string(), id);
        }
        for bad in [format!("process-id={id}&proc-id=x"), format!("proc-id=x&process-id={id}")] {
            assert!(process_parameter(Some(&bad)).is_err() && parse(&bad).is_err(), "{bad}");
        }
        assert!(parse("show-anchor").unwrap().show_anchor);
    }
}
