//! `hallpass config reference`: the page of all configuration keys.

use clap::Args;
use hallpass::config::{Configuration as _, reference};

use crate::output::{self, Exit, Failure};
use crate::settings::Everything;

/// The text of the page before the keys.
const INTRODUCTION: &str = include_str!("config_reference/introduction.md");

/// Print every configuration key with its type, default and environment variable
///
/// The page is Markdown: that of `docs/config.md`, for this version.
#[derive(Args, Debug)]
pub(crate) struct ConfigReference {}

impl ConfigReference {
    pub(crate) fn run(&self) -> Result<Exit, Failure> {
        output::print_line(page().trim_end())?;
        Ok(Exit::Ok)
    }
}

fn page() -> String {
    reference::markdown(INTRODUCTION, &Everything::keys())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(feature = "nacos")]
    #[test]
    fn the_page_in_the_tree_is_up_to_date() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/config.md");
        let in_tree = std::fs::read_to_string(path).unwrap_or_default();
        assert!(
            in_tree == page(),
            "run: cargo run -p hallpass-cli -- config reference > docs/config.md"
        );
    }
}
