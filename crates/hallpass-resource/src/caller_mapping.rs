//! Whether a token of an issuer speaks for a service or for a user: no two products write it the same way.

mod claims;
mod mark;
mod preset;
mod roles;

use hallpass_token::{Audience, CallerKind, ClientId, TokenClaims, UnknownCaller, VerifiedClaims};

use self::claims::{ClaimsOf, NotOneText};
pub use self::mark::{Mark, MarkFault};
pub use self::preset::IssuerPreset;

/// How an issuer's tokens say who calls.
///
/// A token is a service's when one of the marks of a service is in it, it names its client, and nobody acts for
/// anybody (`act`). It is a user's when one of the marks of a user is in it. With marks of both or of neither it is
/// [unknown](CallerKind::Unknown): then neither internal-only routes nor handlers that want a user take it.
///
/// ```
/// use hallpass_resource::{CallerMapping, IssuerPreset};
///
/// // Keycloak, with a mapper of our own that writes `kind: batch` into the tokens of batch jobs.
/// let mapping = CallerMapping::from(IssuerPreset::Keycloak)
///     .with_service_marks(["kind=batch".parse()?])
///     .with_client_claims(["azp"]);
/// # let _ = mapping;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallerMapping {
    client_claims: Vec<Box<str>>,
    service_when: Vec<Mark>,
    user_when: Vec<Mark>,
    /// Audiences that are services, where `aud` otherwise names the client.
    not_clients: Vec<Audience>,
    demands_subject: bool,
    role_claims: Vec<Box<str>>,
    authority_claims: Vec<Box<str>>,
}

impl CallerMapping {
    /// Reads the client from the first of these claims that is there. When that is not one text that can name a client, the
    /// token is neither a service's nor a user's, whatever else is in it: who wrote it has other tokens in mind than this
    /// mapping. (`aud` alone is passed over when it is several, or a service of [`without_clients`](Self::without_clients).)
    #[must_use]
    pub fn with_client_claims<'a>(mut self, names: impl IntoIterator<Item = &'a str>) -> Self {
        self.client_claims = names.into_iter().map(Box::from).collect();
        self
    }

    /// Takes a token that bears one of these marks for a service's, and no other.
    #[must_use]
    pub fn with_service_marks(mut self, marks: impl IntoIterator<Item = Mark>) -> Self {
        self.service_when = marks.into_iter().collect();
        self
    }

    /// Takes a token that bears one of these marks for a user's, and no other.
    #[must_use]
    pub fn with_user_marks(mut self, marks: impl IntoIterator<Item = Mark>) -> Self {
        self.user_when = marks.into_iter().collect();
        self
    }

    /// Never reads these audiences as the name of a client: they are services, so an issuer that writes them does not
    /// write its clients into `aud`.
    #[must_use]
    pub fn without_clients(mut self, audiences: impl IntoIterator<Item = Audience>) -> Self {
        self.not_clients.extend(audiences);
        self
    }

    /// The claims that stand for an absent `sub`. Who verifies must still refuse such a token unless it is a service's:
    /// its client is its subject, but no user is.
    pub(crate) fn subject_claims(&self) -> impl Iterator<Item = &str> {
        let names = self.client_claims.iter().map(AsRef::as_ref);
        names.filter(|name| !self.demands_subject && *name != "aud")
    }

    /// Who calls, and which client got the token.
    #[must_use]
    pub fn judge(&self, claims: &VerifiedClaims) -> (CallerKind, Option<ClientId>) {
        self.judge_token(&ClaimsOf {
            claims,
            states_subject: claims.states_subject(),
            client: None,
        })
    }

    /// The same of claims that were kept since they were verified, by a policy that reads the subject from `sub` alone.
    /// **Not checked**: that they were.
    #[must_use]
    pub fn judge_kept(&self, claims: &TokenClaims) -> (CallerKind, Option<ClientId>) {
        self.judge_token(&ClaimsOf {
            claims,
            states_subject: true,
            client: None,
        })
    }

    fn judge_token(&self, token: &ClaimsOf<'_>) -> (CallerKind, Option<ClientId>) {
        let Ok(client) = self.client(token) else {
            return (CallerKind::Unknown(UnknownCaller::NoClient), None);
        };
        let claims = token.claims;
        let token = ClaimsOf {
            client: client.as_ref().map(ClientId::as_str),
            ..*token
        };
        let bears = |marks: &[Mark]| marks.iter().any(|mark| mark.is_in(&token));
        let is_service = client.is_some() && claims.actor.is_none() && bears(&self.service_when);
        let caller = match (is_service, bears(&self.user_when)) {
            (true, false) => CallerKind::Service,
            (false, true) if claims.is_about_service() => {
                CallerKind::Unknown(UnknownCaller::ServiceWithActor)
            }
            (false, true) => CallerKind::User,
            (true, true) => CallerKind::Unknown(UnknownCaller::BothMarks),
            (false, false) if client.is_none() => CallerKind::Unknown(UnknownCaller::NoClient),
            (false, false) => CallerKind::Unknown(UnknownCaller::NoMark),
        };
        (caller, client)
    }

    fn client(&self, token: &ClaimsOf<'_>) -> Result<Option<ClientId>, NotOneText> {
        for name in self.client_claims.iter().map(AsRef::as_ref) {
            let text = match token.one_text(name) {
                Ok(Some(text)) if name == "aud" && self.is_service(&text) => continue,
                Err(NotOneText) if name == "aud" => continue,
                Ok(None) => continue,
                Ok(Some(text)) => text,
                Err(fault) => return Err(fault),
            };
            let client = ClientId::try_from(&*text).map_err(|_| NotOneText)?;
            return Ok(Some(client));
        }
        Ok(None)
    }

    fn is_service(&self, audience: &str) -> bool {
        self.not_clients.iter().any(|it| it.as_str() == audience)
    }
}

#[cfg(test)]
mod tests {
    use hallpass_token::{Actor, Confirmation, Thumbprint, UnixTime};

    use super::*;

    #[test]
    fn an_audience_stands_for_no_absent_subject_nor_anything_where_one_is_demanded() {
        let names = |preset: IssuerPreset| {
            let mapping = CallerMapping::from(preset);
            let names: Vec<String> = mapping.subject_claims().map(str::to_owned).collect();
            names
        };
        assert_eq!(names(IssuerPreset::Hallpass), Vec::<String>::new());
        let of_spring = CallerMapping::from(IssuerPreset::Spring);
        assert!(of_spring.client_claims.iter().any(|name| **name == *"aud"));
        assert!(!names(IssuerPreset::Spring).contains(&"aud".to_owned()));
        assert!(!names(IssuerPreset::Keycloak).is_empty());
    }
    fn claims(change: impl FnOnce(&mut TokenClaims)) -> VerifiedClaims {
        let mut claims = TokenClaims::new(
            "https://login.example".parse().unwrap(),
            "alice".parse().unwrap(),
            "order-service".parse().unwrap(),
            UnixTime::from_secs(9),
        );
        change(&mut claims);
        VerifiedClaims::dangerous_unverified(claims)
    }

    #[test]
    fn a_claim_with_a_meaning_of_its_own_can_be_a_mark_like_any_other() {
        let plain = claims(|_| {});
        let named = claims(|it| it.token_id = Some("7".parse().unwrap()));
        let acted = claims(|it| it.actor = Some(Actor::new("gateway".parse().unwrap())));
        let bound = claims(|it| {
            it.confirmation = Some(Confirmation {
                jkt: Some(Thumbprint([7; 32])),
                ..Confirmation::default()
            });
        });
        let holds = |mark: &str, claims: &TokenClaims| {
            let token = ClaimsOf {
                claims,
                states_subject: true,
                client: None,
            };
            mark.parse::<Mark>().unwrap().is_in(&token)
        };
        for (mark, expected) in [
            ("iss", [true; 4]),
            ("iss=https://login.*", [true; 4]),
            ("iss!=https://login.example", [false; 4]),
            ("jti", [false, true, false, false]),
            ("jti=7", [false, true, false, false]),
            ("jti!=7", [true, false, true, true]),
            ("act", [false, false, true, false]),
            ("!act", [true, true, false, true]),
            ("cnf", [false, false, false, true]),
            ("!cnf", [true, true, true, false]),
            // An object is neither a text nor another one.
            ("act=x", [false; 4]),
            ("act!=x", [true, true, false, true]),
            ("cnf=x", [false; 4]),
            ("cnf!=x", [true, true, true, false]),
        ] {
            let found = [&plain, &named, &acted, &bound].map(|claims| holds(mark, claims));
            assert_eq!(found, expected, "{mark}");
        }
    }

    #[test]
    fn a_service_for_which_another_one_acts_is_no_user() {
        let mapping = CallerMapping::default();
        let kind = |profile: &str| {
            let claims = claims(|it| {
                it.client_id = Some("order".parse().unwrap());
                it.actor = Some(Actor::new("order".parse().unwrap()));
                let name = "sub_profile".to_owned();
                it.extra.insert(name, profile.into());
            });
            mapping.judge(&claims).0
        };
        assert_eq!(kind("user"), CallerKind::User);
        let service = CallerKind::Unknown(UnknownCaller::ServiceWithActor);
        assert_eq!(kind("service"), service);
    }

    #[test]
    fn an_audience_of_several_names_no_client_and_the_next_claim_does() {
        let mapping = CallerMapping::default().with_client_claims(["aud", "client_id"]);
        let client = |audiences: &[&str]| {
            let claims = claims(|it| {
                it.audience = audiences.iter().map(|it| it.parse().unwrap()).collect();
                it.client_id = Some("billing".parse().unwrap());
            });
            let (_, client) = mapping.judge(&claims);
            client.map(|it| it.as_str().to_owned())
        };
        assert_eq!(client(&["web-shop"]).as_deref(), Some("web-shop"));
        assert_eq!(client(&["web-shop", "web"]).as_deref(), Some("billing"));
    }
}
