//! How many keys can be published: the key set must stay one that verifiers read.

use hallpass_token::{Algorithm, JwkSet};

use crate::keys::record::KeyRecord;

/// The largest key set that the services read, in bytes.
const MAX_PUBLISHED_BYTES: usize = 256 * 1024;
/// More than a public key takes, in bytes.
const ROOM_BYTES: usize = 1024;

/// Whether the keys of `known` and `more` can be published together, with one more of each algorithm.
///
/// # Errors
/// What verifiers would say of the set.
pub(crate) fn check_room(known: &[KeyRecord], more: &[KeyRecord]) -> Result<(), String> {
    let is_new = |key: &&KeyRecord| !known.iter().any(|old| old.kid == key.kid);
    let known = known.iter().filter(|key| key.is_published());
    let keys = known.chain(more.iter().filter(is_new));
    let keys = keys.map(|key| key.public_jwk.as_str());
    let room = format!("{{\"room\":\"{}\"}}", "-".repeat(ROOM_BYTES));
    let room = Algorithm::EVERY.iter().map(|_| room.as_str());
    let set = format!(
        "{{\"keys\":[{}]}}",
        keys.chain(room).collect::<Vec<_>>().join(",")
    );
    let problem = match JwkSet::parse(set.as_bytes()) {
        Ok(_) if set.len() <= MAX_PUBLISHED_BYTES => return Ok(()),
        Ok(_) => format!(
            "the JWK set is larger than {MAX_PUBLISHED_BYTES} bytes, which services do not read"
        ),
        Err(error) => error.to_string(),
    };
    Err(format!(
        "with the keys of the store, and room for a new one of each algorithm, {problem}"
    ))
}
