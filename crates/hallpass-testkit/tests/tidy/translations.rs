//! Pages in Chinese (`docs/zh-CN`): each has the sections of its English page, in their order, and shows the same files and commands.

use crate::assert_tidy;
use crate::documents::code_blocks;
use crate::tree::{self, SourceFile};

const FOLDER: &str = "docs/zh-CN/";

#[test]
fn each_chinese_page_has_the_sections_and_the_commands_of_its_english_one() {
    let pages = tree::files(&[".md"]).unwrap();
    let chinese: Vec<_> = pages
        .iter()
        .filter(|page| page.path.starts_with(FOLDER))
        .collect();
    assert!(chinese.len() >= 2, "getting started, and operations");
    let mut problems = Vec::new();
    for page in chinese {
        let name = page.path.trim_start_matches(FOLDER);
        match tree::file(&format!("docs/{name}")) {
            Ok(english) => problems.extend(differences(&english, page)),
            Err(_) => problems.push(format!("{}: there is no docs/{name}", page.path)),
        }
    }
    assert_tidy(&problems);
}

#[test]
fn a_section_or_a_command_that_differs_is_found() {
    let english = SourceFile::new(
        "docs/a.md",
        "# A\n## B\n```sh\nls\n```\n| a | b |\n|---|---|\n| c | d |\n### C\n",
    );
    let count = |text: &str| differences(&english, &SourceFile::new("docs/zh-CN/a.md", text)).len();
    let table = "| 甲 | 乙 |\n|---|---|\n| 丙 | 丁 |\n";
    assert_eq!(
        count(&format!("# 甲\n## 乙\n```sh\nls\n```\n{table}### 丙\n")),
        0
    );
    assert_eq!(
        count(&format!("# 甲\n## 乙\n```sh\nls\n```\n{table}")),
        1,
        "a section"
    );
    assert_eq!(
        count(&format!("# 甲\n### 丙\n```sh\nls\n```\n{table}## 乙\n")),
        1,
        "their order"
    );
    assert_eq!(
        count(&format!("# 甲\n## 乙\n```sh\nls -l\n```\n{table}### 丙\n")),
        1,
        "a command"
    );
    assert_eq!(count(&format!("# 甲\n## 乙\n{table}### 丙\n")), 1, "none");
    assert_eq!(count("# 甲\n## 乙\n```sh\nls\n```\n### 丙\n"), 1, "a row");
}

fn differences(english: &SourceFile, chinese: &SourceFile) -> Vec<String> {
    let mut problems = Vec::new();
    let path = &chinese.path;
    let (ours, theirs) = (headings(&english.text), headings(&chinese.text));
    let levels = |of: &[(usize, String)]| of.iter().map(|(level, _)| *level).collect::<Vec<_>>();
    if levels(&ours) != levels(&theirs) {
        let same = levels(&ours)
            .iter()
            .zip(levels(&theirs))
            .take_while(|(ours, theirs)| **ours == *theirs)
            .count();
        let at = |of: &[(usize, String)]| {
            of.get(same).map_or_else(
                || "nothing".to_owned(),
                |(level, title)| format!("{} {title}", "#".repeat(*level)),
            )
        };
        problems.push(format!(
            "{path} has {} sections and {} has {}: they part at {:?}, where the English page has {:?}",
            theirs.len(),
            english.path,
            ours.len(),
            at(&theirs),
            at(&ours)
        ));
    }
    let (left, right) = (code_blocks(&english.text), code_blocks(&chinese.text));
    if left.len() != right.len() {
        problems.push(format!(
            "{path} has {} blocks, {} has {}",
            right.len(),
            english.path,
            left.len()
        ));
    } else if let Some(number) = left
        .iter()
        .zip(&right)
        .position(|(left, right)| left != right)
    {
        problems.push(format!(
            "{path}: block {} is not as in {}",
            number + 1,
            english.path
        ));
    }
    let rows = |text: &str| text.lines().filter(|line| line.starts_with("| ")).count();
    let (left, right) = (rows(&english.text), rows(&chinese.text));
    if left != right {
        problems.push(format!(
            "{path} has {right} rows of tables, {} has {left}",
            english.path
        ));
    }
    problems
}

/// The level of each, and its title.
fn headings(text: &str) -> Vec<(usize, String)> {
    let mut in_block = false;
    let mut headings = Vec::new();
    for line in text.lines() {
        if line.trim_start().starts_with("```") {
            in_block = !in_block;
        }
        let title = line.trim_start_matches('#');
        let level = line.len() - title.len();
        if !in_block && level > 0 && title.starts_with(' ') {
            headings.push((level, title.trim().to_owned()));
        }
    }
    headings
}
