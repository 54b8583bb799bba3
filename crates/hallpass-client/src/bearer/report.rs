//! What a call carried, for tables and audit. No token is in it.

use crate::identity::Identity;
use hallpass_token::{Audience, Scope, SecurityContext, Subject};

use crate::auth_token_service::handle::TokenHandle;
use crate::auth_token_service::issued::TokenSource;

/// Whose identity a call carried: in the extensions of its response, when
/// [`BearerLayer::reports`](crate::BearerLayer::reports) is on.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CallReport {
    /// The kind of identity that was really used; differs from the client's when `when-absent` took over.
    pub identity: Identity,
    /// Where a service token or an exchanged one came from; `None` for other identities.
    pub source: Option<TokenSource>,
    /// Whom the token is for. Of a relayed token, its first audience.
    pub audience: Option<Audience>,
    /// What the token allows (of a service token and of an exchanged one: what was asked for, if anything was).
    pub scope: Option<Scope>,
    /// Whom the callee sees. Of a service token, the client id: the token itself is opaque here. Of an exchanged one, the caller as this
    /// service knows it: the issuer may call it otherwise (`NAME|SUB` for subjects of other issuers).
    pub subject: Option<Subject>,
    /// Who acts for the subject.
    pub actor: Option<Subject>,
}

impl CallReport {
    pub(super) fn service(tokens: &TokenHandle, source: TokenSource) -> Self {
        let key = tokens.key();
        Self {
            identity: Identity::Service,
            source: Some(source),
            audience: Some(tokens.audience().clone()),
            scope: key.as_ref().map(|key| key.scope().clone()),
            subject: key.and_then(|key| key.client().as_str().parse().ok()),
            actor: None,
        }
    }

    pub(super) fn exchanged(
        tokens: &TokenHandle,
        context: &SecurityContext,
        source: TokenSource,
    ) -> Self {
        let scope = tokens.scope();
        let client = tokens.key();
        Self {
            identity: Identity::Exchange,
            source: Some(source),
            audience: Some(tokens.audience().clone()),
            scope: (!scope.is_empty()).then(|| scope.clone()),
            subject: Some(context.subject().clone()),
            actor: client.and_then(|key| key.client().as_str().parse().ok()),
        }
    }

    pub(super) fn relay(context: &SecurityContext) -> Self {
        Self {
            identity: Identity::Relay,
            source: None,
            audience: context.claims().audience.first().cloned(),
            scope: Some(context.scope().clone()),
            subject: Some(context.subject().clone()),
            actor: context.actor().map(|actor| actor.subject.clone()),
        }
    }

    pub(super) const fn nobody() -> Self {
        Self {
            identity: Identity::None,
            source: None,
            audience: None,
            scope: None,
            subject: None,
            actor: None,
        }
    }
}
