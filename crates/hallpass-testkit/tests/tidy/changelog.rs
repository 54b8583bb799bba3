//! `CHANGELOG.md` has the form of Keep a Changelog, and a section for the version of the workspace.

use crate::assert_tidy;
use crate::tree;

#[test]
fn the_changelog_has_a_place_for_the_next_change() {
    let changelog = tree::file("CHANGELOG.md").unwrap();
    assert_tidy(&changelog_problems(&changelog.text, &version()));
}

#[test]
fn a_changelog_without_a_next_section_or_with_other_tags_is_found() {
    let count = |text: &str| changelog_problems(text, "0.2.0").len();
    assert_eq!(
        count("## 0.2.0 - unreleased\n### Added\n- a\n## 0.1.0 - 2026-12-01\n### Fixed\n- b\n"),
        0
    );
    assert_eq!(
        count("## Unreleased\n### Added\n- a\n## 0.2.0 - 2026-12-01\n"),
        0
    );
    assert_eq!(
        count("## Unreleased\n## 0.1.0 - 2026-12-01\n"),
        1,
        "the version is not there"
    );
    assert_eq!(
        count("## 0.2.0 - 2026-12-01\n"),
        1,
        "no place for the next change"
    );
    assert_eq!(count("## 0.2.0 - unreleased\n## 0.1.0\n"), 1, "no date");
    assert_eq!(count("## 0.2.0 - unreleased\n### Misc\n- b\n"), 1);
    assert_eq!(
        count("## 0.2.0 - unreleased\n### Added\n- a\n### Added\n- b\n"),
        1,
        "twice"
    );
}

/// That of the workspace.
fn version() -> String {
    let manifest: toml::Table = tree::file("Cargo.toml").unwrap().text.parse().unwrap();
    let version = &manifest["workspace"]["package"]["version"];
    version.as_str().unwrap().to_owned()
}

/// What is not in the form of Keep a Changelog, in which the newest section, without a date, is for the next change.
fn changelog_problems(text: &str, version: &str) -> Vec<String> {
    let mut problems = Vec::new();
    let sections: Vec<_> = text
        .split("\n## ")
        .skip(usize::from(!text.starts_with("## ")))
        .collect();
    let title = |section: &str| {
        section
            .lines()
            .next()
            .unwrap_or_default()
            .trim_start_matches("## ")
            .to_owned()
    };
    let titles: Vec<_> = sections.iter().map(|section| title(section)).collect();
    let next = format!("{version} - unreleased");
    if !titles
        .first()
        .is_some_and(|first| *first == "Unreleased" || *first == next)
    {
        problems.push(format!(
            "CHANGELOG.md: begins with `## Unreleased` or `## {next}`"
        ));
    }
    if !titles
        .iter()
        .any(|title| title.starts_with(&format!("{version} - ")))
    {
        problems.push(format!(
            "CHANGELOG.md: no section for {version}, the version of the workspace"
        ));
    }
    let is_date =
        |date: &str| date.len() == 10 && date.bytes().all(|it| it.is_ascii_digit() || it == b'-');
    let undated = titles.iter().skip(1).filter(|title| {
        !title
            .split_once(" - ")
            .is_some_and(|(_, date)| is_date(date))
    });
    problems.extend(undated.map(|title| format!("CHANGELOG.md: `## {title}` has no date")));
    for section in sections {
        let tags: Vec<_> = section
            .lines()
            .filter_map(|line| line.strip_prefix("### "))
            .collect();
        for (number, tag) in tags.iter().enumerate() {
            if !["Added", "Changed", "Fixed", "Removed", "Security"].contains(tag) {
                problems.push(format!("CHANGELOG.md: `{tag}` is not a tag of ours"));
            } else if tags.iter().take(number).any(|before| before == tag) {
                problems.push(format!(
                    "CHANGELOG.md: {}: `{tag}` stands there twice",
                    title(section)
                ));
            }
        }
    }
    problems
}
