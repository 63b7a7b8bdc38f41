//! CloudWatch's alarms as it evaluates them, over what a process logs: a test causes what an alarm of the
//! templates watches, and sees that it fires.
//!
//! A metric counts only if the log line is in the embedded metric format and declares it under the alarm's
//! namespace and exactly its dimensions, as CloudWatch would take it in.

use crate::lambda::Lambda;
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

/// What turns a template into JSON, intrinsic functions in their long form.
const READ_TEMPLATE: &str = "import sys, json\n\
    from cfnlint.decode import cfn_yaml\n\
    print(json.dumps(cfn_yaml.load(sys.argv[1])))";

/// A template of `infra/`, as JSON.
///
/// # Panics
/// It is none, or the Python tools are not installed.
#[must_use]
pub fn template(name: &str) -> Value {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let python = root.join("target/tools/bin/python");
    let path = root.join("infra").join(name);
    let output = Command::new(python).args(["-c", READ_TEMPLATE]).arg(path).output();
    let output = output.expect("the Python tools are not installed: run .ci/setup");
    assert!(output.status.success(), "{name}: {}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// How long what was logged may be on its way.
const LOGGED_MAX: Duration = Duration::from_secs(10);

/// An alarm on a metric.
#[derive(Clone, Debug)]
pub struct Alarm {
    /// Namespace and name.
    pub metric: (String, String),
    dimensions: BTreeMap<String, String>,
    statistic: String,
    comparison: String,
    threshold: f64,
    periods: usize,
    missing_breaches: bool,
}

/// The lines that a process logged in one period of an alarm.
pub type Period = Vec<Value>;

impl Alarm {
    /// The alarms of a template, with these parameters over its defaults.
    ///
    /// # Panics
    /// A part of one is missing, or not known here.
    #[must_use]
    pub fn all(name: &str, parameters: &[(&str, &str)]) -> BTreeMap<String, Self> {
        let template = template(name);
        let given: BTreeMap<&str, &str> = parameters.iter().copied().collect();
        let value = |value: &Value| resolve(value, &template["Parameters"], &given);
        let resources = template["Resources"].as_object().unwrap().iter();
        let alarms = resources.filter(|(_, made)| made["Type"] == "AWS::CloudWatch::Alarm");
        alarms.map(|(name, made)| (name.clone(), Self::of(&made["Properties"], value))).collect()
    }

    fn of(made: &Value, value: impl Fn(&Value) -> String) -> Self {
        let dimensions = made["Dimensions"].as_array().unwrap().iter();
        let statistic = made.get("Statistic").unwrap_or(&made["ExtendedStatistic"]);
        Self {
            metric: (value(&made["Namespace"]), value(&made["MetricName"])),
            dimensions: dimensions.map(|one| (value(&one["Name"]), value(&one["Value"]))).collect(),
            statistic: value(statistic),
            comparison: value(&made["ComparisonOperator"]),
            threshold: value(&made["Threshold"]).parse().unwrap(),
            periods: value(&made["EvaluationPeriods"]).parse().unwrap(),
            missing_breaches: value(&made["TreatMissingData"]) == "breaching",
        }
    }

    /// The number of periods that it looks at.
    #[must_use]
    pub const fn periods(&self) -> usize {
        self.periods
    }

    /// Whether it is in alarm after these periods: each of the newest ones that it looks at is beyond its
    /// threshold.
    #[must_use]
    pub fn fires(&self, periods: &[Period]) -> bool {
        let newest = periods.iter().rev().take(self.periods);
        periods.len() >= self.periods && newest.into_iter().all(|period| self.is_breached(period))
    }

    /// What it sees in each of these periods.
    #[must_use]
    pub fn sees(&self, periods: &[Period]) -> Vec<Option<f64>> {
        let values =
            |period: &Period| period.iter().filter_map(|line| self.value_in(line)).collect();
        periods.iter().map(|period| self.statistic_of(values(period))).collect()
    }

    fn is_breached(&self, period: &Period) -> bool {
        let Some(found) = self.sees(std::slice::from_ref(period)).remove(0) else {
            return self.missing_breaches;
        };
        match self.comparison.as_str() {
            "GreaterThanOrEqualToThreshold" => found >= self.threshold,
            "LessThanThreshold" => found < self.threshold,
            other => panic!("{other} is not known here"),
        }
    }

    fn statistic_of(&self, mut values: Vec<f64>) -> Option<f64> {
        values.sort_by(f64::total_cmp);
        let (least, most) = (*values.first()?, *values.last()?);
        Some(match self.statistic.as_str() {
            "Sum" => values.iter().sum(),
            "Maximum" => most,
            "Minimum" => least,
            "p99" => values[(values.len() * 99).div_ceil(100) - 1],
            other => panic!("{other} is not known here"),
        })
    }

    /// What a line says of the metric.
    fn value_in(&self, line: &Value) -> Option<f64> {
        let (namespace, name) = &self.metric;
        let declared = line["_aws"]["CloudWatchMetrics"].as_array()?.iter().any(|declared| {
            let is_named = |sets: &Value| sets["Name"] == name.as_str();
            declared["Namespace"] == namespace.as_str()
                && declared["Dimensions"]
                    .as_array()
                    .is_some_and(|sets| sets.iter().any(|set| self.has(set)))
                && declared["Metrics"].as_array().is_some_and(|all| all.iter().any(is_named))
        });
        let of_these = self.dimensions.iter().all(|(name, value)| line[name] == value.as_str());
        (declared && of_these).then(|| line[name].as_f64()).flatten()
    }

    fn has(&self, set: &Value) -> bool {
        let names: Vec<_> =
            set.as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        names.len() == self.dimensions.len()
            && names.iter().all(|name| self.dimensions.contains_key(*name))
    }
}

/// The names of the alarms that fire if things go on as in this period.
#[must_use]
pub fn firing(alarms: &BTreeMap<String, Alarm>, period: &Period) -> Vec<String> {
    let fires = |alarm: &Alarm| alarm.fires(&vec![period.clone(); alarm.periods()]);
    alarms.iter().filter(|(_, alarm)| fires(alarm)).map(|(name, _)| name.clone()).collect()
}

/// What a function logs while `once` asks it something, `times` over.
///
/// # Panics
/// It does not log a line each time.
pub async fn lines_of(function: &Lambda, times: usize, mut once: impl AsyncFnMut()) -> Period {
    let lines = || metrics_lines(&function.printed());
    let before = lines().len();
    for _ in 0..times {
        once().await;
    }
    // What it printed comes by way of a pipe.
    let until = Instant::now() + LOGGED_MAX;
    while lines().len() < before + times {
        assert!(Instant::now() < until, "it logs less: {}", function.printed());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    lines().split_off(before)
}

/// The metrics lines of what a process printed.
#[must_use]
pub fn metrics_lines(printed: &str) -> Vec<Value> {
    let lines = printed.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    lines.filter(|line| line.get("_aws").is_some()).collect()
}

/// A literal, or what a parameter says.
fn resolve(value: &Value, parameters: &Value, given: &BTreeMap<&str, &str>) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        other if other["Fn::Sub"].is_string() => {
            let text = other["Fn::Sub"].as_str().unwrap_or_default();
            let (name, rest) = text.trim_start_matches("${").split_once('}').expect("${NAME}…");
            resolve(&serde_json::json!({ "Ref": name }), parameters, given) + rest
        }
        other => {
            let name = other["Ref"].as_str().unwrap_or_else(|| panic!("{other} is not known here"));
            let default = || resolve(&parameters[name]["Default"], parameters, given);
            given.get(name).map_or_else(default, ToString::to_string)
        }
    }
}
