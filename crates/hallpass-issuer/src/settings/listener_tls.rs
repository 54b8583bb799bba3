//! `tls`: the protection of the issuer's own listener, and the addresses that have to fit it.

use hallpass_config::Section;
use hallpass_tls::{ClientAuth, ServerTlsSettings};
use hallpass_token::Issuer;
use url::Url;

use crate::settings::client::ClientSettings;
use crate::settings::client::authentication::{ClientAuthentication, METHOD};

/// `None` when the section cannot be used, `Some(None)` without one.
pub(super) fn read_tls(section: &Section<'_>) -> Option<Option<ServerTlsSettings>> {
    let section = section.section("tls");
    match section.is_given() {
        true => ServerTlsSettings::read(&section).map(Some),
        false => Some(None),
    }
}

/// Clients that show certificates need a listener that asks for them and lets them in.
pub(super) fn report_certificates(
    tls: Option<&ServerTlsSettings>,
    sections: &[Section<'_>],
    clients: &[Option<ClientSettings>],
) {
    for (section, client) in sections.iter().zip(clients) {
        if let Some((key, message)) = client.as_ref().and_then(|it| unmet_need(it, tls)) {
            section.problem(key, message);
        }
    }
}

/// What `client` needs of a listener and `tls` does not give: the key that needs it, and what it needs.
pub(crate) fn unmet_need(
    client: &ClientSettings,
    tls: Option<&ServerTlsSettings>,
) -> Option<(&'static str, &'static str)> {
    let asks = tls.map_or(&ClientAuth::None, |tls| &tls.client_auth);
    match (&client.authentication, asks) {
        (
            ClientAuthentication::TlsClientAuth(_),
            ClientAuth::None | ClientAuth::Any { ca_file: None },
        ) => Some((
            METHOD,
            "needs `issuer.tls.client-auth` (`want`, `need` or `any`) with a `client-ca-file`",
        )),
        (
            ClientAuthentication::SelfSignedTlsClientAuth(_),
            ClientAuth::None | ClientAuth::Want { .. } | ClientAuth::Need { .. },
        ) => Some((
            METHOD,
            "needs `issuer.tls.client-auth: any`: else the listener lets none in with a certificate of no authority",
        )),
        (_, ClientAuth::None) if client.tls_client_certificate_bound_access_tokens => Some((
            "tls-client-certificate-bound-access-tokens",
            "needs `issuer.tls.client-auth`: nobody is asked for a certificate",
        )),
        _ => None,
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
