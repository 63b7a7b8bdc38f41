//! CloudWatch's alarms as it evaluates them, over what a process logs: a test causes what an alarm of the
//! templates watches, and sees that it fires.
//!
//! A metric counts only if the log line is in the embedded metric format and declares it under the alarm's
//! namespace and exactly its dimensions, as CloudWatch would take it in. What an alarm says that is not known
//! here is refused: it would be evaluated in another way than tried.

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

/// Seconds between two lines of a writer's metrics log, as the templates say (`METRICS_LOG_INTERVAL`). Tests
/// let them come sooner; each stands for as long.
pub const LINE_SECONDS: usize = 60;
/// All that an alarm may say.
const KNOWN: [&str; 14] = [
    "AlarmName",
    "AlarmDescription",
    "Namespace",
    "MetricName",
    "Dimensions",
    "Statistic",
    "ExtendedStatistic",
    "ComparisonOperator",
    "Threshold",
    "Period",
    "EvaluationPeriods",
    "TreatMissingData",
    "AlarmActions",
    "OKActions",
];

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
    /// How many minutes one value of the statistic is of.
    period: usize,
    /// How many such values it looks at.
    periods: usize,
    missing_breaches: bool,
}

/// What was logged in [`LINE_SECONDS`].
pub type Minute = Vec<Value>;

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
        for name in made.as_object().unwrap().keys() {
            assert!(KNOWN.contains(&name.as_str()), "{name} is not known here");
        }
        let number = |name: &str| value(&made[name]).parse::<usize>().unwrap();
        let seconds = number("Period");
        assert!(seconds > 0 && seconds % LINE_SECONDS == 0, "no line stands for {seconds} s");
        let dimensions = made["Dimensions"].as_array().unwrap().iter();
        let statistic = made.get("Statistic").unwrap_or(&made["ExtendedStatistic"]);
        Self {
            metric: (value(&made["Namespace"]), value(&made["MetricName"])),
            dimensions: dimensions.map(|one| (value(&one["Name"]), value(&one["Value"]))).collect(),
            statistic: value(statistic),
            comparison: value(&made["ComparisonOperator"]),
            threshold: value(&made["Threshold"]).parse().unwrap(),
            period: seconds / LINE_SECONDS,
            periods: number("EvaluationPeriods"),
            missing_breaches: match value(&made["TreatMissingData"]).as_str() {
                "breaching" => true,
                "notBreaching" => false,
                other => panic!("{other} is not known here"),
            },
        }
    }

    /// The number of minutes that it looks at.
    #[must_use]
    pub const fn minutes(&self) -> usize {
        self.period * self.periods
    }

    /// Whether it is in alarm after these minutes: each of the newest periods that it looks at is beyond its
    /// threshold.
    #[must_use]
    pub fn fires(&self, minutes: &[Minute]) -> bool {
        let Some(rest) = minutes.len().checked_sub(self.minutes()) else { return false };
        self.sees(&minutes[rest..]).into_iter().all(|found| self.is_breached(found))
    }

    /// What it sees in each whole period of these minutes, counted from the last one.
    #[must_use]
    pub fn sees(&self, minutes: &[Minute]) -> Vec<Option<f64>> {
        let values = |period: &[Minute]| {
            period.iter().flatten().filter_map(|line| self.value_in(line)).collect()
        };
        let whole = &minutes[minutes.len() % self.period..];
        whole.chunks(self.period).map(|period| self.statistic_of(values(period))).collect()
    }

    fn is_breached(&self, found: Option<f64>) -> bool {
        let Some(found) = found else { return self.missing_breaches };
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

/// The names of the alarms that fire if things go on as in this minute.
#[must_use]
pub fn firing(alarms: &BTreeMap<String, Alarm>, minute: &Minute) -> Vec<String> {
    let fires = |alarm: &Alarm| alarm.fires(&vec![minute.clone(); alarm.minutes()]);
    alarms.iter().filter(|(_, alarm)| fires(alarm)).map(|(name, _)| name.clone()).collect()
}

/// What a function logs while `once` asks it something, `times` over.
///
/// # Panics
/// It does not log a line each time.
pub async fn lines_of(function: &Lambda, times: usize, mut once: impl AsyncFnMut()) -> Minute {
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

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    /// The count `n` of `w` in `space` is 3 or more, so many times a period of so many seconds.
    fn made(seconds: usize, times: usize) -> Value {
        json!({
            "Namespace": "space", "MetricName": "n", "Dimensions": [{"Name": "d", "Value": "w"}],
            "Statistic": "Sum", "ComparisonOperator": "GreaterThanOrEqualToThreshold",
            "Threshold": 3, "Period": seconds, "EvaluationPeriods": times,
            "TreatMissingData": "notBreaching",
        })
    }

    fn alarm(made: &Value) -> Alarm {
        Alarm::of(made, |value| resolve(value, &Value::Null, &BTreeMap::new()))
    }

    fn line(namespace: &str, number: u64) -> Value {
        let directive =
            json!({"Namespace": namespace, "Dimensions": [["d"]], "Metrics": [{"Name": "n"}]});
        json!({"_aws": {"CloudWatchMetrics": [directive]}, "d": "w", "n": number})
    }

    fn minutes(numbers: &[u64]) -> Vec<Minute> {
        numbers.iter().map(|number| vec![line("space", *number)]).collect()
    }

    #[test]
    fn a_period_is_as_many_lines_as_it_has_minutes() {
        let each = alarm(&made(60, 3));
        assert_eq!(each.minutes(), 3);
        assert!(each.fires(&minutes(&[0, 3, 4, 3])));
        assert!(!each.fires(&minutes(&[9, 0, 9])) && !each.fires(&minutes(&[9, 9])));

        let together = alarm(&made(180, 1));
        assert_eq!(together.minutes(), 3);
        for wide in [[3, 0, 0], [1, 1, 1], [0, 0, 3]] {
            assert!(together.fires(&minutes(&wide)), "{wide:?}");
        }
        assert!(!together.fires(&minutes(&[9, 0, 0, 0])), "that is over");
        assert!(!together.fires(&minutes(&[9, 9])), "not a whole period yet");
        let twice = alarm(&made(120, 2));
        assert!(twice.fires(&minutes(&[9, 0, 3, 3, 0])));
        assert!(!twice.fires(&minutes(&[3, 0, 0, 0])));
    }

    #[test]
    fn what_another_stack_logs_does_not_count() {
        let alarm = alarm(&made(60, 1));
        assert!(!alarm.fires(&[vec![line("other", 9)]]));
        assert!(alarm.fires(&[vec![line("other", 9), line("space", 3)]]));
    }

    #[test]
    fn what_is_not_known_here_is_refused() {
        for (name, value) in [
            ("DatapointsToAlarm", json!(1)),
            ("TreatMissingData", json!("ignore")),
            ("TreatMissingData", Value::Null),
            ("Period", json!(90)),
            ("Period", json!(10)),
            ("Period", Value::Null),
        ] {
            let mut made = made(60, 1);
            made[name] = value;
            let refused = std::panic::catch_unwind(|| alarm(&made));
            assert!(refused.is_err(), "{name}: {}", made[name]);
        }
    }
}
