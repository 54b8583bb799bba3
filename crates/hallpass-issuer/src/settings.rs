//! `issuer`: the authorization server.

use std::net::{Ipv4Addr, SocketAddr};
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};
use std::time::Duration;

use url::Url;

use hallpass_config::{Configuration, Key, Kind, Percent, Secret, Section, report_doubles};
use hallpass_tls::{ClientTlsSettings, ServerTlsSettings};
use hallpass_token::{Algorithm, ClientId, Issuer};
use hallpass_upstream::TrustSampled;

use crate::clients::registration::check_client_id;
use crate::settings::admin::AdminSettings;
use crate::settings::audience::AudienceSettings;
use crate::settings::audit::AuditSettings;
use crate::settings::ca::CaSettings;
use crate::settings::client::ClientSettings;
use crate::settings::database::DatabaseSettings;
use crate::settings::dpop::DpopSettings;
use crate::settings::exchange::Issuers;
use crate::settings::keys::KEYS;
use crate::settings::listener_tls::{read_tls, report_certificates, report_plain_urls};
use crate::settings::names::{check_base_url, check_issuer_name, signing_algorithm};
use crate::settings::sources::SourceSettings;
use crate::settings::trusted_issuer::{TrustedIssuerSettings, report_alike};
use crate::store::place::{Place, SealingKeys};

pub(crate) mod admin;
pub(crate) mod audience;
pub(crate) mod audit;
pub(crate) mod ca;
pub(crate) mod client;
pub(crate) mod client_certificates;
pub(crate) mod database;
pub(crate) mod dpop;
mod exchange;
mod keys;
pub(crate) mod listener_tls;
mod names;
pub(crate) mod profile;
pub(crate) mod sources;
pub(crate) mod stored_client;
pub(crate) mod trusted_issuer;

/// Verifiers keep a key set for some seconds even when they are told not to: ours for ten.
const MIN_USUAL_ANNOUNCE: Duration = Duration::from_secs(60);

/// `issuer`: the authorization server.
#[derive(Clone, Debug)]
pub struct IssuerSettings {
    /// `listen`: address and port to listen on.
    pub listen: SocketAddr,
    /// `management.listen`: address and port for health and metrics, which are then not on `listen`.
    pub management_listen: Option<SocketAddr>,
    /// `connections-per-address`: most connections open at once from one address.
    pub connections_per_address: u32,
    /// `proxy-protocol` and `forwarded`: whose word counts about where a connection, or a request, comes from.
    pub sources: SourceSettings,
    /// `drain-delay-seconds`: how long the program around the issuer goes on serving after
    /// [`RunningIssuer::begin_stopping`](crate::RunningIssuer::begin_stopping).
    pub drain_delay: Duration,
    /// `name`: the `iss` of its tokens.
    pub name: Issuer,
    /// `base-url`: the address clients reach it at, for the metadata document (RFC 8414). Without it the origin of
    /// `name` counts when that is a URL, else the listening address; the `Host` of a request is never trusted.
    pub base_url: Option<Url>,
    /// `tls`: what the listener shows and demands; plain HTTP without it.
    pub tls: Option<ServerTlsSettings>,
    /// `store`: file of the embedded database.
    pub store: PathBuf,
    /// `database`: a PostgreSQL that several issuers share, in place of `store`.
    pub database: Option<DatabaseSettings>,
    /// `key-encryption-key` or `key-encryption-key-file`: seals private keys in the store.
    pub key_encryption_key: Option<Secret>,
    /// `previous-key-encryption-key` or its file: what sealed the store before, taken when `key_encryption_key` does not
    /// open it.
    pub previous_key_encryption_key: Option<Secret>,
    /// `algorithm`: what new signing keys are made for.
    pub algorithm: Algorithm,
    /// `token-life-seconds`: life of a token unless its client says otherwise.
    pub token_life: Duration,
    /// `jwks-max-age-seconds`: how long verifiers may keep the public keys.
    pub jwks_max_age: Duration,
    /// `key-announce-seconds`: how long a key is published before it signs; by default `jwks_max_age`, a minute at least.
    pub key_announce: Option<Duration>,
    /// `key-rotation-seconds`: how long a key signs; `None`: until it is rotated by hand.
    pub key_rotation: Option<Duration>,
    /// `key-retention-seconds`: how long a key is published after it has signed last, at least.
    pub key_retention: Duration,
    /// `refresh-token-grace-seconds`: how long a used refresh token brings the same successor again.
    pub refresh_token_grace: Duration,
    /// `revocations-per-client-per-second`: how often one client may ask for a token to be revoked.
    pub revocations_per_client_per_second: NonZeroU32,
    /// `refresh-tokens-per-client`: most that count at once for one client.
    pub refresh_tokens_per_client: u32,
    /// `refresh-tokens-per-subject`: most of them for one subject that the client is not itself.
    pub refresh_tokens_per_subject: u32,
    /// `audiences`: services whose tokens look different. Of two entries for one service the first counts.
    pub audiences: Vec<AudienceSettings>,
    /// `clients`: who may ask for tokens.
    pub clients: Vec<ClientSettings>,
    /// `audit`: where audit events go, and how many are kept for questions.
    pub audit: AuditSettings,
    /// `dpop`: tokens that are bound to a key of their client.
    pub dpop: DpopSettings,
    /// `trusted-issuers`: other issuers that this one believes.
    pub trusted_issuers: Vec<TrustedIssuerSettings>,
    /// `client-keys-tls`: whom the connections to the public keys of clients trust, and what they show.
    pub client_keys_tls: ClientTlsSettings,
    /// `introspection-clients`: who may introspect tokens that are for other services.
    pub introspection_clients: Vec<ClientId>,
    /// `ca`: the certificate authority; none by default.
    pub ca: Option<CaSettings>,
    /// `admin`: the interface for administrators; none by default.
    pub admin: Option<AdminSettings>,
    /// `trace.sample-percent` of the whole configuration: how many of the traces that begin with a request to the issuer are exported. Whoever loads the
    /// configuration sets it; by default all.
    pub sampled: Percent,
    /// `trace.trust-sampled` of the whole configuration, set likewise: whose mark "sampled" counts as it came. Who gets a token, or may take one back or ask
    /// about one, has shown who it is.
    pub trust_sampled: TrustSampled,
}

const TWENTY: NonZeroU32 = NonZeroU32::MIN.saturating_add(19);

impl Default for IssuerSettings {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 9000)),
            management_listen: None,
            connections_per_address: 1_024,
            sources: SourceSettings::default(),
            drain_delay: Duration::from_secs(2),
            name: Issuer::internal(),
            base_url: None,
            tls: None,
            store: PathBuf::from("hallpass.db"),
            database: None,
            key_encryption_key: None,
            previous_key_encryption_key: None,
            algorithm: Algorithm::Es256,
            token_life: Duration::from_secs(600),
            jwks_max_age: Duration::from_secs(300),
            key_announce: None,
            key_rotation: Some(Duration::from_secs(90 * 24 * 60 * 60)),
            key_retention: Duration::from_secs(25 * 60 * 60),
            refresh_token_grace: Duration::from_secs(10),
            revocations_per_client_per_second: TWENTY,
            refresh_tokens_per_client: 1_000,
            refresh_tokens_per_subject: 100,
            audiences: Vec::new(),
            clients: Vec::new(),
            audit: AuditSettings::default(),
            dpop: DpopSettings::default(),
            trusted_issuers: Vec::new(),
            client_keys_tls: ClientTlsSettings::default(),
            introspection_clients: Vec::new(),
            ca: None,
            admin: None,
            sampled: Percent::ALL,
            trust_sampled: TrustSampled::default(),
        }
    }
}

/// An absent section is read as one without keys: all have defaults.
impl Configuration for IssuerSettings {
    fn keys() -> Vec<Key> {
        vec![Key::new(
            "issuer",
            Kind::Section(KEYS),
            "The authorization server: who may get which tokens. Read by `hallpass issuer` alone.",
        )]
    }

    fn read(root: &Section<'_>) -> Option<Self> {
        root.section("issuer").read_all(Self::read_section)
    }
}

impl IssuerSettings {
    /// The store is this file, whatever the configuration says.
    pub fn use_store_file(&mut self, file: &Path) {
        self.store = file.to_owned();
        self.database = None;
    }

    /// What the store is called where it is shown: its file, or its database without the user.
    #[must_use]
    pub fn store_name(&self) -> String {
        self.place().name()
    }

    /// Where the store is.
    pub(crate) fn place(&self) -> Place<'_> {
        match &self.database {
            Some(database) => Place::Postgres(database),
            None => Place::Sqlite(&self.store),
        }
    }

    /// What seals the store, and what did before.
    pub(crate) fn sealing_keys(&self) -> SealingKeys<'_> {
        SealingKeys {
            current: self.key_encryption_key.as_ref().map(Secret::expose),
            previous: self
                .previous_key_encryption_key
                .as_ref()
                .map(Secret::expose),
        }
    }

    /// How long a key is published before it signs.
    pub(crate) fn key_announce(&self) -> Duration {
        let usual = self.jwks_max_age.max(MIN_USUAL_ANNOUNCE);
        self.key_announce.unwrap_or(usual)
    }

    fn read_section(section: &Section<'_>) -> Option<Self> {
        let listen = section.socket_address("listen");
        let management_listen = section.section("management").socket_address("listen");
        let connections_per_address = section.count("connections-per-address");
        let sources = SourceSettings::read(section);
        let drain_delay = section.seconds("drain-delay-seconds");
        let name = section.checked("name", check_issuer_name);
        let base_url = section.checked("base-url", check_base_url);
        let tls = read_tls(section);
        report_plain_urls(section, tls.is_some(), name.as_ref(), base_url.as_ref());
        let store = section.file("store");
        let database = DatabaseSettings::read(section);
        let key_encryption_key = section.secret("key-encryption-key");
        report_beside_database(section);
        let previous_key_encryption_key = section.secret("previous-key-encryption-key");
        let algorithm = section.choice("algorithm", signing_algorithm);
        let lives = Self::read_lives(section);
        let audiences = section.sections("audiences");
        report_doubles(&audiences, "name");
        let audiences: Vec<_> = audiences.iter().map(AudienceSettings::read).collect();
        let trusted_issuers = read_trusted_issuers(section, name.as_ref());
        let issuers = Issuers {
            own: name.as_ref(),
            trusted: trusted_issuers.as_deref(),
        };
        let whole: Option<Vec<_>> = audiences.iter().cloned().collect();
        let signing = algorithm.zip(whole.as_deref());
        let (ca, admin) = (CaSettings::read(section), AdminSettings::read(section));
        let clients = read_clients(section, issuers, (tls.as_ref(), ca.as_ref()), signing);
        warn_of_slips(section, whole.as_deref(), clients.as_deref());
        let audit = AuditSettings::read(&section.section("audit"));
        let dpop = DpopSettings::read(&section.section("dpop"));
        let client_keys_tls = ClientTlsSettings::read(&section.section("client-keys-tls"));
        let introspection_clients = section.texts("introspection-clients", check_client_id);
        Some(Self {
            listen: listen?,
            management_listen,
            connections_per_address: connections_per_address?,
            sources: sources?,
            drain_delay: drain_delay?,
            name: name?,
            base_url,
            tls: tls?,
            store: store?,
            database: database?,
            key_encryption_key,
            previous_key_encryption_key,
            algorithm: algorithm?,
            audiences: audiences.into_iter().collect::<Option<_>>()?,
            clients: clients?,
            audit: audit?,
            dpop: dpop?,
            trusted_issuers: trusted_issuers?,
            client_keys_tls: client_keys_tls?,
            introspection_clients: introspection_clients?,
            ca: ca?,
            admin: admin?,
            ..lives?
        })
    }

    /// How long tokens and keys live, and how many there may be; nothing else of it is read.
    fn read_lives(section: &Section<'_>) -> Option<Self> {
        let token_life = section.seconds("token-life-seconds");
        let jwks_max_age = section.seconds("jwks-max-age-seconds");
        let key_announce = section.seconds("key-announce-seconds");
        let key_rotation = section.seconds("key-rotation-seconds");
        let key_retention = section.seconds("key-retention-seconds");
        let refresh_token_grace = section.seconds("refresh-token-grace-seconds");
        let most_revocations = section.count("revocations-per-client-per-second");
        let refresh_tokens_per_client = section.count("refresh-tokens-per-client");
        let refresh_tokens_per_subject = section.count("refresh-tokens-per-subject");
        Some(Self {
            token_life: token_life?,
            jwks_max_age: jwks_max_age?,
            key_announce,
            key_rotation: key_rotation.filter(|life| !life.is_zero()),
            key_retention: key_retention?,
            refresh_token_grace: refresh_token_grace?,
            revocations_per_client_per_second: most_revocations.and_then(NonZeroU32::new)?,
            refresh_tokens_per_client: refresh_tokens_per_client?,
            refresh_tokens_per_subject: refresh_tokens_per_subject?,
            ..Self::default()
        })
    }
}

/// What cannot stand beside a database, and what must.
fn report_beside_database(section: &Section<'_>) {
    if !section.section("database").is_given() {
        return;
    }
    if section.has("store") {
        let message = "has no effect beside `database`: leave it out (`hallpass store backup` and `restore` move a store)";
        section.problem("store", message);
    }
    let key = "key-encryption-key";
    if !section.has(key) && !section.has("key-encryption-key-file") {
        let message = "is required with `database`, and the same for all who share it: create one with `openssl rand -base64 32`";
        section.missing(key, message);
    }
}

/// `tls` is what the listener shows and demands, `ca` the certificate authority, and `signing` what tokens are signed with, when those can be read.
fn read_clients(
    section: &Section<'_>,
    issuers: Issuers<'_>,
    (tls, ca): (
        Option<&Option<ServerTlsSettings>>,
        Option<&Option<CaSettings>>,
    ),
    signing: Option<(Algorithm, &[AudienceSettings])>,
) -> Option<Vec<ClientSettings>> {
    let sections = section.sections("clients");
    report_doubles(&sections, "client-id");
    let read = sections
        .iter()
        .map(|client| ClientSettings::read(client, issuers));
    let read: Vec<_> = read.collect();
    if let Some(tls) = tls {
        report_certificates(tls.as_ref(), &sections, &read);
    }
    if let Some(ca) = ca {
        client_certificates::report(ca.as_ref(), &sections, &read);
    }
    for (section, client) in sections.iter().zip(&read) {
        if let (Some(client), Some((algorithm, audiences))) = (client, signing) {
            for (key, message) in profile::problems(client, algorithm, audiences) {
                section.problem(key, message);
            }
        }
    }
    read.into_iter().collect()
}

/// A service that a client may call, and that nobody describes, is often one that somebody does describe, written otherwise: its tokens
/// would be refused by it.
fn warn_of_slips(
    section: &Section<'_>,
    audiences: Option<&[AudienceSettings]>,
    clients: Option<&[ClientSettings]>,
) {
    let described = audiences.into_iter().flatten().map(|it| it.name.as_str());
    let registered = clients.into_iter().flatten();
    let registered = registered.map(|it| it.client_id.as_str());
    let known: Vec<_> = described.chain(registered).collect();
    let what = "the name of no client and of no entry of `audiences`";
    for client in section.sections("clients") {
        client.warn_of_slips("audiences", what, &known);
        for call in client.sections("calls") {
            call.warn_of_slips("audience", what, &known);
        }
        for rule in client.sections("exchange") {
            rule.warn_of_slips("targets", what, &known);
        }
    }
}

fn read_trusted_issuers(
    section: &Section<'_>,
    own: Option<&Issuer>,
) -> Option<Vec<TrustedIssuerSettings>> {
    let sections = section.sections("trusted-issuers");
    report_doubles(&sections, "name");
    let read = sections
        .iter()
        .map(|section| TrustedIssuerSettings::read(section, own));
    let read: Vec<_> = read.collect();
    report_alike(&sections, &read);
    read.into_iter().collect()
}
