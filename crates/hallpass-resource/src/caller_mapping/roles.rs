//! Roles and authorities: which claims they stand in.

use hallpass_token::{Audience, TokenClaims, VerifiedClaims};
use serde_json::Value;

use super::CallerMapping;
use super::claims::ClaimsOf;
use super::mark::Mark;

/// Most roles, and most authorities, that are read of one token.
const MAX_NAMES: usize = 1_024;
/// What stands in a claim's name for each audience of the token.
const AUDIENCE: &str = "{aud}";
/// What stands before a role where it is an authority, as in Spring Security.
const ROLE: &str = "ROLE_";

impl CallerMapping {
    /// Reads roles from all of these claims: texts, or lists of texts. A dot goes into an object (`realm_access.roles`), unless
    /// the token has a claim of just this name, and `{aud}` stands for an audience of the token that is one of this service
    /// ([`without_clients`](Self::without_clients)): what another service calls a role is none here.
    #[must_use]
    pub fn with_role_claims<'a>(mut self, names: impl IntoIterator<Item = &'a str>) -> Self {
        self.role_claims = names.into_iter().map(Box::from).collect();
        self
    }

    /// Reads authorities from all of these claims, written likewise. Each scope `x` is the authority `SCOPE_x` besides, and each
    /// role `x` the authority `ROLE_x`, as Spring Security derives them; an authority `ROLE_x` is the role `x`.
    #[must_use]
    pub fn with_authority_claims<'a>(mut self, names: impl IntoIterator<Item = &'a str>) -> Self {
        self.authority_claims = names.into_iter().map(Box::from).collect();
        self
    }

    /// The roles of a caller: an authority `ROLE_x` is the role `x`, as it is for Spring's `hasRole`.
    pub(crate) fn roles(&self, claims: &VerifiedClaims) -> Vec<String> {
        let authorities = texts_of(&self.authority_claims, claims, &self.not_clients);
        let roles = authorities.iter().filter_map(|it| it.strip_prefix(ROLE));
        let mut roles: Vec<_> = roles.map(str::to_owned).collect();
        roles.extend(self.named_roles(claims));
        roles
    }

    /// The authorities of a caller.
    pub(crate) fn authorities(&self, claims: &VerifiedClaims) -> Vec<String> {
        let mut authorities = texts_of(&self.authority_claims, claims, &self.not_clients);
        authorities.extend(claims.scope.iter().map(|it| format!("SCOPE_{it}")));
        let roles = self.named_roles(claims);
        authorities.extend(roles.iter().map(|it| format!("{ROLE}{it}")));
        authorities
    }

    /// What stands in the claims of roles.
    fn named_roles(&self, claims: &VerifiedClaims) -> Vec<String> {
        texts_of(&self.role_claims, claims, &self.not_clients)
    }

    /// Whether the claims satisfy a condition. `client` is who [`judge`](Self::judge) says the client is.
    pub(crate) fn bears(&self, claims: &VerifiedClaims, client: Option<&str>, mark: &Mark) -> bool {
        mark.is_in(&ClaimsOf {
            claims,
            states_subject: claims.states_subject(),
            client,
        })
    }
}

/// `own` are the audiences of this service: what another service calls a role is none here.
fn texts_of(names: &[Box<str>], claims: &TokenClaims, own: &[Audience]) -> Vec<String> {
    let mut texts = Vec::new();
    for name in names {
        match name.split_once(AUDIENCE) {
            None => texts.extend(value(name, claims).into_iter().flat_map(texts_in)),
            Some((before, after)) => {
                let own = |it: &&Audience| own.contains(it);
                for audience in claims.audience.iter().filter(own) {
                    let of_audience = claims.extra.get(before.trim_end_matches('.'));
                    let object = of_audience.and_then(|it| it.get(audience.as_str()));
                    let found = object.and_then(|it| walk(it, after.trim_start_matches('.')));
                    texts.extend(found.into_iter().flat_map(texts_in));
                }
            }
        }
    }
    texts.truncate(MAX_NAMES);
    texts
}

fn value<'t>(name: &str, claims: &'t TokenClaims) -> Option<&'t Value> {
    // Names of claims may have dots (`https://shop.example/roles`).
    claims.extra.get(name).or_else(|| {
        let (first, rest) = name.split_once('.')?;
        walk(claims.extra.get(first)?, rest)
    })
}

fn walk<'t>(object: &'t Value, path: &str) -> Option<&'t Value> {
    path.split('.')
        .try_fold(object, |object, name| object.get(name))
}

/// A text, or each text of a list. A list with anything else in it says nothing: who wrote it means something that is not
/// understood here.
fn texts_in(value: &Value) -> Vec<String> {
    match value {
        Value::String(text) => vec![text.clone()],
        Value::Array(items) => {
            let texts = items.iter().map(|it| it.as_str().map(str::to_owned));
            texts.collect::<Option<_>>().unwrap_or_default()
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => Vec::new(),
    }
}
