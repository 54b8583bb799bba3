//! Who asks for tokens and what is kept of them, at one moment. A change while running puts a new one in its place.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use hallpass_token::Audience;

use super::entry::Entry;
use super::moment::Moment;
use super::obtain::ClientCredentials;
use crate::credential::Credential;
use crate::error::TokenSettingsError;
use crate::grant::TokenClient;
use crate::settings::InternalTokenSettings;

/// Number of tokens kept in memory besides those that a handle holds, when nobody says another.
const DEFAULT_MAX_ENTRIES: usize = 10_000;

/// What settings or a builder ask for.
#[derive(Clone, Debug)]
pub(crate) struct SnapshotPlan {
    /// For all calls that none of `clients` is for. `None`: switched off.
    pub(crate) own: Option<Credential>,
    pub(crate) clients: Vec<PlannedClient>,
    /// Whether tokens stay in memory between calls.
    pub(crate) keeps: bool,
    pub(crate) max_entries: usize,
}

/// A further credential.
#[derive(Clone, Debug)]
pub(crate) struct PlannedClient {
    pub(crate) name: Option<Box<str>>,
    pub(crate) credential: Credential,
}

/// Never changes once it is made: a call that began with it goes on with it.
#[derive(Debug)]
pub(crate) struct Snapshot {
    /// `None`: switched off.
    credentials: Option<Credentials>,
    /// The next snapshot takes over the issuers that it knows.
    client: Arc<TokenClient>,
    pub(crate) keeps: bool,
    pub(crate) max_entries: usize,
}

#[derive(Debug)]
struct Credentials {
    own: Arc<ClientCredentials>,
    by_audience: HashMap<Audience, Arc<ClientCredentials>>,
    by_name: BTreeMap<Box<str>, Arc<ClientCredentials>>,
}

impl SnapshotPlan {
    pub(crate) const fn new(own: Option<Credential>) -> Self {
        Self {
            own,
            clients: Vec::new(),
            keeps: true,
            max_entries: DEFAULT_MAX_ENTRIES,
        }
    }

    /// What the section `internal-token` asks for.
    ///
    /// # Errors
    /// When one of its `clients` would never be used. A section that was loaded has none such.
    pub(crate) fn from_settings(
        settings: &InternalTokenSettings,
    ) -> Result<Self, TokenSettingsError> {
        let Some(settings) = &settings.token_service else {
            return Ok(Self::new(None));
        };
        let mut plan = Self::new(Some(Credential::from(&settings.credential)));
        let mut audiences = Vec::new();
        for client in &settings.clients {
            let audience = client.credential.audience.as_ref();
            if let Some(audience) = audience.filter(|audience| audiences.contains(audience)) {
                let audience = audience.clone();
                return Err(TokenSettingsError::AudienceTwice { audience });
            }
            audiences.extend(audience);
            plan.clients.push(PlannedClient {
                name: Some(client.name.as_str().into()),
                credential: Credential::from(&client.credential),
            });
        }
        plan.keeps = settings.memory_cache.enabled;
        plan.max_entries = usize::try_from(settings.memory_cache.max_entries).unwrap_or(usize::MAX);
        Ok(plan)
    }

    fn credentials(&self) -> impl Iterator<Item = &Credential> {
        let clients = self.clients.iter().map(|client| &client.credential);
        clients.chain(&self.own)
    }
}

impl Snapshot {
    /// The first one of a service.
    pub(crate) fn first(plan: SnapshotPlan, client: &TokenClient) -> Self {
        Self::build(plan, client, |credential, client| {
            Arc::new(ClientCredentials::new(credential, client))
        })
    }

    /// The one that takes the place of this one, `now`. A credential that is still the same stays the same value, and with
    /// it its tokens.
    ///
    /// # Errors
    /// When a token endpoint cannot be found: this service has no discovery.
    pub(crate) fn next(&self, plan: SnapshotPlan, now: Moment) -> Result<Self, TokenSettingsError> {
        for credential in plan.credentials() {
            self.client.check_endpoint(&credential.endpoint)?;
        }
        let before: Vec<&Arc<ClientCredentials>> = self.sources().collect();
        Ok(Self::build(plan, &self.client, |credential, client| {
            let known = &before;
            let mut before = known.iter();
            let Some(same) = before.find(|known| known.credential.asks_like(&credential)) else {
                let new = ClientCredentials::new(credential, client);
                let same_client = known.iter().find(|known| known.is_client_of(&new));
                let Some(before) = same_client else {
                    return Arc::new(new.trusting_tiers_from(now));
                };
                let new = new.following(before);
                return Arc::new(if new.has_secret_of(before) {
                    new.trusting_tiers_from(now)
                } else {
                    new
                });
            };
            if same.credential.life == credential.life {
                Arc::clone(same)
            } else {
                Arc::new(same.with_cache_life(credential.life))
            }
        }))
    }

    /// Who asks for tokens for `audience`: the credential `name`, else the one for the audience, else the service's own. `None`
    /// when switched off.
    pub(crate) fn source(
        &self,
        name: Option<&str>,
        audience: &Audience,
    ) -> Option<&Arc<ClientCredentials>> {
        let credentials = self.credentials.as_ref()?;
        let named = name.and_then(|name| credentials.by_name.get(name));
        let source = named.or_else(|| credentials.by_audience.get(audience));
        Some(source.unwrap_or(&credentials.own))
    }

    /// The credential `name`, or the service's own; `None` when switched off, or where there is none of the name.
    pub(crate) fn credential(&self, name: Option<&str>) -> Option<&Credential> {
        let credentials = self.credentials.as_ref()?;
        let source = match name {
            Some(name) => credentials.by_name.get(name)?,
            None => &credentials.own,
        };
        Some(&source.credential)
    }

    /// The source that an entry of this snapshot was made with.
    pub(crate) fn source_of(&self, entry: &Entry) -> Option<&Arc<ClientCredentials>> {
        let made_with = Arc::as_ptr(&entry.source).cast::<()>();
        self.sources()
            .find(|source| Arc::as_ptr(source).cast::<()>() == made_with)
    }

    /// Who asks in the place of `old` for what `entry` is for, as the same client if there is still one for it.
    pub(crate) fn heir(
        &self,
        entry: &Entry,
        old: &ClientCredentials,
    ) -> Option<&Arc<ClientCredentials>> {
        let by_audience = self.source(None, entry.key.audience())?;
        let credentials = self.credentials.as_ref()?;
        let mut all = std::iter::once(by_audience).chain(credentials.by_name.values());
        let heir = all.find(|source| source.is_client_of(old));
        Some(heir.unwrap_or(by_audience))
    }

    /// Whether both have credentials of the same names, so that what was chosen by its name still is, and nothing else.
    pub(crate) fn has_names_of(&self, other: &Self) -> bool {
        let names = |snapshot: &Self| -> Vec<Box<str>> {
            let credentials = snapshot.credentials.iter();
            credentials
                .flat_map(|all| all.by_name.keys().cloned())
                .collect()
        };
        names(self) == names(other)
    }

    pub(crate) const fn is_enabled(&self) -> bool {
        self.credentials.is_some()
    }

    fn sources(&self) -> impl Iterator<Item = &Arc<ClientCredentials>> {
        let credentials = self.credentials.iter();
        credentials.flat_map(|all| {
            let further = all.by_audience.values().chain(all.by_name.values());
            further.chain([&all.own])
        })
    }

    fn build(
        plan: SnapshotPlan,
        client: &TokenClient,
        source: impl Fn(Credential, Arc<TokenClient>) -> Arc<ClientCredentials>,
    ) -> Self {
        let endpoints = plan.credentials().map(|credential| &credential.endpoint);
        let client = Arc::new(client.with_endpoints(endpoints));
        let (mut by_audience, mut by_name) = (HashMap::new(), BTreeMap::new());
        for PlannedClient { name, credential } in plan.clients {
            let audience = credential.audience.clone();
            let source = source(credential, Arc::clone(&client));
            if let Some(audience) = audience {
                by_audience
                    .entry(audience)
                    .or_insert_with(|| Arc::clone(&source));
            }
            if let Some(name) = name {
                by_name.entry(name).or_insert(source);
            }
        }
        let credentials = plan.own.map(|own| Credentials {
            own: source(own, Arc::clone(&client)),
            by_audience,
            by_name,
        });
        Self {
            credentials,
            client,
            keeps: plan.keeps,
            max_entries: plan.max_entries,
        }
    }
}
