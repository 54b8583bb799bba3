//! Whether a token speaks for a service or for a user, as far as that is known.

use std::fmt;

use crate::claims::TokenClaims;

/// For whom a token speaks.
///
/// Issuers differ in how they say it, so who verifies a token decides by what is known of its issuer. What is not known
/// is neither: code that wants a service, and code that wants a user, both refuse it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CallerKind {
    /// A service that calls in its own name.
    Service,
    /// A user, directly or through a service that relays or acts for her.
    User,
    /// Neither is certain.
    Unknown(UnknownCaller),
}

/// Why it is not known for whom a token speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum UnknownCaller {
    /// The token names no client, so nothing tells a service's subject from a user's.
    NoClient,
    /// Nothing that marks a service's token of this issuer is in it, and nothing that marks a user's.
    NoMark,
    /// It bears marks of both.
    BothMarks,
    /// It is about a service for which another one acts (`sub_profile` is `service`).
    ServiceWithActor,
}

impl CallerKind {
    /// What a token says that is written as RFC 9068 and the Hallpass issuer have it: a service is a subject that is
    /// the client (`client_id`) and for which nobody acts; a user is a subject that is not the client, unless `sub_profile`
    /// says that it is a service.
    #[must_use]
    pub fn of(claims: &TokenClaims) -> Self {
        match &claims.client_id {
            None => Self::Unknown(UnknownCaller::NoClient),
            Some(client) if client.as_str() != claims.subject.as_str() => {
                match claims.is_about_service() {
                    true => Self::Unknown(UnknownCaller::ServiceWithActor),
                    false => Self::User,
                }
            }
            Some(_) if claims.actor.is_none() => Self::Service,
            Some(_) => Self::Unknown(UnknownCaller::NoMark),
        }
    }
}

impl fmt::Display for CallerKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Service => "a service",
            Self::User => "a user",
            Self::Unknown(UnknownCaller::NoClient) => {
                "neither a service nor a user for certain: the token names no client"
            }
            Self::Unknown(UnknownCaller::NoMark) => {
                "neither a service nor a user for certain: the token has no mark of either"
            }
            Self::Unknown(UnknownCaller::BothMarks) => {
                "neither a service nor a user for certain: the token has marks of both"
            }
            Self::Unknown(UnknownCaller::ServiceWithActor) => {
                "neither a service nor a user: a service for which another one acts"
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_service_for_which_another_one_acts_is_no_user() {
        let end = crate::UnixTime::from_secs(1);
        let (issuer, subject) = (crate::Issuer::internal(), "billing".parse().unwrap());
        let mut claims = TokenClaims::new(issuer, subject, "a".parse().unwrap(), end);
        claims.client_id = Some("order".parse().unwrap());
        assert_eq!(CallerKind::of(&claims), CallerKind::User);
        let profile = "sub_profile".to_owned();
        claims.extra.insert(profile.clone(), "user".into());
        assert_eq!(CallerKind::of(&claims), CallerKind::User);
        claims.extra.insert(profile, "service".into());
        let kind = CallerKind::Unknown(UnknownCaller::ServiceWithActor);
        assert_eq!(CallerKind::of(&claims), kind);
    }

    #[test]
    fn each_kind_of_caller_and_each_doubt_has_a_text_of_its_own() {
        let kinds = [
            CallerKind::Service,
            CallerKind::User,
            CallerKind::Unknown(UnknownCaller::NoClient),
            CallerKind::Unknown(UnknownCaller::NoMark),
            CallerKind::Unknown(UnknownCaller::BothMarks),
            CallerKind::Unknown(UnknownCaller::ServiceWithActor),
        ];
        let texts: std::collections::BTreeSet<_> = kinds.map(|it| it.to_string()).into();
        assert_eq!(texts.len(), kinds.len());
        assert!(!texts.contains(""));
    }
}
