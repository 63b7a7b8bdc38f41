//! One JSON line a measurement.
#![expect(clippy::disallowed_macros, reason = "the bench's output is its standard output")]

use serde_json::{Map, Value, json};

/// What a number must be.
#[derive(Clone, Copy)]
pub(crate) enum Target {
    /// At the least.
    Min(f64),
    /// At the most.
    Max(f64),
}

/// Prints measurements and counts missed targets.
pub(crate) struct Report {
    filter: Option<String>,
    missed: usize,
}

impl Report {
    /// With a filter, only benches whose name contains it are wanted.
    pub(crate) fn new(filter: Option<String>) -> Self {
        Self { filter, missed: 0 }
    }

    /// True if the bench is to run.
    pub(crate) fn wants(&self, name: &str) -> bool {
        self.filter.as_ref().is_none_or(|filter| name.contains(filter.as_str()))
    }

    /// How many targets were missed.
    pub(crate) fn missed(&self) -> usize {
        self.missed
    }

    /// One measurement without a target.
    pub(crate) fn fact(&self, name: &str, facts: Value) {
        print(name, facts, &[]);
    }

    /// One measurement with the targets it is held against: name of the number, value, target.
    pub(crate) fn judged(&mut self, name: &str, facts: Value, judged: &[(&str, f64, Target)]) {
        let verdicts: Vec<(String, Value)> = judged
            .iter()
            .flat_map(|(number, value, target)| {
                let (bound, met) = match *target {
                    Target::Min(min) => (format!(">= {min}"), *value >= min),
                    Target::Max(max) => (format!("<= {max:.3}"), *value <= max),
                };
                self.missed += usize::from(!met);
                [
                    ((*number).to_owned(), rounded(*value)),
                    (format!("{number}_target"), json!(bound)),
                    (format!("{number}_met"), json!(met)),
                ]
            })
            .collect();
        print(name, facts, &verdicts);
    }
}

/// Four significant digits are more than any of this is worth.
pub(crate) fn rounded(value: f64) -> Value {
    if value == 0.0 {
        return json!(0);
    }
    let scale = 10f64.powf(3.0 - value.abs().log10().floor());
    json!((value * scale).round() / scale)
}

fn print(name: &str, facts: Value, verdicts: &[(String, Value)]) {
    let mut line = Map::new();
    line.insert("bench".to_owned(), json!(name));
    if let Value::Object(facts) = facts {
        line.extend(facts);
    }
    line.extend(verdicts.iter().cloned());
    println!("{}", Value::Object(line));
}
