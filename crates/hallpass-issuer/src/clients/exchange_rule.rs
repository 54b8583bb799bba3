//! What a client may exchange (RFC 8693): whose tokens, into tokens for which services, with which scopes.

use hallpass_token::{Audience, Issuer, Scope, Subject, TokenClaims};
use serde_json::{Map, Value, json};

/// The claim that says what a subject is (draft-mora-oauth-entity-profiles). An exchanged token needs it: its client is
/// never its subject, so without it a service would look like a user from the first exchange on.
pub(crate) const SUBJECT_PROFILE: &str = "sub_profile";
/// The claim that says what a subject is called by the issuer that it comes from (RFC 9493), for one of another issuer.
pub(crate) const SUBJECT_ID: &str = "sub_id";
/// The claim that says who may act for the subject (RFC 8693 section 4.4).
pub(crate) const MAY_ACT: &str = "may_act";
/// The profile of a subject that is a service.
pub(crate) const SERVICE_PROFILE: &str = "service";

/// The other issuer that a subject of a token of ours comes from, if it does.
pub(crate) fn subject_issuer(extra: &Map<String, Value>) -> Option<Issuer> {
    extra.get(SUBJECT_ID)?.get("iss")?.as_str()?.parse().ok()
}

/// What the subject of another issuer is called there (RFC 9493 section 3.2.5).
pub(crate) fn subject_id(issuer: &Issuer, subject: &Subject) -> Value {
    json!({ "format": "iss_sub", "iss": issuer, "sub": subject })
}

/// One permission to exchange tokens; everything that no rule of the client allows is refused.
///
/// A rule is used when a subject token fits its issuer, its kinds and its audiences, and the token that is asked for is for
/// one of its targets. Several rules that are used together allow what each of them allows.
#[derive(Clone, Debug, PartialEq)]
pub struct ExchangeRule {
    /// Whether it is about assertions of a trusted issuer (JWT bearer, RFC 7523) and not about tokens (RFC 8693).
    pub by_assertion: bool,
    /// Who issued the subject tokens; `None` for the issuer itself.
    pub subject_issuer: Option<Issuer>,
    /// What their subjects may be; none by default.
    pub subject_kinds: Vec<SubjectKind>,
    /// Which audiences the subject tokens may be made for, beside the client's own id (of tokens of the issuer itself), or
    /// those that are this issuer's own (of others).
    pub subject_audiences: Vec<Audience>,
    /// Which services the new tokens may be for; none by default.
    pub targets: Vec<Audience>,
    /// Which scopes of the subject token the new one may have; none by default.
    pub scope: Scope,
    /// Scopes of tokens of another issuer, one word each, and the one that stands for it here; none by default.
    pub scope_mapping: Vec<(Scope, Scope)>,
    /// Claims of the subject token that the new one has too, such as `roles`; none by default.
    pub claims: Vec<String>,
    /// Whether a subject token without `client_id` is taken, as one of a user. Nothing tells then whom it was issued to,
    /// nor whether it is an access token at all.
    pub dangerous_subjects_of_unknown_origin: bool,
}

/// Whom a subject token is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SubjectKind {
    /// `user`: somebody who is not the client that the token was issued to.
    User,
    /// `service`: a client that got the token for itself.
    Service,
}

impl ExchangeRule {
    /// A rule that allows nothing yet.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            by_assertion: false,
            subject_issuer: None,
            subject_kinds: Vec::new(),
            subject_audiences: Vec::new(),
            targets: Vec::new(),
            scope: Scope::empty(),
            scope_mapping: Vec::new(),
            claims: Vec::new(),
            dangerous_subjects_of_unknown_origin: false,
        }
    }

    /// Whether a subject of this kind is allowed; `None` is one whose origin cannot be told.
    pub(crate) fn allows_subject(&self, kind: Option<SubjectKind>) -> bool {
        let kind = match kind {
            None if self.dangerous_subjects_of_unknown_origin => SubjectKind::User,
            None => return false,
            Some(kind) => kind,
        };
        self.subject_kinds.contains(&kind)
    }
}

impl Default for ExchangeRule {
    fn default() -> Self {
        Self::new()
    }
}

impl SubjectKind {
    /// The name in the settings.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Service => "service",
        }
    }

    /// The kind of this name in the settings.
    pub(crate) fn named(name: &str) -> Option<Self> {
        [Self::User, Self::Service]
            .into_iter()
            .find(|kind| kind.as_str() == name)
    }

    /// What the subject of a token is; `None` when that cannot be told.
    ///
    /// A token of a client for itself has no actor. Its subject with an actor is an exchanged one, and those say of their
    /// service subjects that they are.
    pub(crate) fn of(claims: &TokenClaims) -> Option<Self> {
        if claims.is_about_service() {
            return Some(Self::Service);
        }
        let client = claims.client_id.as_ref()?;
        let is_own = client.as_str() == claims.subject.as_str();
        match (is_own, &claims.actor) {
            (false, _) => Some(Self::User),
            (true, None) => Some(Self::Service),
            (true, Some(_)) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use hallpass_token::{Actor, UnixTime};

    use super::*;

    fn claims(client: Option<&str>, subject: &str) -> TokenClaims {
        let subject = subject.parse().unwrap();
        let end = UnixTime::from_secs(1);
        let mut claims = TokenClaims::new(Issuer::internal(), subject, "a".parse().unwrap(), end);
        claims.client_id = client.map(|client| client.parse().unwrap());
        claims
    }

    #[test]
    fn a_service_stays_one_whoever_acts_for_it() {
        assert_eq!(
            SubjectKind::of(&claims(Some("c"), "c")),
            Some(SubjectKind::Service)
        );
        assert_eq!(
            SubjectKind::of(&claims(Some("c"), "alice")),
            Some(SubjectKind::User)
        );
        let mut exchanged = claims(Some("c"), "billing");
        exchanged.actor = Some(Actor::new("c".parse().unwrap()));
        assert_eq!(SubjectKind::of(&exchanged), Some(SubjectKind::User));
        exchanged
            .extra
            .insert(SUBJECT_PROFILE.to_owned(), SERVICE_PROFILE.into());
        assert_eq!(SubjectKind::of(&exchanged), Some(SubjectKind::Service));
    }

    #[test]
    fn what_cannot_be_told_is_neither_and_allowed_only_by_the_dangerous_rule() {
        let mut own = claims(Some("c"), "c");
        own.actor = Some(Actor::new("d".parse().unwrap()));
        let mut rule = ExchangeRule::new();
        rule.subject_kinds = vec![SubjectKind::User];
        for unknown in [own, claims(None, "alice")] {
            let kind = SubjectKind::of(&unknown);
            assert_eq!(kind, None, "{unknown:?}");
            assert!(!rule.allows_subject(kind));
        }
        rule.dangerous_subjects_of_unknown_origin = true;
        assert!(rule.allows_subject(None));
        rule.subject_kinds = vec![SubjectKind::Service];
        assert!(!rule.allows_subject(None), "counts as a user");
        assert!(!rule.allows_subject(Some(SubjectKind::User)));
    }

    #[test]
    fn a_rule_allows_nothing_by_default() {
        let rule = ExchangeRule::default();
        for kind in [None, Some(SubjectKind::User), Some(SubjectKind::Service)] {
            assert!(!rule.allows_subject(kind));
        }
        assert!(rule.targets.is_empty() && rule.scope.is_empty());
    }
}
