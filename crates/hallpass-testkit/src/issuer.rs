//! The real issuer on loopback.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use hallpass::BoxError;
use hallpass::clock::{Clock, SystemClock};
use hallpass::config::Secret;
use hallpass::token::Algorithm;
use hallpass_issuer::{AudienceSettings, ClientAuthentication, ClientSettings, IssuerSettings};
use hallpass_issuer::{
    Imported, IssuerServer, KeyState, NewRevocations, RevocationEnd, RevocationTarget,
    RunningIssuer, import_keys, key_report, revoke, taint_key,
};
use tempfile::TempDir;
use tokio::net::TcpListener;

/// An issuer with a store of its own, which can be stopped and started again at the same address.
///
/// Its first client is the one of the published example configuration: see [`TestIssuer::CLIENT_ID`].
#[derive(Debug)]
pub struct TestIssuer {
    settings: IssuerSettings,
    clock: Arc<dyn Clock>,
    running: Option<RunningIssuer>,
    issued_before: u64,
    /// The store; gone when this is dropped.
    _folder: TempDir,
}

impl TestIssuer {
    /// The first client.
    pub const CLIENT_ID: &str = "internal-service-client";
    /// Its secret.
    pub const CLIENT_SECRET: &str = "InternalSecret123!";
    /// Its one scope.
    pub const SCOPE: &str = "internal-service";
    /// The one service that it may call.
    pub const AUDIENCE: &str = "service-system";

    /// An issuer named `internal` with the first client, `ES256` keys, tokens that live 600 s, and the
    /// operating system's clock.
    ///
    /// # Errors
    /// When no port can be bound or the store cannot be written.
    pub async fn start() -> Result<Self, BoxError> {
        Self::builder().start().await
    }

    /// Settings first; see [`TestIssuerBuilder`].
    pub fn builder() -> TestIssuerBuilder {
        let settings = IssuerSettings {
            // A test does not wait for verifiers that may not have seen a new key yet.
            key_announce: Some(Duration::ZERO),
            ..IssuerSettings::default()
        };
        Self::of(settings).client(
            Self::CLIENT_ID,
            Self::CLIENT_SECRET,
            Self::SCOPE,
            Self::AUDIENCE,
        )
    }

    /// As these settings say, but for the address and the store, which are its own. None of the usual clients.
    pub fn of(settings: IssuerSettings) -> TestIssuerBuilder {
        TestIssuerBuilder {
            settings: Ok(settings),
            clock: Arc::new(SystemClock::new()),
            is_named_by_its_address: false,
        }
    }

    /// Where it listens, or listened before it was stopped.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.settings.listen
    }

    /// The token endpoint.
    #[must_use]
    pub fn token_url(&self) -> String {
        self.url("/oauth2/token")
    }

    /// The key set.
    #[must_use]
    pub fn jwks_url(&self) -> String {
        self.url("/oauth2/jwks")
    }

    /// `http://address` followed by `path`.
    #[must_use]
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address())
    }

    /// What it revokes from now on, until it stops; `None` when it has.
    #[must_use]
    pub fn new_revocations(&self) -> Option<NewRevocations> {
        self.running.as_ref().map(RunningIssuer::new_revocations)
    }

    /// Tokens issued since the first start.
    #[must_use]
    pub fn tokens_issued(&self) -> u64 {
        self.issued_before
            + self
                .running
                .as_ref()
                .map_or(0, RunningIssuer::tokens_issued)
    }

    /// Stops it; connections are refused from then on.
    ///
    /// # Errors
    /// When one of its tasks had ended by itself.
    pub async fn stop(&mut self) -> Result<(), BoxError> {
        if let Some(running) = self.running.take() {
            self.issued_before += running.tokens_issued();
            running.shutdown_within(Duration::from_secs(1)).await?;
        }
        Ok(())
    }

    /// Starts it again at the same address with the same store, stopping it first if need be.
    ///
    /// # Errors
    /// When the address was taken meanwhile or the store cannot be read.
    pub async fn restart(&mut self) -> Result<(), BoxError> {
        self.stop().await?;
        self.running = Some(IssuerServer::start(&self.settings, Arc::clone(&self.clock)).await?);
        Ok(())
    }

    /// Brings keys in (PEM, JWK or JWK set) and uses them at once, as `hallpass key import` and SIGHUP do.
    ///
    /// # Errors
    /// When the text holds no usable private key.
    pub async fn import_key(&self, text: &str) -> Result<Imported, BoxError> {
        let imported = import_keys(&self.settings, &self.clock, text).await?;
        if let Some(running) = &self.running {
            running.apply(&self.settings).await?;
        }
        Ok(imported)
    }

    /// A further client from now on, with space-separated scopes, for these audiences; one with this name is replaced.
    ///
    /// # Errors
    /// When a name is refused, or it has stopped.
    pub async fn add_client(
        &mut self,
        id: &str,
        secret: &str,
        scopes: &str,
        audiences: &[&str],
    ) -> Result<(), BoxError> {
        let mut added = client(id, secret, scopes, id)?;
        added.audiences = audiences
            .iter()
            .map(|it| it.parse())
            .collect::<Result<_, _>>()?;
        let clients = &mut self.settings.clients;
        clients.retain(|client| client.client_id != added.client_id);
        clients.push(added);
        let running = self.running.as_ref().ok_or("the issuer has stopped")?;
        running.apply(&self.settings).await?;
        Ok(())
    }

    /// Takes `target` back, as `hallpass revoke` does: a running issuer follows by itself.
    ///
    /// # Errors
    /// When it cannot be revoked.
    pub async fn revoke(&self, target: &RevocationTarget) -> Result<(), BoxError> {
        let end = RevocationEnd::default();
        revoke(&self.settings, &self.clock, target, end).await?;
        Ok(())
    }

    /// Withdraws the key that signs, as `hallpass key taint` does.
    ///
    /// # Errors
    /// When there is none, or the store cannot be written.
    pub async fn taint_signing_key(&self) -> Result<(), BoxError> {
        let report = key_report(&self.settings, &self.clock).await?;
        let mut keys = report.keys.iter();
        let signing = keys.find(|key| key.state == KeyState::Signing);
        let signing = signing.ok_or("no key signs")?;
        taint_key(&self.settings, &self.clock, &signing.key_id).await?;
        Ok(())
    }

    /// The key set as it is served; none while it is stopped.
    #[must_use]
    pub fn jwks(&self) -> Option<Vec<u8>> {
        self.running.as_ref().map(|running| running.jwks().to_vec())
    }
}

/// Settings of a [`TestIssuer`].
#[derive(Debug)]
#[must_use = "a builder does nothing until it is started"]
pub struct TestIssuerBuilder {
    /// What could not be read on the way is told at the start.
    settings: Result<IssuerSettings, BoxError>,
    clock: Arc<dyn Clock>,
    is_named_by_its_address: bool,
}

impl TestIssuerBuilder {
    /// A further client with space-separated scopes, for one audience.
    pub fn client(self, id: &str, secret: &str, scopes: &str, audience: &str) -> Self {
        let added = client(id, secret, scopes, audience);
        self.change(|settings| {
            settings.clients.push(added?);
            Ok(())
        })
    }

    /// The name in `iss`.
    pub fn name(self, name: &str) -> Self {
        let name = name.parse();
        self.change(|settings| {
            settings.name = name?;
            Ok(())
        })
    }

    /// Names it by its own address, as clients that ask for its metadata expect.
    pub fn named_by_its_address(mut self) -> Self {
        self.is_named_by_its_address = true;
        self
    }

    /// A service whose tokens look different from the usual ones.
    pub fn audience(self, audience: AudienceSettings) -> Self {
        self.change(|settings| {
            settings.audiences.push(audience);
            Ok(())
        })
    }

    /// How long tokens live.
    pub fn token_life(self, life: Duration) -> Self {
        self.change(|settings| {
            settings.token_life = life;
            Ok(())
        })
    }

    /// What keys are made for.
    pub fn algorithm(self, algorithm: Algorithm) -> Self {
        self.change(|settings| {
            settings.algorithm = algorithm;
            Ok(())
        })
    }

    /// A clock that the test drives.
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// Starts the issuer on a free port.
    ///
    /// # Errors
    /// As [`TestIssuer::start`], and what the settings could not take.
    pub async fn start(self) -> Result<TestIssuer, BoxError> {
        let Self {
            settings,
            clock,
            is_named_by_its_address,
        } = self;
        let mut settings = settings?;
        let folder = tempfile::tempdir()?;
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        settings.listen = listener.local_addr()?;
        if is_named_by_its_address {
            settings.name = format!("http://{}", settings.listen).parse()?;
        }
        settings.store = folder.path().join("issuer.db");
        let running = IssuerServer::start_on(listener, &settings, Arc::clone(&clock)).await?;
        let running = Some(running);
        Ok(TestIssuer {
            settings,
            clock,
            running,
            issued_before: 0,
            _folder: folder,
        })
    }

    /// Changes the settings, unless an earlier change has failed.
    fn change(mut self, change: impl FnOnce(&mut IssuerSettings) -> Result<(), BoxError>) -> Self {
        self.settings = self
            .settings
            .and_then(|mut settings| change(&mut settings).map(|()| settings));
        self
    }
}

fn client(
    id: &str,
    secret: &str,
    scopes: &str,
    audience: &str,
) -> Result<ClientSettings, BoxError> {
    let secret = ClientAuthentication::chosen_secret(Secret::new(secret));
    Ok(ClientSettings {
        scope: scopes.parse()?,
        audiences: vec![audience.parse()?],
        ..ClientSettings::new(id.parse()?, secret)
    })
}
