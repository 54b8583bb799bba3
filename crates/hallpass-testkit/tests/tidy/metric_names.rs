//! Metrics that a document names are in the list of all metrics.

use crate::assert_tidy;
use crate::tree::{self, SourceFile};

/// How the names of exported series end, and those of nothing else here that begins with `hallpass_`.
const ENDINGS: [&str; 4] = ["_total", "_ratio", "_seconds", "_bytes"];

#[test]
fn metrics_that_the_documents_name_are_in_the_list_of_all() {
    let listed = tree::file("docs/metrics.md").unwrap().text;
    let documents = tree::files(&[".md"]).unwrap();
    let others = documents
        .iter()
        .filter(|it| it.path.starts_with("docs/") || !it.path.contains('/'));
    let problems: Vec<_> = others.flat_map(|it| unlisted(it, &listed)).collect();
    assert_tidy(&problems);
}

#[test]
fn a_metric_of_another_name_is_found() {
    let listed = "| `hallpass_config_reloads_total` | counter |";
    let text = "`hallpass_config_reloads_total{result=\"ok\"}` and `hallpass_config_reload_total`, `hallpass_config_reloads`";
    let problems = unlisted(&SourceFile::new("docs/a.md", text), listed);
    assert_eq!(
        problems,
        ["docs/a.md: `hallpass_config_reload_total` is not in docs/metrics.md"]
    );
}

/// What `document` names and `listed` does not name. The changelog may name what is gone.
fn unlisted(document: &SourceFile, listed: &str) -> Vec<String> {
    if document.path == "CHANGELOG.md" {
        return Vec::new();
    }
    let is_of_name = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    let words = document.text.split(|c| !is_of_name(c));
    words
        .filter(|word| word.starts_with("hallpass_"))
        .filter(|word| ENDINGS.iter().any(|it| word.ends_with(it)))
        .filter(|word| !listed.contains(&format!("`{word}`")))
        .map(|word| format!("{}: `{word}` is not in docs/metrics.md", document.path))
        .collect()
}
