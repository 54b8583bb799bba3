//! `internal-token`: this service as a caller.

mod asking;
mod cache_life;
mod context;
mod keys;
mod proof;

use std::collections::BTreeMap;
use std::path::PathBuf;

use hallpass_config::{Configuration, Key, Kind, Secret, Section, check_name, report_doubles};
use hallpass_token::{Audience, ClientId, Issuer, Scope};
use hallpass_upstream::{EndpointUrl, EndpointUrlError, RevocationSource};

use crate::credential::Credential;
use crate::credential::cache_life::CacheLife;
use crate::credential::request::{ClientAuthentication, GrantType, TargetParameter};
use crate::prover::TokenBinding;
use cache_life::read_cache_life;
pub use context::{ClaimDemand, ContextSettings, TenantSettings};
use keys::KEYS;
pub use proof::{ClientAssertionSettings, PrivateKeySettings};
use proof::{
    Proof, authentication, needs_secret, proving, read_binding, report_unused, secret_file,
};

/// `internal-token`: the credentials with which this service gets tokens, and where it uses them.
#[derive(Clone, Debug, Default)]
pub struct InternalTokenSettings {
    /// With what tokens are asked for. `None` when the section is absent or says `enabled: false`.
    pub token_service: Option<TokenServiceSettings>,
    /// `feign`: which outgoing calls get no token. It holds also when the section around it says `enabled: false`.
    pub feign: TokenFeignSettings,
}

/// With what tokens are asked for, and how many are kept.
#[derive(Clone, Debug)]
pub struct TokenServiceSettings {
    /// The credential that stands on the section itself; calls use it unless one of `clients` fits better.
    pub credential: CredentialSettings,
    /// `clients`: further credentials. What an entry leaves out it inherits from the section.
    pub clients: Vec<NamedCredentialSettings>,
    /// `memory-cache`: tokens kept in the memory of this process.
    pub memory_cache: MemoryCacheSettings,
}

/// One entry of `internal-token.clients`, with all that it inherits filled in.
#[derive(Clone, Debug)]
pub struct NamedCredentialSettings {
    /// `name`: unique in the list; code and logs name the credential by it.
    pub name: String,
    /// The credential. Its `audience` is that of the entry alone: without one no call finds it by its audience.
    pub credential: CredentialSettings,
}

/// What one token request needs to know, and how long its token is kept.
#[derive(Clone, Debug)]
pub struct CredentialSettings {
    /// `client-id`: as registered with the issuer (RFC 6749 section 2.2).
    pub client_id: ClientId,
    /// `client-secret` or `client-secret-file`; empty where the client proves itself otherwise.
    pub client_secret: Secret,
    /// `client-secret-file`, where the secret stands in one: it is read again while the service runs.
    pub client_secret_file: Option<PathBuf>,
    /// `private-key-file`, `key-id` and `assertion-audience`, for `private_key_jwt`.
    pub private_key: Option<PrivateKeySettings>,
    /// `client-assertion-file`, `client-assertion-type` and `cache-secret`, for `federated_jwt`.
    pub client_assertion: Option<ClientAssertionSettings>,
    /// `token-url`: the issuer's token endpoint.
    pub token_url: EndpointUrl,
    /// `scope`: space separated, as in RFC 6749 section 3.3; empty asks for what the issuer gives by default.
    pub scope: Scope,
    /// `audience`: the service the token is for, when the call itself does not say.
    pub audience: Option<Audience>,
    /// `grant-type`.
    pub grant_type: GrantType,
    /// `issuer`: the name that tokens of this endpoint bear in `iss`; it only keeps cache entries apart.
    pub issuer: Option<Issuer>,
    /// `cache-expire-seconds` and `refresh-ahead-seconds`.
    pub cache_life: CacheLife,
    /// `client-authentication`.
    pub client_authentication: ClientAuthentication,
    /// `target-parameter`.
    pub target_parameter: TargetParameter,
    /// `dpop` and `dpop-key`: whether tokens are bound to a key of this service, and to which.
    pub binding: TokenBinding,
    /// `revocations-url`: where the issuer has its deny-list; by default beside `token-url`, where an issuer of ours has it.
    pub revocations_url: Option<EndpointUrl>,
}

/// The tokens kept in the memory of this process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MemoryCacheSettings {
    /// `enabled`: without it each call asks the next tier or the issuer.
    pub enabled: bool,
    /// `max-entries`: one entry per issuer, client, audience and scope.
    pub max_entries: u32,
}

impl Default for MemoryCacheSettings {
    fn default() -> Self {
        Self {
            enabled: true,
            max_entries: 10_000,
        }
    }
}

/// `internal-token.feign`: which declared clients get a token by themselves. It holds also where the section around it
/// is switched off, since it keeps tokens of callers from third parties too.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenFeignSettings {
    /// `enabled`: whether outgoing calls get tokens of this service at all. Callers are relayed all the same.
    pub enabled: bool,
    /// `skip-clients`: names of declared clients that never get a token, nobody's (third parties).
    pub skip_clients: Vec<String>,
    /// The names of `internal-token.clients`, and the audience of each that has one: which credentials a client may use by
    /// name. `None`, where the section is absent or switched off: which there are is not known, and any name is taken.
    pub credentials: Option<BTreeMap<String, Option<Audience>>>,
}

impl Default for TokenFeignSettings {
    fn default() -> Self {
        Self {
            enabled: true,
            skip_clients: Vec::new(),
            credentials: None,
        }
    }
}

impl Configuration for InternalTokenSettings {
    fn keys() -> Vec<Key> {
        vec![Key::new(
            "internal-token",
            Kind::Section(KEYS),
            "This service as a caller: the credentials with which it gets tokens, and where it uses them.",
        )]
    }

    fn read(root: &Section<'_>) -> Option<Self> {
        let section = root.section("internal-token");
        let token_service = TokenServiceSettings::read(&section);
        let mut feign = section.read_all(TokenFeignSettings::read)?;
        let named = |client: &NamedCredentialSettings| {
            (client.name.clone(), client.credential.audience.clone())
        };
        let tokens = token_service.as_ref();
        feign.credentials = tokens.map(|tokens| tokens.clients.iter().map(named).collect());
        Some(Self {
            token_service,
            feign,
        })
    }
}

impl TokenServiceSettings {
    /// `None` when the section is absent, switched off, or has a problem.
    fn read(section: &Section<'_>) -> Option<Self> {
        if !section.is_given() {
            return None;
        }
        if section.flag("enabled") != Some(false) {
            return section.read_all(Self::read_given);
        }
        // What is wrong is told all the same.
        let _ = Self::read_given(&section.clone().not_in_use());
        None
    }

    fn read_given(section: &Section<'_>) -> Option<Self> {
        let credential = CredentialSettings::read(section);
        let clients = section.sections("clients");
        report_doubles(&clients, "name");
        // A call finds its credential by its audience, so a second one is never found by it.
        report_doubles(&clients, "audience");
        let clients: Vec<_> = clients
            .into_iter()
            .map(|client| client.inheriting(section))
            .collect();
        let clients: Vec<_> = clients.iter().map(NamedCredentialSettings::read).collect();
        let memory_cache = MemoryCacheSettings::read(&section.section("memory-cache"));
        Some(Self {
            credential: credential?,
            clients: clients.into_iter().collect::<Option<_>>()?,
            memory_cache: memory_cache?,
        })
    }
}

impl From<&CredentialSettings> for Credential {
    fn from(settings: &CredentialSettings) -> Self {
        let GrantType::ClientCredentials = settings.grant_type;
        let proof = Proof {
            client_id: settings.client_id.clone(),
            endpoint: settings.token_url.clone(),
            authentication: settings.client_authentication,
            secret: settings.client_secret.clone(),
            private_key: settings.private_key.as_ref(),
            assertion: settings.client_assertion.as_ref(),
        };
        let mut credential = proving(proof)
            .with_scope(settings.scope.clone())
            .with_cache_life(settings.cache_life)
            .with_target_parameter(settings.target_parameter)
            .with_binding(settings.binding.clone());
        if let Some(file) = &settings.client_secret_file {
            credential = credential.with_secret_file(file);
        }
        if let Some(url) = &settings.revocations_url {
            credential = credential.with_revocations(url.clone());
        }
        if let Some(audience) = &settings.audience {
            credential = credential.with_audience(audience.clone());
        }
        if let Some(issuer) = &settings.issuer {
            credential = credential.with_issuer(issuer.as_str());
        }
        credential
    }
}

impl NamedCredentialSettings {
    fn read(section: &Section<'_>) -> Option<Self> {
        let name = section.required("name", Section::service_name);
        let credential = CredentialSettings::read(section);
        Some(Self {
            name: name?,
            credential: credential?,
        })
    }
}

impl CredentialSettings {
    fn read(section: &Section<'_>) -> Option<Self> {
        let client_id = section.required("client-id", Section::parsed);
        let client_authentication = section.choice("client-authentication", authentication);
        let has_secret = needs_secret(client_authentication);
        let client_secret = match has_secret {
            true => section.required("client-secret", Section::secret),
            false => Some(Secret::new("")),
        };
        let client_secret_file = client_secret
            .as_ref()
            .filter(|_| has_secret)
            .and_then(|_| secret_file(section));
        report_unused(section, client_authentication);
        let private_key = match client_authentication {
            Some(ClientAuthentication::PrivateKeyJwt) => {
                PrivateKeySettings::read(section).map(Some)
            }
            _ => Some(None),
        };
        let client_assertion = match client_authentication {
            Some(ClientAuthentication::FederatedJwt) => {
                ClientAssertionSettings::read(section).map(Some)
            }
            _ => Some(None),
        };
        let token_url = section.required("token-url", Section::parsed);
        let scope = read_scope(section);
        // That of the section is for calls of the section's own credential; an entry of `clients` does not inherit it.
        let has_audience = section.has_own("audience");
        let audience = has_audience.then(|| section.parsed("audience")).flatten();
        let grant_type = section.choice("grant-type", GrantType::named);
        let issuer = section.parsed("issuer");
        let cache_life = read_cache_life(section);
        let target_parameter = section.choice("target-parameter", |name| match name {
            "audience" => Some(TargetParameter::Audience),
            "resource" => Some(TargetParameter::Resource),
            _ => None,
        });
        let binding = read_binding(section);
        let revocations_url = read_revocations(section, token_url.as_ref());
        Some(Self {
            client_id: client_id?,
            client_secret: client_secret?,
            client_secret_file,
            revocations_url,
            private_key: private_key?,
            client_assertion: client_assertion?,
            token_url: token_url?,
            scope: scope?,
            audience,
            grant_type: grant_type?,
            issuer,
            cache_life: cache_life?,
            client_authentication: client_authentication?,
            target_parameter: target_parameter?,
            binding: binding?,
        })
    }
}

/// Where the deny-list is, if there is one. What cannot be read is reported.
fn read_revocations(section: &Section<'_>, token_url: Option<&EndpointUrl>) -> Option<EndpointUrl> {
    const KEY: &str = "revocations-url";
    // That of the section belongs to the endpoint of the section.
    let is_for_endpoint = section.has_own(KEY) || !section.has_own("token-url");
    if section.has(KEY) && is_for_endpoint {
        let check = |text: &str| match text {
            "none" => Ok(None),
            url => url.parse().map(Some),
        };
        return section
            .checked(KEY, |text| {
                check(text).map_err(|error: EndpointUrlError| error.to_string())
            })
            .flatten();
    }
    let beside = RevocationSource::beside(token_url?, "token")?;
    section.record_derived(KEY, &beside.to_string(), "token-url");
    Some(beside)
}

fn read_scope(section: &Section<'_>) -> Option<Scope> {
    let words = section.words("scope", Scope::from_word)?;
    Scope::from_words(words.iter().flat_map(Scope::iter))
        .map_err(|error| section.problem("scope", error.to_string()))
        .ok()
}

impl MemoryCacheSettings {
    fn read(section: &Section<'_>) -> Option<Self> {
        let enabled = section.flag("enabled");
        let max_entries = section.count("max-entries");
        Some(Self {
            enabled: enabled?,
            max_entries: max_entries?,
        })
    }
}

impl TokenFeignSettings {
    /// From the section `internal-token`, whether it is switched off or not.
    fn read(section: &Section<'_>) -> Option<Self> {
        if !section.is_given() {
            return Some(Self::default());
        }
        let section = section.section("feign");
        let enabled = section.flag("enabled");
        let skip_clients = section.texts("skip-clients", check_name);
        Some(Self {
            enabled: enabled?,
            skip_clients: skip_clients?,
            credentials: None,
        })
    }
}
