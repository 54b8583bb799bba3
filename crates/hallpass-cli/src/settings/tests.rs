use std::fs;

use super::*;

/// What no message may hold.
const PLANTED: &str = "InternalSecret123!";
/// Every section, and every key at least once.
const EVERYTHING: &str = include_str!("../../tests/data/everything.yaml");

fn loader_of(text: &str) -> Loader {
    Loader::new("hallpass").text("test.yaml", text)
}

fn detected(text: &str) -> Option<&'static str> {
    let file = tempfile::NamedTempFile::new().unwrap();
    fs::write(file.path(), text).unwrap();
    detect(file.path())
}

#[test]
fn the_prefix_is_read_off_the_file() {
    assert_eq!(detected("scccy:\n  internal-token:\n"), Some("scccy"));
    assert_eq!(
        detected("other: {}\nhallpass:\n  scccy: 1\nscccy:\n"),
        Some("hallpass")
    );
    assert_eq!(detected("scccyx: 1\n"), None);
    assert_eq!(detect(Path::new("/nowhere")), None);
}

#[test]
fn the_tree_of_all_sections_reads_like_the_file_it_came_from() {
    let loaded = loader_of(EVERYTHING)
        .environment([("KEY", "a key of thirty-two characters..")])
        .load::<Everything>();
    let tree = loaded.unwrap().effective();
    insta::assert_snapshot!(tree);
}

#[test]
fn a_secret_in_any_position_of_the_file_is_not_repeated() {
    let everything = EVERYTHING;
    for line in everything.lines().filter(|line| line.contains(": ")) {
        let (key, value) = line.split_once(": ").unwrap();
        let value = value.trim_end();
        let indent = " ".repeat(line.len() - line.trim_start().len());
        for instead in [
            format!("{key}: {PLANTED}"),
            format!("{key}: [{PLANTED}]"),
            format!("{key}: {{ {PLANTED}: {PLANTED} }}"),
            format!("{key}: '{PLANTED}"),
            format!("{key}: \"{PLANTED}"),
            format!("{key}: ${{{PLANTED}}}"),
            format!("{key}: ${{{PLANTED}"),
            format!("{key}: ${{A_VARIABLE}}"),
            format!("{key}: ${{NONE:${{{PLANTED}:x}}}}"),
            format!("{key}: &{PLANTED} {value}"),
            format!("{key}: *{PLANTED}"),
            format!("{key}: !{PLANTED} {value}"),
            format!("{key}: http://{PLANTED}@host/{PLANTED}?{PLANTED}#{PLANTED}"),
            format!("{key}: /nonexistent/{PLANTED}"),
            format!("{indent}{PLANTED}"),
            format!("{indent}{PLANTED}: {value}"),
            format!("{indent}- {PLANTED}"),
            format!("{key}:{PLANTED}"),
        ] {
            // What is read as another value is shown in the effective tree; problems show nothing.
            assert_problems_hide(&everything.replace(line, &instead));
        }
    }
}

fn assert_problems_hide(text: &str) {
    if let Err(problems) = loader_of(text)
        .environment([("A_VARIABLE", PLANTED)])
        .load::<Everything>()
    {
        let shown = format!("{problems} {problems:?}");
        assert!(!shown.contains(PLANTED), "{text}\n{problems}");
    }
}
