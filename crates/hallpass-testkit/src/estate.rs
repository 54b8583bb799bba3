//! An issuer, an identity provider and one clock for the services under test.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::net::SocketAddr;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hallpass::clock::Clock;
use hallpass::config::Loader;
use hallpass::token::{Algorithm, SigningKey};
use hallpass::{BoxError, Hallpass, Settings};
use hallpass_clock::ManualClock;

use crate::identity_provider::TestIdentityProvider;
use crate::issuer::TestIssuer;
use crate::tokens::TokenBuilder;

/// A whole estate on loopback: the real issuer of internal tokens, an identity provider for users, and a clock that stands still until the
/// test moves it.
///
/// It has ready tokens, sound and broken ones, for any user and any service, and sets up a [`Hallpass`] for the service under test: one that
/// trusts both, with a client of its own at the issuer.
///
/// ```
/// use hallpass::resource::Rule;
/// use hallpass_testkit::{Broken, TestEstate};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), hallpass::BoxError> {
/// let mut estate = TestEstate::start().await?;
/// let hallpass = estate.service("order-service").build().await?;
/// let guard = hallpass.resource_server().route_any("/orders/**", Rule::Authenticated).build()?;
/// let alice = estate.token_of_user("alice").scope("orders:read").token()?;
/// let stale = estate.token_of_user("alice").broken(Broken::Expired)?;
/// // `guard` lets the first token in, and not the second.
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct TestEstate {
    issuer: TestIssuer,
    users: TestIdentityProvider,
    clock: Arc<ManualClock>,
    /// One of the issuer's own keys, so that tokens can be made that it would not issue.
    key: SigningKey,
}

impl TestEstate {
    /// The scope of the clients that [`service`](Self::service) makes, and of tokens of services unless they say otherwise.
    pub const SCOPE: &str = TestIssuer::SCOPE;
    /// The secret of those clients.
    pub const CLIENT_SECRET: &str = TestIssuer::CLIENT_SECRET;

    /// The issuer is named `internal`, the identity provider [`TestIdentityProvider::ISSUER`]; the clock shows
    /// 2026-01-01T00:00:00Z.
    ///
    /// # Errors
    /// When no port can be bound or the issuer's store cannot be written.
    pub async fn start() -> Result<Self, BoxError> {
        let clock = Arc::new(ManualClock::new());
        let issuer = TestIssuer::builder().clock(clock.clone()).start().await?;
        let key = SigningKey::generate(Algorithm::Es256)?;
        let body = STANDARD.encode(&*key.to_pkcs8()?);
        let pem = format!("-----BEGIN PRIVATE KEY-----\n{body}\n-----END PRIVATE KEY-----\n");
        issuer.import_key(&pem).await?;
        Ok(Self {
            issuer,
            users: TestIdentityProvider::start().await?,
            clock,
            key,
        })
    }

    /// The issuer: it can be stopped, and started again, and asked how many tokens it has issued.
    pub const fn issuer(&mut self) -> &mut TestIssuer {
        &mut self.issuer
    }

    /// The identity provider of the users.
    #[must_use]
    pub const fn users(&self) -> &TestIdentityProvider {
        &self.users
    }

    /// The time of all parts: nothing expires until [`ManualClock::advance`] is called.
    #[must_use]
    pub const fn clock(&self) -> &Arc<ManualClock> {
        &self.clock
    }

    /// A token as `user` has it after a login at the identity provider: for all services, with the scope `orders:read`, for an hour.
    pub fn token_of_user(&self, user: &str) -> TokenBuilder<'_> {
        let now = self.clock.now().into();
        TokenBuilder::of_user(self.users.key(), user, now)
    }

    /// A token of the issuer for a call of the service `caller` to the service `callee`, with [`SCOPE`](Self::SCOPE), for ten minutes.
    pub fn token_of_service(&self, caller: &str, callee: &str) -> TokenBuilder<'_> {
        let now = self.clock.now().into();
        TokenBuilder::of_service(&self.key, caller, callee, now)
    }

    /// A token of the issuer by which the service `actor` calls `callee` on behalf of `user` (RFC 8693), with the scope `orders:read`, for ten
    /// minutes.
    pub fn exchanged_token(&self, user: &str, actor: &str, callee: &str) -> TokenBuilder<'_> {
        let now = self.clock.now().into();
        TokenBuilder::exchanged(&self.key, (user, actor, callee), now)
    }

    /// Sets up the service under test.
    pub fn service<'a>(&'a mut self, name: &'a str) -> TestService<'a> {
        TestService {
            estate: self,
            name,
            callees: BTreeMap::new(),
            more: String::new(),
        }
    }
}

/// A service of a [`TestEstate`] that is being set up.
#[derive(Debug)]
#[must_use = "a service does nothing until it is built"]
pub struct TestService<'a> {
    estate: &'a mut TestEstate,
    name: &'a str,
    callees: BTreeMap<String, Vec<SocketAddr>>,
    more: String,
}

impl TestService<'_> {
    /// Another service that it calls, found at `address`; several addresses are several instances.
    pub fn calls(mut self, callee: &str, address: SocketAddr) -> Self {
        let instances = self.callees.entry(callee.to_owned()).or_default();
        instances.push(address);
        self
    }

    /// A further document of its configuration, as it would have it in a file; its keys win.
    pub fn with(mut self, yaml: &str) -> Self {
        yaml.clone_into(&mut self.more);
        self
    }

    /// Its settings alone.
    ///
    /// # Errors
    /// When a name or the further document is refused.
    pub fn settings(&self) -> Result<Settings, BoxError> {
        let loader = Loader::new("hallpass").text("estate", self.yaml()?);
        let loader = match self.more.is_empty() {
            true => loader,
            false => loader.text("test", self.more.clone()),
        };
        Ok(loader.load::<Settings>()?.into_settings())
    }

    /// Makes its client at the issuer, which may ask for tokens for what it [`calls`](Self::calls), and builds it.
    ///
    /// # Errors
    /// As [`settings`](Self::settings), and when the issuer has stopped.
    pub async fn build(self) -> Result<Hallpass, BoxError> {
        let settings = self.settings()?;
        let callees: Vec<&str> = self.callees.keys().map(String::as_str).collect();
        let issuer = &mut self.estate.issuer;
        issuer
            .add_client(
                self.name,
                TestEstate::CLIENT_SECRET,
                TestEstate::SCOPE,
                &callees,
            )
            .await?;
        let clock: Arc<dyn Clock> = self.estate.clock.clone();
        Ok(Hallpass::builder(&settings).clock(clock).build()?)
    }

    fn yaml(&self) -> Result<String, std::fmt::Error> {
        let (name, estate) = (self.name, &*self.estate);
        let mut yaml = format!(
            "hallpass:\n  service: {{ name: '{name}' }}\n  internal-token:\n    client-id: '{name}'\n    client-secret: '{secret}'\n    \
             scope: {scope}\n    token-url: {token_url}\n  security:\n    internal-jwt:\n      issuers:\n        \
             - {{ name: service-auth, issuer: internal, internal: true, jwks-url: '{keys}' }}\n        \
             - {{ name: users, issuer: '{users}', audience: {audience}, jwks-url: '{users_keys}' }}\n  discovery:\n    static:\n",
            secret = TestEstate::CLIENT_SECRET,
            scope = TestEstate::SCOPE,
            token_url = estate.issuer.token_url(),
            keys = estate.issuer.jwks_url(),
            users = TestIdentityProvider::ISSUER,
            audience = TestIdentityProvider::AUDIENCE,
            users_keys = estate.users.jwks_url(),
        );
        for (callee, instances) in &self.callees {
            let instances: Vec<String> = instances.iter().map(|it| format!("'{it}'")).collect();
            writeln!(yaml, "      '{callee}': [{}]", instances.join(", "))?;
        }
        if self.callees.is_empty() {
            yaml.truncate(yaml.find("  discovery:").unwrap_or(yaml.len()));
        }
        Ok(yaml)
    }
}
