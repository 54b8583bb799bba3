//! `hallpass config check`: the effective settings, or everything that is wrong with them.

use std::path::PathBuf;

use clap::Args;

use crate::output::{self, Exit, Failure};
use crate::settings::{self, PrefixArgument};

/// Check files and print the effective settings with the origin of each value
///
/// Reads the files and the environment of this process as a service would, opens no connection, and
/// prints the settings as a tree with the origin of each value; secrets show as `***`. Problems go
/// to standard error, all of them at once, with exit 64; so do warnings, with exit 0.
#[derive(Args, Debug)]
pub(crate) struct ConfigCheck {
    /// The YAML files, all that the service reads and in its order: later ones win over earlier ones.
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Also say on standard error what stands below the prefix and was not read, and why.
    #[arg(long)]
    explain: bool,
    #[command(flatten)]
    prefix: PrefixArgument,
}

impl ConfigCheck {
    pub(crate) fn run(&self) -> Result<Exit, Failure> {
        let loaded = settings::load(&self.prefix.loader_of(&self.files))?;
        let has_nothing = |file: &&PathBuf| settings::detect(file).is_none();
        if !self.prefix.is_given()
            && let Some(file) = self.files.iter().find(has_nothing)
        {
            // Often the key is mistyped. Other top-level keys are ignored, so nothing of the file would be checked.
            return Err(Failure::usage(format_args!(
                "{}: has neither `hallpass` nor `scccy` at its top; give --config-prefix if it is another, or if this is a pipe",
                file.display()
            )));
        }
        if self.explain {
            for note in loaded.left_alone() {
                output::complain(&format!("not read: {note}"));
            }
        }
        output::print_line(loaded.effective().trim_end())?;
        Ok(Exit::Ok)
    }
}
