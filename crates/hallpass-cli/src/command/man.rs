//! `hallpass man FOLDER`

use std::fs;
use std::path::PathBuf;

use clap::builder::Resettable;
use clap::{Args, Command};

use crate::output::{Exit, Failure};

/// Write the manual pages, one for each command, into a folder
#[derive(Args, Debug)]
pub(crate) struct Man {
    /// It is made where it is not there.
    folder: PathBuf,
}

impl Man {
    pub(crate) fn run(&self, whole: Command) -> Result<Exit, Failure> {
        // Pages are of a version, whichever commit and features it was built from.
        let whole = whole.long_version(Resettable::Reset);
        let written = fs::create_dir_all(&self.folder)
            .and_then(|()| clap_mangen::generate_to(whole, &self.folder));
        let name = self.folder.display();
        written.map_err(|error| Failure::failed(format_args!("{name}: {error}")))?;
        Ok(Exit::Ok)
    }
}
