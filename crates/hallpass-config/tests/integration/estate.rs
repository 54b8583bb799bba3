//! Sections of a small estate, so that the machine is tested with every kind of key and none of Hallpass's own readers.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use hallpass_config::{
    Configuration, Key, Kind, Secret, Section, check_name, report_doubles, strict_url,
};

const TEXT: Kind = Kind::Text { what: "" };
const TEXTS: Kind = Kind::Texts { what: "" };

const SERVICE: &[Key] = &[Key::new("name", TEXT, ""), Key::new("listen", TEXT, "")];
const TOKEN: &[Key] = &[
    Key::new("enabled", Kind::Flag, "").or("true"),
    CLIENT_ID,
    CLIENT_SECRET,
    CLIENT_SECRET_FILE,
    TOKEN_URL,
    SCOPE.or(""),
    AUDIENCE,
    GRANT_TYPE.or("client_credentials"),
    CACHE_EXPIRE.or("540"),
    Key::new("clients", Kind::Sections(TOKEN_CLIENT), "").told_apart_by("name"),
    Key::new("feign", Kind::Section(TOKEN_FEIGN), ""),
];
const TOKEN_CLIENT: &[Key] = &[
    Key::new("name", TEXT, ""),
    CLIENT_ID,
    CLIENT_SECRET,
    CLIENT_SECRET_FILE,
    TOKEN_URL,
    SCOPE,
    AUDIENCE,
    GRANT_TYPE,
    CACHE_EXPIRE,
];
const TOKEN_FEIGN: &[Key] = &[Key::new("skip-clients", TEXTS, "").or("")];
const CLIENT_ID: Key = Key::new("client-id", TEXT, "");
const CLIENT_SECRET: Key = Key::new("client-secret", Kind::Secret, "");
const CLIENT_SECRET_FILE: Key = Key::new("client-secret-file", Kind::File, "");
const TOKEN_URL: Key = Key::new("token-url", TEXT, "");
const SCOPE: Key = Key::new("scope", TEXT, "");
const AUDIENCE: Key = Key::new("audience", TEXT, "");
const GRANT_TYPE: Key = Key::new("grant-type", Kind::Choice(&["client_credentials"]), "");
const CACHE_EXPIRE: Key = Key::new("cache-expire-seconds", Kind::seconds(1, 86_400), "");
const SECURITY: &[Key] = &[
    Key::new("permit-all", Kind::Flag, "").or("false"),
    Key::new("internal-jwt", Kind::Section(INTERNAL_JWT), "").or_value_of("mode"),
];
const INTERNAL_JWT: &[Key] =
    &[Key::new("mode", Kind::Choice(&["off", "enforce"]), "").or("enforce")];
const FEIGN: &[Key] = &[
    Key::new("defaults", Kind::Section(FEIGN_CLIENT), ""),
    Key::new("clients", Kind::Named(FEIGN_CLIENT), ""),
];
const FEIGN_CLIENT: &[Key] = &[
    Key::new("deadline-ms", Kind::millis(1, 3_600_000), ""),
    Key::new("retry", Kind::Section(RETRY), ""),
    Key::new("breaker", Kind::Section(BREAKER), ""),
];
const RETRY: &[Key] = &[Key::new("max-attempts", Kind::count(1, 10), "").or("3")];
const BREAKER: &[Key] = &[
    Key::new("enabled", Kind::Flag, "").or("true"),
    Key::new("window", Kind::count(1, 10_000), "").or("100"),
    Key::new("open-ms", Kind::millis(1, 3_600_000), "").or("60000"),
];
const DISCOVERY: &[Key] = &[Key::new("static", Kind::NamedTexts { what: "" }, "")];
const ISSUER: &[Key] = &[
    Key::new("token-life-seconds", Kind::seconds(30, 86_400), "").or("600"),
    Key::new("clients", Kind::Sections(&[CLIENT_ID]), ""),
];

/// Every section, and every key at least once.
pub(crate) const EVERYTHING: &str = "\
hallpass:
  service: { name: order-service, listen: '127.0.0.1:8080' }
  internal-token:
    enabled: true
    client-id: internal-service-client
    client-secret: InternalSecret123!
    token-url: https://issuer.example/oauth2/token
    scope: internal-service orders.read
    audience: service-system
    grant-type: client_credentials
    cache-expire-seconds: 540
    clients:
      - { name: billing, audience: service-billing, client-id: billing-caller, scope: '' }
    feign: { skip-clients: [weather] }
  security:
    permit-all: false
    internal-jwt: { mode: off }
  feign:
    defaults: { deadline-ms: 2000, retry: { max-attempts: 2 }, breaker: { enabled: true, window: 50, open-ms: 5 } }
    clients:
      logistics-service: { deadline-ms: 800 }
  discovery:
    static:
      service-auth: ['127.0.0.1:9000', 'https://auth-2.example:9443']
  issuer:
    token-life-seconds: 300
    clients:
      - client-id: internal-service-client
";

#[derive(Debug)]
pub(crate) struct Settings {
    pub(crate) service: Service,
    pub(crate) internal_token: Option<Token>,
    pub(crate) token_feign: TokenFeign,
    pub(crate) feign: Feign,
    pub(crate) discovery: Discovery,
}

#[derive(Debug)]
pub(crate) struct Service {
    pub(crate) name: Option<String>,
    _listen: Option<SocketAddr>,
}

#[derive(Debug)]
pub(crate) struct Token {
    pub(crate) credential: Credential,
    pub(crate) clients: Vec<TokenClient>,
}

#[derive(Debug)]
pub(crate) struct TokenClient {
    pub(crate) name: String,
    pub(crate) credential: Credential,
}

#[derive(Debug)]
pub(crate) struct Credential {
    pub(crate) client_id: String,
    pub(crate) client_secret: Secret,
    pub(crate) token_url: String,
    pub(crate) scope: String,
    pub(crate) audience: Option<String>,
    pub(crate) cache_expire: Duration,
}

#[derive(Debug)]
pub(crate) struct TokenFeign {
    pub(crate) skip_clients: Vec<String>,
}

#[derive(Debug)]
pub(crate) struct Feign {
    pub(crate) defaults: FeignClient,
    clients: BTreeMap<String, FeignClient>,
}

#[derive(Debug)]
pub(crate) struct FeignClient {
    pub(crate) deadline: Option<Duration>,
    pub(crate) max_attempts: u32,
    pub(crate) has_breaker: bool,
    pub(crate) window: u32,
    _open: Duration,
}

#[derive(Debug)]
pub(crate) struct Discovery {
    pub(crate) instances: BTreeMap<String, Vec<String>>,
}

impl Configuration for Settings {
    fn keys() -> Vec<Key> {
        vec![
            Key::new("service", Kind::Section(SERVICE), ""),
            Key::new("internal-token", Kind::Section(TOKEN), ""),
            Key::new("security", Kind::Section(SECURITY), "").shared(),
            Key::new("feign", Kind::Section(FEIGN), ""),
            Key::new("discovery", Kind::Section(DISCOVERY), ""),
            Key::new("issuer", Kind::Section(ISSUER), ""),
        ]
    }

    fn read(root: &Section<'_>) -> Option<Self> {
        let service = root.section("service");
        let service = Service {
            name: service.service_name("name"),
            _listen: service.socket_address("listen"),
        };
        let token = root.section("internal-token");
        let internal_token = Token::read(&token);
        let skip_clients = token.section("feign").texts("skip-clients", check_name);
        let security = root.section("security");
        let permit_all = security.flag("permit-all");
        let internal_jwt = security.section("internal-jwt");
        let mode = internal_jwt.choice("mode", |name| (!name.is_empty()).then_some(()));
        let feign = Feign::read(&root.section("feign"));
        let discovery = root.section("discovery");
        let instances = discovery.named_texts("static", check_name);
        let issuer = root.section("issuer");
        let (life, _) = (
            issuer.seconds("token-life-seconds"),
            issuer.sections("clients"),
        );
        let (Some(_), Some(()), Some(_)) = (permit_all, mode, life) else {
            return None;
        };
        Some(Self {
            service,
            internal_token,
            token_feign: TokenFeign {
                skip_clients: skip_clients?,
            },
            feign: feign?,
            discovery: Discovery {
                instances: instances?,
            },
        })
    }
}

impl Token {
    fn read(section: &Section<'_>) -> Option<Self> {
        if !section.is_given() || section.flag("enabled") == Some(false) {
            return None;
        }
        let credential = Credential::read(section);
        let clients = section.sections("clients");
        report_doubles(&clients, "name");
        let clients: Vec<_> = clients
            .into_iter()
            .map(|client| TokenClient::read(&client.inheriting(section)))
            .collect();
        Some(Self {
            credential: credential?,
            clients: clients.into_iter().collect::<Option<_>>()?,
        })
    }
}

impl TokenClient {
    fn read(section: &Section<'_>) -> Option<Self> {
        let name = section.required("name", Section::service_name);
        let credential = Credential::read(section);
        Some(Self {
            name: name?,
            credential: credential?,
        })
    }
}

impl Credential {
    fn read(section: &Section<'_>) -> Option<Self> {
        let client_id = section.required("client-id", Section::name);
        let client_secret = section.required("client-secret", Section::secret);
        let token_url = section.required("token-url", |section, key| {
            section.checked(key, |text| match strict_url(text) {
                Some(url) if url.scheme() != "http" => Ok(text.to_owned()),
                Some(_) => Err("is plain http"),
                None => Err("is not a URL"),
            })
        });
        let scope = section.checked("scope", |text| Ok::<_, String>(text.to_owned()));
        let audience = section.name("audience");
        let grant_type = section.choice("grant-type", |name| {
            (name == "client_credentials").then_some(())
        });
        let cache_expire = section.seconds("cache-expire-seconds");
        grant_type?;
        Some(Self {
            client_id: client_id?,
            client_secret: client_secret?,
            token_url: token_url?,
            scope: scope?,
            audience,
            cache_expire: cache_expire?,
        })
    }
}

impl Feign {
    pub(crate) fn client(&self, name: &str) -> &FeignClient {
        self.clients.get(name).unwrap_or(&self.defaults)
    }

    fn read(section: &Section<'_>) -> Option<Self> {
        let base = section.section("defaults");
        let defaults = FeignClient::read(&base);
        let clients = section.named("clients").into_iter().map(|(name, client)| {
            FeignClient::read(&client.inheriting(&base)).map(|client| (name, client))
        });
        let clients: Vec<_> = clients.collect();
        Some(Self {
            defaults: defaults?,
            clients: clients.into_iter().collect::<Option<_>>()?,
        })
    }
}

impl FeignClient {
    fn read(section: &Section<'_>) -> Option<Self> {
        let deadline = section.millis("deadline-ms");
        let max_attempts = section.section("retry").count("max-attempts");
        let breaker = section.section("breaker");
        let has_breaker = breaker.flag("enabled");
        let (window, open) = (breaker.count("window"), breaker.millis("open-ms"));
        Some(Self {
            deadline,
            max_attempts: max_attempts?,
            has_breaker: has_breaker?,
            window: window?,
            _open: open?,
        })
    }
}
