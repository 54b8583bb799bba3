//! Everything that a service reads of its configuration.

mod certificates;
#[cfg(any(feature = "feign", feature = "resource"))]
mod context;
mod discovery;
#[cfg(feature = "nacos")]
mod nacos;
mod plain_http;
mod service;

#[cfg(feature = "certificates")]
use hallpass_certificates::CertificateSettings;
use hallpass_client::{ClientAuthentication, ContextSettings, InternalTokenSettings};
use hallpass_config::{Configuration, Key, Section};
#[cfg(feature = "dns")]
use hallpass_dns::DnsSettings;
#[cfg(feature = "feign")]
use hallpass_feign::FeignSettings;
#[cfg(feature = "nacos")]
use hallpass_nacos::{DiscoverySettings as NacosDiscoverySettings, NacosSettings};
#[cfg(feature = "redis")]
use hallpass_redis::RedisTierSettings;
#[cfg(feature = "resource")]
use hallpass_resource::SecuritySettings;
#[cfg(feature = "resource")]
use hallpass_token::Audience;
use hallpass_upstream::{DiscoverySettings, EndpointUrl, TlsSettings, TransportSettings};

#[cfg(feature = "nacos")]
pub(crate) use nacos::{NacosStart, RuleDocument, SENTINEL_DOCUMENTS, UNREADABLE_RULES};
pub use service::ServiceSettings;

/// Sections that may stand in the same file for others: other programs, and what this one was built without.
const ELSEWHERE: [Key; 10] = [
    Key::elsewhere("authz"),
    Key::elsewhere("certificates"),
    Key::elsewhere("gateway"),
    Key::elsewhere("nacos"),
    Key::elsewhere("issuer"),
    Key::elsewhere("redis"),
    Key::elsewhere("security"),
    Key::elsewhere("sidecar"),
    Key::elsewhere("feign"),
    Key::elsewhere("telemetry"),
];

/// What people write here who come from Spring. The root is shared, so these are warnings.
const NOT_OURS: [Key; 4] = [
    Key::not_ours(
        "openfeign",
        "declared clients stand in `feign`: `feign.defaults`, `feign.clients.NAME`",
    ),
    Key::not_ours(
        "resilience4j",
        "write it at the root of the document, as Spring has it; our own keys are in `feign.defaults` and `feign.clients.NAME`",
    ),
    Key::not_ours(
        "circuitbreaker",
        "circuit breakers stand in `feign.defaults.breaker` and `feign.clients.NAME.breaker`",
    ),
    Key::not_ours(
        "cache-expire",
        "it is `internal-token.cache-expire-seconds`",
    ),
];

/// Everything below the prefix that a service reads, checked.
///
/// A service with sections of its own puts this beside them: see [`Configuration`].
///
/// ```
/// use hallpass::{Settings, config::Loader};
///
/// let yaml = "hallpass: { service: { name: order-service } }";
/// let loaded = Loader::new("hallpass").text("example", yaml).load::<Settings>()?;
/// let name = loaded.settings().service.name.as_ref();
/// assert_eq!(name.map(ToString::to_string).as_deref(), Some("order-service"));
///
/// let misspelt = Loader::new("hallpass").text("example", "hallpass: { servise: {} }");
/// let problems = misspelt.load::<Settings>().unwrap_err();
/// assert!(problems.to_string().contains("did you mean `service`?"));
/// # Ok::<(), hallpass::config::Problems>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// `service`: who this process is and where it listens.
    pub service: ServiceSettings,
    /// `internal-token`: the credentials of this service as a caller, and which outgoing calls get no token.
    pub internal_token: InternalTokenSettings,
    /// `context` and `trace`: what travels beside the identity. The other sections have a copy of it.
    pub context: ContextSettings,
    #[cfg(feature = "otlp")]
    /// `telemetry`: where spans go.
    pub telemetry: crate::otlp::TelemetrySettings,
    #[cfg(feature = "redis")]
    /// `redis`: the tier of the token cache that processes share.
    pub redis: RedisTierSettings,
    #[cfg(feature = "resource")]
    /// `security`: what this service demands of its own callers.
    pub security: SecuritySettings,
    #[cfg(feature = "feign")]
    /// `feign`: deadlines, retries and circuit breakers of outgoing calls.
    pub feign: FeignSettings,
    /// `discovery`: where the services live.
    pub discovery: DiscoverySettings,
    #[cfg(feature = "nacos")]
    /// `nacos`: the servers, and the documents that are configuration. What counts is read before those documents are; see
    /// [`Nacos::start`](crate::nacos::Nacos::start).
    pub nacos: NacosSettings,
    #[cfg(feature = "nacos")]
    /// `discovery.nacos`: services in Nacos, this one among them.
    pub discovery_nacos: NacosDiscoverySettings,
    #[cfg(feature = "dns")]
    /// `discovery.dns`: services in the domain name system.
    pub discovery_dns: DnsSettings,
    /// `tls`: how connections to others are protected.
    pub tls: TlsSettings,
    /// `transport`: the connections that all parts share.
    pub transport: TransportSettings,
    #[cfg(feature = "certificates")]
    /// `certificates`: the certificate that the service keeps good by itself, and that `service.tls` and `tls` use where they name none.
    pub certificates: Option<CertificateSettings>,
}

impl Settings {
    /// The files that the section `certificates` brings.
    #[cfg(feature = "certificates")]
    #[must_use]
    pub fn issued_files(&self) -> Option<hallpass_tls::IssuedFiles> {
        let certificates = self.certificates.as_ref()?;
        Some(certificates.files())
    }

    /// The same for a program that does one thing in the name of the service: it gets no certificate, and shows the one that the service
    /// keeps good where that is there.
    #[cfg(feature = "certificates")]
    #[must_use]
    pub fn beside_the_service(mut self) -> Self {
        let Some(certificates) = self.certificates.take() else {
            return self;
        };
        let issued = certificates.files().key_pair;
        if self.tls.client.key_pair.as_ref() == Some(&issued) && !issued.certificate_file.exists() {
            self.tls.client.key_pair = certificates.tls.key_pair;
        }
        // It listens nowhere.
        self.service.tls = None;
        self
    }
}

impl Configuration for Settings {
    fn keys() -> Vec<Key> {
        [
            &ServiceSettings::keys()[..],
            &InternalTokenSettings::keys(),
            &ContextSettings::keys(),
            #[cfg(feature = "otlp")]
            &crate::otlp::TelemetrySettings::keys(),
            #[cfg(feature = "redis")]
            &RedisTierSettings::keys(),
            #[cfg(feature = "resource")]
            &SecuritySettings::keys(),
            #[cfg(feature = "feign")]
            &FeignSettings::keys(),
            #[cfg(feature = "nacos")]
            &NacosSettings::keys(),
            &[discovery::KEY],
            &TlsSettings::keys(),
            &TransportSettings::keys(),
            #[cfg(feature = "certificates")]
            &[CertificateSettings::KEY],
            &ELSEWHERE,
            &NOT_OURS,
        ]
        .concat()
    }

    /// Reads all sections, in the order in which the effective tree shows them.
    fn read(root: &Section<'_>) -> Option<Self> {
        #[cfg(feature = "certificates")]
        let certificates = CertificateSettings::read(root);
        #[cfg(feature = "certificates")]
        let issued = certificates::files(certificates.as_ref());
        #[cfg(not(feature = "certificates"))]
        let issued = None;
        let service = ServiceSettings::read_or_issued(root, issued.as_ref());
        let internal_token = InternalTokenSettings::read(root);
        let context = ContextSettings::read(root);
        #[cfg(feature = "otlp")]
        let telemetry = crate::otlp::TelemetrySettings::read(root);
        #[cfg(feature = "redis")]
        let redis = RedisTierSettings::read(root);
        #[cfg(feature = "resource")]
        let name = service.as_ref().and_then(|it| it.name.as_deref());
        // What may name a service may be an audience: it is shorter and of fewer characters.
        #[cfg(feature = "resource")]
        let audience: Option<Audience> = name.and_then(|name| name.parse().ok());
        #[cfg(feature = "resource")]
        let security = SecuritySettings::read_for(root, audience.as_ref());
        #[cfg(feature = "feign")]
        let feign = FeignSettings::read(root);
        let listed = DiscoverySettings::read(root);
        #[cfg(feature = "nacos")]
        let (nacos, discovery_nacos) = nacos::read(root);
        #[cfg(feature = "dns")]
        let discovery_dns = discovery::read_dns(root);
        let tls = TlsSettings::read(root);
        #[cfg(feature = "certificates")]
        let certificates = certificates::by(certificates, tls.as_ref());
        let tls = tls.map(|tls| certificates::or_issued(tls, issued.as_ref()));
        let transport = TransportSettings::read(root);
        let settings = Self {
            service: service?,
            internal_token: internal_token?,
            #[cfg(feature = "otlp")]
            telemetry: telemetry?,
            #[cfg(feature = "redis")]
            redis: redis?,
            #[cfg(feature = "resource")]
            security: SecuritySettings {
                context: context.clone()?,
                ..security?
            },
            #[cfg(feature = "feign")]
            feign: FeignSettings {
                context: context.clone()?,
                ..feign?
            },
            discovery: listed?,
            #[cfg(feature = "nacos")]
            nacos: nacos?,
            #[cfg(feature = "nacos")]
            discovery_nacos: discovery_nacos?,
            #[cfg(feature = "dns")]
            discovery_dns: discovery_dns?,
            tls: tls?,
            transport: transport?,
            #[cfg(feature = "certificates")]
            certificates: certificates?,
            context: context?,
        };
        check(root, &settings);
        Some(settings)
    }
}

/// Says what is wrong with sections together.
fn check(root: &Section<'_>, settings: &Settings) {
    #[cfg(not(feature = "otlp"))]
    warn_of_telemetry(root);
    #[cfg(not(feature = "certificates"))]
    certificates::refuse(root);
    #[cfg(feature = "certificates")]
    if let Some(own) = &settings.certificates {
        certificates::check(root, own, settings.internal_token.token_service.as_ref());
    }
    #[cfg(feature = "feign")]
    check_credentials(root, settings);
    check_certificates(root, settings);
    #[cfg(feature = "resource")]
    context::check_security(root, &settings.context, &settings.security);
    #[cfg(feature = "feign")]
    context::check_feign(root, &settings.context, &settings.feign);
    if !settings.tls.dangerous_plain_http {
        plain_http::check(root, &settings.discovery, &endpoints(settings));
        #[cfg(feature = "dns")]
        discovery::warn_of_plain_http(root, &settings.discovery_dns);
    }
}

/// Else one finds out in the outage that no span was exported.
#[cfg(not(feature = "otlp"))]
fn warn_of_telemetry(root: &Section<'_>) {
    if root.property_below("telemetry.otlp.endpoint").is_some() {
        let message = "no spans are exported: this program was built without the feature `otlp` of `hallpass`";
        root.warn("telemetry.otlp", message);
    }
}

/// Says which clients ask for a credential that there is not.
#[cfg(feature = "feign")]
fn check_credentials(root: &Section<'_>, settings: &Settings) {
    let Some(known) = &settings.internal_token.feign.credentials else {
        return;
    };
    let feign = root.section("feign");
    let clients = feign.named("clients").into_iter().map(|(name, section)| {
        let client = settings.feign.clients.get(&name);
        (client.and_then(|it| it.credential.as_ref()), section)
    });
    let defaults = (
        settings.feign.defaults.credential.as_ref(),
        feign.section("defaults"),
    );
    for (credential, section) in std::iter::once(defaults).chain(clients) {
        let is_unknown = credential.is_some_and(|name| !known.contains_key(name));
        if is_unknown && section.has_own("credential") {
            section.problem(
                "credential",
                "is the name of no entry of internal-token.clients",
            );
        }
    }
}

/// Says which credentials are proven by a certificate that there is not.
fn check_certificates(root: &Section<'_>, settings: &Settings) {
    let Some(tokens) = &settings.internal_token.token_service else {
        return;
    };
    if settings.tls.client.key_pair.is_some() {
        return;
    }
    let section = root.section("internal-token");
    let clients = section.sections("clients");
    let further = tokens.clients.iter().map(|client| &client.credential);
    let first = std::iter::once((&tokens.credential, &section));
    for (credential, section) in first.chain(further.zip(&clients)) {
        let needs_one = credential.client_authentication == ClientAuthentication::Certificate;
        if needs_one && section.has_own("client-authentication") {
            let message = "needs tls.certificate-file: this service would show no certificate";
            section.problem("client-authentication", message);
        }
    }
}

/// Where secrets are sent to and keys come from.
fn endpoints(settings: &Settings) -> Vec<(&'static str, &EndpointUrl)> {
    let mut endpoints = Vec::new();
    if let Some(tokens) = &settings.internal_token.token_service {
        let further = tokens.clients.iter().map(|client| &client.credential);
        let all = std::iter::once(&tokens.credential).chain(further);
        endpoints.extend(all.map(|credential| ("token-url", &credential.token_url)));
    }
    #[cfg(feature = "resource")]
    for issuer in &settings.security.internal_jwt.issuers {
        if let hallpass_resource::JwksLocation::Url(url) = &issuer.jwks {
            endpoints.push(("jwks-url", url));
        }
    }
    endpoints
}
