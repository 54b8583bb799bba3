//! The configuration as a service would have it: files, environment, and the documents of Nacos.

use std::path::PathBuf;

use hallpass::config::{Loaded, Loader, Problems};

use super::check::Check;
use super::finding::{Finding, SLOW_FILE};
use super::limits::Limits;
#[cfg(feature = "nacos")]
use super::nacos::{self, Opened};
use super::report::Report;
use crate::settings::{self, Everything};

const SLOW: &str = "a file of the configuration is not read in time";

/// Without it nothing is looked at, so this is no small thing to leave out.
pub(super) fn slow() -> Finding {
    Finding::failure(Check::Configuration, SLOW, SLOW_FILE)
}

/// The configuration, and the session with Nacos that it partly comes from.
pub(super) struct Sources {
    pub(super) everything: Everything,
    #[cfg(feature = "nacos")]
    pub(super) nacos: Option<hallpass::nacos::Nacos>,
}

/// Loads it; `None` when it cannot be used, which the report says then.
pub(super) async fn load(
    loader: &Loader,
    files: &[PathBuf],
    limits: &Limits,
    report: &Report,
) -> Option<Sources> {
    #[cfg(feature = "nacos")]
    let opened = nacos::open(loader, limits, report).await;
    #[cfg(not(feature = "nacos"))]
    report.add(Finding::skipped_all(
        &[Check::Nacos, Check::NacosDocuments],
        "this program was built without Nacos",
    ));
    #[cfg(feature = "nacos")]
    let (loaded, nacos) = match opened {
        Opened::With(nacos) => (with_documents(&nacos, limits).await, Some(*nacos)),
        Opened::Without => (load_here(loader, limits).await, None),
        Opened::Broken => match load_here(loader, limits).await {
            // What is missing may stand in the documents.
            Ok(Err(_)) => {
                let why =
                    "the files alone cannot be used, and the documents of Nacos are not to be had";
                report.add([Finding::skipped(Check::Configuration, why)]);
                return None;
            }
            loaded => (loaded, None),
        },
    };
    #[cfg(not(feature = "nacos"))]
    let loaded = load_here(loader, limits).await;
    let everything = settle(loaded, files, report)?;
    Some(Sources {
        everything,
        #[cfg(feature = "nacos")]
        nacos,
    })
}

type Outcome = Result<Result<Loaded<Everything>, Problems>, &'static str>;

async fn load_here(loader: &Loader, limits: &Limits) -> Outcome {
    let loader = loader.clone();
    let loaded = limits.blocking(move || loader.load::<Everything>()).await;
    loaded.ok_or(SLOW)
}

#[cfg(feature = "nacos")]
async fn with_documents(nacos: &hallpass::nacos::Nacos, limits: &Limits) -> Outcome {
    let mut reloader = nacos.reloader().map_err(|_| "no runtime")?;
    let loaded = limits.blocking(move || reloader.load::<Everything>()).await;
    loaded.ok_or(SLOW)
}

/// Says what came of it.
fn settle(loaded: Outcome, files: &[PathBuf], report: &Report) -> Option<Everything> {
    let check = Check::Configuration;
    let mut loaded = match loaded {
        Ok(Ok(loaded)) => loaded,
        Ok(Err(problems)) => {
            let advice = "correct it; `hallpass config check` says the same of the files alone";
            let problem = |it| Finding::failure(check, format!("{it}"), advice);
            report.add(problems.iter().map(problem));
            return None;
        }
        Err(why) => {
            report.add([Finding::failure(check, why, SLOW_FILE)]);
            return None;
        }
    };
    // Often the key is mistyped. Other top-level keys are ignored, so nothing of the file would be read.
    let has_nothing = |file: &&PathBuf| file.is_file() && settings::detect(file).is_none();
    if let Some(file) = files.iter().find(has_nothing) {
        report.add([Finding::failure(
            check,
            format!(
                "{}: has neither `hallpass` nor `scccy` at its top",
                file.display()
            ),
            "correct the key at its top, or give --config-prefix if it is another",
        )]);
        return None;
    }
    if loaded.is_all_default() {
        report.add([Finding::failure(
            check,
            "there is none: no file and no variable of the environment sets anything, so there was nothing to look at",
            "name the files that the service reads (--config), or run it with the environment of the service",
        )]);
        return None;
    }
    let warnings = loaded.take_warnings();
    let advice = "see docs/config.md for this key";
    report.add(
        warnings
            .into_iter()
            .map(|it| Finding::warning(check, it, advice)),
    );
    report.add([Finding::ok(check, "the configuration can be used")]);
    Some(loaded.into_settings())
}
