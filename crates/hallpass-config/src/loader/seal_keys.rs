//! The keys that open sealed secrets, out of their files.

use hallpass_token::ValueSealer;

use crate::sealing::{KEY_FILE, Keyring, PREVIOUS_KEY_FILE, SECTION};
use crate::section::Section;

/// The keys that the section `sealing` of `root` names.
pub(super) fn read(root: &Section<'_>) -> Keyring {
    let section = root.section(SECTION.name());
    let mut keyring = Keyring::default();
    for key in [KEY_FILE, PREVIOUS_KEY_FILE] {
        if section.has(key) {
            keyring.add(sealer(&section, key));
        }
    }
    keyring
}

fn sealer(section: &Section<'_>, key: &str) -> Option<ValueSealer> {
    let material = section.secret_in_file(key)?;
    ValueSealer::new(material.expose())
        .map_err(|error| section.problem(key, error.to_string()))
        .ok()
}
