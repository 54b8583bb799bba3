//! Real servers on loopback, a network that misbehaves on demand and clocks that a test drives, for
//! tests of code that uses Hallpass.
//!
//! Nothing here is a mock: an issuer issues ([`TestIssuer`], [`TestIdentityProvider`]), a service serves
//! ([`TestServer`], [`Upstream`]), a proxy passes bytes or does not ([`FaultProxy`]). What a test may
//! steer is what the outside world steers: time ([`ManualClock`], [`TokioClock`]) and the network.
//!
//! To test a service of one's own begin with [`TestEstate`]: it has all of these, ready tokens for any user and service, and broken ones.
//!
//! Not for production: secrets are constants and keys are made anew for each start.
//!
//! ```
//! use std::sync::Arc;
//! use std::time::Duration;
//!
//! use hallpass_testkit::{Fault, FaultProxy, ManualClock, TestIssuer};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), hallpass::BoxError> {
//! let clock = Arc::new(ManualClock::new());
//! let issuer = TestIssuer::builder().clock(clock.clone()).start().await?;
//! let mut network = FaultProxy::start(issuer.address()).await?;
//! // ... a service gets its token through `network.address()` ...
//! network.set(Fault::BlackHole).await;
//! clock.advance(Duration::from_secs(600));
//! // ... and what does it do now?
//! # Ok(())
//! # }
//! ```

mod estate;
mod fault_proxy;
mod identity_provider;
mod issuer;
mod server;
mod tokens;
mod upstream;

pub use hallpass_clock::{ManualClock, TokioClock};

pub use estate::{TestEstate, TestService};
pub use fault_proxy::{Fault, FaultProxy};
pub use identity_provider::TestIdentityProvider;
pub use issuer::{TestIssuer, TestIssuerBuilder};
pub use server::TestServer;
pub use tokens::{Broken, TokenBuilder};
pub use upstream::{SeenRequest, Upstream};

/// The code of the page about calls is compiled here, where everything is that it names: serde, and other people's clients.
#[cfg(doctest)]
#[doc = include_str!("../../../docs/calls.md")]
struct DocsOfCalls;

/// So is that of the page about spans.
#[cfg(doctest)]
#[doc = include_str!("../../../docs/telemetry.md")]
struct DocsOfTelemetry;

/// And that of the page about tests, whose first test runs in `tests/e2e`.
#[cfg(doctest)]
#[doc = include_str!("../../../docs/testing.md")]
struct DocsOfTesting;
