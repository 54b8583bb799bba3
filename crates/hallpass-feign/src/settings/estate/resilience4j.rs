//! `resilience4j`: circuit breakers, bulkheads, rate limiters, time limiters and retries by name, as its Spring starter reads them.

mod derived;
mod effective;
mod exceptions;
mod part;
mod rows;

use hallpass_config::Foreign;

use super::saying::Sayings;

pub(super) use rows::PARTS;

/// What `resilience4j` says.
pub(super) fn read<'a>(root: &Foreign<'a>) -> Sayings<'a> {
    let mut sayings = Sayings::default();
    for part in PARTS {
        if let Some(found) = root.get(part.name) {
            part.read(&found, &mut sayings);
        }
    }
    sayings
}
