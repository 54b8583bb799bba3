//! `hallpass config check`: the effective settings, or everything that is wrong with them.

use std::path::PathBuf;

use clap::Args;
use hallpass::config::{Configuration, Key, Section};

use crate::listeners::{self, Clash};
use crate::output::{self, Exit, Failure};
use crate::settings::{self, Everything, PrefixArgument};

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
        let loader = self.prefix.loader_of(&self.files);
        let loaded = loader.load::<Checked>().map_err(Failure::usage)?;
        let loaded = settings::say_warnings(loaded);
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

/// Everything, whose listeners are held against each other too. Not at a start, where the command line may say otherwise.
struct Checked;

impl Configuration for Checked {
    fn keys() -> Vec<Key> {
        Everything::keys()
    }

    fn read(root: &Section<'_>) -> Option<Self> {
        let everything = Everything::read(root)?;
        for clash in listeners::clashes(&listeners::of(&everything)) {
            say(root, &clash);
        }
        Some(Self)
    }
}

/// At the second one, which names the first.
fn say(root: &Section<'_>, clash: &Clash<'_>) {
    let Clash { first, second } = clash;
    let mut way: Vec<_> = second.key.split('.').collect();
    let name = way.pop().unwrap_or_default();
    let mut section = root.clone();
    for step in way {
        section = match step.trim_end_matches(']').split_once('[') {
            None => section.section(step),
            Some((list, index)) => {
                let entry = index.parse().ok();
                let entry = entry.and_then(|it: usize| section.sections(list).into_iter().nth(it));
                entry.unwrap_or(section)
            }
        };
    }
    let name = name.split_once('[').map_or(name, |(list, _)| list);
    let other = &first.key;
    match clash.is_of_one_program() {
        true => section.problem(
            name,
            format!("wants the port that `{other}` has: the second one does not start"),
        ),
        false => section.warn(
            name,
            &format!(
                "wants the port that `{other}` has: on one machine the second program does not start"
            ),
        ),
    }
}
