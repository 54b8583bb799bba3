//! What the certificates of clients need of the authority, and of each other.

use std::collections::HashMap;

use hallpass_config::Section;

use crate::settings::ca::CaSettings;
use crate::settings::client::ClientSettings;
use crate::settings::client::certificate_names::{SECTION, SPIFFE_ID};
use crate::spiffe;

/// What `client` needs of the authority, and does not find: the key, and what is wrong.
pub(crate) fn unmet_need(
    client: &ClientSettings,
    ca: Option<&CaSettings>,
) -> Option<(&'static str, String)> {
    let names = client.certificate.as_ref()?;
    let Some(ca) = ca else {
        let message = "needs `issuer.ca`: without it there are no certificates";
        return Some((SECTION, message.to_owned()));
    };
    let domain = format!("spiffe://{}", ca.trust_domain);
    let is_of_it = spiffe::trust_domain(&names.spiffe_id) == Some(domain.as_str());
    let message = || format!("has a `{SPIFFE_ID}` of another trust domain than `{domain}`");
    (!is_of_it).then(|| (SECTION, message()))
}

/// Reports what clients need and do not find, and ids that two of them have.
pub(super) fn report(
    ca: Option<&CaSettings>,
    sections: &[Section<'_>],
    clients: &[Option<ClientSettings>],
) {
    let mut taken: HashMap<&str, &str> = HashMap::new();
    for (section, client) in sections.iter().zip(clients) {
        let Some(client) = client else { continue };
        if let Some((key, message)) = unmet_need(client, ca) {
            section.problem(key, message);
        }
        let Some(names) = &client.certificate else {
            continue;
        };
        let before = taken.insert(names.spiffe_id.as_str(), client.client_id.as_str());
        if let Some(other) = before {
            let message = format!("is the one of the client `{other}` too");
            section.section(SECTION).problem(SPIFFE_ID, message);
        }
    }
}
