//! Who the caller says it is, and the proof that came with the request: read, and not checked yet.

use std::borrow::Cow;
use std::iter;

use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use hallpass_token::{JWT_BEARER_ASSERTION, MAX_ASSERTION_BYTES, UnverifiedToken};
use http::HeaderMap;
use http::header::AUTHORIZATION;

use crate::clients::authentication::SecretPlace;
use crate::token::form;
use crate::token::refusal::Refusal;
use crate::token::refusal::assertion::AssertionRefusal;

/// Basic credentials come with and without padding from clients in the wild.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// `client_assertion_type` of a JWT-SVID.
const JWT_SPIFFE_ASSERTION: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-spiffe";

/// The one proof of a request, by its kind. Not checked yet, so never to be trusted; no `Debug` on purpose.
pub(crate) enum Credentials<'a> {
    Secret(SecretCredentials<'a>),
    Assertion(AssertionCredentials<'a>),
    /// `client_id` alone: the certificate of the connection may say that it is so (RFC 8705 section 2).
    Name(Cow<'a, str>),
}

/// A JWT that says who the client is (RFC 7521 section 4.2).
pub(crate) struct AssertionCredentials<'a> {
    pub(crate) assertion: Cow<'a, str>,
    /// `client_id`, which may stand beside it.
    pub(crate) unverified_client_id: Option<Cow<'a, str>>,
    /// Whether it is sent as a JWT-SVID (draft-ietf-oauth-spiffe-client-auth).
    pub(crate) is_of_spiffe: bool,
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
    client_assertion: Option<Cow<'a, str>>,
    client_assertion_type: Option<Cow<'a, str>>,
}

impl<'a> CredentialParameters<'a> {
    /// Whether `name` is one of them.
    pub(crate) fn has(name: &str) -> bool {
        matches!(
            name,
            "client_id" | "client_secret" | "client_assertion" | "client_assertion_type"
        )
    }

    /// Takes a parameter if it is one of them, else gives the value back. One without a value counts as absent
    /// (RFC 6749 section 3.2), except for an assertion: whoever meant to send one must not be taken for somebody else.
    pub(crate) fn take(&mut self, name: &str, value: Cow<'a, str>) -> Option<Cow<'a, str>> {
        let place = match name {
            "client_id" => &mut self.client_id,
            "client_secret" => &mut self.client_secret,
            "client_assertion" => &mut self.client_assertion,
            "client_assertion_type" => &mut self.client_assertion_type,
            _ => return Some(value),
        };
        if !value.is_empty() || name.starts_with("client_assertion") {
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
    /// [`Refusal::NoCredentials`], [`Refusal::TwoCredentials`], [`Refusal::MalformedCredentials`],
    /// [`AssertionRefusal::Incomplete`] or [`AssertionRefusal::UnsupportedType`].
    pub(crate) fn read(
        headers: &HeaderMap,
        parameters: CredentialParameters<'a>,
    ) -> Result<Self, Refusal> {
        let CredentialParameters {
            client_id,
            client_secret,
            client_assertion,
            client_assertion_type,
        } = parameters;
        let has_other = headers.contains_key(AUTHORIZATION) || client_secret.is_some();
        match (client_assertion, client_assertion_type) {
            (None, None) => {}
            (Some(_), Some(_)) if has_other => return Err(Refusal::TwoCredentials),
            (Some(assertion), Some(assertion_type)) => {
                let read = AssertionCredentials::read(client_id, assertion, &assertion_type);
                return read.map(Self::Assertion);
            }
            (Some(_), None) | (None, Some(_)) => {
                return Err(Refusal::Assertion(AssertionRefusal::Incomplete));
            }
        }
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
                (Some(unverified_client_id), None) => Ok(Self::Name(unverified_client_id)),
                (None, _) => Err(Refusal::NoCredentials),
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

    /// Whom the caller says it is, for the audit log; empty when that cannot be read.
    pub(crate) fn unverified_client_id(&self) -> Cow<'_, str> {
        match self {
            Self::Secret(secret) => Cow::Borrowed(&secret.unverified_client_id),
            Self::Assertion(assertion) => assertion.unverified_name(),
            Self::Name(client_id) => Cow::Borrowed(client_id),
        }
    }
}

impl<'a> AssertionCredentials<'a> {
    fn read(
        unverified_client_id: Option<Cow<'a, str>>,
        assertion: Cow<'a, str>,
        assertion_type: &str,
    ) -> Result<Self, Refusal> {
        if assertion.is_empty() || assertion_type.is_empty() {
            return Err(Refusal::Assertion(AssertionRefusal::Incomplete));
        }
        let is_of_spiffe = assertion_type == JWT_SPIFFE_ASSERTION;
        if assertion_type != JWT_BEARER_ASSERTION && !is_of_spiffe {
            return Err(Refusal::Assertion(AssertionRefusal::UnsupportedType));
        }
        Ok(Self {
            assertion,
            unverified_client_id,
            is_of_spiffe,
        })
    }

    /// Whom the assertion claims to be of, else what `client_id` says.
    fn unverified_name(&self) -> Cow<'_, str> {
        let token = UnverifiedToken::parse(&self.assertion, MAX_ASSERTION_BYTES).ok();
        let claims = token.and_then(|token| token.unverified_claims().ok());
        match claims {
            Some(claims) => claims.subject.as_str().to_owned().into(),
            None => self
                .unverified_client_id
                .as_deref()
                .unwrap_or_default()
                .into(),
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
