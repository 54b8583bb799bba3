//! Names, scopes and addresses that the settings may have.

use std::collections::HashSet;

use hallpass_config::{Section, has_credentials, is_loopback, strict_url};
use hallpass_token::{Algorithm, Audience, Issuer, Scope};
use url::Url;

pub(super) fn check_issuer_name(text: &str) -> Result<Issuer, String> {
    if text.contains("://") {
        check_base_url(text)?;
    }
    text.parse::<Issuer>().map_err(|error| error.to_string())
}

pub(super) fn check_base_url(text: &str) -> Result<Url, &'static str> {
    let url = strict_url(text).ok_or("is not a URL")?;
    let is_safe = match url.scheme() {
        "https" => url.has_host(),
        "http" => is_loopback(&url),
        _ => false,
    };
    if !is_safe {
        return Err("must be an https URL, or http to a loopback address");
    }
    if has_credentials(&url) {
        return Err("must not hold a user name or password");
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err("must not hold a query or a fragment (RFC 8414 section 2)");
    }
    Ok(url)
}

/// A service that tokens may be for. Words with spaces between them, as scopes may be written, are no name of one: nobody would ever be
/// given a token for it.
pub(super) fn check_service(text: &str) -> Result<Audience, String> {
    if text.contains(char::is_whitespace) {
        return Err(
            "must be one name: write several as a list, or with commas between them".to_owned(),
        );
    }
    text.parse::<Audience>().map_err(|error| error.to_string())
}

/// What keys of this issuer may be for.
pub(super) fn signing_algorithm(name: &str) -> Option<Algorithm> {
    let algorithm = name.parse().ok()?;
    Algorithm::EVERY.contains(&algorithm).then_some(algorithm)
}

/// The scopes of the list `key` as one, each once; a problem when they are too long together.
pub(super) fn all_scopes(section: &Section<'_>, key: &str, scopes: &[Scope]) -> Option<Scope> {
    let mut seen = HashSet::new();
    let each = scopes.iter().map(Scope::as_str);
    let all = Scope::from_words(each.filter(|it| seen.insert(*it)));
    if let Err(error) = &all {
        section.problem(key, error.to_string());
    }
    all.ok()
}
