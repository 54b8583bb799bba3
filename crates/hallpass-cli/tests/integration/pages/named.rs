//! Commands that any page names.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use crate::process::run;

/// What stands in backticks, or in a line of a session, and begins so is a command of ours.
const EXECUTABLE: &str = "hallpass ";
const FEWEST: usize = 100;

#[test]
fn each_command_that_a_page_names_exists_with_its_options() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut help = Help::default();
    let (mut problems, mut number) = (Vec::new(), 0);
    for page in pages(&root) {
        let text = fs::read_to_string(&page).unwrap();
        for command in commands(&text) {
            number += 1;
            let problem = help.problem(command);
            let name = page.strip_prefix(&root).unwrap().display();
            problems.extend(problem.map(|problem| format!("{name}: {command}: {problem}")));
        }
    }
    assert!(number > FEWEST, "{number} commands");
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}

#[test]
fn a_command_or_an_option_that_is_gone_is_found() {
    let mut help = Help::default();
    for good in [
        "key taint KID",
        "client add --from-file FILE",
        "token get ...",
        "revoke --client ID`",
    ] {
        assert_eq!(help.problem(good), None, "{good}");
    }
    for bad in ["key forget KID", "key rotate --never", "keys"] {
        assert!(help.problem(bad).is_some(), "{bad}");
    }
}

/// The pages of the repository, but for the log of what once was.
pub(crate) fn pages(root: &Path) -> Vec<PathBuf> {
    let mut folders = vec![root.join("docs"), root.join("examples")];
    let top = [
        "README.md",
        "README.zh-CN.md",
        "SECURITY.md",
        "CONTRIBUTING.md",
        "ARCHITECTURE.md",
    ];
    let mut pages: Vec<PathBuf> = top.iter().map(|name| root.join(name)).collect();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "md") {
                pages.push(path);
            }
        }
    }
    pages
}

/// The arguments of each.
fn commands(text: &str) -> Vec<&str> {
    let mut commands = Vec::new();
    let mut in_block = false;
    for line in text.lines() {
        if line.trim_start().starts_with("```") {
            in_block = !in_block;
        } else if in_block {
            let line = line.trim_start().trim_start_matches("$ ");
            commands.extend(line.strip_prefix(EXECUTABLE));
        } else {
            let quoted = line.split('`').skip(1).step_by(2);
            commands.extend(quoted.filter_map(|text| text.strip_prefix(EXECUTABLE)));
        }
    }
    commands
}

/// What `--help` says of each command.
#[derive(Default)]
struct Help(BTreeMap<Vec<String>, String>);

impl Help {
    /// Why there is no such command.
    fn problem(&mut self, arguments: &str) -> Option<String> {
        let is_word = |word: &str| {
            word.starts_with(|c: char| c.is_ascii_lowercase())
                && word.chars().all(|c| c.is_ascii_lowercase() || c == '-')
        };
        let words: Vec<&str> = arguments.split_whitespace().collect();
        let mut path: Vec<String> = Vec::new();
        let mut rest = words.as_slice();
        while let Some((word, more)) = rest.split_first() {
            let subcommands = self.subcommands(&path);
            if subcommands.is_empty() || !is_word(word) {
                break;
            }
            if !subcommands.iter().any(|known| known == word) {
                return Some(format!("there is no `{word}`"));
            }
            path.push((*word).to_owned());
            rest = more;
        }
        let help = self.of(&path);
        let options = rest
            .iter()
            .take_while(|word| !["|", "||", ">", "&&"].contains(word));
        let options = options.filter_map(|word| {
            let option = word.trim_start_matches('[').strip_prefix("--")?;
            let option = option.split(['=', ',', ']', ')', '.', '`']).next()?;
            (!option.is_empty()).then_some(option)
        });
        let unknown = options
            .map(|option| format!("--{option}"))
            .find(|option| !has_option(help, option));
        unknown.map(|option| format!("there is no {option}"))
    }

    fn of(&mut self, path: &[String]) -> &str {
        let entry = self.0.entry(path.to_vec());
        entry.or_insert_with(|| {
            let words = path.iter().map(String::as_str);
            let arguments: Vec<&str> = words.chain(["--help"]).collect();
            let outcome = run(&arguments);
            assert_eq!(outcome.code, 0, "{outcome:?}");
            outcome.stdout
        })
    }

    /// Those below a command; none of one that does something itself.
    fn subcommands(&mut self, path: &[String]) -> Vec<String> {
        let Some((_, list)) = self.of(path).split_once("\nCommands:\n") else {
            return Vec::new();
        };
        let (list, _) = list.split_once("\n\n").unwrap_or((list, ""));
        let names = list
            .lines()
            .filter_map(|line| line.split_whitespace().next());
        names.map(str::to_owned).collect()
    }
}

/// Whether an option stands there as a whole word.
fn has_option(help: &str, option: &str) -> bool {
    help.split(|c: char| !(c.is_ascii_alphanumeric() || c == '-'))
        .any(|word| word == option)
}
