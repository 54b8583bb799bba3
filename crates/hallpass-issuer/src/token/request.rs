//! A request at the token endpoint as a typed value: what was asked, and which credentials came with it.

use std::borrow::Cow;

use hallpass_token::DpopError;
use http::HeaderMap;
use http::header::CONTENT_TYPE;

use crate::clients::registration::GrantType;
use crate::token::credentials::{CredentialParameters, Credentials};
use crate::token::form;
use crate::token::refusal::Refusal;

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
    /// `assertion` (RFC 7523 section 2.1); not verified yet.
    pub(crate) assertion: Option<Cow<'a, str>>,
    /// The header `DPoP`; not verified yet.
    pub(crate) unverified_proof: Option<&'a str>,
    /// A bearer credential; not looked up yet.
    pub(crate) refresh_token: Option<Cow<'a, str>>,
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
    /// `refresh_token`, with or without value.
    pub(crate) of_refresh: bool,
    /// `assertion`, with or without value.
    pub(crate) of_assertion: bool,
    /// A parameter that no grant knows.
    pub(crate) unknown: bool,
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
        let mut client = CredentialParameters::default();
        let mut scope = None;
        let mut target = Target::Absent;
        let mut exchange = ExchangeParameters::default();
        let mut refresh_token = None;
        let mut assertion = None;
        let mut oddities = Oddities::default();
        form::each_parameter(body, &["audience", "resource"], |name, value| {
            oddities.note(name, value.is_empty());
            let Some(value) = client.take(name, value) else {
                return;
            };
            // RFC 6749 section 3.2: a parameter without a value counts as absent, and an unknown one is ignored, unless
            // the grant says otherwise.
            match name {
                _ if value.is_empty() => {}
                "grant_type" => grant_type = Some(value),
                "scope" => scope = Some(value),
                "audience" | "resource" => target.add(value),
                "subject_token" => exchange.subject_token = Some(value),
                "subject_token_type" => exchange.subject_token_type = Some(value),
                "requested_token_type" => exchange.requested_token_type = Some(value),
                "refresh_token" => refresh_token = Some(value),
                "assertion" => assertion = Some(value),
                _ => {}
            }
        })?;
        let credentials = Credentials::read(headers, client)?;
        let grant_type = grant_type.ok_or(Refusal::MissingGrantType)?;
        Ok(Self {
            grant_type: GrantType::named(&grant_type),
            credentials,
            scope,
            target,
            exchange,
            assertion,
            unverified_proof: proof(headers)?,
            refresh_token,
            oddities,
        })
    }
}

impl<'a> TokenRequest<'a> {
    /// That of a client which would use a refresh token, and says no more than that: for who asks what would become of it.
    pub(crate) fn of_refresh(credentials: Credentials<'a>) -> Self {
        Self {
            grant_type: Some(GrantType::RefreshToken),
            credentials,
            scope: None,
            target: Target::Absent,
            exchange: ExchangeParameters::default(),
            assertion: None,
            unverified_proof: None,
            refresh_token: None,
            oddities: Oddities::default(),
        }
    }
}

impl Oddities {
    fn note(&mut self, name: &str, is_empty: bool) {
        match name {
            "grant_type" | "scope" | "audience" | "resource" => {}
            _ if CredentialParameters::has(name) => {}
            "subject_token" | "subject_token_type" | "requested_token_type" => {
                self.of_exchange = true;
            }
            "actor_token" | "actor_token_type" => {
                self.of_exchange = true;
                self.of_actor = true;
            }
            "refresh_token" => self.of_refresh = true,
            "assertion" => self.of_assertion = true,
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
        let (mut client, mut token) = (CredentialParameters::default(), None);
        form::each_parameter(body, &[], |name, value| match client.take(name, value) {
            Some(value) if name == "token" && !value.is_empty() => token = Some(value),
            _ => {}
        })?;
        Ok(Self {
            credentials: Credentials::read(headers, client)?,
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

/// Whether the body is said to be a form.
pub(crate) fn is_form(headers: &HeaderMap) -> bool {
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

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    const POST_BODY: &[u8] = b"grant_type=client_credentials&client_id=a&client_secret=s";

    fn headers() -> HeaderMap {
        HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static(FORM))])
    }

    #[test]
    fn one_service_named_twice_is_one_target_and_two_services_are_several() {
        let target = |query: &str| {
            let body = format!("grant_type=x&client_id=a&client_secret=s{query}");
            match TokenRequest::parse(&headers(), body.as_bytes())
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
                of_refresh,
                of_assertion,
                unknown,
            } = TokenRequest::parse(&headers(), body.as_bytes())
                .unwrap()
                .oddities;
            [
                empty,
                of_exchange,
                of_actor,
                of_assertion,
                of_refresh,
                unknown,
            ]
        };
        for (query, noted) in [
            (
                "&scope=a&audience=b",
                [false, false, false, false, false, false],
            ),
            ("&scope=", [true, false, false, false, false, false]),
            (
                "&subject_token=x",
                [false, true, false, false, false, false],
            ),
            ("&subject_token=", [true, true, false, false, false, false]),
            (
                "&requested_token_type",
                [true, true, false, false, false, false],
            ),
            ("&actor_token=", [true, true, true, false, false, false]),
            (
                "&actor_token_type=x",
                [false, true, true, false, false, false],
            ),
            (
                "&subject%5Ftoken=x",
                [false, true, false, false, false, false],
            ),
            (
                "&refresh_token=x",
                [false, false, false, false, true, false],
            ),
            ("&refresh_token=", [true, false, false, false, true, false]),
            (
                "&Subject_token=x",
                [false, false, false, false, false, true],
            ),
            ("&x=", [false, false, false, false, false, true]),
            ("&assertion=x", [false, false, false, true, false, false]),
            ("&assertion=", [true, false, false, true, false, false]),
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
