//! What has gone wrong elsewhere, one test each: the lists are in `lessons/`, and a test that a list names exists.

mod advisories;
mod calls;
mod clients;
mod keys;
mod row;
mod themes;

use std::collections::BTreeSet;

use self::advisories::ADVISORIES;
use self::calls::CALLS;
use self::clients::CLIENTS;
use self::keys::KEYS;
use self::row::{Held, Lesson, held, later};
use self::themes::THEMES;
use crate::assert_tidy;
use crate::tree;

/// Libraries with an advisory, and the first version without it: RUSTSEC-2026-0258, and RUSTSEC-2026-0049, -0098, -0099, -0104.
const MENDED: [(&str, [u64; 3]); 2] = [("h2", [0, 4, 16]), ("rustls-webpki", [0, 103, 13])];

#[test]
fn each_lesson_from_elsewhere_is_held_by_a_test_of_its_own() {
    let read = |path: &str| tree::file(&format!("crates/{path}")).map(|it| it.text).ok();
    let wanted = || KEYS.iter().chain(CALLS).chain(CLIENTS);
    let mut problems = problems(wanted(), read);
    problems.extend(self::problems(ADVISORIES, read));
    let told: BTreeSet<_> = wanted().map(|it| it.of).collect();
    let themes: BTreeSet<_> = THEMES.iter().map(|(theme, _)| *theme).collect();
    let differ = told.symmetric_difference(&themes);
    problems.extend(
        differ.map(|it| format!("{it}: a theme without lessons, or lessons without a theme")),
    );
    assert_tidy(&problems);
}

#[test]
fn a_lesson_whose_test_is_gone_or_is_none_or_stands_for_another_is_found() {
    let read = |path: &str| {
        let text = "#[test]\nfn a_holds() {}\n\n#[tokio::test(flavor = \"multi_thread\")]\nasync fn b_holds() {}\n\nfn c_helps() {}\n";
        (path == "a.rs").then(|| text.to_owned())
    };
    let good = [
        held("x", "a", ("a.rs", "a_holds")),
        held("x", "b", ("a.rs", "b_holds")),
        later("x", "c", "gateway"),
    ];
    assert_eq!(problems(&good, read), [] as [String; 0]);
    let bad = [
        held("x", "a", ("a.rs", "a_holds")),
        held("x", "again", ("a.rs", "a_holds")),
        held("x", "helper", ("a.rs", "c_helps")),
        held("x", "part of a name", ("a.rs", "a_hold")),
        held("x", "file", ("b.rs", "a_holds")),
        later("x", "part", "resource"),
    ];
    assert_eq!(problems(&bad, read).len(), 5);
}

#[test]
fn rustsec_2026_0049_libraries_are_locked_at_versions_that_are_mended() {
    let lock = tree::file("Cargo.lock").unwrap().text;
    assert_tidy(&not_mended(&lock));
    let old =
        "name = \"h2\"\nversion = \"0.4.15\"\n\nname = \"rustls-webpki\"\nversion = \"0.103.13\"\n";
    assert_eq!(not_mended(old), ["h2 0.4.15 is locked"]);
    assert_eq!(not_mended("").len(), 2, "what is not there is not checked");
}

fn problems<'l>(
    lessons: impl IntoIterator<Item = &'l Lesson>,
    read: impl Fn(&str) -> Option<String>,
) -> Vec<String> {
    let mut seen = BTreeSet::new();
    let mut problems = Vec::new();
    for Lesson { of, lesson, held } in lessons {
        let fault = match held {
            Held::Later("gateway" | "sidecar") => None,
            Held::Later(part) => Some(format!("`{part}` is no part that is still to come")),
            Held::By(file, test) if !seen.insert((file, test)) => {
                Some(format!("`{test}` in {file} stands for another one already"))
            }
            Held::By(file, test) => match read(file) {
                None => Some(format!("there is no file crates/{file}")),
                Some(text) if !has_test(&text, test) => {
                    Some(format!("crates/{file} has no test `{test}`"))
                }
                Some(_) => None,
            },
        };
        problems.extend(fault.map(|fault| format!("{of}: {lesson}: {fault}")));
    }
    problems
}

/// Whether the function of this name is a test: an attribute of one stands before it, with other attributes between at most.
fn has_test(text: &str, name: &str) -> bool {
    let lines: Vec<_> = text.lines().map(str::trim).collect();
    let is_it = |line: &str| {
        let line = line.strip_prefix("async ").unwrap_or(line);
        let rest = line
            .strip_prefix("fn ")
            .and_then(|it| it.strip_prefix(name));
        rest.is_some_and(|rest| rest.starts_with('('))
    };
    lines.iter().enumerate().any(|(at, line)| {
        let before = lines.iter().take(at).rev();
        let mut attributes = before.take_while(|it| it.starts_with('#') || it.starts_with("//"));
        is_it(line)
            && attributes.any(|it| it.starts_with("#[test") || it.starts_with("#[tokio::test"))
    })
}

/// What is locked at an older version, or not at all.
fn not_mended(lock: &str) -> Vec<String> {
    let mut problems = Vec::new();
    for (name, least) in MENDED {
        let key = format!("name = \"{name}\"\nversion = \"");
        let versions = lock
            .split(&key)
            .skip(1)
            .filter_map(|rest| rest.split('"').next());
        let mut is_there = false;
        for version in versions {
            is_there = true;
            let numbers = version.split('.').map(|it| it.parse().unwrap_or(0));
            if numbers.collect::<Vec<u64>>() < least.to_vec() {
                problems.push(format!("{name} {version} is locked"));
            }
        }
        if !is_there {
            problems.push(format!("{name} is not locked any more"));
        }
    }
    problems
}
