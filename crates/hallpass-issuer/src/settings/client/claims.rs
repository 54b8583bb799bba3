//! `claims`: what the tokens say that a client gets for itself.

use hallpass_config::{Section, report_doubles};
use serde_json::{Map, Value};

use crate::settings::audience::read_claim;

/// Most bytes of them, as JSON: half of what a token may have in all, of which other claims and the signature take the rest.
const MAX_BYTES: usize = 2 * 1024;

/// The entries of `claims`.
pub(super) fn read(client: &Section<'_>) -> Option<Map<String, Value>> {
    let sections = client.sections("claims");
    report_doubles(&sections, "name");
    let read: Vec<_> = sections.iter().map(read_claim).collect();
    let claims: Map<String, Value> = read.into_iter().collect::<Option<_>>()?;
    let length = serde_json::to_string(&claims).map_or(usize::MAX, |text| text.len());
    if length > MAX_BYTES {
        let message = format!("take {length} bytes of each token, and {MAX_BYTES} are the most");
        client.problem("claims", message);
        return None;
    }
    Some(claims)
}
