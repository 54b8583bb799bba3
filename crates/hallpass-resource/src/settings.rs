//! `security`: what this service demands of its callers.

mod audit;
pub(crate) mod blacklist;
pub(crate) mod callers;
pub(crate) mod deadline;
pub(crate) mod denied;
pub(crate) mod dpop;
pub(crate) mod introspection;
mod jwks;
mod keys;
pub(crate) mod mesh;
mod read;
mod revocations;
mod route_keys;
pub(crate) mod routes;
mod spring;
pub(crate) mod streams;

use std::path::PathBuf;
use std::time::Duration;

use hallpass_client::ContextSettings;
use hallpass_config::{Configuration, Key, Kind, Percent, Section};
use hallpass_token::{Algorithms, Audience, DEFAULT_MAX_VERIFY_BYTES, Issuer, Scope};
use hallpass_upstream::EndpointUrl;
use url::Url;

use crate::audit::AuditLevel;
use crate::caller_mapping::CallerMapping;
use crate::path::EncodedCharacters;
use crate::policy::{Bound, Mode, PathPattern, RouteRule};
use blacklist::BlacklistSettings;
use deadline::DeadlineSettings;
use denied::DeniedSettings;
use dpop::DpopSettings;
use introspection::IntrospectionSettings;
use keys::KEYS;
use mesh::MeshSettings;
use streams::StreamSettings;

/// `security`: what this service demands of its callers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SecuritySettings {
    /// `permit-all`: lets every request through unverified. For development alone.
    ///
    /// A load refuses it beside a production signal.
    pub permit_all: bool,
    /// The name of the variable in the environment that says that this is production; it has no key of its own.
    pub production_signal: Option<String>,
    /// `max-token-bytes`: the longest token that is looked at.
    pub max_token_bytes: usize,
    /// `paths`: which paths are read.
    pub paths: PathSettings,
    /// `deadline`: what becomes of a request whose caller has stopped waiting.
    pub deadline: DeadlineSettings,
    /// `internal-jwt`: how tokens are verified.
    pub internal_jwt: InternalJwtSettings,
    /// What travels beside the identity: sections of their own (`context`, `trace`), which whoever reads this one puts here.
    pub context: ContextSettings,
}

impl Default for SecuritySettings {
    fn default() -> Self {
        Self {
            permit_all: false,
            production_signal: None,
            max_token_bytes: DEFAULT_MAX_VERIFY_BYTES,
            paths: PathSettings::default(),
            deadline: DeadlineSettings::default(),
            internal_jwt: InternalJwtSettings::default(),
            context: ContextSettings::default(),
        }
    }
}

/// Which paths are read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PathSettings {
    /// `allow-encoded`: what may stand in a path in percent encoding although other programs take it for structure.
    pub allow_encoded: EncodedCharacters,
}

/// Without the section `service`, so that tokens have to have an audience of their own here; see
/// [`SecuritySettings::read_for`].
impl Configuration for SecuritySettings {
    fn keys() -> Vec<Key> {
        vec![
            Key::new(
                "security",
                Kind::Section(KEYS),
                "What this service demands of its own callers.",
            )
            .shared(),
        ]
    }

    fn read(root: &Section<'_>) -> Option<Self> {
        Self::read_for(root, None)
    }
}

/// How tokens are verified, and what each route demands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InternalJwtSettings {
    /// `mode`: roll-out switch of the whole service.
    pub mode: Mode,
    /// `enforce-percent`: for how many of the callers `mode: enforce` counts.
    pub enforce_percent: Percent,
    /// `audience`: one of these must stand in the `aud` of tokens; by default `service.name`.
    pub audiences: Vec<Audience>,
    /// `leeway-seconds`: how far clocks may differ.
    pub leeway: Duration,
    /// `jwks-cooldown-seconds`: how long it takes until one more key fetch may be caused by an unknown `kid`.
    pub jwks_cooldown: Duration,
    /// `issuers`, or the one issuer of the short form.
    pub issuers: Vec<TrustedIssuerSettings>,
    /// `routes`: rules by path, in addition to those in code. The most specific pattern that fits decides.
    pub routes: Vec<RouteRule>,
    /// `internal-only`: paths that only services may call, in addition to `routes`.
    pub internal_only: InternalOnlySettings,
    /// `identity-headers`: what becomes of the headers that name the user.
    pub identity_headers: IdentityHeaders,
    /// `dangerous-keep-identity-headers`: leaves those headers as they came while a request passes for its mode.
    pub dangerous_keep_identity_headers: bool,
    /// `resource`: the address of this service as a protected resource (RFC 9728).
    pub resource: Option<Url>,
    /// `bound`: what every token must be bound to.
    pub bound: Bound,
    /// `audit`: which decisions become audit events.
    pub audit: AuditLevel,
    /// `audit-file`: the file that audit events are written into as well.
    pub audit_file: Option<PathBuf>,
    /// `dpop`: proofs of possession that come with bound tokens.
    pub dpop: DpopSettings,
    /// `streams-end-with-token` and `stream-grace-seconds`: what becomes of streams whose token has ended.
    pub streams: StreamSettings,
    /// `denied`: what is refused although its issuer vouches for it.
    pub denied: DeniedSettings,
    /// `blacklist`: the tokens that the estate lists in Redis as logged out; `None`: nobody looks.
    pub blacklist: Option<BlacklistSettings>,
    /// `mesh`: what the proxy of a mesh says of callers; `None`: it is not looked at.
    pub mesh: Option<MeshSettings>,
}

impl Default for InternalJwtSettings {
    fn default() -> Self {
        Self {
            mode: Mode::default(),
            enforce_percent: Percent::ALL,
            audiences: Vec::new(),
            leeway: Duration::from_secs(10),
            jwks_cooldown: Duration::from_secs(10),
            issuers: Vec::new(),
            routes: Vec::new(),
            internal_only: InternalOnlySettings::default(),
            identity_headers: IdentityHeaders::default(),
            dangerous_keep_identity_headers: false,
            resource: None,
            bound: Bound::No,
            audit: AuditLevel::default(),
            audit_file: None,
            dpop: DpopSettings::default(),
            streams: StreamSettings::default(),
            denied: DeniedSettings::default(),
            blacklist: None,
            mesh: None,
        }
    }
}

/// What becomes of `X-User-Id`, `X-Username` and `X-Authorities`, which other parts of an estate may trust.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum IdentityHeaders {
    /// `strip`: they are removed.
    #[default]
    Strip,
    /// `set`: they are removed, and written anew from the verified token.
    Set,
}

/// An issuer whose tokens are accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrustedIssuerSettings {
    /// `name`: unique in the list; logs and metrics name the issuer by it.
    pub name: String,
    /// `issuer`: the exact value of `iss`.
    pub issuer: Issuer,
    /// `audience`: one of these must stand in `aud`; by default that of `internal-jwt`.
    pub audiences: Vec<Audience>,
    /// `jwks-url` or `jwks-file`: where its public keys are.
    pub jwks: JwksLocation,
    /// `introspection`: where it is asked about its tokens, and about which.
    pub introspection: Option<IntrospectionSettings>,
    /// `revocations-url`: where its deny-list is followed; `None`: nowhere. By default beside the keys of an `internal` issuer
    /// when those are where ours has them.
    pub revocations: Option<EndpointUrl>,
    /// `algorithms`: signature algorithms accepted from it.
    pub algorithms: Algorithms,
    /// `internal`: whether its service tokens open internal-only routes.
    pub internal: bool,
    /// `preset`, `client-claims`, `service-when` and `user-when`: how its tokens say who calls.
    pub callers: CallerMapping,
    /// `dangerous-accept-untyped`: takes tokens whose `typ` is not `at+jwt` (RFC 9068 section 2.1), as Spring and
    /// Keycloak write them. An ID token of that issuer then passes as an access token if its audience fits.
    pub dangerous_accept_untyped: bool,
}

/// Where a JWK set is read from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum JwksLocation {
    /// Fetched over HTTP.
    Url(EndpointUrl),
    /// Read from a file.
    File(PathBuf),
    /// Nowhere: no key verifies a token of this issuer, which is asked about all of them.
    Nowhere,
}

/// Paths that only services may call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InternalOnlySettings {
    /// `paths`: patterns as in `routes`.
    pub paths: Vec<PathPattern>,
    /// `scope`: what a service's token must bear there.
    pub scope: Scope,
    /// `mode`: roll-out switch of these paths; by default that of `internal-jwt`.
    pub mode: Option<Mode>,
    /// `enforce-percent`: for how many of the callers that is enforced; by default that of `internal-jwt`.
    pub enforce_percent: Option<Percent>,
    /// `bound`: what a service's token must be bound to there.
    pub bound: Bound,
}

impl Default for InternalOnlySettings {
    fn default() -> Self {
        Self {
            paths: Vec::new(),
            // A constant that can be read; a test holds that it is what an absent section gives.
            scope: Scope::from_word("internal-service").unwrap_or_default(),
            mode: None,
            enforce_percent: None,
            bound: Bound::No,
        }
    }
}
