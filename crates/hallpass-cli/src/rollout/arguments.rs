//! What all commands of a roll-out are told.

use std::path::{Path, PathBuf};

use clap::Args;
use hallpass::config::Loader;
use hallpass::config::environment::Environment;

use super::plan::Plan;
use crate::output::Failure;
use crate::settings::{PrefixArgument, say_warnings};

/// Which roll-out.
#[derive(Args, Clone, Debug)]
pub(crate) struct RolloutArguments {
    /// The YAML file with the plan, and with the sections `nacos` and `tls` where it needs them.
    #[arg(short, long, value_name = "FILE", default_value = "rollout.yaml")]
    plan: PathBuf,
    #[command(flatten)]
    prefix: PrefixArgument,
}

impl RolloutArguments {
    pub(crate) fn file(&self) -> &Path {
        &self.plan
    }

    /// The plan, and the loader of its file.
    ///
    /// # Errors
    /// A usage failure with a line for each problem.
    pub(crate) fn load(&self) -> Result<(Plan, Loader), Failure> {
        let loader = self.prefix.loader(Some(&self.plan));
        let loaded = loader.load_part::<Plan>().map_err(Failure::usage)?;
        Ok((say_warnings(loaded).into_settings(), loader))
    }
}

/// Who does this, for the record: the one who is named, or else the user of this process.
pub(crate) fn by(named: Option<&str>) -> String {
    let of = |name: &str| {
        let read = Environment::process().read(|it| Some(it.optional::<String>(name, "a name")));
        read.ok().flatten()
    };
    let by = named.map(str::to_owned);
    let by = by.or_else(|| of("USER")).or_else(|| of("LOGNAME"));
    by.unwrap_or_else(|| "unknown".to_owned())
}
