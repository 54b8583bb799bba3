//! Labels that rules group and join by, and those of the series that alerts are tested with, are labels that the metrics have: otherwise
//! an alert is tested with what no program shows, or never fires.

use std::collections::{BTreeMap, BTreeSet};

use crate::assert_tidy;
use crate::tree::{self, SourceFile};

/// Labels of a target, and what Prometheus makes of a series that has one of them itself.
const OF_TARGETS: [&str; 4] = ["job", "instance", "role", "exported_instance"];
/// Of the buckets of a histogram.
const OF_BUCKETS: &str = "le";
/// Series of a histogram, beside its name.
const OF_HISTOGRAMS: [&str; 3] = ["_bucket", "_sum", "_count"];

/// The labels of each metric.
type Listed<'l> = BTreeMap<&'l str, BTreeSet<&'l str>>;

#[test]
fn rules_and_their_tests_name_labels_that_the_metrics_have() {
    let list = tree::file("docs/metrics.md").unwrap();
    let listed = listed(&list.text);
    assert!(listed.len() > 100, "{} metrics", listed.len());
    let files = tree::files(&[".yaml"]).unwrap();
    let (mut problems, mut looked_at) = (Vec::new(), 0);
    for file in &files {
        if file.path.starts_with("deploy/prometheus/rules/") {
            problems.extend(grouped_by_others(file, &listed));
            looked_at += 1;
        } else if file.path.starts_with("deploy/prometheus/tests/") {
            problems.extend(tested_with_others(file, &listed));
            looked_at += 1;
        }
    }
    assert!(looked_at > 10, "{looked_at} files");
    assert_tidy(&problems);
}

#[test]
fn a_label_that_a_metric_does_not_have_is_found() {
    let listed = listed(
        "| `hallpass_a_total` | counter | `result` (`ok` or a code of [x](x.md)), `route` | x |\n\
         | `hallpass_b_seconds` | histogram | - | x |\n",
    );
    let rules = |text: &str| grouped_by_others(&SourceFile::new("r", text), &listed);
    let of_alert = |expr: &str| rules(&format!("      - alert: X\n        expr: {expr}\n"));
    for good in [
        "sum by (job, route) (hallpass_a_total)",
        "x and on (job, result) hallpass_a_total",
        "sum by (job, le) (hallpass_b_seconds_bucket)",
        "sum by (job, result) (job:hallpass_a:rate5m)",
    ] {
        assert_eq!(of_alert(good), [""; 0]);
    }
    for bad in [
        "sum by (job, ok) (hallpass_a_total)",
        "x and on (job, result) hallpass_b_seconds_count",
        "sum by (job, caller) (job:hallpass_a:rate5m)",
    ] {
        assert_eq!(of_alert(bad).len(), 1, "{bad}");
    }
    let series = |series: &str| {
        let text = format!("      - series: '{series}'\n");
        tested_with_others(&SourceFile::new("t", &text), &listed)
    };
    assert_eq!(
        series(r#"hallpass_a_total{job="a",route="GET /a",result="ok"}"#),
        [""; 0]
    );
    assert_eq!(series(r#"hallpass_a_total{job="a",caller="b"}"#).len(), 1);
}

/// The labels of each row of the list: what stands there as code, but for values, which stand in parentheses.
fn listed(list: &str) -> Listed<'_> {
    let mut listed = Listed::new();
    for row in list.lines().filter(|line| line.starts_with("| `hallpass_")) {
        let cells: Vec<&str> = row.split('|').collect();
        let [_, names, _, labels, ..] = cells.as_slice() else {
            continue;
        };
        for name in named(names) {
            listed.entry(name).or_default().extend(named(labels));
        }
    }
    listed
}

fn named(cell: &str) -> Vec<&str> {
    let (mut opened, mut closed, mut is_code, mut found) = (0, 0, false, Vec::new());
    for part in cell.split('`') {
        if !is_code {
            opened += part.matches('(').count();
            closed += part.matches(')').count();
        } else if opened == closed {
            found.push(part);
        }
        is_code = !is_code;
    }
    found
}

/// The labels that rules of a file group or join by, and that no metric of the same rule has.
fn grouped_by_others(file: &SourceFile, listed: &Listed<'_>) -> Vec<String> {
    let mut problems = Vec::new();
    for rule in file.text.split("\n      - ") {
        let expression = rule.split("annotations:").next().unwrap_or_default();
        let known = known(expression, listed);
        for opening in ["by (", "on ("] {
            let labels = expression.split(opening).skip(1);
            let labels = labels.filter_map(|rest| rest.split(')').next());
            for label in labels.flat_map(|labels| labels.split(", ")) {
                if !known.contains(label) && !OF_TARGETS.contains(&label) && label != OF_BUCKETS {
                    let rule = rule.lines().next().unwrap_or_default().trim();
                    problems.push(format!("{}: {rule}: no metric has {label}", file.path));
                }
            }
        }
    }
    problems
}

/// The labels of all metrics that an expression names. A recorded series, whose name has colons, may have those of any.
fn known<'l>(expression: &str, listed: &Listed<'l>) -> BTreeSet<&'l str> {
    let mut known = BTreeSet::new();
    for word in expression.split(|c| !is_of_name(c)) {
        if word.contains(":hallpass_") {
            known.extend(listed.values().flatten());
        } else {
            known.extend(labels_of(word, listed).into_iter().flatten());
        }
    }
    known
}

fn labels_of<'a, 'l>(metric: &str, listed: &'a Listed<'l>) -> Option<&'a BTreeSet<&'l str>> {
    let whole = OF_HISTOGRAMS.iter().find_map(|end| {
        let whole = metric.strip_suffix(end)?;
        listed.get(whole)
    });
    listed.get(metric).or(whole)
}

/// The labels of series of a file of tests that their metrics do not have.
fn tested_with_others(file: &SourceFile, listed: &Listed<'_>) -> Vec<String> {
    let mut problems = Vec::new();
    let lines = file.text.lines().map(str::trim);
    for series in lines.filter_map(|line| line.strip_prefix("- series: '")) {
        let Some((metric, labels)) = series.split_once('{') else {
            continue;
        };
        let known = labels_of(metric, listed);
        let mut parts: Vec<&str> = labels.split("=\"").collect();
        // What follows the last label is its value.
        parts.pop();
        for part in parts {
            let label = part.rsplit(|c| !is_of_name(c)).next().unwrap_or_default();
            let is_known = known.is_some_and(|known| known.contains(label));
            if !is_known && !OF_TARGETS.contains(&label) {
                problems.push(format!("{}: {metric} has no {label}", file.path));
            }
        }
    }
    problems
}

const fn is_of_name(c: char) -> bool {
    c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_' || c == ':'
}
