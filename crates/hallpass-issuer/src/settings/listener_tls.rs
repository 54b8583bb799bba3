//! `tls`: the protection of the issuer's own listener, and the addresses that have to fit it.

use hallpass_config::Section;
use hallpass_tls::ServerTlsSettings;
use hallpass_token::Issuer;
use url::Url;

/// `None` when the section cannot be used, `Some(None)` without one.
pub(super) fn read_tls(section: &Section<'_>) -> Option<Option<ServerTlsSettings>> {
    let section = section.section("tls");
    match section.is_given() {
        true => ServerTlsSettings::read(&section).map(Some),
        false => Some(None),
    }
}

/// Who follows a plain URL to a listener that speaks TLS only gets no response.
pub(super) fn report_plain_urls(
    section: &Section<'_>,
    has_tls: bool,
    name: Option<&Issuer>,
    base_url: Option<&Url>,
) {
    if !has_tls || !section.section("tls").is_given() {
        return;
    }
    let message = "must be an https URL, since the section `tls` is given";
    if base_url.is_some_and(|url| url.scheme() == "http") {
        section.problem("base-url", message);
    } else if base_url.is_none() && name.is_some_and(|name| name.as_str().starts_with("http://")) {
        section.problem("name", message);
    }
}
