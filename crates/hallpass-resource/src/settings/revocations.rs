//! Reads where the deny-list of an issuer is.

use hallpass_config::Section;
use hallpass_upstream::{EndpointUrl, EndpointUrlError, RevocationSource};

use super::JwksLocation;

/// Where the deny-list is, if there is one. What cannot be read is reported.
pub(super) fn read_revocations(
    section: &Section<'_>,
    jwks: Option<&JwksLocation>,
    is_internal: bool,
) -> Option<EndpointUrl> {
    if section.has("revocations-url") {
        return section
            .checked("revocations-url", check_revocations)
            .flatten();
    }
    let Some(JwksLocation::Url(keys)) = jwks.filter(|_| is_internal) else {
        return None;
    };
    let beside = RevocationSource::beside(keys, "jwks")?;
    section.record_derived("revocations-url", &beside.to_string(), "jwks-url");
    Some(beside)
}

fn check_revocations(text: &str) -> Result<Option<EndpointUrl>, String> {
    match text {
        "none" => Ok(None),
        url => url
            .parse()
            .map(Some)
            .map_err(|error: EndpointUrlError| error.to_string()),
    }
}
