//! Each alert says all that whoever is woken by it needs, has an entry in the runbook and a test; rules and dashboards name metrics that exist.

use std::collections::BTreeSet;
use std::io;

use crate::assert_tidy;
use crate::tree::{self, SourceFile};

const RULES: &str = "deploy/prometheus/rules/";
const TESTS: &str = "deploy/prometheus/tests/";
const RUNBOOK: &str = "docs/runbook.md";
/// What the name of an alert begins with, so that it is found in the runbook.
const ALERT: &str = "Hallpass";
/// Series of a histogram, beside its name.
const OF_HISTOGRAMS: [&str; 3] = ["_bucket", "_sum", "_count"];

/// One alert of a rule file: its name, and the lines below it.
#[derive(Debug)]
struct Alert {
    name: String,
    lines: Vec<String>,
}

#[test]
fn each_alert_says_what_it_is_and_has_an_entry_and_a_test() {
    let files = files_below(RULES, &[".yaml"]).unwrap();
    let alerts: Vec<Alert> = files.iter().flat_map(alerts).collect();
    assert!(alerts.len() > 20, "{} alerts", alerts.len());
    let runbook = tree::file(RUNBOOK).unwrap();
    let tests = files_below(TESTS, &[".yaml"]).unwrap();
    let mut problems = problems_of(&alerts, &runbook.text);
    let tested = |alert: &Alert, expected: &str| {
        let case = format!("alertname: {}\n        exp_alerts:{expected}", alert.name);
        tests.iter().any(|file| file.text.contains(&case))
    };
    for alert in &alerts {
        if !tested(alert, " []\n") {
            problems.push(format!("{}: no test says when not", alert.name));
        }
        if !tested(alert, "\n") {
            problems.push(format!("{}: no test has it fire", alert.name));
        }
    }
    assert_tidy(&problems);
}

#[test]
fn rules_and_dashboards_name_metrics_that_are_in_the_list() {
    let listed = tree::file("docs/metrics.md").unwrap().text;
    let mut files = files_below(RULES, &[".yaml"]).unwrap();
    files.extend(files_below("deploy/grafana/", &[".json"]).unwrap());
    let problems: Vec<_> = files.iter().flat_map(|it| unlisted(it, &listed)).collect();
    assert_tidy(&problems);
}

#[test]
fn an_alert_without_an_entry_and_an_entry_without_an_alert_are_found() {
    let file = SourceFile::new(
        "deploy/prometheus/rules/x.yaml",
        "      - alert: HallpassLate\n        labels: { severity: warning }\n        annotations:\n          \
         summary: \"s\"\n          description: \"d\"\n          runbook_url: https://a/runbook.md#hallpasslate\n",
    );
    let found = alerts(&file);
    assert_eq!(problems_of(&found, "## HallpassLate\n"), [""; 0]);
    assert_eq!(problems_of(&found, "## HallpassLater\n").len(), 2);
    let bare = SourceFile::new("x", "      - alert: HallpassLate\n        expr: up\n");
    let problems = problems_of(&alerts(&bare), "## HallpassLate\n");
    assert_eq!(problems.len(), 4, "{problems:?}");
}

#[test]
fn a_metric_that_is_not_there_is_found() {
    let listed = "| `hallpass_a_total` | counter |\n| `hallpass_b_seconds`, `hallpass_c` |";
    let unlisted = |text: &str| unlisted(&SourceFile::new("x.yaml", text), listed);
    let good =
        "rate(hallpass_a_total[5m]) hallpass_b_seconds_bucket job:hallpass_any:rate5m hallpass_c";
    assert_eq!(unlisted(good), [""; 0]);
    assert_eq!(
        unlisted("hallpass_a hallpass_d_seconds_sum"),
        [
            "x.yaml: hallpass_a is not in docs/metrics.md",
            "x.yaml: hallpass_d_seconds_sum is not in docs/metrics.md"
        ]
    );
}

fn files_below(folder: &str, endings: &[&str]) -> io::Result<Vec<SourceFile>> {
    let files = tree::files(endings)?.into_iter();
    let below = files.filter(|file| file.path.starts_with(folder));
    Ok(below.collect())
}

fn alerts(file: &SourceFile) -> Vec<Alert> {
    let mut alerts: Vec<Alert> = Vec::new();
    let mut is_in_alert = false;
    for line in file.text.lines() {
        let line = line.trim();
        if let Some(name) = line.strip_prefix("- alert: ") {
            let (name, lines) = (name.to_owned(), Vec::new());
            alerts.push(Alert { name, lines });
        }
        is_in_alert = line.starts_with("- alert: ") || is_in_alert && !line.starts_with("- ");
        if let Some(alert) = alerts.last_mut().filter(|_| is_in_alert) {
            alert.lines.push(line.to_owned());
        }
    }
    alerts
}

fn problems_of(alerts: &[Alert], runbook: &str) -> Vec<String> {
    let mut problems = Vec::new();
    let titles = runbook.lines().filter_map(|line| line.strip_prefix("## "));
    let entries: BTreeSet<&str> = titles.filter(|title| title.starts_with(ALERT)).collect();
    for Alert { name, lines } in alerts {
        let has = |start: &str, end: &str| {
            let mut lines = lines.iter();
            lines.any(|line| line.starts_with(start) && line.ends_with(end))
        };
        let anchor = format!("/runbook.md#{}", name.to_lowercase());
        for (start, end) in [
            ("labels: { severity: ", " }"),
            ("summary: ", "\""),
            ("description: ", "\""),
            ("runbook_url: ", anchor.as_str()),
        ] {
            if !has(start, end) {
                problems.push(format!("{name}: no `{start}...{end}`"));
            }
        }
        if !entries.contains(name.as_str()) {
            problems.push(format!("{RUNBOOK}: no entry {name}"));
        }
    }
    let is_alert = |entry: &&&str| !alerts.iter().any(|alert| alert.name == **entry);
    let others = entries.iter().filter(is_alert);
    problems.extend(others.map(|entry| format!("{RUNBOOK}: there is no alert {entry}")));
    problems
}

/// The metrics that a file names and the list does not. Names with colons are those of recorded series.
fn unlisted(file: &SourceFile, listed: &str) -> Vec<String> {
    let is_of_name = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "_:".contains(c);
    let words = file.text.split(|c| !is_of_name(c));
    let names = words.filter(|word| word.starts_with("hallpass_") && !word.contains(':'));
    let is_listed = |name: &str| listed.contains(&format!("`{name}`"));
    let is_known = |name: &str| {
        let mut histograms = OF_HISTOGRAMS
            .iter()
            .filter_map(|end| name.strip_suffix(end));
        is_listed(name) || histograms.any(is_listed)
    };
    let unknown: BTreeSet<&str> = names.filter(|name| !is_known(name)).collect();
    let unknown = unknown.into_iter();
    unknown
        .map(|name| format!("{}: {name} is not in docs/metrics.md", file.path))
        .collect()
}
