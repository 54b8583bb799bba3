//! The site of the documentation (`book.toml`, `docs/SUMMARY.md`): each page is found in it, and where mdBook is installed it is made, and
//! every link of it leads somewhere.

mod site;

use crate::assert_tidy;
use crate::tree::{self, SourceFile};

const SUMMARY: &str = "docs/SUMMARY.md";
const LIST: &str = "docs/README.md";

#[test]
fn each_page_stands_in_the_summary_once_and_in_the_list() {
    let pages = pages();
    assert!(pages.len() > 30, "{pages:?}");
    let summary = tree::file(SUMMARY).unwrap();
    let list = tree::file(LIST).unwrap();
    let mut problems = unnamed(&pages, &summary);
    problems.extend(unlisted(&pages, &list));
    assert_tidy(&problems);
}

#[test]
fn the_book_says_what_it_is_and_where_its_pages_are_put_together() {
    let book: toml::Table = tree::file("book.toml").unwrap().text.parse().unwrap();
    let text = |table: &str, key: &str| book[table][key].as_str().unwrap().to_owned();
    assert_eq!(text("book", "title"), "Hallpass");
    assert_eq!(
        text("book", "src"),
        "target/tmp/book/src",
        "never the tree itself"
    );
    assert!(text("build", "build-dir").starts_with("target/tmp/"));
    assert_eq!(book["build"]["create-missing"].as_bool(), Some(false));
    let script = tree::file("scripts/book.sh").unwrap().text;
    assert!(script.contains(SUMMARY));
}

#[test]
fn a_page_that_is_left_out_or_stands_there_twice_is_found() {
    let pages = ["docs/a.md", "docs/b/c.md"].map(str::to_owned);
    let summary = |text: &str| unnamed(&pages, &SourceFile::new(SUMMARY, text));
    assert_eq!(
        summary("- [A](a.md)\n- [C](b/c.md)\n"),
        Vec::<String>::new()
    );
    let missing = summary("- [A](a.md)\n");
    assert_eq!(missing.len(), 1);
    assert!(missing[0].contains("docs/b/c.md") && missing[0].contains("- [Title](b/c.md)"));
    assert_eq!(
        summary("- [A](a.md)\n- [A](a.md)\n- [C](b/c.md)\n").len(),
        1
    );
    let list = |text: &str| unlisted(&pages, &SourceFile::new(LIST, text)).len();
    assert_eq!(list("| [a.md](a.md) | x |\n| [c](b/c.md) | x |\n"), 0);
    assert_eq!(list("see [a.md](a.md), [c](b/c.md)\n"), 2);
}

/// Those of the documentation, but for the summary itself.
fn pages() -> Vec<String> {
    let files = tree::files(&[".md"]).unwrap().into_iter();
    let paths = files.map(|file| file.path);
    paths
        .filter(|path| path.starts_with("docs/") && path != SUMMARY)
        .collect()
}

fn unnamed(pages: &[String], summary: &SourceFile) -> Vec<String> {
    let mut problems = Vec::new();
    for page in pages {
        let name = page.trim_start_matches("docs/");
        let link = format!("]({name})");
        let named = summary.text.matches(&link).count();
        match named {
            1 => {}
            0 => problems.push(format!(
                "{page} is not in {SUMMARY}: put `- [Title]({name})` where a reader looks for it, so that the site has it"
            )),
            _ => problems.push(format!("{page} is in {SUMMARY} {named} times")),
        }
    }
    problems
}

fn unlisted(pages: &[String], list: &SourceFile) -> Vec<String> {
    let rows: Vec<_> = list
        .text
        .lines()
        .filter(|line| line.starts_with("| ["))
        .collect();
    let is_listed = |name: &str| {
        let link = format!("]({name}) |");
        rows.iter().any(|row| row.contains(&link))
    };
    let names = pages.iter().filter(|page| *page != LIST);
    names
        .map(|page| page.trim_start_matches("docs/"))
        .filter(|name| !is_listed(name))
        .map(|name| {
            format!("docs/{name} has no row in {LIST}: `| [{name}]({name}) | what it is for |`")
        })
        .collect()
}
