//! `hallpass completions SHELL`

use clap::{Args, CommandFactory};
use clap_complete::{Shell, generate};

use crate::output::{self, Exit, Failure};

/// Print a completion script for a shell
#[derive(Args, Debug)]
pub(crate) struct Completions {
    /// bash, elvish, fish, powershell or zsh.
    shell: Shell,
}

impl Completions {
    pub(crate) fn run(&self) -> Result<Exit, Failure> {
        // Into memory first: the generator panics when its writer fails.
        let mut script = Vec::new();
        generate(
            self.shell,
            &mut crate::Arguments::command(),
            "hallpass",
            &mut script,
        );
        output::print_line(String::from_utf8_lossy(&script).trim_end())?;
        Ok(Exit::Ok)
    }
}
