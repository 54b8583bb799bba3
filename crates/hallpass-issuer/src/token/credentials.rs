//! Who the caller says it is, and the proof that came with the request: read, and not checked yet.

use std::borrow::Cow;
use std::iter;

use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use http::HeaderMap;
use http::header::AUTHORIZATION;

use crate::clients::authentication::SecretPlace;
use crate::token::form;
use crate::token::refusal::Refusal;

/// Basic credentials come with and without padding from clients in the wild.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// The one proof of a request, by its kind. Not checked yet, so never to be trusted; no `Debug` on purpose.
pub(crate) enum Credentials<'a> {
    Secret(SecretCredentials<'a>),
}

/// A client's name and its secret.
pub(crate) struct SecretCredentials<'a> {
    pub(crate) unverified_client_id: Cow<'a, str>,
    pub(crate) secret: Cow<'a, str>,
    /// The secret as it was sent in the header, when decoding changes it: many clients do not form-encode, as RFC 6749
    /// section 2.3.1 demands, and a secret with `+` or `%` in it then reads differently.
    pub(crate) unencoded_secret: Option<Cow<'a, str>>,
    /// Where it was found.
    pub(crate) place: SecretPlace,
}

impl SecretCredentials<'_> {
    /// The readings of the secret, the standard's first.
    pub(crate) fn secrets(&self) -> impl Iterator<Item = &str> {
        iter::once(&self.secret)
            .chain(&self.unencoded_secret)
            .map(AsRef::as_ref)
    }
}

/// The parameters of a form that are about the client itself.
#[derive(Default)]
pub(crate) struct CredentialParameters<'a> {
    client_id: Option<Cow<'a, str>>,
    client_secret: Option<Cow<'a, str>>,
}

impl<'a> CredentialParameters<'a> {
    /// Whether `name` is one of them.
    pub(crate) fn has(name: &str) -> bool {
        matches!(name, "client_id" | "client_secret")
    }

    /// Takes a parameter if it is one of them, else gives the value back. One without a value counts as absent
    /// (RFC 6749 section 3.2).
    pub(crate) fn take(&mut self, name: &str, value: Cow<'a, str>) -> Option<Cow<'a, str>> {
        let place = match name {
            "client_id" => &mut self.client_id,
            "client_secret" => &mut self.client_secret,
            _ => return Some(value),
        };
        if !value.is_empty() {
            *place = Some(value);
        }
        None
    }
}

impl<'a> Credentials<'a> {
    /// Exactly one way to authenticate (RFC 6749 section 2.3).
    ///
    /// A `client_id` beside HTTP Basic does not count as a second method while it names the same client: many clients
    /// send it.
    ///
    /// # Errors
    /// [`Refusal::NoCredentials`], [`Refusal::TwoCredentials`] or [`Refusal::MalformedCredentials`].
    pub(crate) fn read(
        headers: &HeaderMap,
        parameters: CredentialParameters<'a>,
    ) -> Result<Self, Refusal> {
        let CredentialParameters {
            client_id,
            client_secret,
        } = parameters;
        let mut values = headers.get_all(AUTHORIZATION).iter();
        let header = values.next();
        if values.next().is_some() {
            return Err(Refusal::TwoCredentials);
        }
        let Some(header) = header else {
            return match (client_id, client_secret) {
                (Some(unverified_client_id), Some(secret)) => Ok(Self::Secret(SecretCredentials {
                    unverified_client_id,
                    secret,
                    unencoded_secret: None,
                    place: SecretPlace::Form,
                })),
                _ => Err(Refusal::NoCredentials),
            };
        };
        let encoded = basic(header.as_bytes()).ok_or(Refusal::NoCredentials)?;
        if client_secret.is_some() {
            return Err(Refusal::TwoCredentials);
        }
        let basic = basic_credentials(encoded).ok_or(Refusal::MalformedCredentials)?;
        if client_id.is_some_and(|id| id != basic.unverified_client_id) {
            return Err(Refusal::TwoCredentials);
        }
        Ok(Self::Secret(basic))
    }

    /// Whom the caller says it is.
    pub(crate) fn unverified_client_id(&self) -> &str {
        match self {
            Self::Secret(secret) => &secret.unverified_client_id,
        }
    }
}

/// The part after `Basic `, whose name is case-insensitive (RFC 9110 section 11.1).
fn basic(header: &[u8]) -> Option<&[u8]> {
    let (scheme, rest) = header.split_at_checked(6)?;
    scheme
        .eq_ignore_ascii_case(b"basic ")
        .then(|| rest.trim_ascii())
}

/// Id and secret are form-encoded, each for itself, before they are joined (RFC 6749 section 2.3.1).
fn basic_credentials(encoded: &[u8]) -> Option<SecretCredentials<'static>> {
    let joined = String::from_utf8(BASE64.decode(encoded).ok()?).ok()?;
    let (id, sent) = joined.split_once(':')?;
    let unverified_client_id = form::decode(id)?.into_owned().into();
    let sent = sent.to_owned();
    // A percent sign that does not begin an escape can only mean itself.
    let decoded = form::decode(&sent)
        .map(Cow::into_owned)
        .unwrap_or_else(|| sent.clone());
    let unencoded_secret = (decoded != sent).then(|| sent.into());
    Some(SecretCredentials {
        unverified_client_id,
        secret: decoded.into(),
        unencoded_secret,
        place: SecretPlace::Header,
    })
}

#[cfg(test)]
mod tests;
