//! Commands that the documents show: those of `docs/operations.md`, `docs/runbook.md`, `docs/roll-out.md` and `docs/bench.md` are run, in their order, and say what stands
//! there; those of every other page exist, with their options. What stands there as YAML loads.

mod bench;
mod named;
mod places;
mod roll_out;
mod session;
pub(crate) mod shown;
mod typed;
mod yaml;

use crate::pages::session::Session;
use crate::pages::shown::{Block, blocks};

const OPERATIONS: &str = include_str!("../../../../docs/operations.md");
const RUNBOOK: &str = include_str!("../../../../docs/runbook.md");

#[test]
fn the_commands_of_the_operations_page_do_what_it_says() {
    let commands = run(OPERATIONS);
    assert!(commands > 15, "{commands} commands");
}

/// What is mended was broken before, by commands that a reader does not see: comments of the page.
#[test]
fn the_commands_of_the_runbook_mend_what_they_say() {
    let commands = run(RUNBOOK);
    assert!(commands > 60, "{commands} commands");
}

/// Runs all commands of a page. How many there were.
fn run(page: &str) -> usize {
    let mut session = Session::new();
    let mut commands = 0;
    for block in blocks(page) {
        match block.language.as_str() {
            "console" => commands += session.run(&block),
            "yaml" if !block.mark.is_empty() => session.write(&block),
            _ => {}
        }
    }
    session.end();
    commands
}

/// What could be taken for a session is one.
#[test]
fn the_operations_page_has_no_command_that_is_not_run() {
    let is_run = |block: &Block| {
        block.language == "console"
            || !block
                .text
                .lines()
                .any(|line| line.trim_start_matches("$ ").starts_with("hallpass "))
    };
    let blocks = blocks(OPERATIONS);
    let other = blocks.iter().find(|block| !is_run(block));
    assert_eq!(other.map(|block| block.line), None);
}
