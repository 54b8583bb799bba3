//! `internal-token`: this service as a caller.

mod keys;

use std::time::Duration;

use super::EndpointUrl;
use crate::Secret;
use crate::section::{self, Section};

pub(super) use keys::KEYS;

/// The credentials with which this service gets tokens, and where it uses them.
#[derive(Clone, Debug)]
pub struct InternalToken {
    /// The credential that stands on the section itself; calls use it unless one of `clients` fits better.
    pub credential: TokenCredential,
    /// `clients`: further credentials. What an entry leaves out it inherits from the section.
    pub clients: Vec<InternalTokenClient>,
    /// `memory-cache`: tokens kept in the memory of this process.
    pub memory_cache: MemoryCache,
}

/// One entry of `internal-token.clients`, with all that it inherits filled in.
#[derive(Clone, Debug)]
pub struct InternalTokenClient {
    /// `name`: unique in the list; code and logs name the credential by it.
    pub name: String,
    /// The credential. Unlike on the section, its `audience` is always given.
    pub credential: TokenCredential,
}

/// What one token request needs to know, and how long its answer is kept.
#[derive(Clone, Debug)]
pub struct TokenCredential {
    /// `client-id`: as registered with the issuer (RFC 6749 section 2.2).
    pub client_id: String,
    /// `client-secret` or `client-secret-file`.
    pub client_secret: Secret,
    /// `token-url`: the issuer's token endpoint.
    pub token_url: EndpointUrl,
    /// `scope`: space separated, as in RFC 6749 section 3.3; empty asks for what the issuer gives by default.
    pub scope: String,
    /// `audience`: the service the token is for, when the call itself does not say.
    pub audience: Option<String>,
    /// `grant-type`.
    pub grant_type: GrantType,
    /// `issuer`: the name that tokens of this endpoint bear in `iss`; it only keeps cache entries apart.
    pub issuer: Option<String>,
    /// `cache-expire-seconds` and `refresh-ahead-seconds`.
    pub cache_life: CacheLife,
    /// `client-authentication`.
    pub client_authentication: ClientAuthentication,
    /// `target-parameter`.
    pub target_parameter: TargetParameter,
}

/// How a token is asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum GrantType {
    /// `client_credentials`, RFC 6749 section 4.4.
    #[default]
    ClientCredentials,
}

impl GrantType {
    /// The name on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ClientCredentials => "client_credentials",
        }
    }
}

/// How a client shows its secret (RFC 6749 section 2.3.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ClientAuthentication {
    /// `basic`: in the `Authorization` header, which every issuer has to take.
    #[default]
    Basic,
    /// `post`: in the form.
    Post,
}

/// Which form field names the audience of a token.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TargetParameter {
    /// `audience`.
    #[default]
    Audience,
    /// `resource` (RFC 8707).
    Resource,
}

/// How long a cached token is used, and how long before that it is renewed. Renewal always begins before the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CacheLife {
    expire: Duration,
    refresh_ahead: Duration,
}

/// A refresh-ahead that is not below the expiry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be below cache-expire-seconds")]
pub struct CacheLifeError;

impl CacheLife {
    /// The seed's values: used for 540 s, renewed from 60 s before that.
    pub const DEFAULT: Self = Self {
        expire: Duration::from_secs(540),
        refresh_ahead: Duration::from_secs(60),
    };

    /// Ties the two together.
    ///
    /// # Errors
    /// When `refresh_ahead` is not below `expire`: each use of the token would renew it.
    pub fn new(expire: Duration, refresh_ahead: Duration) -> Result<Self, CacheLifeError> {
        if refresh_ahead < expire {
            Ok(Self {
                expire,
                refresh_ahead,
            })
        } else {
            Err(CacheLifeError)
        }
    }

    /// Upper bound of the time a token is used for, whatever `expires_in` says.
    #[must_use]
    pub const fn expire(self) -> Duration {
        self.expire
    }

    /// How long before the end a token is renewed in the background.
    #[must_use]
    pub const fn refresh_ahead(self) -> Duration {
        self.refresh_ahead
    }
}

impl Default for CacheLife {
    fn default() -> Self {
        Self::DEFAULT
    }
}

/// The tokens kept in the memory of this process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MemoryCache {
    /// `enabled`: without it each call asks the next tier or the issuer.
    pub enabled: bool,
    /// `max-entries`: one entry per issuer, client, audience and scope.
    pub max_entries: u32,
}

impl Default for MemoryCache {
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
pub struct TokenFeign {
    /// `enabled`: whether outgoing calls get tokens of this service at all. Callers are relayed all the same.
    pub enabled: bool,
    /// `skip-clients`: names of declared clients that never get a token, nobody's (third parties).
    pub skip_clients: Vec<String>,
}

impl Default for TokenFeign {
    fn default() -> Self {
        Self {
            enabled: true,
            skip_clients: Vec::new(),
        }
    }
}

impl InternalToken {
    /// `None` when the section is absent, switched off, or has a problem.
    pub(super) fn read(section: &Section<'_>) -> Option<Self> {
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
        let credential = TokenCredential::read(section);
        let clients = section.sections("clients");
        section::report_doubles(&clients, "name");
        let clients: Vec<_> = clients
            .into_iter()
            .map(|client| client.inheriting(section))
            .collect();
        // A call finds its credential by its audience, so a second one would never be used.
        section::report_doubles(&clients, "audience");
        let clients: Vec<_> = clients.iter().map(InternalTokenClient::read).collect();
        let memory_cache = MemoryCache::read(&section.section("memory-cache"));
        Some(Self {
            credential: credential?,
            clients: clients.into_iter().collect::<Option<_>>()?,
            memory_cache: memory_cache?,
        })
    }
}

impl InternalTokenClient {
    fn read(section: &Section<'_>) -> Option<Self> {
        let name = section.required("name", Section::service_name);
        let credential = TokenCredential::read(section);
        if !section.has("audience") {
            section.missing("audience", "is required, here or in the section above");
        }
        Some(Self {
            name: name?,
            credential: credential?,
        })
    }
}

impl TokenCredential {
    fn read(section: &Section<'_>) -> Option<Self> {
        let client_id = section.required("client-id", Section::name);
        let client_secret = section.required("client-secret", Section::secret);
        let token_url = section.required("token-url", Section::parsed);
        let scope = section.scope("scope");
        let audience = section.name("audience");
        let grant_type = section.choice("grant-type", GrantType::named);
        let issuer = section.name("issuer");
        let cache_life = CacheLife::read(section);
        let client_authentication = section.choice("client-authentication", |name| match name {
            "basic" => Some(ClientAuthentication::Basic),
            "post" => Some(ClientAuthentication::Post),
            _ => None,
        });
        let target_parameter = section.choice("target-parameter", |name| match name {
            "audience" => Some(TargetParameter::Audience),
            "resource" => Some(TargetParameter::Resource),
            _ => None,
        });
        Some(Self {
            client_id: client_id?,
            client_secret: client_secret?,
            token_url: token_url?,
            scope: scope?,
            audience,
            grant_type: grant_type?,
            issuer,
            cache_life: cache_life?,
            client_authentication: client_authentication?,
            target_parameter: target_parameter?,
        })
    }
}

impl CacheLife {
    fn read(section: &Section<'_>) -> Option<Self> {
        let expire = section.seconds("cache-expire-seconds");
        let refresh_ahead = section.seconds("refresh-ahead-seconds");
        let (expire, refresh_ahead) = (expire?, refresh_ahead?);
        let life = Self::new(expire, refresh_ahead);
        // The one of the two that was given here is the one to change.
        let is_expire_to_blame =
            section.has_own("cache-expire-seconds") && !section.has_own("refresh-ahead-seconds");
        if life.is_err() && is_expire_to_blame {
            let message = format!(
                "must be above refresh-ahead-seconds, which is {}",
                refresh_ahead.as_secs()
            );
            section.problem("cache-expire-seconds", message);
        } else if life.is_err() {
            let message = format!(
                "must be below cache-expire-seconds, which is {}",
                expire.as_secs()
            );
            section.problem("refresh-ahead-seconds", message);
        }
        life.ok()
    }
}

impl GrantType {
    pub(super) fn named(name: &str) -> Option<Self> {
        (name == Self::ClientCredentials.as_str()).then_some(Self::ClientCredentials)
    }
}

impl MemoryCache {
    fn read(section: &Section<'_>) -> Option<Self> {
        let enabled = section.flag("enabled");
        let max_entries = section.count("max-entries");
        Some(Self {
            enabled: enabled?,
            max_entries: max_entries?,
        })
    }
}

impl TokenFeign {
    /// From the section `internal-token`, be it switched off or not.
    pub(super) fn read(section: &Section<'_>) -> Option<Self> {
        if !section.is_given() {
            return Some(Self::default());
        }
        let section = section.section("feign");
        let enabled = section.flag("enabled");
        let skip_clients = section.texts("skip-clients", section::check_name);
        Some(Self {
            enabled: enabled?,
            skip_clients: skip_clients?,
        })
    }
}
