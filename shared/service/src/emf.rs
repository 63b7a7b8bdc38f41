//! Metrics without anything to scrape: lines of JSON in CloudWatch's embedded metric format (EMF), which
//! CloudWatch turns into metrics as it takes in the log.
//!
//! One line has one dimension, numbers under flat names, and what the format allows at most
//! ([`METRICS_MAX`]). It must not know what is measured.

use crate::{ConfigError, Env, Setting};
use serde_json::{Map, Value, json};
use std::borrow::Cow;
use std::io::Write as _;
use std::sync::Arc;

/// The namespace of metrics unless configured otherwise.
const NAMESPACE_DEFAULT: &str = "rota";
/// The most characters of a namespace (CloudWatch, `PutMetricData`).
const NAMESPACE_MAX: usize = 255;
/// The most metrics that a line may declare (EMF specification, `Metrics`).
pub const METRICS_MAX: usize = 100;

/// What metrics of one installation are told apart by from those of another: names of writers and functions
/// are the same everywhere, and one alarm must not be answered for by the other's metrics.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Namespace(Arc<str>);

impl Namespace {
    /// `METRICS_NAMESPACE`.
    ///
    /// # Errors
    /// CloudWatch would not take it.
    pub fn read(env: &mut Env) -> Result<Self, ConfigError> {
        env.or("METRICS_NAMESPACE", Self::default())
    }
}

impl Default for Namespace {
    fn default() -> Self {
        Self(NAMESPACE_DEFAULT.into())
    }
}

impl Setting for Namespace {
    const EXPECTS: &'static str = "1 to 255 letters, digits and . - _ / # :, which begin neither \
                                   with : nor with AWS/";

    fn parse(text: &str) -> Option<Self> {
        let is_allowed = |c: char| c.is_ascii_alphanumeric() || ".-_/#:".contains(c);
        let is_taken = text.starts_with(':') || text.starts_with("AWS/");
        let fits = (1..=NAMESPACE_MAX).contains(&text.len());
        (fits && !is_taken && text.chars().all(is_allowed)).then(|| Self(text.into()))
    }

    fn show(&self) -> String {
        self.0.to_string()
    }
}

/// What a number counts, in the words of CloudWatch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// Things.
    Count,
    /// Seconds.
    Seconds,
    /// Milliseconds.
    Milliseconds,
    /// Bytes.
    Bytes,
    /// Hundredths.
    Percent,
}

impl Unit {
    /// As CloudWatch has it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Count => "Count",
            Self::Seconds => "Seconds",
            Self::Milliseconds => "Milliseconds",
            Self::Bytes => "Bytes",
            Self::Percent => "Percent",
        }
    }
}

/// A line that is being put together.
#[derive(Debug)]
pub struct Line {
    namespace: Namespace,
    dimension: &'static str,
    members: Map<String, Value>,
    declared: Vec<Value>,
}

impl Line {
    /// A line of the `value` of a dimension. Its values must be few: each is a metric of its own.
    #[must_use]
    pub fn of(namespace: &Namespace, dimension: &'static str, value: &str) -> Self {
        let members = Map::from_iter([(dimension.to_owned(), value.into())]);
        Self { namespace: namespace.clone(), dimension, members, declared: Vec::new() }
    }

    /// Adds a metric. What is no number (NaN, infinite) or above [`METRICS_MAX`] is left out: the whole line
    /// would not count.
    pub fn metric(&mut self, name: impl Into<Cow<'static, str>>, unit: Unit, value: f64) {
        let Some(number) = number(value).filter(|_| self.declared.len() < METRICS_MAX) else {
            return;
        };
        let name = name.into();
        self.declared.push(json!({"Name": name, "Unit": unit.name()}));
        self.members.insert(name.into_owned(), number);
    }

    /// Adds what is shown with the line and is no metric.
    pub fn property(&mut self, name: &'static str, value: impl Into<Value>) {
        self.members.insert(name.to_owned(), value.into());
    }

    /// The line without its end, as of `now` (milliseconds since 1970).
    #[must_use]
    pub fn text(self, now: u64) -> String {
        let Self { namespace, dimension, mut members, declared } = self;
        let directive =
            json!({"Namespace": &*namespace.0, "Dimensions": [[dimension]], "Metrics": declared});
        members
            .insert("_aws".to_owned(), json!({"Timestamp": now, "CloudWatchMetrics": [directive]}));
        Value::Object(members).to_string()
    }
}

/// Whole numbers as such: they are read by people, too.
fn number(value: f64) -> Option<Value> {
    const EXACT_MAX: f64 = (1_u64 << 53) as f64;
    if value.fract() == 0.0 && value.abs() < EXACT_MAX {
        return Some((value as i64).into());
    }
    serde_json::Number::from_f64(value).map(Value::Number)
}

/// Writes a line to standard output, which a Lambda's log and a container's take in line by line. A line
/// that cannot be written is lost.
pub fn stdout(line: &str) {
    let mut out = std::io::stdout().lock();
    if let Err(error) = writeln!(out, "{line}").and_then(|()| out.flush()) {
        tracing::debug!(%error, "cannot write metrics");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_declares_what_it_holds() {
        let namespace = Namespace::parse("rota-dev").unwrap();
        let mut line = Line::of(&namespace, "writer", "su-1");
        line.metric("entries", Unit::Count, 3.0);
        line.metric("sign_p99_ms".to_owned(), Unit::Milliseconds, 1.25);
        line.property("status", 200);
        let line: Value = serde_json::from_str(&line.text(1_700_000_000_000)).unwrap();
        let expected = json!({
            "_aws": {
                "Timestamp": 1_700_000_000_000_u64,
                "CloudWatchMetrics": [{
                    "Namespace": "rota-dev",
                    "Dimensions": [["writer"]],
                    "Metrics": [
                        {"Name": "entries", "Unit": "Count"},
                        {"Name": "sign_p99_ms", "Unit": "Milliseconds"},
                    ],
                }],
            },
            "writer": "su-1", "entries": 3, "sign_p99_ms": 1.25, "status": 200,
        });
        assert_eq!(line, expected);
    }

    #[test]
    fn a_namespace_is_one_that_cloudwatch_takes() {
        let read =
            |text: &str| Namespace::read(&mut Env::from_pairs([("METRICS_NAMESPACE", text)]));
        assert_eq!(read(" ").unwrap().show(), "rota");
        let longest = "n".repeat(NAMESPACE_MAX);
        for text in ["r", "rota-dev", "a.b_c/d#e:9", &longest] {
            assert_eq!(read(text).unwrap().show(), text);
        }
        let longer = "n".repeat(NAMESPACE_MAX + 1);
        for text in ["two words", "a\"b", "größe", ":rota", "AWS/Lambda", "a,b", &longer] {
            let error = read(text).unwrap_err().to_string();
            assert!(error.starts_with("METRICS_NAMESPACE is "), "{error}");
        }
    }

    #[test]
    fn what_would_spoil_a_line_is_left_out() {
        let mut line = Line::of(&Namespace::default(), "writer", "su-1");
        for value in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            line.metric("bad", Unit::Bytes, value);
        }
        for index in 0..METRICS_MAX + 5 {
            line.metric(format!("m{index}"), Unit::Percent, 1e300);
        }
        let line: Value = serde_json::from_str(&line.text(0)).unwrap();
        assert!(line.get("bad").is_none() && line.get("m100").is_none());
        let declared = &line["_aws"]["CloudWatchMetrics"][0]["Metrics"];
        assert_eq!(declared.as_array().unwrap().len(), METRICS_MAX);
    }
}
