//! What the documents say that can be held against the tree: links, paths, test names, code blocks.

use std::collections::BTreeSet;

use crate::assert_tidy;
use crate::dependencies::manifests;
use crate::tree::{self, SourceFile};

/// Lines that `ARCHITECTURE.md` may have: it is read in one sitting or not at all.
const ARCHITECTURE_LINES: usize = 200;

/// A name with this many underscores between backticks is taken for a test's name.
const UNDERSCORES_OF_A_TEST: usize = 2;

#[test]
fn links_between_documents_lead_somewhere() {
    let documents = tree::files(&[".md"]).unwrap();
    let exists = |path: &str| tree::root().join(path).exists();
    let mut problems = Vec::new();
    for document in &documents {
        problems.extend(broken_links(document, exists));
        problems.extend(broken_anchors(document, &documents));
    }
    assert_tidy(&problems);
}

#[test]
fn both_readmes_show_the_same_code() {
    let english = tree::file("README.md").unwrap();
    let chinese = tree::file("README.zh-CN.md").unwrap();
    let blocks = code_blocks(&english.text);
    assert!(blocks.len() >= 3, "the README shows too little code");
    assert_tidy(&different_blocks(&english, &chinese));
}

#[test]
fn both_readmes_name_every_crate() {
    let manifests = manifests();
    let folders = manifests
        .iter()
        .map(|manifest| manifest.folder().trim_end_matches('/'));
    let crates: Vec<_> = folders
        .filter(|folder| folder.starts_with("crates/"))
        .collect();
    assert!(!crates.is_empty());
    let mut problems = Vec::new();
    for name in ["README.md", "README.zh-CN.md"] {
        let text = tree::file(name).unwrap().text;
        let missing = crates
            .iter()
            .filter(|folder| !text.contains(&format!("`{folder}`")));
        problems.extend(missing.map(|folder| format!("{name}: `{folder}` is missing")));
    }
    assert_tidy(&problems);
}

/// A family without a value is not exported, so the names are taken from where they are registered. The issuer has a
/// test of its own: it counts from its first request.
#[test]
fn every_metric_that_a_library_registers_is_in_the_documentation() {
    let documented = tree::file("docs/metrics.md").unwrap().text;
    let sources = tree::files(&[".rs"]).unwrap();
    let registering = sources
        .iter()
        .filter(|file| file.path.contains("/src/") && file.text.contains(".register"));
    let mut names = BTreeSet::new();
    for file in registering {
        let texts = file.text.split('"').skip(1).step_by(2);
        names.extend(texts.filter(|text| text.starts_with("hallpass_")));
    }
    assert!(names.contains("hallpass_feign_calls"), "{names:?}");
    let missing = names
        .iter()
        .filter(|name| !documented.contains(&format!("| `{name}")));
    assert_tidy(
        &missing
            .map(|name| format!("docs/metrics.md: {name} is missing"))
            .collect::<Vec<_>>(),
    );
}

#[test]
fn code_in_the_readme_is_cut_from_an_example_that_runs() {
    let examples = tree::files(&[".rs", ".yaml"]).unwrap();
    let examples = examples.iter().filter(|f| f.path.starts_with("examples/"));
    let sources: Vec<&str> = examples.map(|file| file.text.as_str()).collect();
    for page in ["README.md", "docs/getting-started.md"] {
        let page = tree::file(page).unwrap();
        assert_tidy(&invented_blocks(&page, &sources));
    }
}

#[test]
fn tests_and_paths_that_the_documents_name_exist() {
    let sources = tree::files(&[".rs"]).unwrap();
    let functions = functions(&sources);
    let mut problems = Vec::new();
    for name in ["ARCHITECTURE.md", "SECURITY.md", "CONTRIBUTING.md"] {
        let document = tree::file(name).unwrap();
        problems.extend(unknown_tests(&document, &functions));
        problems.extend(unknown_paths(&document));
    }
    assert_tidy(&problems);
}

#[test]
fn the_architecture_is_read_in_one_sitting() {
    let lines = tree::file("ARCHITECTURE.md").unwrap().text.lines().count();
    assert!(lines < ARCHITECTURE_LINES, "{lines} lines");
}

#[test]
fn a_broken_link_or_anchor_is_found() {
    let text = "# A b\n[a](x.md) [b](#a-b) [c](#gone) [d](https://host.example/x)\n`[e](y.md)`\n```\n[f](z.md)\n```\n";
    let document = SourceFile::new("docs/a.md", text);
    let problems = broken_links(&document, |path| path != "docs/x.md");
    assert_eq!(problems, ["docs/a.md: x.md leads nowhere"]);
    let problems = broken_anchors(&document, &[SourceFile::new("docs/a.md", text)]);
    assert_eq!(problems, ["docs/a.md: #gone is not a heading there"]);
}

#[test]
fn a_readme_whose_code_differs_is_found() {
    let english = SourceFile::new("README.md", "```sh\n./demo.sh\n```\n");
    let chinese = SourceFile::new("README.zh-CN.md", "```sh\n./demo.sh --once\n```\n");
    assert_eq!(different_blocks(&english, &chinese).len(), 1);
}

#[test]
fn code_that_stands_in_no_example_is_found() {
    let readme = SourceFile::new("README.md", "```rust\nfn main() {}\n```\n```sh\nls\n```\n");
    let same_but_indented = "mod a {\n    fn main() {}\n}\n";
    assert_eq!(
        invented_blocks(&readme, &[same_but_indented]),
        Vec::<String>::new()
    );
    assert_eq!(invented_blocks(&readme, &["fn other() {}"]).len(), 1);
}

#[test]
fn a_test_or_path_that_is_gone_is_found() {
    let text = "`refuses_a_token_without_audience` and `crates/gone/src/lib.rs` and `hallpass_token_requests_total`";
    let document = SourceFile::new("SECURITY.md", text);
    assert_eq!(unknown_tests(&document, &BTreeSet::new()).len(), 1);
    assert_eq!(unknown_paths(&document).len(), 1);
}

/// The text outside code blocks and inline code, where a link is a link.
fn prose(text: &str) -> String {
    let mut prose = String::new();
    let mut in_block = false;
    for line in text.lines() {
        if line.trim_start().starts_with("```") {
            in_block = !in_block;
        } else if !in_block {
            prose.extend(line.split('`').step_by(2));
            prose.push('\n');
        }
    }
    prose
}

fn links(text: &str) -> Vec<String> {
    let prose = prose(text);
    let after_bracket = prose.split("](").skip(1);
    after_bracket
        .filter_map(|rest| rest.split_once(')').map(|(link, _)| link.to_owned()))
        .filter(|link| !link.contains("://") && !link.starts_with("mailto:"))
        .collect()
}

/// `link` as a path from the root, when `document` holds it.
fn resolve(document: &SourceFile, link: &str) -> String {
    let path = link.split('#').next().unwrap_or_default();
    if path.is_empty() {
        return document.path.clone();
    }
    let mut parts: Vec<&str> = document.path.split('/').collect();
    parts.pop();
    for part in path.split('/') {
        match part {
            "." | "" => {}
            ".." => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    parts.join("/")
}

fn broken_links(document: &SourceFile, exists: impl Fn(&str) -> bool) -> Vec<String> {
    links(&document.text)
        .iter()
        .filter(|link| !exists(&resolve(document, link)))
        .filter(|link| !link.starts_with('#'))
        .map(|link| format!("{}: {link} leads nowhere", document.path))
        .collect()
}

fn broken_anchors(document: &SourceFile, all: &[SourceFile]) -> Vec<String> {
    let mut problems = Vec::new();
    for link in links(&document.text) {
        let Some((_, anchor)) = link.split_once('#') else {
            continue;
        };
        let path = resolve(document, &link);
        let Some(target) = all.iter().find(|file| file.path == path) else {
            continue;
        };
        if !headings(&target.text).contains(anchor) {
            problems.push(format!("{}: {link} is not a heading there", document.path));
        }
    }
    problems
}

/// The anchors of a document's headings, as code hosts make them.
fn headings(text: &str) -> BTreeSet<String> {
    let mut in_block = false;
    let mut anchors = BTreeSet::new();
    for line in text.lines() {
        if line.trim_start().starts_with("```") {
            in_block = !in_block;
        }
        if line.starts_with('#') && !in_block {
            let title = line.trim_start_matches('#').trim().to_lowercase();
            let kept = title.chars().filter_map(|c| match c {
                ' ' => Some('-'),
                '-' | '_' => Some(c),
                c if c.is_alphanumeric() => Some(c),
                _ => None,
            });
            anchors.insert(kept.collect());
        }
    }
    anchors
}

/// The fenced blocks of a document: language and text.
pub(crate) fn code_blocks(text: &str) -> Vec<(String, String)> {
    let mut blocks = Vec::new();
    let mut open: Option<(String, String)> = None;
    for line in text.lines() {
        match (line.strip_prefix("```"), open.take()) {
            (Some(language), None) => open = Some((language.to_owned(), String::new())),
            (Some(_), Some(block)) => blocks.push(block),
            (None, Some((language, text))) => open = Some((language, text + line + "\n")),
            (None, None) => {}
        }
    }
    blocks
}

fn different_blocks(english: &SourceFile, chinese: &SourceFile) -> Vec<String> {
    let (left, right) = (code_blocks(&english.text), code_blocks(&chinese.text));
    if left.len() != right.len() {
        return vec![format!(
            "{} has {} code blocks, {} has {}",
            english.path,
            left.len(),
            chinese.path,
            right.len()
        )];
    }
    let pairs = left.iter().zip(&right).enumerate();
    pairs
        .filter(|(_, (left, right))| left != right)
        .map(|(number, _)| format!("code block {} differs in {}", number + 1, chinese.path))
        .collect()
}

fn invented_blocks(readme: &SourceFile, sources: &[&str]) -> Vec<String> {
    let unindented = |text: &str| {
        let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
        lines.collect::<Vec<_>>().join("\n")
    };
    let sources: Vec<String> = sources.iter().map(|text| unindented(text)).collect();
    code_blocks(&readme.text)
        .into_iter()
        .filter(|(language, _)| ["rust", "yaml"].contains(&language.as_str()))
        .filter(|(_, text)| !sources.iter().any(|s| s.contains(&unindented(text))))
        .map(|(_, text)| format!("{}: stands in no example:\n{text}", readme.path))
        .collect()
}

fn in_backticks(text: &str) -> impl Iterator<Item = &str> {
    text.lines()
        .flat_map(|line| line.split('`').skip(1).step_by(2))
}

fn functions(sources: &[SourceFile]) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for file in sources {
        for rest in file.text.split("fn ").skip(1) {
            let name: String = rest
                .chars()
                .take_while(|c| c.is_alphanumeric() || *c == '_')
                .collect();
            names.insert(name);
        }
    }
    names
}

fn unknown_tests(document: &SourceFile, functions: &BTreeSet<String>) -> Vec<String> {
    let snake = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    in_backticks(&document.text)
        .filter(|name| name.chars().all(snake) && !name.starts_with("hallpass_"))
        .filter(|name| name.matches('_').count() >= UNDERSCORES_OF_A_TEST)
        .filter(|name| !functions.contains(*name))
        .map(|name| format!("{}: no test is called `{name}`", document.path))
        .collect()
}

fn unknown_paths(document: &SourceFile) -> Vec<String> {
    let top = ["crates/", "examples/", "docs/", "bench/", "scripts/"];
    in_backticks(&document.text)
        .filter(|path| top.iter().any(|folder| path.starts_with(folder)))
        .filter(|path| !path.contains(['*', '{', '<', ' ']))
        .filter(|path| !tree::root().join(path).exists())
        .map(|path| format!("{}: `{path}` does not exist", document.path))
        .collect()
}
