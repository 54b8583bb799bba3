//! For whom a service asks for tokens, where its credential does not say.

use hallpass::client::{CredentialSettings, Identity};
use hallpass::feign::FeignClientSettings;
use hallpass::token::{Audience, Scope};

use crate::settings::Everything;

/// Somebody whom a token is for.
#[derive(Clone, Debug)]
pub(super) struct Target {
    pub(super) audience: Audience,
    /// Empty: as the credential says.
    pub(super) scope: Scope,
    /// Which of the further clients asks; `None` is the first one.
    credential: Option<String>,
    /// Whether a token of the service's own is asked for, not one of a user alone.
    pub(super) is_own: bool,
}

/// Everybody that sections name, those for whom own tokens are asked for first.
#[derive(Clone, Debug)]
pub(super) struct Targets(Vec<Target>);

impl Targets {
    /// `wanted` by whoever starts the doctor goes before all others.
    pub(super) fn of(everything: &Everything, wanted: Option<&Audience>) -> Self {
        let of_client = |(name, client): (&String, &FeignClientSettings)| {
            let audience = client.audience.as_ref().unwrap_or(name).parse().ok()?;
            Some(Target::own(audience))
        };
        let clients = everything.service.feign.clients.iter();
        let sidecar = everything.sidecar.iter();
        let services = sidecar.filter_map(|it| it.outbound.as_ref());
        let services = services.flat_map(|it| &it.services).filter_map(|it| {
            let target = Target::own(it.audience.clone()).with(it.scope.clone(), None);
            target.by(it.identity)
        });
        let routes = everything.gateway.iter().flat_map(|it| &it.routes);
        let routes = routes.filter_map(|it| {
            let target = Target::own(it.audience.clone()?);
            target
                .with(it.scope.clone(), it.credential.clone())
                .by(it.identity)
        });
        let named = clients.filter_map(of_client).chain(services).chain(routes);
        let (mut all, of_users): (Vec<_>, Vec<_>) = named.partition(|it| it.is_own);
        all.extend(of_users);
        if let Some(wanted) = wanted {
            all.insert(0, Target::own(wanted.clone()));
        }
        Self(all)
    }

    /// The first one that the client of this name asks for; of a further client that no section names, any.
    pub(super) fn first(&self, credential: Option<&str>) -> Option<&Target> {
        let is_its_own = |it: &&Target| it.credential.as_deref() == credential;
        self.0.iter().find(is_its_own).or_else(|| self.0.first())
    }
}

impl Target {
    /// For a token of the service's own.
    pub(super) const fn own(audience: Audience) -> Self {
        Self {
            audience,
            scope: Scope::empty(),
            credential: None,
            is_own: true,
        }
    }

    /// What is asked for.
    pub(super) fn scope_of<'a>(&'a self, credential: &'a CredentialSettings) -> &'a Scope {
        match self.scope.is_empty() {
            true => &credential.scope,
            false => &self.scope,
        }
    }

    fn with(self, scope: Scope, credential: Option<String>) -> Self {
        Self {
            scope,
            credential,
            ..self
        }
    }

    fn by(self, identity: Identity) -> Option<Self> {
        let is_own = match identity {
            Identity::Service => true,
            Identity::Exchange => false,
            _ => return None,
        };
        Some(Self { is_own, ..self })
    }
}
