//! Prints `docs/config.md`.

use std::io::Write as _;

fn main() -> std::io::Result<()> {
    std::io::stdout().write_all(hallpass_config::reference::markdown().as_bytes())
}
