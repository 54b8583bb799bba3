//! What rules and dashboards ask a Prometheus.

use std::fs;

use serde_json::Value;

use crate::programs::deploy;

/// One question.
#[derive(Debug)]
pub(super) struct Expression {
    /// Where it stands.
    pub(super) place: String,
    pub(super) text: String,
    pub(super) is_alert: bool,
}

impl Expression {
    /// The series that it is about: names with what stands in braces behind them.
    pub(super) fn selectors(&self) -> Vec<String> {
        let mut selectors = Vec::new();
        let mut rest = self.text.as_str();
        while let Some(at) = rest.find("hallpass_") {
            let is_name = |it: char| it.is_ascii_alphanumeric() || it == '_' || it == ':';
            // Recorded series have what they are by before their name, as in `job:hallpass_...`.
            let before = rest[..at].trim_end_matches(is_name).len();
            let name = &rest[before..];
            let end = name.find(|it| !is_name(it)).unwrap_or(name.len());
            let behind = &name[end..];
            let braces = match behind.starts_with('{') {
                true => behind.find('}').map_or(0, |it| it + 1),
                false => 0,
            };
            selectors.push(name[..end + braces].to_owned());
            rest = &behind[braces..];
        }
        selectors
    }
}

/// Each panel of each dashboard, for all jobs.
pub(super) fn dashboards() -> Vec<Expression> {
    let folder = deploy().join("grafana/dashboards");
    let mut all = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let dashboard = fs::read_to_string(&path).unwrap();
        let dashboard: Value = serde_json::from_str(&dashboard).unwrap();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        collect(&name, &dashboard, &mut all);
    }
    assert!(all.len() > 30, "{} panels", all.len());
    all
}

fn collect(place: &str, value: &Value, all: &mut Vec<Expression>) {
    match value {
        Value::Object(members) => {
            if let Some(text) = members.get("expr").and_then(Value::as_str) {
                all.push(Expression {
                    place: place.to_owned(),
                    text: text.replace("$job", ".+").replace("$__rate_interval", "1m"),
                    is_alert: false,
                });
            }
            members.values().for_each(|it| collect(place, it, all));
        }
        Value::Array(items) => items.iter().for_each(|it| collect(place, it, all)),
        _ => {}
    }
}

#[test]
fn the_series_of_a_question_are_found() {
    let of = |text: &str| {
        let expression = Expression {
            place: String::new(),
            text: text.to_owned(),
            is_alert: true,
        };
        expression.selectors()
    };
    assert_eq!(
        of(
            "sum by (job) (rate(hallpass_a_total{result!=\"ok\"}[5m])) / job:hallpass_b:rate5m > 1 or hallpass_c"
        ),
        [
            "hallpass_a_total{result!=\"ok\"}",
            "job:hallpass_b:rate5m",
            "hallpass_c"
        ]
    );
    assert!(of("up == 0").is_empty());
}
