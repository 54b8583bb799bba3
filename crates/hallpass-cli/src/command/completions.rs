//! `hallpass completions SHELL`

use clap::{Args, Command};
use clap_complete::{Shell, generate};

use crate::output::{self, Exit, Failure};

/// Print a completion script for a shell
#[derive(Args, Debug)]
pub(crate) struct Completions {
    /// bash, elvish, fish, powershell or zsh.
    shell: Shell,
}

impl Completions {
    pub(crate) fn run(&self, mut whole: Command) -> Result<Exit, Failure> {
        // Into memory first: the generator panics when its writer fails.
        let mut script = Vec::new();
        generate(self.shell, &mut whole, "hallpass", &mut script);
        output::print_line(String::from_utf8_lossy(&script).trim_end())?;
        Ok(Exit::Ok)
    }
}
