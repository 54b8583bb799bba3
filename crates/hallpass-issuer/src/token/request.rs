//! A request at the token endpoint as a typed value: what was asked, and which credentials came with it.

use std::borrow::Cow;
use std::iter;

use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use hallpass_token::DpopError;
use http::HeaderMap;
use http::header::{AUTHORIZATION, CONTENT_TYPE};

use crate::clients::registration::GrantType;
use crate::token::form;
use crate::token::refusal::Refusal;

/// Basic credentials come with and without padding from clients in the wild.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// The header of a proof of possession (RFC 9449 section 4.1).
const DPOP: &str = "dpop";

/// The only content type of the token endpoint (RFC 6749 section 4.4.2).
const FORM: &str = "application/x-www-form-urlencoded";

/// The parameters of one request. Nothing is checked against the registry yet.
pub(crate) struct TokenRequest<'a> {
    /// `None` for a grant that this issuer does not offer.
    pub(crate) grant_type: Option<GrantType>,
    pub(crate) credentials: Credentials<'a>,
    pub(crate) scope: Option<Cow<'a, str>>,
    pub(crate) target: Target<'a>,
    pub(crate) exchange: ExchangeParameters<'a>,
    /// The header `DPoP`; not verified yet.
    pub(crate) unverified_proof: Option<&'a str>,
    pub(crate) oddities: Oddities,
}

/// The parameters that only token exchange has (RFC 8693 section 2.1).
#[derive(Default)]
pub(crate) struct ExchangeParameters<'a> {
    /// A bearer credential; not verified yet.
    pub(crate) subject_token: Option<Cow<'a, str>>,
    pub(crate) subject_token_type: Option<Cow<'a, str>>,
    pub(crate) requested_token_type: Option<Cow<'a, str>>,
}

/// What was sent that a grant may have to refuse: ignored, it could turn one request into another.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Oddities {
    /// A parameter that some grant knows has no value.
    pub(crate) empty: bool,
    /// A parameter of token exchange, with or without value.
    pub(crate) of_exchange: bool,
    /// `actor_token` or its type.
    pub(crate) of_actor: bool,
    /// A parameter that no grant knows.
    pub(crate) unknown: bool,
}

/// Who the caller says it is, and the proof. Not checked yet, so never to be trusted; no `Debug` on purpose.
pub(crate) struct Credentials<'a> {
    pub(crate) unverified_client_id: Cow<'a, str>,
    pub(crate) secret: Cow<'a, str>,
    /// The secret as it was sent in the header, when decoding changes it: many clients do not form-encode, as RFC 6749
    /// section 2.3.1 demands, and a secret with `+` or `%` in it then reads differently.
    pub(crate) unencoded_secret: Option<Cow<'a, str>>,
}

impl Credentials<'_> {
    /// The readings of the secret, the standard's first.
    pub(crate) fn secrets(&self) -> impl Iterator<Item = &str> {
        iter::once(&self.secret)
            .chain(&self.unencoded_secret)
            .map(AsRef::as_ref)
    }
}

/// The service a token is asked for, by `audience` or by `resource` (RFC 8707).
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Target<'a> {
    Absent,
    One(Cow<'a, str>),
    Several,
}

impl<'a> TokenRequest<'a> {
    /// Reads the form and the client credentials.
    ///
    /// # Errors
    /// The refusals that need no registry: a form that cannot be read, a missing grant type, missing or repeated credentials.
    pub(crate) fn parse(headers: &'a HeaderMap, body: &'a [u8]) -> Result<Self, Refusal> {
        if !is_form(headers) {
            return Err(Refusal::NotAForm);
        }
        let mut grant_type = None;
        let mut client_id = None;
        let mut client_secret = None;
        let mut scope = None;
        let mut target = Target::Absent;
        let mut exchange = ExchangeParameters::default();
        let mut oddities = Oddities::default();
        form::each_parameter(body, &["audience", "resource"], |name, value| {
            oddities.note(name, value.is_empty());
            // RFC 6749 section 3.2: a parameter without a value counts as absent, and an unknown one is ignored, unless
            // the grant says otherwise.
            match name {
                _ if value.is_empty() => {}
                "grant_type" => grant_type = Some(value),
                "client_id" => client_id = Some(value),
                "client_secret" => client_secret = Some(value),
                "scope" => scope = Some(value),
                "audience" | "resource" => target.add(value),
                "subject_token" => exchange.subject_token = Some(value),
                "subject_token_type" => exchange.subject_token_type = Some(value),
                "requested_token_type" => exchange.requested_token_type = Some(value),
                _ => {}
            }
        })?;
        let credentials = credentials(headers, client_id, client_secret)?;
        let grant_type = grant_type.ok_or(Refusal::MissingGrantType)?;
        Ok(Self {
            grant_type: GrantType::named(&grant_type),
            credentials,
            scope,
            target,
            exchange,
            unverified_proof: proof(headers)?,
            oddities,
        })
    }
}

impl Oddities {
    fn note(&mut self, name: &str, is_empty: bool) {
        match name {
            "grant_type" | "client_id" | "client_secret" | "scope" | "audience" | "resource" => {}
            "subject_token" | "subject_token_type" | "requested_token_type" => {
                self.of_exchange = true;
            }
            "actor_token" | "actor_token_type" => {
                self.of_exchange = true;
                self.of_actor = true;
            }
            _ => {
                self.unknown = true;
                return;
            }
        }
        self.empty |= is_empty;
    }
}

/// A request about a token: to revoke it (RFC 7009 section 2.1) or to learn what it says (RFC 7662 section 2.1).
pub(crate) struct TokenQuestion<'a> {
    pub(crate) credentials: Credentials<'a>,
    pub(crate) token: Cow<'a, str>,
}

impl<'a> TokenQuestion<'a> {
    /// Reads the form and the client credentials. `token_type_hint` is not needed to find a token.
    ///
    /// # Errors
    /// As [`TokenRequest::parse`], and [`Refusal::MissingToken`].
    pub(crate) fn parse(headers: &HeaderMap, body: &'a [u8]) -> Result<Self, Refusal> {
        if !is_form(headers) {
            return Err(Refusal::NotAForm);
        }
        let (mut client_id, mut client_secret, mut token) = (None, None, None);
        form::each_parameter(body, &[], |name, value| match name {
            _ if value.is_empty() => {}
            "client_id" => client_id = Some(value),
            "client_secret" => client_secret = Some(value),
            "token" => token = Some(value),
            _ => {}
        })?;
        Ok(Self {
            credentials: credentials(headers, client_id, client_secret)?,
            token: token.ok_or(Refusal::MissingToken)?,
        })
    }
}

impl<'a> Target<'a> {
    fn add(&mut self, value: Cow<'a, str>) {
        match self {
            Self::Absent => *self = Self::One(value),
            // The same service named twice, for example as audience and as resource, is still one service.
            Self::One(first) if *first == value => {}
            Self::One(_) | Self::Several => *self = Self::Several,
        }
    }
}

fn is_form(headers: &HeaderMap) -> bool {
    let mut values = headers.get_all(CONTENT_TYPE).iter();
    let (Some(value), None) = (values.next(), values.next()) else {
        return false;
    };
    let essence = value
        .as_bytes()
        .split(|byte| *byte == b';')
        .next()
        .unwrap_or_default();
    essence.trim_ascii().eq_ignore_ascii_case(FORM.as_bytes())
}

/// The one proof of possession (RFC 9449 section 4.3, check 1).
fn proof(headers: &HeaderMap) -> Result<Option<&str>, Refusal> {
    let mut values = headers.get_all(DPOP).iter();
    match (values.next(), values.next()) {
        (None, _) => Ok(None),
        (Some(proof), None) => {
            let malformed = |_| Refusal::BadDpopProof(DpopError::Malformed);
            proof.to_str().map(Some).map_err(malformed)
        }
        (Some(_), Some(_)) => Err(Refusal::SeveralDpopProofs),
    }
}

/// Exactly one way to authenticate (RFC 6749 section 2.3).
///
/// A `client_id` beside HTTP Basic does not count as a second method while it names the same client: many clients send it.
fn credentials<'a>(
    headers: &HeaderMap,
    client_id: Option<Cow<'a, str>>,
    client_secret: Option<Cow<'a, str>>,
) -> Result<Credentials<'a>, Refusal> {
    let mut values = headers.get_all(AUTHORIZATION).iter();
    let header = values.next();
    if values.next().is_some() {
        return Err(Refusal::TwoCredentials);
    }
    let Some(header) = header else {
        return match (client_id, client_secret) {
            (Some(unverified_client_id), Some(secret)) => Ok(Credentials {
                unverified_client_id,
                secret,
                unencoded_secret: None,
            }),
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
    Ok(basic)
}

/// The part after `Basic `, whose name is case-insensitive (RFC 9110 section 11.1).
fn basic(header: &[u8]) -> Option<&[u8]> {
    let (scheme, rest) = header.split_at_checked(6)?;
    scheme
        .eq_ignore_ascii_case(b"basic ")
        .then(|| rest.trim_ascii())
}

/// Id and secret are form-encoded, each for itself, before they are joined (RFC 6749 section 2.3.1).
fn basic_credentials(encoded: &[u8]) -> Option<Credentials<'static>> {
    let joined = String::from_utf8(BASE64.decode(encoded).ok()?).ok()?;
    let (id, sent) = joined.split_once(':')?;
    let unverified_client_id = form::decode(id)?.into_owned().into();
    let sent = sent.to_owned();
    // A percent sign that does not begin an escape can only mean itself.
    let decoded = form::decode(&sent)
        .map(Cow::into_owned)
        .unwrap_or_else(|| sent.clone());
    let unencoded_secret = (decoded != sent).then(|| sent.into());
    Some(Credentials {
        unverified_client_id,
        secret: decoded.into(),
        unencoded_secret,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    const POST_BODY: &[u8] = b"grant_type=client_credentials&client_id=a&client_secret=s";

    fn headers(authorization: &[&str]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(FORM));
        for value in authorization {
            headers.append(AUTHORIZATION, HeaderValue::from_str(value).unwrap());
        }
        headers
    }

    fn basic_header(joined: &str) -> String {
        format!("Basic {}", BASE64.encode(joined))
    }

    fn who(authorization: &[&str], body: &[u8]) -> Result<(String, String), Refusal> {
        let headers = headers(authorization);
        let request = TokenRequest::parse(&headers, body)?;
        let Credentials {
            unverified_client_id,
            secret,
            ..
        } = request.credentials;
        Ok((unverified_client_id.into_owned(), secret.into_owned()))
    }

    fn pair(id: &str, secret: &str) -> Result<(String, String), Refusal> {
        Ok((id.to_owned(), secret.to_owned()))
    }

    #[test]
    fn reads_basic_credentials_and_undoes_their_form_encoding() {
        let body = b"grant_type=client_credentials";
        assert_eq!(who(&[&basic_header("a:s")], body), pair("a", "s"));
        assert_eq!(
            who(&[&basic_header("a%3Ab:p+q%2Br%25:t")], body),
            pair("a:b", "p q+r%:t")
        );
        assert_eq!(
            who(&[&basic_header("a:s").replace("Basic ", "bASIC   ")], body),
            pair("a", "s")
        );
        assert_eq!(
            who(&[basic_header("ab:s").trim_end_matches('=')], body),
            pair("ab", "s")
        );
        assert_eq!(who(&[&basic_header("a:")], body), pair("a", ""));
    }

    #[test]
    fn a_secret_that_was_not_form_encoded_is_read_as_it_stands_too() {
        let secrets = |joined: &str| {
            let headers = headers(&[&basic_header(joined)]);
            let request = TokenRequest::parse(&headers, b"grant_type=x").unwrap();
            request
                .credentials
                .secrets()
                .map(str::to_owned)
                .collect::<Vec<_>>()
        };
        assert_eq!(secrets("a:s"), ["s"]);
        assert_eq!(secrets("a:p+q"), ["p q", "p+q"]);
        assert_eq!(secrets("a:p%2Bq"), ["p+q", "p%2Bq"]);
        assert_eq!(secrets("a:100%sure"), ["100%sure"]);
    }

    #[test]
    fn reads_credentials_from_the_body() {
        assert_eq!(who(&[], POST_BODY), pair("a", "s"));
    }

    #[test]
    fn refuses_two_ways_to_authenticate_at_once() {
        let basic = basic_header("a:s");
        assert_eq!(who(&[&basic], POST_BODY), Err(Refusal::TwoCredentials));
        assert_eq!(
            who(&[&basic, &basic], b"grant_type=x"),
            Err(Refusal::TwoCredentials)
        );
        assert_eq!(
            who(&[&basic], b"grant_type=x&client_id=b"),
            Err(Refusal::TwoCredentials)
        );
        assert_eq!(who(&[&basic], b"grant_type=x&client_id=a"), pair("a", "s"));
    }

    #[test]
    fn refuses_missing_foreign_and_broken_credentials() {
        let body = b"grant_type=client_credentials";
        assert_eq!(who(&[], body), Err(Refusal::NoCredentials));
        assert_eq!(
            who(&[], b"grant_type=x&client_id=a"),
            Err(Refusal::NoCredentials)
        );
        assert_eq!(
            who(&[], b"grant_type=x&client_secret=s"),
            Err(Refusal::NoCredentials)
        );
        for foreign in ["Bearer abc", "Basic", "Digest x", ""] {
            assert_eq!(
                who(&[foreign], body),
                Err(Refusal::NoCredentials),
                "{foreign}"
            );
        }
        for broken in [
            "Basic ***",
            &basic_header("no colon"),
            &basic_header("a%zz:s"),
            "Basic /w==",
        ] {
            assert_eq!(
                who(&[broken], body),
                Err(Refusal::MalformedCredentials),
                "{broken}"
            );
        }
    }

    #[test]
    fn one_service_named_twice_is_one_target_and_two_services_are_several() {
        let target = |query: &str| {
            let body = format!("grant_type=x&client_id=a&client_secret=s{query}");
            match TokenRequest::parse(&headers(&[]), body.as_bytes())
                .unwrap()
                .target
            {
                Target::Absent => "absent".to_owned(),
                Target::One(one) => one.into_owned(),
                Target::Several => "several".to_owned(),
            }
        };
        assert_eq!(target(""), "absent");
        assert_eq!(target("&audience="), "absent");
        assert_eq!(target("&audience=x"), "x");
        assert_eq!(target("&resource=https%3A%2F%2Fx%2F"), "https://x/");
        assert_eq!(target("&audience=x&resource=x"), "x");
        for several in [
            "&audience=x&audience=y",
            "&resource=x&resource=y",
            "&audience=x&resource=y",
        ] {
            assert_eq!(target(several), "several");
        }
    }

    #[test]
    fn what_a_grant_may_have_to_refuse_is_noted_by_kind() {
        let oddities = |query: &str| {
            let body = format!("grant_type=x&client_id=a&client_secret=s{query}");
            let Oddities {
                empty,
                of_exchange,
                of_actor,
                unknown,
            } = TokenRequest::parse(&headers(&[]), body.as_bytes())
                .unwrap()
                .oddities;
            [empty, of_exchange, of_actor, unknown]
        };
        for (query, noted) in [
            ("&scope=a&audience=b", [false, false, false, false]),
            ("&scope=", [true, false, false, false]),
            ("&subject_token=x", [false, true, false, false]),
            ("&subject_token=", [true, true, false, false]),
            ("&requested_token_type", [true, true, false, false]),
            ("&actor_token=", [true, true, true, false]),
            ("&actor_token_type=x", [false, true, true, false]),
            ("&subject%5Ftoken=x", [false, true, false, false]),
            ("&Subject_token=x", [false, false, false, true]),
            ("&x=", [false, false, false, true]),
        ] {
            assert_eq!(oddities(query), noted, "{query}");
        }
    }

    #[test]
    fn takes_a_form_only_and_demands_a_grant_type() {
        let parse = |content_type: Option<&'static str>, body: &[u8]| {
            let mut headers = HeaderMap::new();
            if let Some(content_type) = content_type {
                headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
            }
            TokenRequest::parse(&headers, body).err()
        };
        assert_eq!(
            parse(
                Some("Application/X-WWW-Form-Urlencoded; charset=UTF-8"),
                POST_BODY
            ),
            None
        );
        for other in [
            None,
            Some("application/json"),
            Some("multipart/form-data"),
            Some(""),
        ] {
            assert_eq!(parse(other, POST_BODY), Some(Refusal::NotAForm));
        }
        assert_eq!(
            parse(Some(FORM), b"client_id=a&client_secret=s"),
            Some(Refusal::MissingGrantType)
        );
        assert_eq!(
            parse(Some(FORM), b"grant_type=&client_id=a&client_secret=s"),
            Some(Refusal::MissingGrantType)
        );
    }
}
